"""Lesson 02: the growth factor of the gradient a layer, in a simple deep net."""

import math

from reslab.results.frames import require
from reslab.results.gradient_flow import LEVEL

PREDICTED = math.sqrt(math.pi / (math.pi - 1))  # a layer of BatchNorm and ReLU, for independent units: 1.21
COLUMNS = ("name", "norm", "activation", "seed", "back", "gradient")


def a_layer(frame):
    """The growth of the gradient a layer, from the last to the first: one row per kind, in the order of the frame:
    name, median, low, high (over the seeds), seeds.

    frame: as `experiments.mean_field.growth_by_layer` gives it; ValueError for a missing column.
    """
    frame = require(frame, COLUMNS, "The growth a layer")
    first = frame[frame["back"] == frame.groupby(["name", "seed"])["back"].transform("max")]
    grown = first.assign(growth=first["gradient"] ** (1 / first["back"])).groupby("name", sort=False)["growth"]
    return grown.agg(median="median", low="min", high="max", seeds="size").reset_index()


def only_together(frame):
    """Whether the gradient grows with BatchNorm and ReLU together, and is level with each alone, in every seed. It
    grows where that of the first layer is more than LEVEL times that of the last."""
    layers = require(frame, COLUMNS, "The title")["back"].max()
    kinds = frame.drop_duplicates("name").set_index("name")[["norm", "activation"]]
    grown = a_layer(frame).set_index("name").join(kinds)
    norm, relu = grown["norm"].astype(bool), grown["activation"] == "relu"
    both, alone = norm & relu, (norm & (grown["activation"] == "")) | (~norm & relu)
    level = grown["low"].pow(layers).gt(1 / LEVEL) & grown["high"].pow(layers).lt(LEVEL)
    grows = grown["low"].pow(layers).gt(LEVEL)
    return bool(both.any() and alone.sum() == 2 and grows[both].all() and level[alone].all())
