"""Lesson 02: when gradients vanish, when they explode, and that degradation is neither.

A gradient here is ∂loss/∂(output of a block), and its size is the RMS over all its elements, on one batch of images.
The backward pass goes from the last block to the first: the ratio first/last shows how much the gradient changed.
"""

import copy

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from reslab import checks
from reslab.capture import ACTIVATION_STATISTICS, capture
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.nets import NetSpec, build, replace
from reslab.runs import Provenance
from reslab.store import recorded
from reslab.train import TrainSpec, check_fit, compatibility, fit
from reslab.train.device import layout_of, settings

MODES = ("train", "eval")
BATCH = 128  # images for a gradient
TENTH = "cifar10-5000+1000@34900"  # a tenth of CIFAR-10's photographs, as recorded
SETTINGS = ("norm", "init", "activation", "residual_scale")  # they decide, with skip and depth, how a gradient flows

# Parts of a step: which parameters it changes, and whether convolutions are scaled back to their old norm.
PARTS = {
    "nothing": (lambda name: False, False),
    "everything": (lambda name: True, False),
    "everything, at the old size": (lambda name: True, True),
    "convolutions alone": (lambda name: "conv" in name, False),
    "γ and β alone": (lambda name: "norm" in name, False),
}


def label(spec, mode="train"):
    """A net's name, and its fields that are not at their default: "plain-56 · no norm · torch init · sigmoid"."""
    words = {
        "norm": "no norm",
        "init": f"{spec.init} init" if spec.init != "fixup" else "",  # it is in the name
        "activation": spec.activation,
        "residual_scale": (
            {"depth": "branch × 1/√blocks", "learned": "branch × learned"}.get(spec.residual_scale) if spec.skip else ""
        ),
    }
    changed = [word for field, word in words.items() if word and getattr(spec, field) != getattr(NetSpec(), field)]
    name = replace(spec, residual_scale="one").name  # without "skipinit" or "rezero"
    return " · ".join([name, *changed, *["eval mode"] * (mode == "eval")])


def at_initialisation(spec, split=None, *, seed=0, mode="train"):
    """Every block's statistics on one batch, before any training, on the CPU: one row per block.

    mode: "train", where BatchNorm divides by the spread of the batch; or "eval", where it divides by its running
    variance, which is 1 before training. The batch is the first that training sees.
    Columns: name, skip, depth, seed, norm, init, activation, residual_scale, mode, origin, step (0), module, index
    (from 1), shape, activation_rms, activation_mean, activation_dead, gradient_rms (in float32, as in training: it can
    underflow to 0, overflow to infinity, and after that be NaN). ValueError for a spec that does not fit the split, or
    an unknown mode.
    """
    frame = backward(build(spec, seed=seed), or_digits(split), mode)
    return labelled(frame.assign(step=0), spec, seed, mode)


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
    depths, skips, seeds = checks.several(depths=depths, skips=skips, seeds=seeds)
    split = or_digits(split)
    specs = [replace(base or small_net(split), depth=depth, skip=skip) for skip in skips for depth in depths]
    return pd.concat(
        [at_initialisation(spec, split, seed=seed, mode=mode) for spec in specs for seed in seeds], ignore_index=True
    )


def first_steps(spec, split=None, *, seed=0, steps=20, lr=0.1, device="auto", **how):
    """Train for a few steps at a constant learning rate, capturing every block at each: one row per step × block.

    how: other fields of the TrainSpec.

    The gradient of step s is that of the weights after s - 1 updates. Columns: those of `at_initialisation`, and
    outcome.
    """
    split = or_digits(split)
    run = fit(spec, split, first_steps_spec(split, steps, lr, **how), seed=seed, device=device, progress=False)
    return labelled(run.layers, spec, seed, "train", run.origin).assign(outcome=run.outcome)


def first_steps_spec(split, steps=20, lr=0.1, **how):
    """The TrainSpec of `first_steps`."""
    check_split(split)
    batch = min(BATCH, len(split.y_train))
    epochs = steps / (len(split.y_train) // batch)
    usual = TrainSpec(epochs=epochs, batch_size=batch, lr=lr, schedule="constant", capture_every=1)
    return replace(usual, **how)


def photographs(depth=56, steps=40):
    """The first steps of recorded nets on CIFAR-10, with the columns of `first_steps`: trained on all photographs (20
    and 56 layers, one seed), and on a tenth of them, whose names end in "· a tenth" (those and more, one to three
    seeds). ValueError for a depth that was not recorded.
    """
    sets = (
        {"dataset": "cifar10", "schedule": "step"},
        {"dataset": TENTH, "order": "original", "precision": "fp32"},
    )
    depths = {run.spec.depth for which in sets for run in recorded().runs(**which) if run.layers is not None}
    checks.choice("the depth of recorded first steps", depth, sorted(depths))
    whole, tenth = (recorded().layers(**which, depth=depth) for which in sets)
    both = pd.concat([whole, tenth.assign(name=tenth["name"] + " · a tenth")])
    return both[both["step"] <= steps]


def one_step(spec, split=None, *, seeds=(0,), lr=0.1):
    """One step of gradient descent, or only a part of it, and the gradient after it on the same images: one row per
    part × seed.

    Columns: name, skip, depth, seed, and the other settings; moved: the part, of `PARTS`; ratio (first/last); growth
    (factor on the norm of the stem's weights). In float64. ValueError for a net without BatchNorm, or whose stem is not
    one convolution.
    """
    (seeds,) = checks.several(seeds=seeds)
    split = or_digits(split)
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
        backward(net, split, "train")
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
            gradient = backward(net, split, "train")["gradient_rms"]
            row = pd.DataFrame([{"moved": part, "ratio": gradient.iloc[0] / gradient.iloc[-1], "growth": growth}])
            frames.append(labelled(row, spec, seed, "train"))
    return pd.concat(frames, ignore_index=True)


# --- measuring --------------------------------------------------------------------------------------------------------


def backward(net, split, mode, layers=None, activation=ACTIVATION_STATISTICS):
    """The captured frame of one forward and backward pass on the first batch of training, in the net's precision.

    net: of `build`, or one of your own, in float32; on the CPU. It is left in the chosen mode, and with the gradients
    of this pass added. ValueError for a model that does not take the split's images, or does not return logits.
    """
    check_split(split)
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module, not {type(net).__name__}.")
    spec, layout = getattr(net, "spec", None), layout_of(net)
    described = isinstance(spec, NetSpec)
    check_fit(spec if described else None, split, TrainSpec(batch_size=1))
    compatibility.check_parameters(net)
    compatibility.check_forward(net, split, BATCH, described)
    net.to(memory_format=layout).train(checks.choice("mode", mode, MODES) == "train")
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))[:BATCH]
    x, y = split.to("cpu").batch(order, "train")
    x = x.to(next(net.parameters()).dtype, memory_format=layout)
    # as in training: other layouts round otherwise
    with settings(threads=1), capture(net, layers, activation=activation) as trace:
        F.cross_entropy(net(x), y).backward()
    return trace.frame()


def labelled(frame, spec, seed, mode, origin=None):
    """The frame with columns for the net, the origin and the mode."""
    labels = {"name": label(spec, mode), "skip": spec.skip, "depth": spec.depth, "seed": seed}
    labels |= {name: getattr(spec, name) for name in SETTINGS}
    labels |= {"mode": mode, "origin": origin or Provenance.here().origin}
    return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))
