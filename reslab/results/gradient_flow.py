"""Lesson 02: the gradient at the first block over that at the last."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.results.frames import latest, require, runs

LEVEL = 10  # a gradient that has grown or shrunk by less than this is called level
EXPLODES = LEVEL**2  # from here on a gradient is said to explode; below its inverse, to vanish
ANSWERS = {"1000× smaller": -3, "about equal": 0, "1000× larger": 3}  # of the lesson's prediction, in decades
LAYERS = ("name", "skip", "depth", "seed", "step", "index", "gradient_rms")


def against_last(gradient):
    """(gradient / the last one, state) of one net's blocks, in order.

    A state is "", or the reason why the value cannot be drawn on a log scale.
    """
    gradient = np.asarray(gradient, dtype=float)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        value = gradient / (gradient[-1] if 0 < gradient[-1] < np.inf else np.nan)
    states = {
        "underflow to 0": (gradient == 0) | (value == 0),
        "infinite": np.isinf(gradient) | np.isinf(value),
        "not a number": np.isnan(gradient),
        "the last block has none to compare with": np.isnan(value),
    }
    return value, np.select(list(states.values()), list(states), "")


def by_block_and_step(run):
    """(value, state) of a run, both of shape (blocks, steps): `against_last` at each step."""
    blocks, steps = sorted(set(run["index"].tolist())), sorted(set(run["step"].tolist()))
    gradient = np.full((len(blocks), len(steps)), np.nan)
    gradient[np.searchsorted(blocks, run["index"]), np.searchsorted(steps, run["step"])] = run.numbers("gradient_rms")
    value, state = zip(*map(against_last, gradient.T), strict=True)
    return np.stack(value, 1), np.stack(state, 1)


def ratios(layers):
    """The gradient at the first block over that at the last, one row a net × seed × step.

    layers: name, skip, depth, seed, step, index, gradient_rms, as `experiments.gradient_flow` gives them. Columns:
    name, skip, depth, seed, origin, mode ("" if the frame has none), step, ratio, state (as in `against_last`).
    ValueError for a missing column.
    """
    rows = []
    for run in runs(require(layers, LAYERS, "The ratio first/last")):
        mode = run["mode"][0] if "mode" in run.columns else ""
        for step in dict.fromkeys(run["step"].tolist()):
            here = run["step"] == step
            order = np.argsort(run["index"][here], kind="stable")
            value, state = against_last(run.numbers("gradient_rms")[here][order])
            rows.append((run.name, run.skip, run.depth, run.seed, run.origin, mode, step, value[0], state[0]))
    columns = ["name", "skip", "depth", "seed", "origin", "mode", "step", "ratio", "state"]
    return pd.DataFrame(rows, columns=columns)


def verdict(layers):
    """The answer of the lesson's prediction that is nearest, on a log scale, to the median of first/last over the
    seeds.

    layers: as `ratios` takes them, of one net and step; ValueError for several, or if a gradient was lost.
    """
    table = ratios(layers)
    if len(table[["name", "step"]].drop_duplicates()) != 1 or (table["state"] != "").any():
        raise ValueError("a verdict is of one net at one step, whose gradients are all numbers above 0.")
    measured = np.median(np.log10(table["ratio"]))
    return min(ANSWERS, key=lambda answer: abs(ANSWERS[answer] - measured))


def nets(layers):
    """A namespace for each net at its latest step, over its seeds: name, depth, mode, step, kept, seeds, lost.

    layers: as `ratios` takes them. kept: the ratios first/last that are numbers above 0, as a Series; seeds: how many
    there are in all; lost: the states of the others, in alphabetical order.
    """
    found = []
    for (name, depth), group in latest(ratios(layers)).groupby(["name", "depth"], sort=False):
        found.append(SimpleNamespace(
            name=name, depth=depth, mode=group["mode"].iloc[0], step=group["step"].iloc[0], seeds=len(group),
            kept=group.loc[group["state"] == "", "ratio"], lost=sorted(set(group["state"]) - {""}),
        ))  # fmt: skip
    return found


def a_layer(layers, skip=False):
    """The growth factor of the gradient a layer, from the last block to the first: a Series by seed.

    layers: as `ratios` takes them, of nets that differ in depth. It is the slope of the logarithm of first/last against
    depth, of the plain nets (or the residual ones). Ratios that were lost do not count.
    """
    table = ratios(layers).query("state == '' and skip == @skip")
    slopes = {
        seed: np.polyfit(nets["depth"].astype(float), np.log(nets["ratio"].astype(float)), 1)[0]
        for seed, nets in table.groupby("seed")
    }
    return np.exp(pd.Series(slopes))


def grows_with_depth(layers):
    """Whether the ratio of the plain nets before training is larger at each greater depth, whatever the seeds, and
    above LEVEL at the deepest. layers: as `ratios` takes them."""
    table = ratios(layers)
    plain = table[~table["skip"].astype(bool)]
    if set(table["step"]) != {0} or plain["depth"].nunique() < 2 or (plain["state"] != "").any():
        return False
    at = plain.groupby("depth")["ratio"].agg(["min", "max"])
    apart = (at["min"].to_numpy()[1:] > at["max"].to_numpy()[:-1]).all()
    return bool(apart and at["min"].iloc[-1] > LEVEL)


def over_seeds(table):
    """The rows of `ratios` of one net as one row a step: step, ratio (the median over the seeds), low, high, state.

    state: that of the first seed which has one; the ratio is then of the others, or NaN.
    """
    table = require(table, ("step", "ratio", "state"), "The chart of the ratio")
    steps = table.assign(held=table["ratio"].where(table["state"] == "")).groupby("step")
    found = steps["held"].agg(ratio="median", low="min", high="max")
    return found.assign(state=steps["state"].agg(lambda states: next(filter(None, states), ""))).reset_index()


def first_level(run):
    """The first step at which the ratio is within a factor of LEVEL of 1; None where it never is.

    run: the rows of `over_seeds`, by step.
    """
    level = run.loc[run["ratio"].between(1 / LEVEL, LEVEL), "step"]
    return level.iloc[0] if len(level) else None
