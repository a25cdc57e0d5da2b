"""Lesson 08: how far nets get beyond bicubic interpolation, over the pictures and the seeds."""

import pandas as pd

from reslab import checks
from reslab.results.frames import answer_up_to, require

NET = ["name", "skip", "block_skips", "depth", "last"]
CLOSE = 0.1  # dB
# Answers of the lesson's question → up to which gain over bicubic, in dB.
ANSWERS = {
    "worse than bicubic": -CLOSE,
    "as good, within 0.1 dB": CLOSE,
    "better than bicubic": float("inf"),
}


def per_seed(frame, column="psnr"):
    """The mean over the pictures, one row per net × rate × step × seed. ValueError for a missing column.

    frame: as `experiments.super_resolution.quick` gives it, or the rows of one part of `best_rate`'s.
    """
    by = [*NET, "lr", "step", "seed", "origin"]
    frame = require(frame, (*by, "picture", column), "The curve")
    return frame.groupby(by, sort=False, dropna=False)[column].mean().reset_index()


def gains(frame, column="gain"):
    """The gain over bicubic in dB, one row per net × rate × step: of the means of `per_seed`, the median, lowest and
    highest over the seeds.

    Columns: name, skip, block_skips, depth, last, lr, step, median, low, high, seeds, lost (how many of the seeds have
    no number, because they diverged: they do not count).
    """
    by = [*NET, "lr", "step"]
    groups = per_seed(frame, column).groupby(by, sort=False)
    table = groups[column].agg(median="median", low="min", high="max")
    lost = groups[column].agg(lambda of_a_seed: of_a_seed.isna().sum())
    return table.assign(seeds=groups["seed"].nunique(), lost=lost).reset_index()


def at_step(frame, name, step=None):
    """The row of `gains` of one net at a step, by default the last.

    ValueError for a net or a step that the frame does not have, and for several nets of that name.
    """
    table = gains(frame)
    checks.choice("a net", name, list(table["name"].unique()))
    table = table[table["name"] == name]
    if table["last"].nunique() > 1 or table["lr"].nunique() > 1:
        raise ValueError(f"The frame has several {name}: keep the rows of one last layer and one rate.")
    step = table["step"].max() if step is None else step
    checks.choice("a step", step, table["step"].tolist())
    return table[table["step"] == step].iloc[0]


def verdict(frame, name="direct-10", step=None):
    """One of ANSWERS: the median gain of one net; NO_ANSWER if all its seeds diverged."""
    found = at_step(frame, name, step)["median"]
    return answer_up_to(ANSWERS, found)


def usual(steps):
    """The rows of nets whose last layer has the usual start: zero with a global skip, and drawn as He does without
    one, where zero would make a black picture."""
    steps = require(steps, ("last", "skip"), "The chart")
    return steps[(steps["last"] == "zero") == steps["skip"]]


def learned(steps):
    """The rows that are claimed of recorded trainings: held-out pictures, the best rate, and the usual start.

    steps: as `experiments.super_resolution_files.recorded` has it.
    """
    steps = require(steps, ("last", "skip", "best", "part"), "The chart")
    rows = usual(steps)
    return rows[rows["best"] & (rows["part"] == "held out")]


def best_rates(steps):
    """The rate that was best: one row per net. Columns: name, last, lr, and gain (dB, on the test pictures after the
    quick steps, the median over the seeds)."""
    steps = require(steps, ("part", "step", "best"), "The table of rates")
    quick = steps[steps["part"] == "test"]
    quick = quick[quick["step"] == quick.loc[~quick["best"], "step"].max()]
    table = gains(quick).rename(columns={"median": "gain"})
    best = table.loc[table.groupby(["name", "last"], sort=False)["gain"].idxmax()]
    return pd.DataFrame(best[["name", "last", "lr", "gain"]]).reset_index(drop=True)
