"""Lesson 02, shattered gradients: is the gradient at one input correlated with the gradient at the next?

After Balduzzi et al. 2017 (arXiv:1702.08591), Fig. 1: the gradient of a random net of one input, at neighbouring
inputs, looks like brown noise (a random walk) if the net is shallow, and like white noise if it is deep without skips.
"""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments.features import BatchNorm, recalibrated
from reslab.nets import build
from reslab.results.shattering import autocorrelation  # noqa: F401 – a lesson takes it from here
from reslab.runs import Provenance
from reslab.train import TrainSpec, check_fit
from reslab.train.device import settings

POINTS = 256  # neighbouring inputs
NORMS = ("batch", "none")
FLAGS = ("skip", "norm", "scale", "width")  # of a ScalarNet, that `NETS` may have

# The nets that the lesson compares. 0.1 is the factor on the branch (the paper's β) of the residual net in its Fig. 1.
NETS = {
    "plain · no norm": {"skip": False, "norm": "none"},
    "plain · BatchNorm": {"skip": False, "norm": "batch"},
    "residual · BatchNorm": {"skip": True, "norm": "batch"},
    "residual · BatchNorm · branch × 0.1": {"skip": True, "norm": "batch", "scale": 0.1},
}


class ScalarNet(nn.Module):
    """x (N, 1) → y (N, 1) through `depth` layers of ReLU: h ← W·ReLU(norm(h)), or with the skip h ← h +
    scale·W·ReLU(norm(h)).

    Weights are He normal (gain √2, fan in; gain 1 in the first layer, which follows no ReLU). bias True draws biases as
    nn.Linear does, False makes them 0. All come from `seed`; the caller's random state is not used and not changed.
    Raises ValueError for an impossible value.
    """

    def __init__(self, depth, *, skip=False, norm="batch", scale=1.0, width=200, bias=True, seed=0):
        super().__init__()
        depth, width = checks.integer("depth", depth, 1), checks.integer("width", width, 1)
        self.skip, self.scale = checks.flag("skip", skip), checks.number("scale", scale)
        normed = checks.choice("norm", norm, NORMS) == "batch"
        widths = [1] + [width] * depth + [1]
        self.linears = nn.ModuleList(nn.utils.skip_init(nn.Linear, *pair) for pair in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if normed else nn.Identity() for _ in range(depth))
        generator = torch.Generator().manual_seed(checks.seed("seed", seed))
        for i, linear in enumerate(self.linears):
            nn.init.normal_(linear.weight, 0, math.sqrt((2 if i else 1) / linear.in_features), generator)
            bound = checks.flag("bias", bias) / math.sqrt(linear.in_features)
            nn.init.uniform_(linear.bias, -bound, bound, generator)

    def forward(self, x):
        first, *hidden, last = self.linears
        h = first(x)  # (N, width)
        for linear, norm in zip(hidden, self.norms[:-1], strict=True):
            branch = linear(torch.relu(norm(h)))
            h = h + self.scale * branch if self.skip else branch
        return last(torch.relu(self.norms[-1](h)))  # (N, 1)


def on_a_grid(nets=None, *, depths=(1, 10, 24, 50), seeds=(0,), bias=True):
    """dy/dx of random nets of one input at 256 inputs from -2 to 2: one row per net × depth × seed × input.

    nets: name → flags of `ScalarNet`, by default `NETS`. Columns: name, skip, depth, seed, origin, x, gradient.
    """
    depths, seeds = checks.several(depths=depths, seeds=seeds)
    nets = checks.named("nets", NETS if nets is None else nets, "{flag of ScalarNet: its value}")
    x = torch.linspace(-2, 2, POINTS)
    frames = []
    for name, flags in nets.items():
        for flag in checks.named(name, flags, "value", empty=True):
            checks.choice(f"a flag of {name}", flag, FLAGS)
        for depth in depths:
            for seed in seeds:
                net = ScalarNet(depth, bias=bias, seed=seed, **flags)
                gradient = _gradient(net, x, lambda x: x[:, None], lambda y: y[:, 0])
                frames.append(_rows(name, net.skip, depth, seed, x, gradient))
    return pd.concat(frames, ignore_index=True)


def noise(*, seeds=(0,)):
    """The two references, in the columns of `on_a_grid`, depth 0: white noise (each value drawn by itself), brown noise
    (its running sum)."""
    (seeds,) = checks.several(seeds=seeds)
    x, frames = torch.linspace(-2, 2, POINTS), []
    for seed in seeds:
        white = np.random.default_rng(checks.seed("a seed", seed)).standard_normal(POINTS)
        frames += [
            _rows("brown noise", False, 0, seed, x, white.cumsum()),
            _rows("white noise", False, 0, seed, x, white),
        ]
    return pd.concat(frames, ignore_index=True)


def along_a_line(spec, split=None, *, seed=0):
    """The same for an untrained image net: the gradient of one logit along the straight line from one training image to
    another.

    The images are the first two of the training part, 0 and 1 on the line, and the logit is that of the first's class.
    Columns: as `on_a_grid`, with x from 0 to 1. ValueError for a spec that does not fit the split.
    """
    split = or_digits(split)
    check_fit(spec, split, TrainSpec(batch_size=1))
    (start, end), labels = split.batch(slice(2), "train")
    t = torch.linspace(0, 1, POINTS)
    line = lambda t: start + t[:, None, None, None] * (end - start)  # noqa: E731 – (N, C, H, W)
    gradient = _gradient(build(spec, seed=seed), t, line, lambda logits: logits[:, labels[0]])
    return _rows(spec.name, spec.skip, spec.depth, seed, t, gradient)


def _gradient(net, x, feed, read):
    """d read(net(feed(x))) / dx at every x, (N,), as float64.

    BatchNorm has the fixed statistics of these inputs: in training mode, a gradient would also depend on its
    neighbours.
    """
    net = net.double()
    x = x.double().requires_grad_()
    with settings(threads=1):
        with torch.no_grad(), recalibrated([module for module in net.modules() if isinstance(module, BatchNorm)]):
            net(feed(x))
        (gradient,) = torch.autograd.grad(read(net.eval()(feed(x))).sum(), x)
    return gradient.numpy()


def _rows(name, skip, depth, seed, x, gradient):
    labels = {"name": name, "skip": skip, "depth": depth, "seed": seed, "origin": Provenance.here().origin}
    return pd.DataFrame(
        {key: [value] * len(x) for key, value in labels.items()} | {"x": x.numpy(), "gradient": gradient}
    )
