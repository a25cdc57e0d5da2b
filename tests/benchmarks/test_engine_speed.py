"""A training step against the loop of every tutorial, two nets at once, and which of PyTorch's ways to be faster pay on
this machine."""

# ruff: noqa: I001
import os
import statistics
import subprocess
import sys

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import numpy as np
import pytest
from timing import ours, ratio, seconds, textbook
from torch.utils.data import DataLoader, TensorDataset

from reslab import NetSpec, TrainSpec, build
from reslab.datasets import from_arrays
from reslab.sweep import sweep

REPEATS = 5


def tutorial(net, split, steps, threads=None):
    """The textbook loop on a split: a DataLoader of normalised tensors."""
    x, y = split.batch(slice(None), "train")
    return textbook(
        net, DataLoader(TensorDataset(x, y), batch_size=128, shuffle=True, drop_last=True), steps, threads=threads
    )


@pytest.fixture(scope="module")
def photos():
    """As many random images, of CIFAR's size."""
    generator = np.random.default_rng(0)
    return from_arrays(generator.integers(0, 256, (1797, 3, 32, 32), dtype=np.uint8), np.arange(1797) % 10, test=397)


@pytest.mark.parametrize("threads", [1, os.cpu_count()])
@pytest.mark.parametrize(("depth", "rounds"), [(8, 60), (20, 40), (56, 20)])
def test_a_training_step_against_the_textbook_loop(split, depth, rounds, threads, report):
    spec = NetSpec(depth=depth, width=8, **split.shape)
    against(spec, split, rounds, threads, report)


def test_a_training_step_on_larger_images_against_the_textbook_loop(photos, report):
    against(NetSpec(depth=20, **photos.shape), photos, 5, os.cpu_count(), report)


def against(spec, split, rounds, threads, report):
    steps = rounds + 5
    each = [
        ratio(tutorial(build(spec), split, steps, threads), ours(build(spec), split, steps), rounds)
        for _ in range(REPEATS)
    ]
    faster, a, b = (statistics.median(column) for column in zip(*each, strict=True))
    spread = f"{min(r[0] for r in each):.2f} to {max(r[0] for r in each):.2f} in {REPEATS} repeats"
    size = f"{spec.name}, width {spec.width}, {spec.image_size} × {spec.image_size}"
    report(
        f"step, {size}: textbook with {threads} threads {a:.1f} ms, ours {b:.1f} ms: ours {faster:.2f} times as fast"
        f" ({spread})"
    )


def test_two_nets_at_once_against_the_textbook_loop(split, report):
    """What the figure does: as many nets at a time as there are cores."""
    spec, cores = NetSpec(depth=56, width=8, **split.shape), os.cpu_count()
    quotients = []
    for _ in range(REPEATS):
        one = seconds(list, tutorial(build(spec), split, 20))
        how = TrainSpec(epochs=2, test_every=10_000)
        many = seconds(list, sweep([spec], split, how, seeds=range(cores), progress=False)) / cores
        quotients.append(one / many)
    times = f"{statistics.median(quotients):.2f} ({min(quotients):.2f} to {max(quotients):.2f})"
    report(f"20 steps of resnet-56, {cores} nets at once: {times} times the textbook loop's images a second")


@pytest.mark.parametrize("how", [{"precision": "bf16"}, {"augment": "crop-flip"}, {"compile": True}], ids=str)
def test_what_pays_here(split, how, report):
    """On the device that device="auto" picks; what is above 1 costs time."""
    spec = NetSpec(depth=20, width=8, **split.shape)
    other = ours(build(spec), split, 60, **how)
    first = seconds(next, other)
    cost, a, b = ratio(other, ours(build(spec), split, 60), 50)
    report(
        f"step, resnet-20, {how}: {a:.1f} ms against {b:.1f} ms without: {cost:.2f} times; the first step took"
        f" {first:.1f} s"
    )


def test_the_memory_of_1202_layers(report):
    """In a Python of its own: what is there before the net, and at the most after two steps, in batches of 128 digits
    at width 8."""
    code = (
        "import resource, reslab; from reslab.train import train; from reslab import NetSpec, TrainSpec, build,"
        " digits\npeak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nsplit = digits(); print(peak());"
        " events = train(build(NetSpec(depth=1202, width=8, **split.shape)), split, device='cpu')\nnext(events);"
        " next(events); print(peak())"
    )
    before, peak = map(
        int, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    gigabyte = 1e9 if sys.platform == "darwin" else 1e9 / 1024  # getrusage counts bytes there, kilobytes elsewhere
    report(
        f"resnet-1202, width 8, batch 128 of digits: {peak / gigabyte:.2f} GB at the most, {before / gigabyte:.2f}"
        " before the net"
    )
