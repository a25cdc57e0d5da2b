"""Lesson 09: the error and cost of each variant, compared with the net that it changes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reslab.results.degradation import CLEAR
from reslab.results.frames import median, require

COLUMNS = ("name", "of", "seed", "outcome", "final_train_error", "test_error", "step", "parameters", "multiply_adds")
LOWER, HIGHER, SAME = "lower", "higher", "about the same"
BROKEN, ALONE = "did not finish", "nothing to compare it with"
EQUAL = 0.05  # costs that differ by a smaller fraction are called the same


@dataclass
class Result:
    """A variant over its seeds; steps and costs are those of one training."""

    name: str
    of: str
    seeds: list
    train: np.ndarray  # training errors (fractions) of the seeds that finished
    test: np.ndarray
    broken: list  # (seed, outcome, step) of the other seeds
    steps: int
    parameters: int
    multiply_adds: int

    @property
    def error(self):
        """Its median training error (fraction); NaN if no seed finished."""
        return np.median(self.train) if len(self.train) else np.nan


def results(frame):
    """A `Result` for each variant of a race, by name."""
    frame = require(frame, COLUMNS, "The race")
    table = {}
    for name, part in frame.groupby("name", sort=False):
        last = part.groupby("seed").last().reset_index()  # of the test errors, the last that was measured
        done, broken = last[last["outcome"] == "finished"], last[last["outcome"] != "finished"]
        table[name] = Result(
            name=name, of=part["of"].iloc[0], seeds=list(last["seed"]),
            train=done["final_train_error"].to_numpy(float), test=done["test_error"].to_numpy(float),
            broken=list(broken[["seed", "outcome", "step"]].itertuples(index=False, name=None)),
            steps=int(last["step"].max()), parameters=int(last["parameters"].iloc[0]),
            multiply_adds=int(last["multiply_adds"].iloc[0]),
        )  # fmt: skip
    return table


def verdict(frame, name, *, of=None):
    """A variant's training error compared with that of its base net, in which one thing was changed: LOWER, HIGHER,
    SAME or BROKEN.

    LOWER, HIGHER: in every seed, and by 2 points in the median. BROKEN: one of its seeds did not finish. of: another
    net to compare it with. ValueError if the frame lacks one of the two.
    """
    table = results(frame)
    for needed in (name, of or (name in table and table[name].of)):
        if needed not in table:
            raise ValueError(f"the race has no {needed!r}; it has {', '.join(map(repr, table))}.")
    return compare(table[name], table[of or table[name].of])


def compare(variant, base):
    """`verdict` of two `Result`s; ALONE where base is None. A seed of the base that did not finish errs on all."""
    if variant.broken:
        return BROKEN
    if base is None:
        return ALONE
    if not len(base.train):
        return LOWER  # it finished, and the net that it changes did not
    other = np.append(base.train, np.ones(len(base.broken)))
    overlap = variant.train.min() <= other.max() and other.min() <= variant.train.max()
    gap = variant.error - np.median(other)
    return SAME if overlap or abs(gap) < CLEAR else HIGHER if gap > 0 else LOWER


def cost_ratios(table):
    """{name: multiply-adds of a step, as a multiple of the first variant's}. table: as `results` gives it."""
    first = next(iter(table.values()))
    return {name: variant.multiply_adds / first.multiply_adds for name, variant in table.items()}


def spreads(frame):
    """The training errors of each variant of a race over its seeds, a row each, in the frame's order.

    frame: as `experiments.variants.race` gives it, the histories of runs, or `at_best_rate`, one row per run.
    Columns: name, low, median and high (fractions, of the seeds that finished), finished and seeds (how many), claim
    (the paper's); and where the frame has rates, all that were tried, lr (the best) and edge (whether that is the
    lowest or the highest of them). ValueError for a missing column.
    """
    frame, rows = require(frame, ("name", "seed", "outcome", "final_train_error", "claim"), "The table"), []
    for name, part in frame.groupby("name", sort=False):
        last = part.groupby("seed").last()
        errors = last.loc[last["outcome"] == "finished", "final_train_error"]
        row = {"name": name, "low": errors.min(), "median": median(errors), "high": errors.max()}
        row |= {"finished": len(errors), "seeds": len(last), "claim": part["claim"].iloc[0]}
        if "rates" in frame:
            lr, tried = part["lr"].iloc[0], part["rates"].iloc[0]
            row |= {"lr": lr, "edge": lr in (min(tried), max(tried))}
        rows.append(row)
    return pd.DataFrame(rows)


def summary(frame):
    """One row per variant of a race. Columns: variant, of, change, parameters, multiply_adds (of one image), seconds
    (of one training, the mean over seeds), train_error, test_error (fractions, the median of the seeds that finished),
    finished ("3 of 3"), claim, source.

    frame: as `experiments.variants.race` gives it. ValueError for a missing column.
    """
    frame, rows = require(frame, (*COLUMNS, "change", "seconds", "claim", "source"), "The table"), []
    for name, part in frame.groupby("name", sort=False):
        last = part.groupby("seed").last()
        done = last[last["outcome"] == "finished"]
        rows.append({
            "variant": name,
            **{column: part[column].iloc[0] for column in ("of", "change", "parameters", "multiply_adds")},
            "seconds": last["seconds"].mean(),
            "train_error": median(done["final_train_error"]),
            "test_error": median(done["test_error"]),
            "finished": f"{len(done)} of {len(last)}",
            **{column: part[column].iloc[0] for column in ("claim", "source")},
        })  # fmt: skip
    return pd.DataFrame(rows)


def at_best_rate(frame):
    """The rows of each variant at its best rate, that of its first seed; column rates: all rates of that seed.

    frame: as `experiments.variant_rates.rates` gives it. ValueError for a missing column.
    """
    frame = require(frame, ("name", "lr", "seed", "final_train_error"), "The best rates")
    first = frame[frame["seed"] == frame["seed"].min()]
    finished = first.assign(error=first["final_train_error"].fillna(1.0))
    best = finished.loc[finished.groupby("name", sort=False)["error"].idxmin(), ["name", "lr"]]
    tried = first.groupby("name")["lr"].agg(tuple)
    return best.merge(frame, on=["name", "lr"]).assign(rates=lambda chosen: chosen["name"].map(tried))
