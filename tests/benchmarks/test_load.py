"""Many at once: a hundred kills during recordings, and the kernels of a class on one machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
from jupyter_client.manager import start_new_kernel
from test_kill import KILLER, nothing_is_lost

LESSON = Path(__file__).parents[2] / "notebooks" / "01_degradation.ipynb"
IMPORTS = "import torch, plotly.graph_objects, ipywidgets; torch.ones(1) + 1; plotly.graph_objects.FigureWidget()"
KERNELS = (1, 4)  # two cores bear no more in minutes


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
    """The first experiment of lesson 01 in several kernels at once, with one thread each."""
    cells = [cell.source for cell in nbformat.read(LESSON, 4).cells if cell.cell_type == "code"]
    (bare,) = measured(1, [IMPORTS])[1]
    report(f"a kernel with torch and one plotly chart: {bare:.0f} MB")
    for count in KERNELS:
        seconds, sizes = measured(count, [*cells[:3], "question.measured"])
        report(
            f"{count} kernels, first experiment of lesson 01: {seconds:.0f} s, the largest {max(sizes):.0f} MB, "
            f"{max(sizes) / bare:.2f} times the bare one (1.3 is the goal); "
            f"{psutil.virtual_memory().available / 1e9:.1f} GB free beside them"
        )


def measured(count, cells):
    """(seconds until all kernels have run the cells, MB of each: its own, and its share of what is shared)."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    kernels = [start_new_kernel(env=environment, cwd=str(LESSON.parent)) for _ in range(count)]
    try:
        began = time.monotonic()
        asked = [(client, client.execute(cell)) for cell in cells for _, client in kernels]
        for client, message in asked:
            while (reply := client.get_shell_msg(timeout=900))["parent_header"].get("msg_id") != message:
                pass
            assert reply["content"]["status"] == "ok", reply["content"]
        seconds = time.monotonic() - began
        sizes = [psutil.Process(manager.provisioner.pid).memory_full_info().pss / 1e6 for manager, _ in kernels]
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return seconds, sizes
