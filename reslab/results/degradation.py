"""Lesson 01: the final errors of each run, and how training error depends on depth."""

import re
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.results.frames import require, runs

LABELS = ("name", "skip", "depth", "seed", "origin", "outcome")
MEASURED = ("parameters", "step", "epoch", "loss", "train_error", "test_error", "seconds")
CLEAR = 0.02  # a smaller difference in error (fraction) counts as none
CIFAR10_ERRORS = {  # the papers' test errors (%) on CIFAR-10; they print none for plain nets
    "resnet-20": 8.75,  # He et al. 2015, Table 6
    "resnet-32": 7.51,
    "resnet-44": 7.17,
    "resnet-56": 6.97,
    "resnet-110": 6.43,  # the best of five; their mean is 6.61
    "resnet-1202": 7.93,
    "norm-after-add-resnet-110": 8.17,  # He et al. 2016, Table 2
    "relu-before-add-resnet-110": 7.84,
    "relu-only-preact-resnet-110": 6.71,
    "preact-resnet-110": 6.37,
    "preact-resnet-164": 5.46,  # He et al. 2016, Table 3
    "wide-resnet-16-8": 4.27,  # Zagoruyko & Komodakis 2016, Table 5
    "stochastic-resnet-110": 5.23,  # Huang et al. 2016, Table 1 (5.25 in its first version)
}

# How a plain net's training error compares with that of the residual net of its depth.
HIGHER, OVERLAP, LOWER, SAME = "higher in every seed", "the seeds overlap", "lower in every seed", "about the same"


def final(frame):
    """One row a run: name, skip, depth, seed, origin, parameters, steps, train_error, test_error, outcome, seconds.

    frame: the same columns for each logged step, with step, epoch and loss. Errors are fractions. train_error is
    `final_train_error` if the frame has it, otherwise the mean of the finite values of the last epoch. test_error is
    the last one measured. ValueError for a missing column.
    """
    columns = ["name", "skip", "depth", "seed", "origin", "parameters", "steps"]
    columns += ["train_error", "test_error", "outcome", "seconds"]
    return pd.DataFrame([vars(result) for result in results(frame)], columns=columns)


def results(frame):
    """`final`'s rows as namespaces, each with `net` ("plain-56 · tanh": no seed) and `family` ("plain · tanh": no
    depth)."""
    table = []
    for run in runs(require(frame, (*LABELS, *MEASURED), "The result")):
        epoch, error, test = map(run.numbers, ("epoch", "train_error", "test_error"))
        finite, tested = np.isfinite(run.numbers("loss")) & np.isfinite(error), test[np.isfinite(test)]
        recent = finite & ~(epoch <= epoch[finite].max(initial=0) - 1 + 1e-6)
        whole = run.numbers("final_train_error")[-1] if "final_train_error" in frame else np.nan
        net = re.sub(r"( ·)? *\(?seed \d+\)?", "", run.name)
        table.append(SimpleNamespace(
            **{name: getattr(run, name) for name in ("name", "skip", "depth", "seed", "origin")},
            **{name: run[name][-1] for name in ("parameters", "outcome", "seconds")},
            steps=run["step"][-1], net=net,
            family=re.sub("^resnet", "residual", re.sub(rf"-{run.depth}\b", "", net, count=1)),
            train_error=whole if np.isfinite(whole) else error[recent].mean() if recent.any() else np.nan,
            test_error=tested[-1] if len(tested) else np.nan,
        ))  # fmt: skip
    return table


def grouped(items, *names):
    """Items with equal values in these fields, in the order in which they first appear: {values: [item, ...]}."""
    groups = {}
    for item in items:
        groups.setdefault(tuple(getattr(item, name) for name in names), []).append(item)
    return groups


@dataclass(frozen=True)
class Point:
    """The training error (fraction) of one net over its seeds: median, low, high, and the number of runs."""

    family: str
    skip: bool
    depth: int
    net: str
    median: float
    low: float
    high: float
    runs: int
    seeds: frozenset
    parameters: frozenset


def points(done):
    """The `Point`s of some of `results`, one a net, in the order in which they first appear."""
    return [
        Point(
            *of, np.median(errors := [run.train_error for run in group]), min(errors), max(errors), len(group),
            frozenset(run.seed for run in group), frozenset(run.parameters for run in group),
        )
        for of, group in grouped(done, "family", "skip", "depth", "net").items()
    ]  # fmt: skip


def compare(plain, residual):
    """How the training error of a plain net's `Point` compares with a residual net's: HIGHER, OVERLAP, LOWER or
    SAME."""
    gap = plain.median - residual.median
    if gap > CLEAR:
        return HIGHER if plain.low > residual.high else OVERLAP
    if gap < -CLEAR:
        return LOWER if residual.low > plain.high else OVERLAP
    return SAME


@dataclass(frozen=True)
class Trend:
    """How training error changes with depth: "rises", "peaks", "falls" or "level", and the `Point`s that show it.

    A rise is from the net of lowest error to the deepest; `after_a_fall` if a shallower net had a clearly higher error
    than the lowest. `overlap`: whether the seeds of the two ends of a rise or a fall overlap. A peak is at `start`.
    """

    kind: str
    start: Point
    end: Point
    after_a_fall: bool = False
    overlap: bool = False
    low: float = np.nan  # of the medians, where the error is level
    high: float = np.nan
    least: float = np.nan  # of single runs, there
    most: float = np.nan


def trend(points):
    """The `Trend` of one family's `Point`s, two or more, shallowest first."""
    first, *middle, last = points
    best, worst = min(points[:-1], key=lambda point: point.median), max(points, key=lambda point: point.median)
    if last.median - best.median > CLEAR:
        return Trend("rises", best, last, first.median - best.median > CLEAR, last.low <= best.high)
    if worst in middle and worst.median - max(first.median, last.median) > CLEAR:
        return Trend("peaks", worst, last)
    if first.median - last.median > CLEAR:
        return Trend("falls", first, last, overlap=first.low <= last.high)
    ends = dict(least=min(point.low for point in points), most=max(point.high for point in points))  # noqa: C408
    return Trend("level", first, last, low=min(best.median, last.median), high=worst.median, **ends)


def same_parameters(points):
    """Whether there is a depth with plain and residual nets, and at each such depth all have the same parameters."""
    both = [group for group in grouped(points, "depth").values() if len({point.skip for point in group}) > 1]
    return bool(both) and all(len(frozenset.union(*(point.parameters for point in group))) == 1 for group in both)


def same_seeds(points):
    """The number of seeds if there are two or more nets with the same seeds; otherwise 0."""
    return len(points[0].seeds) if len(points) > 1 and all(point.seeds == points[0].seeds for point in points) else 0


def by_rate(frame):
    """The training error of each net at each learning rate and length, over its seeds: a row each.

    frame: as `experiments.degradation.by_rate` gives it. Columns: name, skip, depth, origin, lr, epochs, seeds (how
    many), and the median, low and high of train_error (fractions); a run that diverged counts as an error of 1.
    ValueError for a missing column.
    """
    columns = ("name", "skip", "depth", "origin", "lr", "epochs", "seed", "train_error", "outcome")
    frame = require(frame, columns, "Training error against learning rate and length")
    frame = frame.assign(train_error=frame["train_error"].where(frame["outcome"] != "diverged", 1.0))
    groups = frame.groupby(["skip", "depth", "name", "lr", "epochs"], as_index=False)
    return groups.agg(
        origin=("origin", "first"), seeds=("seed", "nunique"), median=("train_error", "median"),
        low=("train_error", "min"), high=("train_error", "max"),
    )  # fmt: skip


def best(table, epochs):
    """The row of a table of `by_rate` with the lowest median, among those with this number of epochs."""
    table = require(table, ("epochs", "median"), "The best rate")
    rows = table[table["epochs"] == epochs]
    return rows.loc[rows["median"].idxmin()]


def verdict(frame, shallow=20, deep=56, *, skip=False):
    """The deeper net's training error (the median over the seeds) against the shallower one's: "higher", "lower", or
    "about the same".

    frame: as `experiments.degradation.by_depth` gives it. A difference of less than 2 points is "about the same"; a run
    that diverged counts as an error of 1. ValueError if the frame lacks one of the two depths.
    """
    frame = require(frame, ("skip", "depth", "seed", "final_train_error"), "The verdict")
    nets = frame[frame["skip"] == skip].drop_duplicates(["depth", "seed"])
    errors = nets["final_train_error"].fillna(1.0).groupby(nets["depth"]).median()
    for depth in (shallow, deep):
        if depth not in errors.index:
            kind = "residual" if skip else "plain"
            raise ValueError(f"the frame has no {kind} net of depth {depth}; it has {list(errors.index)}.")
    difference = errors[deep] - errors[shallow]
    return "about the same" if abs(difference) < CLEAR else "higher" if difference > 0 else "lower"


def beside_the_paper(frame):
    """Final errors of runs, one row per net, and the papers' test errors on all of CIFAR-10, see CIFAR10_ERRORS.

    frame: the histories of runs, as `Run.frame` has them. Columns: name, parameters, seeds (how many), steps,
    train_error and test_error (fractions, means over the seeds), paper_test_error (fraction, NaN where the paper prints
    none).
    """
    columns = ("name", "seed", "outcome", "parameters", "step", "final_train_error", "test_error")
    frame = require(frame, columns, "The table")
    ended = frame[frame["outcome"] == "finished"]
    last = ended.groupby(["name", "seed"], sort=False).last().reset_index()
    table = last.groupby("name", sort=False).agg(
        parameters=("parameters", "first"), seeds=("seed", "nunique"), steps=("step", "max"),
        train_error=("final_train_error", "mean"), test_error=("test_error", "mean"),
    )  # fmt: skip
    return table.reset_index().assign(paper_test_error=lambda table: table["name"].map(CIFAR10_ERRORS) / 100)
