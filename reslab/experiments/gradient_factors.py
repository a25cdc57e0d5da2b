"""Lesson 02: the factor of each layer on the gradient in the backward pass, and the remedies turned on one by one.

A layer's factor is RMS(gradient at its input) / RMS(gradient at its output). The product of all factors between the
last block's output and the first's is the ratio first/last of `experiments.gradient_flow`, exactly.
"""

import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.capture import capture, rms
from reslab.datasets import or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.gradient_flow import backward, labelled
from reslab.nets import Block, NetSpec, build, replace
from reslab.nets.layers import ACTIVATIONS
from reslab.results.gradient_factors import KINDS
from reslab.runs import Provenance
from reslab.train.device import settings

# The remedies, turned on one after the other: what is changed, and the fields that change it. The first row is the
# start.
REMEDIES = (
    (
        "sigmoid, torch init, no norm, no skips",
        {"skip": False, "activation": "sigmoid", "init": "torch", "norm": "none"},
    ),
    ("ReLU", {"activation": "relu"}),
    ("Kaiming init", {"init": "kaiming"}),
    ("BatchNorm", {"norm": "batch"}),
    ("skips", {"skip": True}),
)


def factors(spec, split=None, *, seed=0, mode="train"):
    """The factor of each layer on the gradient, from the last block's output back to the first's: one row per layer.

    A layer's factor is RMS(gradient at its input) / RMS(gradient at its output), so that the product of all factors is
    the ratio first/last, exactly. In a plain net the layers are in sequence; in a residual net the branch and the skip
    are parallel, and count as one. Measured in float64, because float32 can underflow or overflow.
    Columns: name, skip, depth, seed, norm, init, activation, residual_scale, mode, origin, module, index (of the
    layer's block), kind (one of `KINDS`), factor, slope (of activations in plain nets of the original order: RMS of
    their derivative over the batch).
    """
    split = or_digits(split)
    net, trunk = build(spec, seed=seed).double(), {}
    for index, (name, block) in enumerate(
        ((name, module) for name, module in net.named_modules() if isinstance(module, Block)), 1
    ):
        layers = [f"{name}.branch.{layer}" for layer, _ in block.branch.named_children()]
        if index > 1:  # up to the first block's output
            trunk |= (
                {layer: (index, _kind(layer)) for layer in layers} if not spec.skip else {layers[-1]: (index, KINDS[3])}
            )
        trunk[f"{name}.activation"] = (index, KINDS[0])
    slope = ACTIVATIONS[spec.activation]()
    frame = backward(net, split, mode, lambda name, _: name in trunk, {"slope": lambda x: _rms_of_derivative(slope, x)})
    frame["index"], frame["kind"] = zip(*(trunk[name] for name in frame["module"]), strict=True)
    frame["factor"] = frame["gradient_rms"].shift(1) / frame["gradient_rms"]
    slope = frame["activation_slope"].shift(1)  # an activation's input is the output of the layer before it
    frame["slope"] = slope.where((frame["kind"] == KINDS[0]) & (not spec.skip and spec.order == "original"))
    frame = frame.iloc[1:][["module", "index", "kind", "factor", "slope"]].reset_index(drop=True)
    return labelled(frame, spec, seed, mode)


def remedies(depth=56, *, seeds=(0, 1, 2), split=None, remedies=REMEDIES):
    """The remedies turned on one after the other, and the gradient after each: one row per remedy × seed × kind of
    factor.

    Columns: remedy (its number; 1 is the start), change (what is turned on), name, skip, depth, seed, mode, origin,
    kind, decades: log10 of the product of the factors of that kind (see `factors`), so that the decades of a remedy add
    up to log10 of the ratio first/last; −∞ where a layer passes nothing on: with ReLU and torch's init all its units
    may be dead.
    """
    seeds, remedies = checks.several(seeds=seeds, remedies=remedies)
    split, frames, fields = or_digits(split), [], {}
    for remedy, (change, changes) in enumerate(remedies, 1):
        fields |= changes
        spec = replace(small_net(split), depth=depth, **fields)
        for seed in seeds:
            frame = factors(spec, split, seed=seed)
            with np.errstate(divide="ignore"):
                decades = np.log10(frame["factor"])  # NaN in front of a layer that lets nothing through: 0 / 0
            frame = frame.assign(decades=decades, remedy=remedy, change=change)
            by = ["remedy", "change", "name", "skip", "depth", "seed", "mode", "origin", "kind"]
            frames.append(frame.groupby(by, sort=False)["decades"].sum().reset_index())
    return pd.concat(frames, ignore_index=True)


def _kind(layer):
    return {"conv": KINDS[1], "norm": KINDS[2], "acti": KINDS[0]}[layer.rsplit(".", 1)[1][:4]]


def _rms_of_derivative(function, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return rms(torch.autograd.grad(function(x).sum(), x)[0])


def table(nets=("plain-20", "plain-56", "plain-110", "resnet-56", "resnet-110"), *, seeds=(0, 1, 2), images=2):
    """First/last on nets of the paper's width and image size (16, 3×32×32), at initialisation, on random images: a row
    a net × seed.

    Columns: norm, init, name, skip, depth, seed, origin, ratio (L2 norm of ∂loss/∂output, the stem's over the last
    block's), ratio_rms (the same of the RMS: half as large, because the stem's output has four times as many numbers).
    In float64. NaN of a dead net, whose gradient is 0 at the last block too.
    """
    nets, seeds = checks.several(nets=nets, seeds=seeds)
    rows = []
    for norm, init in (("batch", "kaiming"), ("none", "kaiming"), ("none", "torch")):
        for name in nets:
            kind, _, depth = name.partition("-")
            spec = NetSpec(depth=int(depth), skip=kind == "resnet", norm=norm, init=init)
            for seed in seeds:
                generator = torch.Generator().manual_seed(checks.seed("seed", seed))
                x = torch.randn(images, 3, 32, 32, generator=generator, dtype=torch.float64)
                y = torch.randint(10, (images,), generator=generator)
                net = build(spec, seed=seed).double()
                with settings(threads=1), capture(net, ["stem", Block], activation={}) as trace:
                    F.cross_entropy(net(x), y).backward()
                frame = trace.frame()
                elements = [math.prod(map(int, frame["shape"].iloc[i].split("×"))) for i in (0, -1)]
                with np.errstate(invalid="ignore"):  # of a dead net, 0 / 0
                    ratio = frame["gradient_rms"].iloc[0] / frame["gradient_rms"].iloc[-1]
                row = {"norm": norm, "init": init, "name": name, "skip": spec.skip, "depth": spec.depth, "seed": seed}
                row |= {
                    "ratio": ratio * math.sqrt(elements[0] / elements[1]),
                    "ratio_rms": ratio,
                    "origin": Provenance.here().origin,
                }
                rows.append(row)
    return pd.DataFrame(rows)
