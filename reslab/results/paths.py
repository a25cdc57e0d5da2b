"""Lesson 05: the lengths of the gradient's paths, over the seeds."""

from reslab.results.frames import require


def by_length(frame):
    """A net's shares by path length: one row per net × step × length, the median, lowest and highest over the seeds.

    frame: as `experiments.paths.by_length` and `sampled` give it (each repeat counts as a seed of its own). Columns:
    name, depth, step, blocks, length, counted, median, low, high, seeds. ValueError for a missing column.
    """
    columns = ("name", "depth", "seed", "step", "blocks", "length", "counted", "share")
    groups = require(frame, columns, "The paths").groupby(
        ["name", "depth", "step", "blocks", "length", "counted"], sort=False
    )
    table = groups["share"].agg(median="median", low="min", high="max")
    return table.assign(seeds=groups["seed"].nunique()).reset_index()


def lengths(frame):
    """How long the paths are, net by net: one row per name × step.

    frame: as above. Columns: name, depth, step, blocks, seeds, mean (path length, weighted by share: the median over
    seeds), low, high (of the mean), counted (its value if all paths had equal weights: half the blocks).
    """
    frame = require(frame, ("name", "depth", "seed", "step", "blocks", "length", "share"), "The table of lengths")
    by = ["name", "depth", "step", "blocks"]
    each = [*by, "seed", *(["repeat"] if "repeat" in frame else [])]
    means = frame.assign(mean=frame["length"] * frame["share"]).groupby(each, sort=False)["mean"].sum()
    groups = means.reset_index().groupby(by, sort=False)
    table = groups["mean"].agg(["median", "min", "max"])
    table.columns = ["mean", "low", "high"]
    table["seeds"] = groups["seed"].nunique()
    return table.reset_index().assign(counted=lambda rows: rows["blocks"] / 2)
