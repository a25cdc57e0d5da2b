"""Lesson 02: what comes when in a training: from which step on something holds, in every seed."""

from types import SimpleNamespace

from reslab.results.activations import LEARNED
from reslab.results.frames import require
from reslab.results.gradient_flow import EXPLODES, LEVEL

COLUMNS = ("name", "skip", "depth", "seed", "step", "guess", "told_apart", "ratio", "train_error")
HALF = 0.5  # of the pictures


def from_then_on(net, holds):
    """The first step from which on something holds, in every seed and at every later step; None where it ends false.

    net: the rows of one net; holds: a truth value of each.
    """
    by_step = holds.groupby(net["step"]).all()
    still = by_step[::-1].cummin()[::-1]  # steps are in order
    return still.idxmax() if still.any() else None


def nets(frame):
    """A namespace for each net of a frame of `experiments.dynamics`, over its seeds and steps.

    name, skip, seeds (how many); before and after: {column: [median, lowest, highest]} at the first step, None where it
    has no value, and at the last with one; explodes (in every seed, at the first step); from a step on, in every seed
    (None: never): small (the ratio is below LEVEL), through (at least half of the pictures are told apart), right (the
    error is at most LEARNED); least: the least error of any seed since the ratio is small (NaN: it never is).
    ValueError for a missing column.
    """
    found = []
    for (name, skip), net in require(frame, COLUMNS, "A training").groupby(["name", "skip"], sort=False):
        known = {column: net[net[column].notna()] for column in ("told_apart", "ratio", "train_error")}
        ends = {}
        for column, rows in known.items():
            spread = rows.groupby("step")[column].agg(["median", "min", "max"])
            first = spread.loc[net["step"].min()].tolist() if net["step"].min() in spread.index else None
            ends[column] = [first, spread.iloc[-1].tolist() if len(spread) else None]
        small = from_then_on(net, net["ratio"] < LEVEL)
        later = net[net["step"] >= small] if small is not None else net[:0]
        errors = known["train_error"]
        found.append(SimpleNamespace(
            name=name, skip=bool(skip), seeds=net["seed"].nunique(),
            before={column: first for column, (first, _) in ends.items()},
            after={column: last for column, (_, last) in ends.items()},
            explodes=bool((net.loc[net["step"] == net["step"].min(), "ratio"] >= EXPLODES).all()),
            small=small, through=from_then_on(net, net["told_apart"] >= HALF),
            right=from_then_on(errors, errors["train_error"] <= LEARNED),
            least=later["train_error"].min(),
        ))  # fmt: skip
    return found
