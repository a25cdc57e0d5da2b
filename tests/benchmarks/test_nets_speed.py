"""How long a net takes to build, and whether ours is as fast as torchvision's. Ratios are between things measured in
turn, in one run."""

# ruff: noqa: I001
import gc
import statistics
import time

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
import torch
import torch.nn.functional as F
import torchvision

from reslab.experiments.architecture import layers
from reslab.figures.architecture import architecture_map
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.complexity import presets


def seconds(function, *arguments):
    gc.collect()
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def step(net, x, y):
    """Forward and backward."""
    for parameter in net.parameters():
        parameter.grad = None
    F.cross_entropy(net(x), y).backward()


def test_building_every_preset(report):
    build(NetSpec(depth=8))  # PyTorch's own first time
    taken = {name: seconds(build, spec) for name, spec in FAMILY.items()}
    slowest = sorted(taken, key=taken.get, reverse=True)[:4]
    report(
        f"building: {', '.join(f'{name} {taken[name]:.2f} s' for name in slowest)}; the other {len(taken) - 4} take"
        " less"
    )


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_resnet_50_against_torchvisions(report, layout):
    """Same channels, same memory format. torchvision's activations and additions are in place; ours never are."""
    nets = [net.to(memory_format=layout) for net in (build(FAMILY["resnet-50"]), torchvision.models.resnet50())]
    x = torch.randn(8, 3, 224, 224).contiguous(memory_format=layout)
    y = torch.randint(1000, (8,))
    for net in nets:
        step(net, x, y)
    rounds = []
    for turn in range(10):  # who goes first alternates
        order = nets if turn % 2 else nets[::-1]
        taken = {id(net): seconds(step, net, x, y) for net in order}
        rounds.append([taken[id(net)] for net in nets])
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    ours, theirs = map(min, zip(*rounds, strict=True))  # the fastest: whatever else runs only slows
    times = f"{ours:.2f} s, torchvision's {theirs:.2f} s: ratio {ours / theirs:.3f}"
    report(f"resnet-50, forward and backward, {layout}: {times} (median of the rounds {ratio:.3f})")


def test_stochastic_depth_saves_time(report):
    spec = NetSpec(depth=110, stochastic_depth=0.5)
    x, y = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
    stochastic, usual = build(spec), build(replace(spec, stochastic_depth=0))
    rounds = [[seconds(step, net, x, y) for net in (stochastic, usual)] for _ in range(12)][2:]
    mean = statistics.fmean(taken[0] for taken in rounds) / statistics.fmean(taken[1] for taken in rounds)
    report(
        f"resnet-110, stochastic depth 0.5: {mean:.2f} of the time of a step without it; 3/4 of the branches are taken"
        " on average"
    )


@pytest.mark.parametrize("name", ["resnet-152", "resnet-1202"])
def test_drawing_the_map(report, name):
    frame = layers([name])
    counted, drawn = seconds(layers, [name]), seconds(architecture_map, frame)
    report(f"the architecture map of {name}: its layers counted in {counted:.2f} s, drawn in {drawn:.2f} s")


def test_counting_all_presets(report):
    report(f"the table of presets: {seconds(presets):.1f} s")
