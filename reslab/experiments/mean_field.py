"""Lesson 02: why BatchNorm makes the gradient of a plain net explode, in nets that theory describes exactly.

Fully connected layers, wide, with He's weights: each layer is linear → BatchNorm → ReLU (or tanh), or lacks one of the
two.
Before ReLU a unit z has mean 0 and variance 1 over the batch. After it the square is 1/2 on average, the mean is
1/√(2π), and the variance 1/2 - 1/(2π). He's weights double both: so the next unit has variance 1 - 1/π, and a mean
that BatchNorm takes out before it divides by √(1 - 1/π). Backward, He's weights double the gradient's square and ReLU
halves it, and that division is left: for independent units the gradient grows by √(π / (π - 1)) = 1.21 a layer (Yang
et al. 2019, arXiv:1902.08129).
"""

import math

import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.capture import capture
from reslab.runs import Provenance
from reslab.train.device import settings

# The parts of a layer in addition to its weights: name → (BatchNorm, activation).
LAYERS = {
    "ReLU alone": (False, "relu"),
    "BatchNorm alone": (True, ""),
    "BatchNorm and tanh": (True, "tanh"),
    "BatchNorm and ReLU": (True, "relu"),
}
LAYER = "(BatchNorm, activation)"
ACTIVATIONS = {"": [], "relu": [nn.ReLU], "tanh": [nn.Tanh]}


def growth_by_layer(depth=50, *, width=256, images=256, seeds=(0, 1, 2), layers=LAYERS):
    """The gradient at every layer of wide nets on Gaussian inputs, over that at the last: one row per kind × seed ×
    layer.

    layers: {name: (BatchNorm, activation)}, True or False and one of ACTIVATIONS. Columns: name, norm, activation,
    seed, origin, layer (from 1), back (how many layers the gradient has come back: 0 at the last), gradient (RMS of
    ∂y/∂(output of the linear or BatchNorm layer), over that of the last). ValueError for an impossible value.
    """
    (seeds,), layers = checks.several(seeds=seeds), checks.named("layers", layers, LAYER)
    frames = []
    for name, layer in layers.items():
        norm, activation = _layer(name, layer)
        for seed in seeds:
            gradient = _gradients(checks.integer("depth", depth, 2), width, images, norm, activation, seed)
            labels = {"name": name, "norm": norm, "activation": activation, "seed": seed}
            labels["origin"] = Provenance.here().origin
            at = {"layer": range(1, depth + 1), "back": range(depth - 1, -1, -1), "gradient": gradient / gradient[-1]}
            frames.append(pd.DataFrame(labels | at))
    return pd.concat(frames, ignore_index=True)


def _layer(name, layer):
    """(BatchNorm, activation) of a layer; ValueError for anything else."""
    if not isinstance(layer, (tuple, list)) or len(layer) != 2:
        raise ValueError(f"{name} is {layer!r}; it must be {LAYER}.")
    norm, activation = layer
    return checks.flag(f"BatchNorm of {name}", norm), checks.choice(f"activation of {name}", activation, ACTIVATIONS)


def _gradients(depth, width, images, norm, activation, seed):
    """RMS gradient at every layer, before its activation, (depth,), of a random projection of the last."""
    generator = torch.Generator().manual_seed(checks.seed("a seed", seed))
    drawn = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    parts = []
    for index in range(depth):
        linear = nn.utils.skip_init(nn.Linear, width, width, bias=False)
        gain = math.sqrt(2) if activation == "relu" and index else 1.0  # the first layer follows no ReLU
        linear.weight.data = gain * drawn(width, width) / math.sqrt(width)
        parts += [linear, *[nn.BatchNorm1d(width)] * norm, *[layer() for layer in ACTIVATIONS[activation]]]
    net, seen = nn.Sequential(*parts), nn.BatchNorm1d if norm else nn.Linear
    with settings(threads=1), capture(net, [seen], activation={}) as trace:
        (net(drawn(images, width)) * drawn(images, width)).sum().backward()
    return trace.frame()["gradient_rms"].to_numpy()
