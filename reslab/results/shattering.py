"""Lesson 02: the autocorrelation of a gradient along its inputs, and how it goes with depth."""

import math

import pandas as pd

from reslab.results.frames import require

NET = ("name", "skip", "depth", "seed", "origin")
UNRELATED = 0.2  # an autocorrelation below
COLUMNS = (*NET, "lag", "autocorrelation")


def autocorrelation(frame, lags=32):
    """The correlation of a gradient with that at the input `lag` places further, lag 0 to `lags` - 1: 1 where the two
    are proportional, 0 where they are unrelated.

    frame: as `on_a_grid`, `noise` and `along_a_line` of `experiments.shattering` give it. One row per net × depth ×
    seed × lag. Columns: name, skip, depth, seed, origin, lag, autocorrelation: Σ(g(i) - ḡ)(g(i + lag) - ḡ) / Σ(g(i) -
    ḡ)², NaN where the gradient is the same at every input.
    """
    frame = require(frame, (*NET, "x", "gradient"), "The autocorrelation")
    rows = []
    for labels, group in frame.groupby(list(NET), sort=False):
        gradient = group.sort_values("x")["gradient"].to_numpy(dtype=float)
        centred = gradient - gradient.mean()
        power = (centred**2).sum()
        for lag in range(lags):
            product = (centred[: len(centred) - lag] * centred[lag:]).sum()
            rows.append((*labels, lag, product / power if power > 0 else math.nan))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_depth(table, lag=1):
    """Autocorrelation at one lag over the seeds: one row per net × depth: name, skip, origin, depth, mean, min, max,
    size.

    table: name, skip, depth, seed, origin, lag, autocorrelation; depth 0 marks the noises. size: how many seeds.
    ValueError for a missing column.
    """
    table = require(table, COLUMNS, "The autocorrelation")
    groups = table[table["lag"] == lag].groupby(["name", "skip", "depth"], sort=False)
    found = groups["autocorrelation"].agg(["mean", "min", "max", "size"]).assign(origin=groups["origin"].first())
    return found.reset_index()
