"""Lesson 04: the feature maps of one block."""

import numpy as np

from reslab.results.activations import LABELS
from reslab.results.frames import require

COLUMNS = (*LABELS, "module", "index", "channel", "map", "predicted")


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
