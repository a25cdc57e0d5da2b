"""Lesson 02: how the autocorrelation of the gradient goes with depth."""

from reslab.results.frames import require

NET = ("name", "skip", "depth", "seed", "origin")
COLUMNS = (*NET, "lag", "autocorrelation")


def by_depth(table, lag=1):
    """Autocorrelation at one lag over the seeds: a row a net × depth: name, skip, origin, depth, mean, min, max, size.

    table: name, skip, depth, seed, origin, lag, autocorrelation; depth 0 marks the noises. size: how many seeds.
    ValueError for a missing column.
    """
    table = require(table, COLUMNS, "The autocorrelation")
    groups = table[table["lag"] == lag].groupby(["name", "skip", "depth"], sort=False)
    found = groups["autocorrelation"].agg(["mean", "min", "max", "size"]).assign(origin=groups["origin"].first())
    return found.reset_index()
