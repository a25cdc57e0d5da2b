"""Lesson 07: how good a map is, over the pictures and the seeds."""

import numpy as np

from reslab import checks
from reslab.results.frames import answer_up_to, median, require

NET = ["name", "skip", "depth", "origin"]
METHOD = "integrated gradients"  # that the lesson's questions are about
NAME = "resnet-20"
CHANGED = 0.7  # below this rank correlation with what it was, a map is called changed
# Answers of the lesson's questions → up to which ratio of two falls.
ANSWERS = {"less": 0.8, "about as much": 1.4, "about twice as much, or more": float("inf")}


def falls(frame):
    """How far the probability falls, one row per net × method × kind: the mean over the images, and of these means the
    median, lowest and highest over the seeds.

    frame: as `experiments.deletion.fall` gives it. Columns: name, skip, depth, origin, method, kind, median, low, high,
    seeds, images. ValueError for a missing column.
    """
    return _over_seeds(frame, ["method", "kind"], "fall", "The fall of the probability")


def errors(frame):
    """How often nets are wrong: one row per net, median, low and high (fractions) over the seeds, seeds.

    frame: as `experiments.lesions.errors` gives it.
    """
    return _over_seeds(frame, [], "error", "How often nets are wrong")


def ratio(frame, kind="moved", name=NAME, method=METHOD):
    """The fall with a map's pixels deleted over that with another hole of the same size: the median over the seeds.
    Where the other hole does not lower the probability: infinite if the map's hole does more, 0 if it does less.

    kind: of `experiments.deletion.KINDS`. ValueError for a net, a method or a kind that the frame does not have.
    """
    frame = require(frame, ("name", "method", "kind", "seed", "fall"), "The verdict")
    checks.choice("a net", name, list(frame["name"].unique()))
    checks.choice("a method", method, [each for each in frame["method"].unique() if each])
    checks.choice("a kind", kind, list(frame["kind"].unique()))
    rows = frame[frame["name"] == name]
    mean = rows.groupby(["method", "kind", "seed"])["fall"].mean()
    ours, other = mean[method, "map"], mean[("" if kind == "disc" else method), kind]
    beside_none = np.select([ours > other, ours < other, ours == other], [np.inf, 0.0, 1.0], np.nan)
    return float(median((ours / other).where(other > 0, beside_none)))


def verdict(frame, kind="moved", name=NAME, method=METHOD):
    """One of ANSWERS: how `ratio` comes out; NO_ANSWER of NaN."""
    found = ratio(frame, kind, name, method)
    return answer_up_to(ANSWERS, found)


def lines(frame, way="deletion"):
    """The probability by share deleted (or inserted): one row per net × method × kind × share, median, low, high,
    seeds.

    frame: as `experiments.deletion.curves` gives it. ValueError for a missing column, or another way.
    """
    checks.choice("way", way, ("deletion", "insertion"))
    frame = require(frame, (*NET, "seed", "method", "kind", "way", "share", "p"), "The curve")
    return _over_seeds(frame[frame["way"] == way], ["method", "kind", "share"], "p", "The curve")


def areas(frame):
    """The area under every curve, from 0 to 1: one row per net × method × kind × way, median, low, high, seeds.

    frame: as for `lines`. A good map has a small area under deletion and a large one under insertion.
    """
    frame = require(frame, (*NET, "seed", "method", "kind", "way", "share", "p"), "The area")
    by = [*NET, "seed", "method", "kind", "way"]
    rows = [
        dict(zip(by, key, strict=True)) | {"area": float(np.trapezoid(rows["p"], rows["share"]))}
        for key, rows in frame.sort_values("share").groupby(by, sort=False)
    ]
    return _over_seeds(type(frame)(rows), ["method", "kind", "way"], "area", "The area")


def randomisation(frame, signs=False):
    """What is left of a map with so many layers re-initialised: one row per net × method × drawn, median, low, high,
    seeds.

    frame: as `experiments.deletion.randomisation` gives it. signs: whether the maps are compared with their signs.
    Columns besides: module, share (of the layers).
    """
    column = "alike_signed" if signs else "alike"
    table = _over_seeds(frame, ["method", "drawn", "module"], column, "What is left of a map")
    return table.assign(share=table["drawn"] / table.groupby("name")["drawn"].transform("max"))


def stability(frame):
    """How alike the maps of a picture and its noisy copy are: one row per net × method, median, low, high, seeds; and
    strangers, the same of two different pictures (median; NaN where it was not measured).

    frame: as `experiments.deletion.stability` gives it.
    """
    table = _over_seeds(frame, ["method"], "alike", "How alike maps are")
    if "strangers" not in frame:
        return table.assign(strangers=np.nan)
    return table.assign(strangers=_over_seeds(frame, ["method"], "strangers", "How alike maps are")["median"])


def branches(frame):
    """How much of the answer passes through every branch: one row per net × block, median, low, high (fractions),
    seeds.

    frame: as `experiments.attribution.conductance` gives it. Columns besides: module, index.
    """
    return _over_seeds(frame, ["index", "module"], "branch", "The conductance of the blocks")


def completeness_gaps(frame):
    """By how much integrated gradients miss the difference of the logits: one row per net × steps, the median over the
    images, and of it median, low, high over the seeds.

    frame: as `experiments.deletion.completeness_gaps` gives it.
    """
    return _over_seeds(frame, ["steps"], "gap", "The gap of integrated gradients", middle="median")


def per_seed(frame, by, column, what="The chart", middle="mean"):
    """One number a net × by × seed: the mean (or the median) of its rows. by: names of columns.

    ValueError for a missing column; what: what needs it.
    """
    frame = require(frame, (*NET, "seed", *by, column), what)
    return frame.groupby([*NET, *by, "seed"], sort=False, dropna=False)[column].agg(middle).reset_index()


def _over_seeds(frame, by, column, what, middle="mean"):
    """`per_seed`, and then the median and the range over the seeds."""
    groups = per_seed(frame, by, column, what, middle).groupby([*NET, *by], sort=False)
    table = groups[column].agg(median="median", low="min", high="max")
    return table.assign(seeds=groups["seed"].nunique()).reset_index()
