"""Lesson 03: one block of a net: its tensors, its costs, and the effect of its shortcut on a real tensor."""

import math

import numpy as np
import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.nets import NetSpec, build, replace, valid_depths
from reslab.nets.blocks import make_block
from reslab.nets.complexity import complexity
from reslab.nets.layers import Bias, Scale, Survival, ZeroPad
from reslab.results.frames import LIVE


def one_block(split):
    """The net of the lesson's block: width 8, on the digits."""
    check_split(split)
    return NetSpec(depth=8, width=8, **split.shape)


def stack(spec, *, blocks=1, seed=0):
    """(path, chain). chain: the first `blocks` blocks of a net that keep the shape of their input, one nn.Sequential.

    The net has the spec, and is as deep as needed. path: the layers before, images (N, C, S, S) → x (N, channels, S,
    S), the same with and without skips. It ends with a ReLU, so x is not negative and a block with ReLU can be the
    identity. With basic blocks it is the stem; the first bottleneck widens the net, so it belongs to the path.
    """
    blocks = checks.integer("blocks", blocks, 1, 16)
    widens = int(spec.block == "bottleneck")
    depths = valid_depths(spec.block)
    spec = replace(spec, depth=depths[blocks + widens - 1])
    before = build(replace(spec, skip=True, activation="relu"), seed=seed)
    path = nn.Sequential(before.stem, *list(before.stage1)[:widens])
    return path, nn.Sequential(*list(build(spec, seed=seed).stage1)[widens:])


def a_block(spec, *, changes_shape=False, seed=0, split=None):
    """(block, x): one block of an untrained net, and its input for the digits, (N, C, H, W).

    changes_shape: the first block of stage 2, which halves the image and doubles the channels; otherwise a block of
    stage 1 that keeps the shape. x is the same with and without skips: the one in the residual net with ReLU.
    """
    split = or_digits(split)
    images, _ = split.batch(slice(None))
    if not changes_shape:
        path, chain = stack(spec, seed=seed)
        block = chain[0]
    else:
        spec = replace(spec, depth=valid_depths(spec.block)[0])
        before = build(replace(spec, skip=True, activation="relu"), seed=seed)
        path, block = nn.Sequential(before.stem, before.stage1), build(spec, seed=seed).stage2[0]
    with torch.no_grad():
        return block, path(images)


def block_parts(spec, *, changes_shape=False, seed=0, split=None):
    """The shapes and costs in a block: a first row for x, then one row per module, in the order of the forward pass.

    Columns: part ("x", "branch", "shortcut", "sum", "y"), module (its name in the block), layer ("3×3 conv"),
    shape (of its output for one image, "16×4×4"), numbers (their count), parameters, multiply_adds and additions (the
    sum's, element by element). Shapes and costs are those of `complexity`.
    """
    block, x = a_block(spec, changes_shape=changes_shape, seed=seed, split=split)
    return parts_of(block, tuple(x.shape[1:])).assign(**_which(spec, changes_shape, seed))


def parts_of(block, shape):
    """`block_parts` of any block with the shape of its input, (C, H, W), without the columns that identify the block.

    One part more than there: "before", layers that both paths share, if an order has a norm or activation before a
    projection.
    """
    rows = [("x", "x", "input", "×".join(map(str, shape)), 0, 0, 0)]
    counted = complexity(block, shape)
    for row in counted.itertuples():
        if row.kind == "addition":
            rows.append(("sum", "sum", "addition", row.shape, 0, 0, _numbers(row.shape)))
        elif row.module != "activation":
            costs = (row.parameters, row.multiply_adds, 0)
            layer = describe(block.get_submodule(row.module))
            rows.append((row.module.partition(".")[0], row.module, layer, row.shape, *costs))
    rows.append(("y", "activation", describe(block.activation), counted["shape"].iloc[-1], 0, 0, 0))
    frame = pd.DataFrame(rows, columns=["part", "module", "layer", "shape", "parameters", "multiply_adds", "additions"])
    frame["numbers"] = frame["shape"].map(_numbers)
    return frame


def tensors(spec, *, changes_shape=False, image=0, seed=0, split=None):
    """The real tensors in a block for one image: x, F(x), shortcut(x), their sum and y, one row per pixel.

    image: its place among the training images. BatchNorm normalises by the whole training part, as in training.
    Columns: part ("x", "shortcut", "branch", "sum", "y"), channel, row, column (from 0), value. A plain block has no
    shortcut and no sum.
    """
    block, x = a_block(spec, changes_shape=changes_shape, seed=seed, split=split)
    image = checks.integer("image", image, 0, len(x) - 1)
    with torch.no_grad():
        branch = block.branch(x)
        parts = {"x": x, "branch": branch}
        if block.shortcut is not None:
            parts["shortcut"] = block.shortcut(x)
            parts["sum"] = branch + parts["shortcut"]
        parts["y"] = block.activation(parts.get("sum", branch))
    frames = []
    for part in ("x", "shortcut", "branch", "sum", "y"):
        if part in parts:
            value = parts[part][image].numpy()  # (channels, H, W)
            channel, row, column = (axis.ravel() for axis in np.indices(value.shape))
            frames.append(
                pd.DataFrame({"part": part, "channel": channel, "row": row, "column": column, "value": value.ravel()})
            )
    return pd.concat(frames, ignore_index=True).assign(**_which(spec, changes_shape, seed), image=image)


def shortcut_costs(depths=(20, 56, 110), shortcuts=("A", "B", "C"), *, base=None):
    """The cost of the shortcuts of whole nets, counted: a row for each plain net and each residual net with option A,
    B, C.

    base: a NetSpec for all but depth, skip and shortcut; the CIFAR nets of He et al. 2015, §4.2 by default. Columns:
    net, shortcut ("none" for plain), depth, skip, parameters, multiply_adds (for one image), additions (element-wise,
    one per number that a block adds), and parameters_more and multiply_adds_more, against the plain net of that depth.
    """
    depths, shortcuts = checks.several(depths=depths, shortcuts=shortcuts)
    base, rows = base or NetSpec(), []
    for depth in depths:
        plain = replace(base, depth=depth, skip=False)
        for spec in (plain, *(replace(plain, skip=True, shortcut=option) for option in shortcuts)):
            layers = complexity(spec)
            additions = sum(map(_numbers, layers.loc[layers["kind"] == "addition", "shape"]))
            costs = (layers["parameters"].sum(), layers["multiply_adds"].sum(), additions)
            rows.append((spec.name, spec.shortcut if spec.skip else "none", depth, spec.skip, *costs))
    columns = ["net", "shortcut", "depth", "skip", "parameters", "multiply_adds", "additions"]
    table = pd.DataFrame(rows, columns=columns)
    for column in ("parameters", "multiply_adds"):
        table[f"{column}_more"] = table[column] - table.groupby("depth")[column].transform("first")
    return table


def block_costs(size=56, width=64):
    """A basic block against a bottleneck at about equal cost (He et al. 2015, Fig. 5), and a basic one as wide as the
    bottleneck, counted.

    size: height and width of the image (pixels). Columns: block, channels, parameters, weights (those of the
    convolutions), multiply_adds, and numbers (of the block's output).
    """
    rows = []
    for block, channels in (("basic", width), ("bottleneck", 4 * width), ("basic", 4 * width)):
        module = make_block(channels, channels, 1, NetSpec(block=block, depth=valid_depths(block)[0]))
        layers = complexity(module, (channels, size, size))
        weights = layers.loc[layers["kind"] == "Conv2d", "parameters"].sum()
        sums = layers[["parameters", "multiply_adds"]].sum()
        rows.append(
            (block, channels, sums["parameters"], weights, sums["multiply_adds"], _numbers(layers["shape"].iloc[-1]))
        )
    return pd.DataFrame(rows, columns=["block", "channels", "parameters", "weights", "multiply_adds", "numbers"])


def describe(module):
    """The usual name of a module of a block: "3×3 conv, stride 2"."""
    if isinstance(module, nn.Conv2d):
        groups, stride = (
            f", {module.groups} groups" * (module.groups > 1),
            f", stride {module.stride[0]}" * (module.stride[0] > 1),
        )
        return f"{module.kernel_size[0]}×{module.kernel_size[1]} conv{groups}{stride}"
    if isinstance(module, nn.BatchNorm2d):
        return "BatchNorm"
    if isinstance(module, ZeroPad):
        return "every 2nd pixel, " * (module.stride == 2) + f"{module.extra} channels of zeros"
    if isinstance(module, nn.AvgPool2d):
        return f"{module.kernel_size}×{module.kernel_size} average"
    if isinstance(module, Scale):
        return "× learned scalar" if module.learned else f"× {module.value:.2g}"
    if isinstance(module, Bias):
        return "+ scalar"
    if isinstance(module, Survival):
        return f"taken {100 * module.rate:.0f} %"
    if isinstance(module, nn.Sequential):
        return ", ".join(map(describe, module))
    return "identity" if isinstance(module, nn.Identity) else type(module).__name__


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def _numbers(shape):
    """The number of elements of a tensor of a shape such as "16×4×4"."""
    return math.prod(map(int, shape.split("×")))


def _which(spec, changes_shape, seed):
    return {
        "skip": spec.skip,
        "block": spec.block,
        "shortcut": spec.shortcut,
        "changes_shape": changes_shape,
        "seed": seed,
        "origin": LIVE,
    }
