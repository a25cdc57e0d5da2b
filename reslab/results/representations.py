"""Lesson 04: which pictures a net can distinguish, over the seeds; the growth of a change forward and of the gradient
backward."""

import numpy as np
import pandas as pd

from reslab import checks
from reslab.results.frames import answer_from, median, require

LABELS = ("name", "skip", "depth", "seed", "step", "index")
# Answers of the lesson's prediction → the lowest share of the pictures of each.
ANSWERS = {"nearly all": 0.7, "about half": 0.25, "few, as by guessing": 0.0}
NEARLY_UNRELATED, ALIKE = 0.2, 0.5  # a cosine below, and one above


def over_seeds(frame, column):
    """A column's median, lowest and highest value over the seeds: one row per net × step × block.

    frame: as `experiments.representations` and `experiments.chaos` give it. Columns: name, skip, depth, origin, step,
    index, share (position in the net: 0 the stem, 1 the last block), median, low, high, seed (NaN if there are
    several), seeds (how many). Values that are NaN do not count. ValueError for a missing column.
    """
    frame = require(frame, (*LABELS, column), "A chart by block")
    if "origin" not in frame:
        frame = frame.assign(origin="")
    by = ["name", "skip", "depth", "origin", "step", "index"]
    groups = frame.groupby(by, sort=False)
    table = groups[column].agg(median="median", low="min", high="max").reset_index()
    seeds = groups["seed"].agg(["first", "nunique"]).reset_index(drop=True)
    table["seed"] = seeds["first"].where(seeds["nunique"] == 1).astype(float)
    table["seeds"] = seeds["nunique"]
    table["share"] = table["index"] / table.groupby(["name", "origin"])["index"].transform("max")
    return table


def verdict(frame, name="plain-56", block=13):
    """The share of pictures that a net distinguishes after a block, the median over seeds at the latest step, as one of
    ANSWERS; NO_ANSWER if all are NaN.

    frame: as `experiments.representations.before_training` gives it. ValueError for a net or a block that is not in it.
    """
    frame = require(frame, ("name", "step", "index", "neighbour_accuracy"), "The verdict")
    checks.choice("a net", name, list(frame["name"].unique()))
    net = frame[(frame["name"] == name) & (frame["step"] == frame["step"].max())]
    block = checks.integer("block", block, 0, int(net["index"].max()))
    share = median(net.loc[net["index"] == block, "neighbour_accuracy"])
    return answer_from(ANSWERS, share)


def totals(frame):
    """The growth of a small change of the images through each net, and of the gradient backward: one row per net.

    frame: as `experiments.chaos.before_training` gives it. Columns: name, skip, depth, change and gradient: [median,
    lowest, highest] over the seeds, of the change at the last block and of the gradient at the stem. ValueError for a
    missing column.
    """
    frame = require(frame, (*LABELS, "change", "gradient"), "The growth")
    rows = []
    for (name, skip, depth), net in frame.groupby(["name", "skip", "depth"], sort=False):
        last = net["index"].max()
        grown = {"change": net[net["index"] == last]["change"], "gradient": net[net["index"] == 0]["gradient"]}
        # Without the NaN: of them alone pandas 2.2 takes no median without a warning.
        spreads = {way: values.dropna().agg(["median", "min", "max"]) for way, values in grown.items()}
        numbers = {way: spread.tolist() for way, spread in spreads.items()}
        rows.append({"name": name, "skip": skip, "depth": depth, **numbers})
    return pd.DataFrame(rows, columns=["name", "skip", "depth", "change", "gradient"])


def at_the_end(frame, column):
    """`over_seeds`, of the last block at the latest step of each net: one row per net."""
    table = over_seeds(frame, column)
    latest = table["step"] == table.groupby("name")["step"].transform("max")
    return table[latest & np.isclose(table["share"], 1)].reset_index(drop=True)
