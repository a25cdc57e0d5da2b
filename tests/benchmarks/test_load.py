"""Many at once: a hundred kills during recordings, and the kernels of a class on one machine."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import start_new_kernel
from test_kill import KILLER, nothing_is_lost

LESSON = Path(__file__).parents[2] / "notebooks" / "01_degradation.ipynb"
IMPORTS = "import torch, plotly.graph_objects, ipywidgets; torch.ones(1) + 1; plotly.graph_objects.FigureWidget()"
CLASS = (1, 2, 4, 8, 15, 30)  # kernels at work at once, each time with those of before among them
MINUTES = 20  # no larger group is begun that would take longer than what is left of them


def test_a_hundred_kills_lose_nothing_but_an_interval(report, tmp_path):
    results, trainings, began = [], 0, time.monotonic()
    while sum(result["kills"] for result in results) < 100:
        folder = tmp_path / str(trainings)
        done = subprocess.run(
            [sys.executable, "-c", KILLER, str(folder), "20"], capture_output=True, text=True, timeout=1200, check=True
        )
        results += map(json.loads, done.stdout.splitlines())
        trainings += 20
    nothing_is_lost(results)
    lost = [events for result in results for events in result["lost"]]
    report(
        f"{sum(result['kills'] for result in results)} kills during {trainings} trainings, "
        f"{time.monotonic() - began:.0f} s: {sum(lost)} events lost, at most {max(lost)} at a kill"
    )


def test_the_kernels_of_a_class_on_one_machine(report):
    """The first experiment of lesson 01 in more and more kernels at once, one thread each, until something breaks."""
    cells = [cell.source for cell in nbformat.read(LESSON, 4).cells if cell.cell_type == "code"]
    end = time.monotonic() + 60 * MINUTES
    with opened() as kernels:
        join(kernels, [IMPORTS], 1)
        (bare,) = sizes(kernels)
    report(f"a kernel with torch and one plotly chart: {bare:.0f} MB")
    with opened() as kernels:
        seconds = 0
        for count in CLASS:
            time_left, needed = (end - time.monotonic()) / 60, seconds / 60 * count / max(len(kernels), 1)
            if needed > time_left:
                report(f"{count} kernels: not tried; they need about {needed:.0f} min, and {time_left:.0f} are left")
                break
            free = psutil.virtual_memory().available / 1e6
            wanted = (count - len(kernels)) * max(sizes(kernels), default=0)
            if wanted > free:
                report(f"{count} kernels: not tried; they need {wanted:.0f} MB more, and {free:.0f} are free")
                break
            join(kernels, cells[:1], count - len(kernels))
            seconds, answer = all_measure(kernels, cells[1])
            largest = max(sizes(kernels))
            report(
                f"{count} kernels, first experiment of lesson 01 in all at once: {seconds:.0f} s, "
                f"meanwhile a kernel answers within {answer:.1f} s; the largest {largest:.0f} MB, {largest / bare:.2f} "
                f"times the bare one (1.3 is the goal), all {sum(sizes(kernels)) / 1e3:.1f} GB; "
                f"{psutil.virtual_memory().available / 1e9:.1f} GB free beside them"
            )


@contextmanager
def opened():
    """A list for kernels; those in it are shut down at the end of the `with` block."""
    kernels = []
    try:
        yield kernels
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def join(kernels, cells, count):
    """Start `count` more kernels, and run the cells in them, all at once."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    more = [start_new_kernel(startup_timeout=300, env=environment, cwd=str(LESSON.parent)) for _ in range(count)]
    kernels += more
    for cell in cells:
        run(more, cell)


def all_measure(kernels, question):
    """Run the question's cell in all kernels, and skip the question, which trains eight nets in each.

    → (seconds until all have measured, the longest time in seconds that a kernel took to run an empty cell meanwhile).
    """
    began = time.monotonic()
    run(kernels, f"{question}\nquestion.skip.click()")
    asked = time.monotonic()
    run(kernels, "")
    answer = time.monotonic() - asked
    run(kernels, f"assert question.join({60 * MINUTES}) and len(question.measured)")
    return time.monotonic() - began, answer


def run(kernels, cell):
    """Run a cell in all kernels, and wait for the last; an error in one is raised here."""
    for client, message in [(client, client.execute(cell)) for _, client in kernels]:
        while (reply := client.get_shell_msg(timeout=60 * MINUTES))["parent_header"].get("msg_id") != message:
            pass
        assert reply["content"]["status"] == "ok", reply["content"]


def sizes(kernels):
    """MB of each: its own, and its share of what is shared."""
    return [psutil.Process(manager.provisioner.pid).memory_full_info().pss / 1e6 for manager, _ in kernels]
