"""Lesson 08: how far nets get beyond bicubic interpolation, over the pictures and the seeds."""

from reslab import checks
from reslab.results.frames import require

NET = ["name", "skip", "block_skips", "depth", "last"]
CLOSE = 0.1  # dB
# Answers of the lesson's question → up to which gain over bicubic, in dB.
ANSWERS = {
    "worse than bicubic": -CLOSE,
    "as good, within 0.1 dB": CLOSE,
    "better than bicubic": float("inf"),
}


def gains(frame):
    """The gain over bicubic in dB, a row a net × step: the mean over the pictures, and of these means the median,
    lowest and highest over the seeds.

    frame: as `experiments.super_resolution.quick` gives it, or the rows of one part of `best_rate`'s. Columns: name,
    skip, block_skips, depth, last, lr, step, median, low, high, seeds. ValueError for a missing column.
    """
    frame = require(frame, (*NET, "lr", "step", "seed", "picture", "gain"), "The gain over bicubic")
    by = [*NET, "lr", "step"]
    means = frame.groupby([*by, "seed"], sort=False)["gain"].mean().reset_index()
    groups = means.groupby(by, sort=False)
    table = groups["gain"].agg(median="median", low="min", high="max")
    return table.assign(seeds=groups["seed"].nunique()).reset_index()


def at_step(frame, name, step=None):
    """The row of `gains` of one net, with its seeds' median, low and high: at a step, by default the last.

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
    """One of ANSWERS: the median gain of one net."""
    found = at_step(frame, name, step)["median"]
    return next(answer for answer, most in ANSWERS.items() if found <= most)
