"""Lesson 02: which kinds of layers make a gradient large or small, and which symptoms a net has."""

import numpy as np

from reslab.results.activations import LEARNED
from reslab.results.frames import NO_ANSWER, require
from reslab.results.gradient_flow import EXPLODES, LEVEL

KINDS = ("activations", "weights", "norms", "skip + branch")  # of layers, in the order of the text
NET = ("name", "skip", "depth", "seed")
FACTORS = (*NET, "index", "kind", "factor")
REMEDIES = (*NET, "remedy", "change", "kind", "decades")
SYMPTOMS = (*NET, "ratio", "train_error", "outcome")
DIAGNOSED = ("ratio", "autocorrelation", "shallow_error", "train_error")
SHATTERED = 0.25  # white noise stays below this autocorrelation, and a random walk is far above it
DEGRADED_FROM = 0.10  # degraded: the training error is higher than that of the shallow twin by this fraction
NEGLIGIBLE = 0.05  # decades: a kind of layer that changes the gradient by less is left out


def products(factors):
    """{kind: decades by block} of one net, "all together" first: log10 of the product of the factors since the last
    block.

    factors: one row per layer, as `experiments.gradient_factors.factors` gives them. The decades are Series by block,
    0 at the last one. Kinds that change the gradient nowhere by NEGLIGIBLE decades are left out. Empty for no rows;
    ValueError for a missing column, or several nets.
    """
    factors = require(factors, FACTORS, "The product of factors")
    if len(nets := factors[["name", "seed"]].drop_duplicates()) > 1:
        raise ValueError(f"the product of factors is drawn for one net at a time; this frame has {len(nets)}.")
    if not len(factors):
        return {}
    with np.errstate(divide="ignore"):  # −∞ where a layer lets nothing through: all its units are dead
        decades = np.log10(factors["factor"])
    table = factors.assign(decades=decades).pivot_table(
        index="index", columns="kind", values="decades", aggfunc="sum", fill_value=0
    )
    table.index -= 1  # the layers of block i take the gradient from the output of block i to that of block i - 1
    table.loc[table.index[-1] + 1] = 0.0
    back = table[::-1].cumsum()[::-1]
    kept = [kind for kind in KINDS if kind in back and abs(back[kind]).max() > NEGLIGIBLE]
    return {"all together": back.sum(axis=1)} | {kind: back[kind] for kind in kept}


def totals(remedies):
    """Decades that the gradient gains from the last block to the first, one row per remedy.

    Columns: remedy, change, skip; median, min, max over the seeds.

    remedies: remedy, change, name, skip, depth, seed, kind, decades, of `experiments.gradient_factors.remedies`.
    """
    remedies = require(remedies, REMEDIES, "The table of remedies")
    by_seed = remedies.groupby(["remedy", "change", "skip", "seed"])["decades"].sum()
    return by_seed.groupby(["remedy", "change", "skip"]).agg(["median", "min", "max"]).reset_index()


def parts(remedies):
    """Median decades over the seeds: one row per remedy (index: remedy, change), one column per kind; NaN if absent."""
    remedies = require(remedies, REMEDIES, "The table of remedies")
    table = remedies.groupby(["remedy", "change", "kind"])["decades"].median().unstack("kind")
    return table[[kind for kind in KINDS if kind in table]]


def reach(remedies):
    """(lowest sum of the falling parts, highest sum of the rising parts), in decades, over all remedies and seeds.

    Those of dead nets, −∞, do not count.
    """
    remedies = require(remedies, REMEDIES, "The table of remedies")
    remedies = remedies[np.isfinite(remedies["decades"])]
    if not len(remedies):
        return -10, 10
    decades = remedies["decades"]
    ends = remedies.assign(down=decades.clip(upper=0), up=decades.clip(lower=0)).groupby(["remedy", "seed"])
    return ends["down"].sum().min(), ends["up"].sum().max()


def over_seeds(failures):
    """The symptoms of each net over its seeds: one row per net × symptom (index: name, symptom): median, min, max.

    failures: as `experiments.symptoms.failures` gives it; the symptoms are DIAGNOSED.
    """
    failures = require(failures, ("name", *DIAGNOSED), "The table of symptoms")
    nets = failures.groupby("name", sort=False)[list(DIAGNOSED)]
    return nets.agg(["median", "min", "max"]).stack(0, future_stack=True)


def level_is_needed_and_not_enough(frame):
    """Whether all nets that learned had a level gradient before training, and others that had one did not learn.

    frame: as `experiments.symptoms.symptoms` gives it. A net learned if its training error is at most LEARNED.
    """
    frame = require(frame, ("name", "ratio", "train_error", "outcome"), "The title")
    nets = frame.assign(
        level=frame["ratio"].between(1 / LEVEL, LEVEL),
        learned=frame["train_error"].le(LEARNED) & (frame["outcome"] != "diverged"),
    ).groupby("name")[["level", "learned"]]  # fmt: skip
    every, some = nets.all(), nets.any()
    needed = every["learned"].any() and every["level"][some["learned"]].all()
    return bool(needed and (every["level"] & ~some["learned"]).any())


def diagnosis(failures):
    """The main symptom of a net: "its gradient vanishes", "... explodes", "... is shattered", "degradation alone", or
    "nothing", by the medians over its seeds. A ratio of 0 / 0 (NaN) counts as 0, a net that diverged errs on all.
    NO_ANSWER if the shallow net that it is compared with diverged with every seed.

    failures: the rows of one net of `experiments.symptoms.failures`.
    """
    failures = require(failures, DIAGNOSED, "The verdict")
    net = failures[list(DIAGNOSED)].fillna({"ratio": 0.0, "train_error": 1.0}).median()
    if not 1 / EXPLODES < net["ratio"] < EXPLODES:
        return "its gradient vanishes" if net["ratio"] < 1 else "its gradient explodes"
    if net["autocorrelation"] < SHATTERED:
        return "its gradient is shattered"
    if np.isnan(net["shallow_error"]):
        return NO_ANSWER
    return "nothing" if net["train_error"] < net["shallow_error"] + DEGRADED_FROM else "degradation alone"


def ratio_table(table):
    """The ratio first/last over the seeds: one row per norm × init × net, with median, min and max.

    table: as `experiments.gradient_factors.table` gives it: norm, init, name, ratio.
    """
    table = require(table, ("norm", "init", "name", "ratio"), "The table of ratios")
    return table.groupby(["norm", "init", "name"], sort=False)["ratio"].agg(["median", "min", "max"])
