"""Lesson 02: the loss decrease that the gradient predicts, and how much of it is measured."""

import numpy as np

from reslab.results.frames import require

NET = ["name", "skip", "depth", "origin", "seed", "step"]
COLUMNS = (*NET, "rate", "loss", "predicted")
HOLDS_FROM = 0.5  # a prediction holds if the loss falls by at least this share of it
SMALLEST_PREDICTION = 1e-3  # nats; a smaller prediction is below float32's rounding of the loss


def by_step(frame):
    """One row per net × seed × step: name, skip, depth, origin, seed, step, fall, reach.

    frame: as `experiments.loss_along_gradient.in_training` gives it. fall: nats, by how much the loss is lower at the
    best of the rates than at the weights themselves (0 if none is lower). reach: the largest rate up to which every
    measurable prediction holds; NaN if the first does not. ValueError for a missing column.
    """
    frame = require(frame, COLUMNS, "The loss along the gradient")
    start = frame[frame["rate"] == 0].set_index(NET)["loss"]
    frame = frame[frame["rate"] > 0].join(start.rename("start"), on=NET).sort_values("rate")
    frame["fall"] = (frame["start"] - frame["loss"]).clip(lower=0)
    felt = frame[frame["predicted"] >= SMALLEST_PREDICTION].copy()
    felt["reach"] = felt["rate"].where(felt["fall"] >= HOLDS_FROM * felt["predicted"])
    whole = felt["reach"].notna().groupby([felt[column] for column in NET]).cumprod()
    reach = felt["reach"].where(whole.astype(bool)).groupby([felt[column] for column in NET]).max()
    table = frame.groupby(NET, sort=False)["fall"].max().to_frame().join(reach)
    return table.reset_index().sort_values(["skip", "depth", "seed", "step"], ignore_index=True)


def over_seeds(frame):
    """One row per net: name, skip, seeds, and [median, lowest, highest] over the seeds of: reach (before training),
    fall (the median over the steps), largest (the largest fall of any step).

    A reach that is NaN counts as 0.
    """
    table, rows = by_step(frame), []
    for (name, skip), net in table.groupby(["name", "skip"], sort=False):
        seeds = net.groupby("seed")
        numbers = {
            "reach": net[net["step"] == net["step"].min()].set_index("seed")["reach"].fillna(0.0),
            "fall": seeds["fall"].median(),
            "largest": seeds["fall"].max(),
        }
        found = {key: [np.median(values), values.min(), values.max()] for key, values in numbers.items()}
        rows.append({"name": name, "skip": skip, "seeds": len(seeds), **found})
    return rows
