"""From a toggle to the figure that answers it, against the bare pass forward and back of the same net and batch, in the
same run."""

# ruff: noqa: I001
import statistics
import time

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import torch.nn.functional as F
import pytest
from timing import seconds

from reslab import build, explorers
from reslab.train.device import settings

SEEDS = range(1, 16)


@pytest.fixture
def waiting(monkeypatch):
    """Takes an explorer, a setting of its controls, and returns the seconds until its left-hand chart is drawn."""

    def wait(explorer, chart, seed):
        drawn = []
        show = chart.show

        def shown(figure):
            show(figure)
            drawn.append(time.perf_counter())

        monkeypatch.setattr(chart, "show", shown)
        began = time.perf_counter()
        explorer.seed.value = seed
        while not drawn:
            time.sleep(0.0005)
        explorer.join()
        monkeypatch.setattr(chart, "show", show)
        return drawn[0] - began

    return wait


@pytest.mark.parametrize("kind", [explorers.GradientFlow, explorers.Activations])
def test_a_toggle_of_resnet_56(split, report, waiting, kind):
    explorer = kind("resnet-56", split=split)
    explorer.join()
    net = build(explorer.setting.net(**split.shape))
    x, y = split.batch(slice(128), "train")

    def bare():
        F.cross_entropy(net(x), y).backward()

    alone, first, again = [], [], []
    for seed in SEEDS:
        with settings(threads=1):
            alone.append(seconds(bare))
        first.append(waiting(explorer, explorer.profile, seed))
    for seed in SEEDS:
        again.append(waiting(explorer, explorer.profile, seed))
    goal = 1.2 * statistics.median(alone) + 0.05
    new, seen = (1e3 * statistics.median(times) for times in (first, again))
    report(
        f"explorers.{kind.__name__}, from a toggle to its chart, resnet-56: {new:.0f} ms (bare pass"
        f" {1e3 * statistics.median(alone):.0f} ms; goal {1e3 * goal:.0f}); one seen before {seen:.0f} ms (goal 100)"
    )
