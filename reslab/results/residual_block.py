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
    the last 10 steps and over the seeds), errors (of each seed), diverged (the last step of a run that
    diverged, otherwise None). ValueError for a missing column.
    """
    families = {}
    for run in runs(require(frame, (*LABELS, "outcome", "error", "branch"), "The sentence")):
        families.setdefault((run.skip, run.name), []).append(run)
    found = []
    for (_, name), group in sorted(families.items(), key=lambda family: family[0][0]):
        below = [run["step"][run.numbers("error") < within] for run in group]
        broken = [run["step"][-1] for run in group if run["outcome"][-1] == "diverged"]
        errors, branches = ([run.numbers(column)[-10:].mean() for run in group] for column in ("error", "branch"))
        found.append(SimpleNamespace(
            name=name, seeds=[run.seed for run in group], first=[steps[0] for steps in below if len(steps)],
            steps=1 + max(run["step"][-1] for run in group), error=np.mean(errors),
            errors=errors, branch=np.mean(branches), diverged=max(broken, default=None),
        ))  # fmt: skip
    return found


def ends(table, x, skip):
    """The final error of plain or residual blocks over the seeds: one row per value of the column x, with mean, min,
    max, size.

    table: as `ended` gives it. Runs that diverged do not count.
    """
    table = require(table, ("skip", "error", x), "The chart of the final error")
    kept = table[np.isfinite(table["error"].astype(float)) & (table["skip"] == skip)]
    return kept.groupby(x)["error"].agg(["mean", "min", "max", "size"])


def ended(frame):
    """The final error of each run, the mean over its last ten steps (infinite if it diverged): one row per run, with
    its labels. frame: as `experiments.residual_block.learn_identity` gives it, here and below."""
    frame = require(frame, ("skip", "lr", "seed", "outcome", "error", "branch"), "The final error")
    runs = [column for column in ("distance", "blocks", "skip", "norm", "lr", "seed") if column in frame]
    last = frame.groupby(runs, sort=False).tail(10)
    means = {"error": ("error", "mean"), "branch": ("branch", "mean"), "outcome": ("outcome", "last")}
    table = last.groupby(runs, sort=False).agg(**means).reset_index()
    table.loc[table["outcome"] == "diverged", "error"] = np.inf
    return table


def nearer_to_its_target(table, x):
    """Where a kind of block ends nearer to its target in every seed, and whether it is the one with the skip: (where,
    skip), or None where the seeds overlap.

    where: "everywhere" on x; "at the identity" (with the skip there, without it farthest away); "at the best rate" of
    each kind. table, x: as `figures.residual_block.final_error` takes them.
    """
    table = require(table, (x, "skip", "error"), "The title")
    spread = table.groupby([x, "skip"])["error"].agg(["min", "max", "mean", "size"]).unstack("skip")
    if set(table["skip"]) != {False, True} or spread.isna().any(axis=None):
        return None
    residual = (spread["max", True] < spread["min", False]).to_numpy()
    plain = (spread["max", False] < spread["min", True]).to_numpy()
    if residual.all() or plain.all():
        return "everywhere", bool(residual.all())
    if x == "distance" and spread.index[0] == 0 and residual[0] and plain[-1]:
        return "at the identity", True
    if x != "lr":
        return None
    mean = spread["mean"].where(spread["size"] == spread["size"].max(axis=None))  # of the rates with all seeds
    if mean.isna().all().any():
        return None
    best = {skip: mean[skip].idxmin() for skip in (False, True)}
    low, high = ({skip: spread.loc[best[skip], (end, skip)] for skip in best} for end in ("min", "max"))
    nearer = [skip for skip in (False, True) if high[skip] < low[not skip]]
    return ("at the best rate", nearer[0]) if nearer else None


def at_best_rate(frame):
    """The rows of each kind of block at its best learning rate: the lowest mean final error over the seeds that were
    trained at all rates."""
    frame = require(frame, ("skip", "lr", "seed", "outcome", "error", "branch"), "The best rate")
    kinds = [column for column in ("distance", "blocks", "skip", "norm") if column in frame]
    table = ended(frame)
    tried, rates = (table.groupby(by)["lr"].transform("nunique") for by in ([*kinds, "seed"], kinds))
    means = table[tried == rates].groupby([*kinds, "lr"], sort=False)["error"].mean().reset_index()
    best = means.loc[means.groupby(kinds, sort=False)["error"].idxmin(), [*kinds, "lr"]]
    return frame.merge(best, on=[*kinds, "lr"])


def kept(frame):
    """Which pixels a shortcut without weights hands on, as a namespace; None if it hands on no channel unchanged.

    frame: as `experiments.residual_block.tensors` gives it. channel: the one of x that varies most; x, shortcut: its
    pixels before and after; places: the (row, column) in x of those handed on; channels, made: how many there are
    before and after; added: the channels of zeros that follow.
    """
    frame = require(frame, ("part", "channel", "row", "column", "value"), "The picture of a shortcut")
    x, shortcut = (_pixels(frame[frame["part"] == part]) for part in ("x", "shortcut"))
    channel, step = int(x.std((1, 2)).argmax()), x.shape[1] // shortcut.shape[1]
    if not np.array_equal(x[channel, ::step, ::step], shortcut[channel]):
        return None
    rows, columns = (range(0, size, step) for size in x.shape[1:])
    added = [each for each in range(len(x), len(shortcut)) if not shortcut[each].any()]
    return SimpleNamespace(
        channel=channel, channels=len(x), made=len(shortcut), x=x[channel], shortcut=shortcut[channel], added=added,
        places=[(row, column) for row in rows for column in columns],
    )  # fmt: skip


def _pixels(rows):
    """One tensor of a frame with one row per pixel, (channels, height, width)."""
    axes = [rows[axis].to_numpy() for axis in ("channel", "row", "column")]
    value = np.full([axis.max() + 1 for axis in axes], np.nan)
    value[tuple(axes)] = rows["value"]
    return value


def steps_to(frame, within=WITHIN):
    """The step at which each run's error is first below `within`, infinite if never: a Series by skip, blocks, lr and
    seed."""
    frame = require(frame, ("skip", "blocks", "lr", "seed", "step", "error"), "The verdict")
    first = frame[frame["error"] < within].groupby(["skip", "blocks", "lr", "seed"])["step"].min().astype(float)
    runs = frame.drop_duplicates(["skip", "blocks", "lr", "seed"]).set_index(["skip", "blocks", "lr", "seed"]).index
    return first.reindex(runs, fill_value=np.inf)


def faster(frame, within=WITHIN):
    """Which block learns faster, each at its best rate: "with the skip", "without", or "about the same" (seeds
    disagree, or neither learns)."""
    steps = steps_to(at_best_rate(frame), within)
    plain, residual = (steps[skip].droplevel("lr") for skip in (False, True))
    if (residual < plain).all():
        return "with the skip"
    return "without" if (plain < residual).all() else "about the same"


def lower_error(frame):
    """Which block has the lower final error, each at its best rate: "with the skip", "without", or "about the same"
    (seeds disagree)."""
    errors = ended(at_best_rate(frame)).set_index(["skip", "seed"])["error"]
    if (errors[True] < errors[False]).all():
        return "with the skip"
    return "without" if (errors[False] < errors[True]).all() else "about the same"


def costs(parts):
    """(of the block, of its shortcut): parameters, multiply_adds and additions for one image; ValueError for a missing
    column.

    parts: as `experiments.residual_block.block_parts` gives it.
    """
    parts = require(parts, PARTS, "The sentence")
    counted = ["parameters", "multiply_adds", "additions"]
    return parts[counted].sum(), parts.loc[parts["part"] == "shortcut", counted].sum()


def by_start(frame):
    """How the nets of `experiments.residual_block.starts` ended: one row per net, in the frame's order.

    Columns: name, low, median, high (final training error, fractions, over the seeds), seeds (how many). ValueError for
    a missing column.
    """
    last = require(frame, (*LABELS, "final_train_error"), "The comparison").drop_duplicates(["name", "seed"])
    table = last.groupby("name", sort=False)["final_train_error"]
    return table.agg(low="min", median="median", high="max", seeds="size").reset_index()


def share_of_the_start(frame):
    """(lowest, highest) over the seeds: where the second net's error is between the first's (0) and the last's (1).

    frame: as `by_start` takes it.
    """
    frame = require(frame, ("name", "seed", "final_train_error"), "The comparison")
    last = frame.drop_duplicates(["name", "seed"])
    errors = last.pivot(index="seed", columns="name", values="final_train_error")[last["name"].unique()]
    first, second, third = (errors[name] for name in errors)
    share = (first - second) / (first - third)
    return share.min(), share.max()


def stacks(frame):
    """How far stacks of blocks are from their target: one row per stack, in the frame's order.

    frame: as `at_best_rate` gives it. Columns: name, seeds (how many), start_low, start_high (relative errors before
    the first step, over the seeds), end_low and end_high (means of the last ten steps). ValueError for a missing
    column.
    """
    frame, rows = require(frame, (*LABELS, "error"), "The comparison"), []
    for name, part in frame.groupby("name", sort=False):
        errors = part.sort_values("step").groupby("seed")["error"]
        start, end = errors.first(), errors.apply(lambda error: error.tail(10).mean())
        ends = {"start_low": start.min(), "start_high": start.max(), "end_low": end.min(), "end_high": end.max()}
        rows.append({"name": name, "seeds": len(start), **ends})
    return pd.DataFrame(rows)
