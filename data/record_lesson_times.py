"""Record how long the lessons take, in steps of resnet-56: `python data/record_lesson_times.py`.

It writes data/lesson_times.csv. Each notebook is run from top to bottom; a step is measured before and after, so that
other work on the machine counts for both. Core: the cells before "# Further". With numbers of lessons behind it, such
as 02 05, it does only those.
"""

import csv
import sys
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from reslab.cli.lesson_times import step_seconds
from reslab.lessons import lessons
from reslab.runs import Provenance

FILE = Path(__file__).parent / "lesson_times.csv"


def main(numbers):
    rows = {}
    if FILE.exists():
        with FILE.open(encoding="utf-8", newline="") as file:
            rows = {row["lesson"]: row for row in csv.DictReader(file)}
    for lesson in lessons():
        if not numbers or lesson.number in numbers:
            before, (core, every), after = step_seconds(), seconds_of(lesson.path), step_seconds()
            step, where = (before + after) / 2, Provenance.here()
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
    began = datetime.now().astimezone()
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()
    titles = [cell.source.splitlines()[0] if cell.source else "" for cell in notebook.cells]
    further = titles.index("# Further") if "# Further" in titles else len(titles)

    def until(place):
        codes = [cell for cell in notebook.cells[:place] if cell.cell_type == "code"]
        return (datetime.fromisoformat(codes[-1].metadata.execution["shell.execute_reply"]) - began).total_seconds()

    return until(further), until(len(notebook.cells))


if __name__ == "__main__":
    main(sys.argv[1:])
