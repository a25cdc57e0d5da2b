"""How long the first lesson takes, and where the time goes."""

# ruff: noqa: I001
import os
import statistics
import subprocess
import sys
import threading
import time

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
from timing import seconds

from reslab import explorers
from reslab.experiments.degradation import by_depth

BUSY = "while True: pass"


def test_the_whole_figure(report):
    taken = [seconds(lambda: by_depth(progress=False)) for _ in range(3)]
    report(
        f"the degradation figure, 8 nets of 6 epochs: {statistics.median(taken):.1f} s ({min(taken):.1f} to"
        f" {max(taken):.1f})"
    )


def test_the_first_live_curve(report):
    explorer = explorers.Degradation("plain-56")
    explorer._previews.join()
    began = time.perf_counter()
    explorer.start.click()
    while not explorer.curves.figure.data or len(explorer.curves.figure.data[0].y) < 2:
        time.sleep(0.001)
    first = time.perf_counter() - began
    answers = []
    for _ in range(10):
        time.sleep(0.3)
        answers.append(seconds(explorer.pause.click))
    explorer.worker.stop()
    explorer.worker.join()
    report(
        f"explorer, plain-56: the curve begins {first:.2f} s after Start; pressing Pause takes {1e3 * max(answers):.0f}"
        " ms at most"
    )
    assert threading.active_count() < 10


def test_the_cost_of_importing(report):
    def fresh(statement):
        return seconds(subprocess.run, [sys.executable, "-c", statement])

    statements = ("import torch", "import reslab", "import reslab.nets, reslab.capture, reslab.train")
    rounds = [[fresh(statement) for statement in statements] for _ in range(5)]
    alone, package, everything = (statistics.median(column) for column in zip(*rounds, strict=True))
    report(f"import torch: {alone:.2f} s")
    report(
        f"import reslab: {package / alone:.2f} times that; nets, capture and training with it: {everything / alone:.2f}"
        " times"
    )


@pytest.mark.parametrize("policy", ["PASSIVE", "ACTIVE"])
def test_beside_busy_processes(split, report, policy):
    """Steps beside one process a core that never rests, in a fresh interpreter: the policy must be set before torch is
    imported."""
    code = (
        "import time, statistics, reslab; from reslab.train import train; from reslab import NetSpec, TrainSpec, build,"
        " digits\nsplit = digits(); net = build(NetSpec(depth=56, width=8, **split.shape)); times = []; last ="
        " time.perf_counter()\nfor event in train(net, split, TrainSpec(epochs=2, test_every=100)):\n    now ="
        " time.perf_counter(); times.append(now - last); last = now\nprint(statistics.median(times))"
    )
    environment = os.environ | {"OMP_WAIT_POLICY": policy}

    def step():
        return float(
            subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
            ).stdout
        )

    idle = step()
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count())]
    try:
        busy = step()
    finally:
        for other in others:
            other.kill()
            other.wait()
    report(
        f"busy processes, waiting {policy}: a resnet-56 step takes {busy / idle:.1f} times as long ({1e3 * busy:.0f}"
        " ms); 2 is fair"
    )
