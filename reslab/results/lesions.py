"""Lesson 05: the error of trained nets without some of their blocks, over seeds and blocks."""

import pandas as pd

from reslab import checks
from reslab.results.frames import answer_up_to, median, require

NET = ("name", "skip", "depth", "seed", "origin")
HARDLY = 0.05  # a rise of the error (fraction) that is called hardly a change
# Answers of the lesson's questions → up to which error (fraction) of the net without a block; the first: of a rise.
ANSWERS = {
    "it hardly changes": HARDLY,
    "it rises, but most pictures are right": 0.3,
    "about half of all pictures are wrong": 0.7,
    "nearly as many are wrong as by guessing": float("inf"),
}


def verdict(frame, name="resnet-56"):
    """The error of a net without one block, and its rise against the whole net, medians over its blocks and seeds, as
    one of ANSWERS; NO_ANSWER if all are NaN.

    frame: as `experiments.lesions.one_out` gives it. ValueError for a net that is not in it.
    """
    frame = require(frame, ("name", "error"), "The verdict")
    checks.choice("a net", name, list(frame["name"].unique()))
    rows = frame[frame["name"] == name]
    if median(rows["error"] - rows["whole"]) <= HARDLY:
        return next(iter(ANSWERS))
    return answer_up_to(dict(list(ANSWERS.items())[1:]), median(rows["error"]))


def by_block(frame):
    """The error without each block: one row per net × block, the median, lowest and highest over the seeds.

    frame: as `experiments.lesions.one_out` gives it. Columns: name, skip, depth, origin, calibrated, module, index
    (from 1), way (of the blocks: 0 the first, 1 the last), median, low, high, whole (median), seeds (how many).
    ValueError for a missing column.
    """
    frame = require(frame, (*NET, "calibrated", "module", "index", "error", "whole"), "The error without a block")
    table = _medians(frame, ["calibrated", "module", "index"])
    last = table.groupby("name")["index"].transform("max")
    return table.assign(way=(table["index"] - 1) / (last - 1).clip(lower=1))


def needed(blocks):
    """The blocks without which the deepest residual net errs at least twice as often: rows of `by_block`."""
    residual = blocks[blocks["skip"].astype(bool)]
    deepest = residual[residual["depth"] == residual["depth"].max()]
    return deepest[deepest["median"] >= 2 * deepest["whole"]]


def by_count(frame):
    """The error without several blocks, or after several swaps: one row per net × count, over draws and seeds.

    frame: as `experiments.lesions.several_out` and `swapped` give it. Columns: name, skip, depth, origin, calibrated,
    count, median, low, high, whole, seeds. ValueError for a missing column.
    """
    frame = require(frame, (*NET, "calibrated", "count", "error", "whole"), "The error without several blocks")
    return _medians(frame, ["calibrated", "count"])


def summary(frame):
    """One lesion, net by net: one row per net × calibrated, over its blocks and seeds.

    frame: as `experiments.lesions.one_out` gives it. Columns: name, skip, depth, origin, calibrated, whole (median),
    median, low, high (of the errors without one block), worst (the block whose lesion hurts most, in the median over
    seeds), seeds.
    """
    blocks = by_block(frame)
    by = ["name", "skip", "depth", "origin", "calibrated"]
    worst = blocks.loc[blocks.groupby(by, sort=False)["median"].idxmax(), [*by, "module"]]
    return _medians(frame, ["calibrated"]).merge(worst.rename(columns={"module": "worst"}), on=by)


def _medians(frame, by):
    groups = frame.groupby(["name", "skip", "depth", "origin", *by], sort=False)
    table = groups["error"].agg(median="median", low="min", high="max")
    return table.assign(whole=groups["whole"].median(), seeds=groups["seed"].nunique()).reset_index()


def beside(kept, calibrated):
    """`summary` of two frames together: with BatchNorm's statistics unchanged, and with statistics measured again."""
    return pd.concat([summary(kept), summary(calibrated)], ignore_index=True)
