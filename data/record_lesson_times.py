"""Record how long the lessons take, in steps of resnet-56: `python data/record_lesson_times.py`.

It writes data/lesson_times.csv. Each notebook is run from top to bottom. Both the lesson and the step are measured in
seconds of the processor, with one thread, so that other programs on the machine do not count. Core: the cells before
"# Further". With numbers of lessons behind it, such as 02 05, it does only those.
"""

import csv
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in the kernels
from reslab.cli.lesson_times import step_seconds
from reslab.lessons import lessons
from reslab.runs import Provenance

FILE = Path(__file__).parent / "lesson_times.csv"
# Of the kernel, and of the processes that it started and that have ended.
USED = """
import resource
print(sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


def main(numbers):
    where, rows = Provenance.here().committed(), {}
    if FILE.exists():
        with FILE.open(encoding="utf-8", newline="") as file:
            rows = {row["lesson"]: row for row in csv.DictReader(file)}
    for lesson in lessons():
        if not numbers or lesson.number in numbers:
            step, (core, every) = step_seconds(time.process_time), seconds_of(lesson.path)
            rows[lesson.number] = {
                "lesson": lesson.number, "core_steps": f"{core / step:.0f}", "all_steps": f"{every / step:.0f}",
                "step_seconds": f"{step:.3f}", "machine": where.machine, "torch": where.torch, "commit": where.commit,
                "date": where.date,
            }  # fmt: skip
            print(rows[lesson.number], flush=True)
            with FILE.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[lesson.number], lineterminator="\n")
                writer.writeheader()
                writer.writerows(row for _, row in sorted(rows.items()))


def seconds_of(path):
    """(seconds of the core, seconds of all) of a notebook, the start of its kernel counted in."""
    notebook = nbformat.read(path, as_version=4)
    titles = [cell.source.splitlines()[0] if cell.source else "" for cell in notebook.cells]
    further = titles.index("# Further") if "# Further" in titles else len(titles)
    watched = [nbformat.v4.new_code_cell(USED) for _ in range(2)]
    notebook.cells = [*notebook.cells[:further], watched[0], *notebook.cells[further:], watched[1]]
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()
    return tuple(float(cell.outputs[0].text) for cell in watched)


if __name__ == "__main__":
    main(sys.argv[1:])
