"""Lessons 03 and 04: the feature maps of one block."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.results.activations import LABELS
from reslab.results.frames import require

COLUMNS = (*LABELS, "module", "index", "channel", "map", "predicted")
KEPT, LOST = 0.8, 0.5  # the cosine of x and y from which they look alike, and up to which they are two pictures


def nets(frame):
    """The frames of the single nets, plain ones first; ValueError for a missing column.

    frame: one row per channel of a block, with its map as an (H, W) array, as `experiments.activations.feature_maps`
    gives it.
    """
    frame = require(frame, COLUMNS, "A feature map")
    if not len(frame):
        return []
    groups = frame.groupby(["skip", "name", "seed", "origin"], sort=False)
    return [net for _, net in sorted(groups, key=lambda pair: bool(pair[0][0]))]


def of_block(net, index):
    """The rows of one block, by channel; of a net that has fewer blocks, those of its last."""
    return net[net["index"] == min(index, net["index"].max())].sort_values("channel")


def zero_maps(net, index):
    """(number of maps, how many of them are 0 everywhere, the largest activation) of one block."""
    maps = np.stack(of_block(net, index)["map"])  # (C, H, W)
    return len(maps), int((maps == 0).all(axis=(1, 2)).sum()), maps.max()


def edits(frame, index):
    """What one block makes of the first image, one channel of each net, plain ones first: the channel whose cosine of x
    and y is the median of the block's (of an even number, the lower of the middle two), and the pixel where its x is
    largest.

    Each has name, module, skip, predicted, channel, channels (their number), cosine; x, branch and y, (H, W) arrays;
    sizes, the RMS of each; pixel, (row, column), and its values at. frame: as of `nets`, and x and branch. A net that
    has no x there, because the block changes the shape, or all is 0, is left out.
    """
    frame = require(frame, (*COLUMNS, "x", "branch"), "A block's x and F(x)")
    found = []
    for net in nets(first_image(frame)):
        block = of_block(net, index)
        angles = cosines(block)
        if angles.isna().all():
            continue
        row = block.loc[angles.sort_values(kind="stable").index[(angles.notna().sum() - 1) // 2]]
        parts = {"x": row["x"], "branch": row["branch"], "y": row["map"]}
        pixel = tuple(map(int, np.unravel_index(row["x"].argmax(), row["x"].shape)))
        found.append(SimpleNamespace(
            name=row["name"], module=row["module"], skip=bool(row["skip"]), predicted=row["predicted"],
            channel=int(row["channel"]), channels=len(block), cosine=float(angles[row.name]), **parts, pixel=pixel,
            sizes={part: float(np.sqrt(np.square(values).mean())) for part, values in parts.items()},
            at={part: float(values[pixel]) for part, values in parts.items()},
        ))  # fmt: skip
    return found


def first_image(frame):
    """The rows of the first image of a frame that has a column image; else all rows."""
    return frame[frame["image"] == frame["image"].iloc[0]] if "image" in frame and len(frame) else frame


def cosines(frame):
    """The cosine of x and y of each row: 1 where they differ by a factor alone; NaN where there is no x, or one of both
    is 0 everywhere."""
    frame = require(frame, ("x", "map"), "The cosine of x and y")
    both = zip(frame["x"], frame["map"], strict=True)
    return pd.Series([_cosine(x, y) for x, y in both], index=frame.index, dtype=float)


def _cosine(x, y):
    if not isinstance(x, np.ndarray) or not x.any() or not y.any():
        return np.nan
    x, y = x.astype(float), y.astype(float)
    return (x * y).sum() / np.sqrt(np.square(x).sum() * np.square(y).sum())


def kept(edits):
    """Whether x and y look alike in all residual nets, and are two pictures in all plain ones, and both are there."""
    both = {skip: [edit.cosine for edit in edits if edit.skip == skip] for skip in (False, True)}
    return bool(both[True] and both[False]) and min(both[True]) >= KEPT and max(both[False]) <= LOST
