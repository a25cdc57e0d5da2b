"""Lesson 02: when gradients vanish, when they explode, and that degradation is neither.

A gradient here is ∂loss/∂(output of a block), and its size the RMS over all of its elements, on one batch of images.
From the last block, where it begins, it goes back to the first: the ratio first/last says how much it has shrunk or
grown on the way.
"""

import copy
import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.capture import ACTIVATION_STATISTICS, capture, rms
from reslab.datasets import digits
from reslab.experiments.degradation import small_net
from reslab.experiments.shattering import along_a_line, autocorrelation
from reslab.nets import Block, NetSpec, build, replace
from reslab.nets.layers import ACTIVATIONS
from reslab.runs import Provenance
from reslab.sweep import sweep
from reslab.train import TrainSpec, check_fit, fit
from reslab.train.device import settings

MODES = ("train", "eval")
BATCH = 128  # images that a gradient is measured on
SETTINGS = ("norm", "init", "activation", "residual_scale")  # that decide, with skip and depth, how a gradient flows

# The remedies, turned on one after the other: what is changed, and the fields that change it. The first row is where
# one begins.
STAIRCASE = (
    (
        "sigmoid, torch init, no norm, no skips",
        {"skip": False, "activation": "sigmoid", "init": "torch", "norm": "none"},
    ),
    ("ReLU", {"activation": "relu"}),
    ("He's init", {"init": "kaiming"}),
    ("BatchNorm", {"norm": "batch"}),
    ("skips", {"skip": True}),
)
# Nets for the question which of them trains: their gradients vanish, explode or stay level, at few layers and at many.
SUSPECTS = (
    {"depth": 20, "skip": False, "norm": "none", "activation": "sigmoid"},
    {"depth": 56, "skip": False, "norm": "none"},
    {"depth": 20, "skip": False},
    {"depth": 56, "skip": False},
    {"depth": 20, "skip": False, "norm": "none", "activation": "tanh"},
    {"depth": 56, "skip": False, "norm": "none", "activation": "tanh"},
    {"depth": 56, "skip": True},
    {"depth": 56, "skip": True, "norm": "none"},
)
# And three that fail, each for a reason of its own.
PUZZLE = (
    {"depth": 20, "skip": False, "norm": "none", "activation": "sigmoid"},
    {"depth": 32, "skip": False},
    {"depth": 56, "skip": False, "norm": "none", "activation": "tanh"},
)
# Parts of a step: which parameters it moves, and whether convolutions get back the size (norm) that they had.
PARTS = {
    "nothing": (lambda name: False, False),
    "everything": (lambda name: True, False),
    "everything, at the old size": (lambda name: True, True),
    "convolutions alone": (lambda name: "conv" in name, False),
    "γ and β alone": (lambda name: "norm" in name, False),
}
KINDS = ("activations", "weights", "norms", "skip + branch")  # of factors on the gradient's way


def label(spec, mode="train"):
    """A net's name, and what sets it apart from the house's usual: "plain-56 · no norm · torch init · sigmoid"."""
    said = {
        "norm": "no norm",
        "init": f"{spec.init} init" if spec.init != "fixup" else "",  # the name says it
        "activation": spec.activation,
        "residual_scale": (
            {"depth": "branch × 1/√blocks", "learned": "branch × learned"}.get(spec.residual_scale) if spec.skip else ""
        ),
    }
    words = [word for field, word in said.items() if word and getattr(spec, field) != getattr(NetSpec(), field)]
    name = replace(spec, residual_scale="one").name  # which would say SkipInit or ReZero
    return " · ".join([name, *words, *["eval mode"] * (mode == "eval")])


def at_initialisation(spec, split=None, *, seed=0, mode="train"):
    """Every block's statistics on one batch, before any training, on the CPU: a row a block.

    mode: "train", where BatchNorm divides by the spread of the batch; or "eval", where it divides by its running
    variance, which is 1 before training. The batch is the first that training sees.
    Columns: name, skip, depth, seed, norm, init, activation, residual_scale, mode, origin, step (0), module, index
    (from 1), shape, activation_rms, activation_mean, activation_dead, gradient_rms (in float32, as in training: it can
    underflow to 0, overflow to infinity, and after that be NaN). ValueError for a spec that does not suit the split, or
    an unknown mode.
    """
    frame = _backward(build(spec, seed=seed), split or digits(), mode)
    return _labelled(frame.assign(step=0), spec, seed, mode)


def by_depth(
    depths=(8, 20, 56, 110, 302, 602, 1202),
    *,
    skips=(False, True),
    seeds=(0, 1, 2),
    split=None,
    base=None,
    mode="train",
):
    """`at_initialisation` of a plain and a residual net of every depth and seed, as one tidy frame.

    base: the NetSpec that all share but for depth and skip; by default width 8 on the digits.
    """
    split = split or digits()
    specs = [replace(base or small_net(split), depth=depth, skip=skip) for skip in skips for depth in depths]
    return pd.concat(
        [at_initialisation(spec, split, seed=seed, mode=mode) for spec in specs for seed in seeds], ignore_index=True
    )


def first_steps(spec, split=None, *, seed=0, steps=20, lr=0.1, device="auto", **how):
    """Train for a few steps at a constant learning rate, capturing every block at each: a row a step × block.

    how: other fields of the TrainSpec.

    The gradient of step s is that of the weights after s - 1 updates. Columns: those of `at_initialisation`, and
    outcome.
    """
    split = split or digits()
    run = fit(spec, split, early(split, steps, lr, **how), seed=seed, device=device, progress=False)
    return _labelled(run.layers, spec, seed, "train", run.origin).assign(outcome=run.outcome)


def early(split, steps=20, lr=0.1, **how):
    """The TrainSpec of `first_steps`."""
    batch = min(BATCH, len(split.y_train))
    epochs = steps / (len(split.y_train) // batch)
    usual = TrainSpec(epochs=epochs, batch_size=batch, lr=lr, schedule="constant", capture_every=1)
    return replace(usual, **how)


def one_step(spec, split=None, *, seeds=(0,), lr=0.1):
    """One step of gradient descent, or a part of it alone, and the gradient after it on the same images: a row a part ×
    seed.

    Columns: name, skip, depth, seed, and the other settings; moved, which part: of `PARTS`; ratio (first/last); growth
    (of the norm of the stem's weights, times). In float64. ValueError for a net without BatchNorm, or whose stem is not
    one convolution.
    """
    split = split or digits()
    if spec.norm != "batch":
        raise ValueError("one_step tells the parts of a step with BatchNorm from one another; this net has none.")
    if spec.stem not in ("cifar", "imagenet"):
        raise ValueError(
            "one_step follows the weights of a stem of one convolution: 'cifar' or 'imagenet'; this net's is"
            f" {spec.stem!r}."
        )
    frames = []
    for seed in seeds:
        net = build(spec, seed=seed).double()
        start = copy.deepcopy(net.state_dict())
        _backward(net, split, "train")
        # later passes add to .grad
        gradients = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
        for part, (moves, resized) in PARTS.items():
            net.load_state_dict(start)
            with torch.no_grad():
                for name, parameter in net.named_parameters():
                    size = parameter.norm()
                    if moves(name):
                        parameter -= lr * gradients[name]
                    if resized and "conv" in name:
                        parameter *= size / parameter.norm()
            growth = (net.stem.conv.weight.norm() / start["stem.conv.weight"].norm()).item()
            gradient = _backward(net, split, "train")["gradient_rms"]
            row = pd.DataFrame([{"moved": part, "ratio": gradient.iloc[0] / gradient.iloc[-1], "growth": growth}])
            frames.append(_labelled(row, spec, seed, "train"))
    return pd.concat(frames, ignore_index=True)


# --- what the gradient is multiplied by on its way --------------------------------------------------------------------


def factors(spec, split=None, *, seed=0, mode="train"):
    """What each layer multiplies the gradient by on its way back from the last block's output to the first's: a row a
    layer.

    A layer's factor is RMS(gradient at its input) / RMS(gradient at its output), so that the product of all factors is
    the ratio first/last, exactly. In a plain net the layers come one after the other; in a residual net the branch and
    the skip lie side by side, and count as one. Measured in float64, which holds what float32 would lose.
    Columns: name, skip, depth, seed, norm, init, activation, residual_scale, mode, origin, module, index (of the
    layer's block), kind (one of `KINDS`), factor, slope (of activations in plain nets of the original order: RMS of
    their derivative over the batch).
    """
    split = split or digits()
    net, trunk = build(spec, seed=seed).double(), {}
    for index, (name, block) in enumerate(
        ((name, module) for name, module in net.named_modules() if isinstance(module, Block)), 1
    ):
        layers = [f"{name}.branch.{layer}" for layer, _ in block.branch.named_children()]
        if index > 1:  # the way ends at the first block's output
            trunk |= (
                {layer: (index, _kind(layer)) for layer in layers} if not spec.skip else {layers[-1]: (index, KINDS[3])}
            )
        trunk[f"{name}.activation"] = (index, KINDS[0])
    slope = ACTIVATIONS[spec.activation]()
    frame = _backward(
        net, split, mode, lambda name, _: name in trunk, {"slope": lambda x: _rms_of_derivative(slope, x)}
    )
    frame["index"], frame["kind"] = zip(*(trunk[name] for name in frame["module"]), strict=True)
    frame["factor"] = frame["gradient_rms"].shift(1) / frame["gradient_rms"]
    slope = frame["activation_slope"].shift(1)  # an activation's input is the output of the layer before it
    frame["slope"] = slope.where((frame["kind"] == KINDS[0]) & (not spec.skip and spec.order == "original"))
    frame = frame.iloc[1:][["module", "index", "kind", "factor", "slope"]].reset_index(drop=True)
    return _labelled(frame, spec, seed, mode)


def staircase(depth=56, *, seeds=(0, 1, 2), split=None, stairs=STAIRCASE):
    """The remedies turned on one after the other, and what each does to the gradient: a row a stair × seed × kind of
    factor.

    Columns: stair (from 1), change (what is turned on), name, skip, depth, seed, mode, origin, kind, decades: log10 of
    the product of the factors of that kind (see `factors`), so that a stair's decades add up to log10 of the ratio
    first/last.
    """
    split, frames, fields = split or digits(), [], {}
    for stair, (change, changes) in enumerate(stairs, 1):
        fields |= changes
        spec = replace(small_net(split), depth=depth, **fields)
        for seed in seeds:
            frame = factors(spec, split, seed=seed)
            frame = frame.assign(decades=np.log10(frame["factor"]), stair=stair, change=change)
            by = ["stair", "change", "name", "skip", "depth", "seed", "mode", "origin", "kind"]
            frames.append(frame.groupby(by, sort=False)["decades"].sum().reset_index())
    return pd.concat(frames, ignore_index=True)


def _kind(layer):
    return {"conv": KINDS[1], "norm": KINDS[2], "acti": KINDS[0]}[layer.rsplit(".", 1)[1][:4]]


def _rms_of_derivative(function, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return rms(torch.autograd.grad(function(x).sum(), x)[0])


# --- the paper's nets, and what trains --------------------------------------------------------------------------------


def table(nets=("plain-20", "plain-56", "plain-110", "resnet-56", "resnet-110"), *, seeds=(0, 1, 2), images=2):
    """First/last on nets of the paper's width and image size (16, 3×32×32), at initialisation, on random images: a row
    a net × seed.

    Columns: norm, init, name, skip, depth, seed, origin, ratio (L2 norm of ∂loss/∂output, the stem's over the last
    block's), ratio_rms (the same of the RMS: half as large, since the stem puts out four times as many numbers). In
    float64.
    """
    rows = []
    for norm, init in (("batch", "kaiming"), ("none", "kaiming"), ("none", "torch")):
        for name in nets:
            kind, _, depth = name.partition("-")
            spec = NetSpec(depth=int(depth), skip=kind == "resnet", norm=norm, init=init)
            for seed in seeds:
                generator = torch.Generator().manual_seed(seed)
                x = torch.randn(images, 3, 32, 32, generator=generator, dtype=torch.float64)
                y = torch.randint(10, (images,), generator=generator)
                net = build(spec, seed=seed).double()
                with settings(threads=1), capture(net, ["stem", Block], activation={}) as trace:
                    F.cross_entropy(net(x), y).backward()
                frame = trace.frame()
                elements = [math.prod(map(int, frame["shape"].iloc[i].split("×"))) for i in (0, -1)]
                ratio = frame["gradient_rms"].iloc[0] / frame["gradient_rms"].iloc[-1]
                row = {"norm": norm, "init": init, "name": name, "skip": spec.skip, "depth": spec.depth, "seed": seed}
                row |= {
                    "ratio": ratio * math.sqrt(elements[0] / elements[1]),
                    "ratio_rms": ratio,
                    "origin": Provenance.here().origin,
                }
                rows.append(row)
    return pd.DataFrame(rows)


def symptoms(specs=None, split=None, *, seeds=(0,), how=None, workers=None, progress=True):
    """Each net's three symptoms: how its gradient has shrunk or grown, whether it is shattered, and whether the net
    trains.

    specs: NetSpecs; by default those of `SUSPECTS`, of width 8 on the digits. how: a TrainSpec; by default that of
    lesson 01. A row a net × seed. Columns: name (see `label`), skip, depth, seed, norm, init, activation,
    residual_scale, origin, ratio (first/last at initialisation), autocorrelation (lag 1, see
    `shattering.along_a_line`), train_error (fraction, after training; NaN if it diverged), outcome, steps, lr.
    """
    split, how = split or digits(), how or TrainSpec()
    specs = [replace(small_net(split), **changes) for changes in SUSPECTS] if specs is None else list(specs)
    runs = {
        (run.spec, run.seed): run for run in sweep(specs, split, how, seeds=seeds, workers=workers, progress=progress)
    }
    rows = []
    for spec in specs:
        for seed in seeds:
            run, gradient = runs[spec, seed], at_initialisation(spec, split, seed=seed)["gradient_rms"]
            neighbours = autocorrelation(along_a_line(spec, split, seed=seed), lags=2)["autocorrelation"].iloc[1]
            measured = {"ratio": gradient.iloc[0] / gradient.iloc[-1], "autocorrelation": neighbours}
            measured |= {
                "train_error": run.final_train_error,
                "outcome": run.outcome,
                "steps": run.history["step"].iloc[-1],
            }
            rows.append(_labelled(pd.DataFrame([measured]), spec, seed, "train", run.origin).assign(lr=how.lr))
    return pd.concat(rows, ignore_index=True)


def puzzle(split=None, *, seeds=(0,), how=None, workers=None, progress=True):
    """`symptoms` of the nets of `PUZZLE`, and shallow_error: the training error of each one's twin of 8 layers."""
    split = split or digits()
    nets = [replace(small_net(split), **changes) for changes in PUZZLE]
    twins = [replace(net, depth=8) for net in nets]
    deep, shallow = (
        symptoms(specs, split, seeds=seeds, how=how, workers=workers, progress=progress) for specs in (nets, twins)
    )
    return deep.assign(shallow_error=shallow["train_error"])


# --- measuring --------------------------------------------------------------------------------------------------------


def _backward(net, split, mode, layers=None, activation=ACTIVATION_STATISTICS):
    """The captured frame of one pass forward and back on the first batch that training sees, in the net's own
    precision."""
    check_fit(net.spec, split, TrainSpec(batch_size=1))
    net.to(memory_format=torch.channels_last).train(checks.choice("mode", mode, MODES) == "train")
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))[:BATCH]
    x, y = split.to("cpu").batch(order, "train")
    x = x.to(net.fc.weight.dtype, memory_format=torch.channels_last)
    # as in training: other layouts round otherwise
    with settings(threads=1), capture(net, layers, activation=activation) as trace:
        F.cross_entropy(net(x), y).backward()
    return trace.frame()


def _labelled(frame, spec, seed, mode, origin=None):
    """The frame with the columns that say which net it is of, and where and how it was measured."""
    labels = {"name": label(spec, mode), "skip": spec.skip, "depth": spec.depth, "seed": seed}
    labels |= {name: getattr(spec, name) for name in SETTINGS}
    labels |= {"mode": mode, "origin": origin or Provenance.here().origin}
    return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))
