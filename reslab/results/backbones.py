"""Lesson 10: the parts of models and their shares of the whole; receptive fields, probes and segmenters over seeds."""

from reslab import checks
from reslab.results.frames import answer_up_to, require

COLUMNS = ("model", "body_name", "part", "name", "parameters", "multiply_adds", "grows")
COSTS = ("parameters", "multiply_adds")
# Answers of the lesson's question → up to which share of the body.
ANSWERS = {
    "up to a fifth": 0.2,
    "a fifth to a half": 0.5,
    "half to three quarters": 0.75,
    "more than three quarters": float("inf"),
}


def parts(frame):
    """Costs of each part, one row per model × name, in the order of the forward pass.

    frame: as `experiments.backbones.layers` gives it. Columns: model, body_name, part, name, grows, parameters,
    multiply_adds, and parameters_share, multiply_adds_share: fractions of the whole model. ValueError for a missing
    column.
    """
    frame = require(frame, COLUMNS, "The chart of the parts")
    by = ["model", "body_name", "part", "name", "grows"]
    table = frame.groupby(by, sort=False)[list(COSTS)].sum().reset_index()
    for cost in COSTS:
        whole = table.groupby("model")[cost].transform("sum")
        table[f"{cost}_share"] = table[cost] / whole.where(whole > 0, 1)
    return table


def body_shares(frame):
    """The body of each model: one row per model; its parameters and multiply_adds, and its shares as in `parts`."""
    table = parts(frame)
    columns = [name for cost in COSTS for name in (cost, f"{cost}_share")]
    return table[table["part"] == "body"].groupby("model", sort=False)[columns].sum().reset_index()


def verdict(frame, model="Faster R-CNN", cost="parameters"):
    """One of ANSWERS: how much of a model is its body."""
    checks.choice("the cost", cost, COSTS)
    table = body_shares(frame).set_index("model")
    share = table.loc[checks.choice("a model", model, table.index), f"{cost}_share"]
    return answer_up_to(ANSWERS, share)


def fields(frame):
    """The measured receptive field, one row per net × trained × block: the median, lowest and highest over the seeds.

    frame: as `experiments.receptive_field.trained_and_untrained` gives it. Columns: name, skip, depth, origin, trained,
    index, field (allowed, pixels), median, low, high (measured, pixels), seeds. ValueError for a missing column.
    """
    return _over_seeds(frame, ["trained", "index", "field"], "side", "The receptive field")


def probes(frame):
    """What a linear classifier on a frozen body gets right, one row per net × trained × block: median, low, high
    (fractions of the test pictures), seeds.

    frame: as `experiments.probe` gives it. Columns besides: name, skip, depth, origin, trained, index.
    """
    return _over_seeds(frame, ["trained", "index"], "readout_accuracy", "The probe")


def last(table):
    """The rows of the last block of each net. table: of `fields` or `probes`."""
    table = require(table, ("name", "index"), "The last block")
    return table[table["index"] == table.groupby("name")["index"].transform("max")]


def segmenters(frame, measure="mean_iou"):
    """The mean IoU (or "mean_ap") of each segmenter and baseline, one row per name: skip (None of a baseline), median,
    low, high, seeds.

    frame: as `experiments.segmenter.compare` gives it. ValueError for a missing column.
    """
    frame = require(frame, ("name", "skip", "seed", measure), "The segmenters")
    groups = frame.groupby("name", sort=False)
    table = groups[measure].agg(median="median", low="min", high="max").assign(skip=groups["skip"].first())
    return table.assign(seeds=groups["seed"].nunique()).reset_index()


def _over_seeds(frame, by, column, what):
    frame = require(frame, ("name", "skip", "depth", "origin", "seed", *by, column), what)
    groups = frame.groupby(["name", "skip", "depth", *by], sort=False)
    table = groups[column].agg(median="median", low="min", high="max").assign(origin=groups["origin"].first())
    return table.assign(seeds=groups["seed"].nunique()).reset_index()
