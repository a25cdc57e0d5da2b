"""Lesson 03: how soon a block learns its target, and what its shortcut costs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.results.frames import require, runs

LABELS = ("name", "skip", "depth", "seed", "step")
PARTS = ("part", "layer", "parameters", "multiply_adds", "additions", "skip", "block", "shortcut", "changes_shape")
WITHIN = 0.1  # a relative error below this counts as learned
FLOOR = 1e-5  # the smallest error that is reported: float32 is not more precise


def learned(frame, within=WITHIN):
    """A namespace for each kind of block, over its seeds, plain ones first.

    frame: name, skip, depth, seed, origin, step, outcome, error and branch (ratios), one learning rate a name. Fields:
    name, seeds, first (the first step below `within`, of each seed that gets there), steps, error and branch (means of
    the last 10 steps and over the seeds), diverged (the last step of a run that diverged, otherwise None). ValueError
    for a missing column.
    """
    families = {}
    for run in runs(require(frame, (*LABELS, "outcome", "error", "branch"), "The sentence")):
        families.setdefault((run.skip, run.name), []).append(run)
    found = []
    for (_, name), group in sorted(families.items(), key=lambda family: family[0][0]):
        below = [run["step"][run.numbers("error") < within] for run in group]
        broken = [run["step"][-1] for run in group if run["outcome"][-1] == "diverged"]
        error, branch = (np.mean([run.numbers(column)[-10:].mean() for run in group]) for column in ("error", "branch"))
        found.append(SimpleNamespace(
            name=name, seeds=[run.seed for run in group], first=[steps[0] for steps in below if len(steps)],
            steps=1 + max(run["step"][-1] for run in group), error=error, branch=branch,
            diverged=max(broken, default=None),
        ))  # fmt: skip
    return found


def ends(table, x, skip):
    """The final error of plain or residual blocks over the seeds: a row a value of the column x, with mean, min, max,
    size.

    table: as `experiments.residual_block.ended` gives it. Runs that diverged do not count.
    """
    kept = table[np.isfinite(table["error"].astype(float)) & (table["skip"] == skip)]
    return kept.groupby(x)["error"].agg(["mean", "min", "max", "size"])


def costs(parts):
    """(of the block, of its shortcut): parameters, multiply_adds and additions for one image; ValueError for a missing
    column.

    parts: as `experiments.residual_block.block_parts` gives it.
    """
    parts = require(parts, PARTS, "The sentence")
    counted = ["parameters", "multiply_adds", "additions"]
    return parts[counted].sum(), parts.loc[parts["part"] == "shortcut", counted].sum()


def by_start(frame):
    """How the nets of `experiments.residual_block.starts` ended: a row a net, in the frame's order.

    Columns: name, low, median, high (final training error, fractions, over the seeds), seeds (how many). ValueError for
    a missing column.
    """
    last = require(frame, (*LABELS, "final_train_error"), "The comparison").drop_duplicates(["name", "seed"])
    table = last.groupby("name", sort=False)["final_train_error"]
    return table.agg(low="min", median="median", high="max", seeds="size").reset_index()


def share_of_the_start(table):
    """The second net's median error between the first's (0) and the last's (1)."""
    first, second, last = table["median"]
    return (first - second) / (first - last)


def stacks(frame):
    """How far stacks of blocks are from their target: a row a stack, in the frame's order.

    frame: as `experiments.residual_block.at_best_rate` gives it. Columns: name, seeds (how many), start_low, start_high
    (relative errors before the first step, over the seeds), end_low and end_high (means of the last ten steps).
    ValueError for a missing column.
    """
    frame, rows = require(frame, (*LABELS, "error"), "The comparison"), []
    for name, part in frame.groupby("name", sort=False):
        errors = part.sort_values("step").groupby("seed")["error"]
        start, end = errors.first(), errors.apply(lambda error: error.tail(10).mean())
        ends = {"start_low": start.min(), "start_high": start.max(), "end_low": end.min(), "end_high": end.max()}
        rows.append({"name": name, "seeds": len(start), **ends})
    return pd.DataFrame(rows)
