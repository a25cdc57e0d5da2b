"""Lesson 04: the signal of each net, before training and after, averaged over its blocks."""

import re
from collections import namedtuple
from types import SimpleNamespace

import numpy as np

from reslab import checks
from reslab.results.frames import answer_from, median, require

LABELS = ("name", "skip", "depth", "seed", "origin", "step", "outcome")
LEARNED = 0.5  # a net with a larger training error (fraction) counts as not having learned
# Answers of the lesson's prediction → the lowest |F(x)|/|x| of each.
SIZES = {"larger": 1.25, "about as large": 0.8, "smaller, but over a tenth of it": 0.1, "under a tenth of it": 0.0}
Spread = namedtuple("Spread", "median low high")  # over the seeds


def verdict(frame, name="resnet-56 · trained"):
    """|F(x)| / |x| of one net, the mean over its blocks and the median over its seeds, as one of SIZES; NO_ANSWER if
    all are NaN.

    frame: as `experiments.activations.before_and_after` gives it; ValueError for a net that is not in it.
    """
    frame = require(frame, ("name", "seed", "ratio"), "The verdict")
    checks.choice("a net", name, list(frame["name"].unique()))
    ratio = median(frame[frame["name"] == name].groupby("seed")["ratio"].mean())
    return answer_from(SIZES, ratio)


def medians(frame, column):
    """A column's median, lowest and highest value over the seeds: one row per net × state × block (or layer).

    Columns: name, skip, depth, origin, outcome, step, index, module, shape, the column itself (the median), low, high,
    seed (NaN if there are several). Values that are NaN do not count.
    """
    columns = ("name", "skip", "depth", "origin", "outcome", "step", "seed", "index", "module", "shape", column)
    frame = require(frame, columns, "A chart by block")
    by = ["name", "skip", "depth", "origin", "outcome", "index"]
    groups = frame.groupby(by, sort=False)
    table = groups.agg(
        step=("step", "max"), module=("module", "first"), shape=("shape", "first"), low=(column, "min"),
        high=(column, "max"), seed=("seed", "first"), seeds=("seed", "nunique"), **{column: (column, "median")},
    ).reset_index()  # fmt: skip
    table["seed"] = table["seed"].where(table.pop("seeds") == 1).astype(float)
    return table


def nets(frame, column):
    """One namespace per net: name, skip, depth, before, after, blocks; plain nets first, each deeper than the one
    before.

    before, after: the Spread, over the seeds, of a column's mean over the blocks, untrained and trained; None if the
    frame has no such net, NaN if no value is finite. blocks: the median of each block over the seeds (trained, if the
    frame has that).
    """
    frame = require(frame, ("name", "skip", "depth", "seed", "outcome", "index", column), "The table of nets")
    found = {}
    for (name, skip, depth, outcome), rows in frame.groupby(["name", "skip", "depth", "outcome"], sort=False):
        name = re.sub(" · (un)?trained$", "", name)
        net = found.setdefault(name, SimpleNamespace(name=name, skip=skip, depth=depth, before=None, after=None))
        finite = rows.assign(value=rows[column].astype(float).replace([np.inf, -np.inf], np.nan))
        net.blocks = finite.groupby("index")["value"].median().to_numpy()
        means = finite.groupby("seed", dropna=False)["value"].mean()
        spread = Spread(median(means), means.min(), means.max())
        setattr(net, "before" if outcome == "untrained" else "after", spread)
    return sorted(found.values(), key=lambda net: (net.skip, net.depth))


def twins(nets):
    """[(plain net, residual net of its depth, number of layers where the residual net's value is smaller), ...]."""
    pairs = [(plain, net) for plain in nets for net in nets if plain.depth == net.depth and plain.skip < net.skip]
    return [(plain, net, int((plain.blocks > net.blocks).sum())) for plain, net in pairs]


def failures(frame):
    """[(net, outcome, training error), ...] of the nets that diverged, or have a training error of over one half.

    frame: name, seed, outcome, train_error (fraction; the median over the seeds is given).
    """
    frame = require(frame, ("name", "seed", "outcome", "train_error"), "The list of nets that failed")
    found, trained = [], frame[frame["outcome"] != "untrained"]
    for (name, outcome), rows in trained.groupby(["name", "outcome"], sort=False):
        error = rows.groupby("seed")["train_error"].first().dropna().median()
        if outcome == "diverged" or error > LEARNED:
            found.append((re.sub(" · trained$", "", name), outcome, error))
    return found


def by_depth(frame, norm):
    """|F(x)|/|x|, averaged over blocks and seeds, of the nets with this norm: one row per depth, with blocks and ratio.

    frame: as `experiments.activations.at_initialisation` gives it.
    """
    frame = require(frame, ("norm", "depth", "index", "ratio"), "The chart by depth")
    nets = frame[frame["norm"] == norm].groupby("depth")
    return nets.agg(ratio=("ratio", "mean"), blocks=("index", "max"))


def power(nets):
    """The exponent p of ratio ∝ blocksᵖ, fitted on log scales through the rows of `by_depth`."""
    return np.polyfit(np.log(nets["blocks"]), np.log(nets["ratio"]), 1)[0]
