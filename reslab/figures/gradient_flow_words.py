"""Lesson 02 in words: by how much a gradient has grown or shrunk, and the sentences that say what was measured."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.figures import theme

EMPTY = "Nothing has been measured yet."
LEVEL = 10  # a gradient that has grown or shrunk by less than this is called level
ANSWERS = {"1000× smaller": -3, "about equal": 0, "1000× larger": 3}  # of the lesson's prediction, in decades
MODE = {"train": "in training mode", "eval": "in eval mode"}
LAYERS = ("name", "skip", "depth", "seed", "step", "index", "gradient_rms")
# The x axis of charts by block.
WAY = {"title": "Way through the net, block by block (%)", "range": [0, 102], "tickvals": [0, 25, 50, 75, 100], "tickangle": 0}
_RAISED = str.maketrans("-0123456789.", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹·")


def origin(runs):
    """Where the numbers of some runs come from, and the mode that the nets were in: the line under a title."""
    modes = {run["mode"][0] if "mode" in run.columns else "" for run in runs}
    mode = MODE.get(modes.pop(), "") if len(modes) == 1 else ""
    return ", ".join(part for part in (theme.origin(runs), mode) if part)


def against_last(gradient):
    """(gradient / the last one, state) of one net's blocks in order; a state is "", or why the value has no place on a log scale."""
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


def ratios(layers):
    """The gradient at the first block over that at the last, a row a net × seed × step.

    layers: name, skip, depth, seed, step, index, gradient_rms, as `experiments.gradient_flow` gives them. Columns: name, skip,
    depth, seed, origin, mode ("" where the frame has none), step, ratio, state ("", or one of those of `against_last`).
    ValueError for a missing column.
    """
    rows = []
    for run in theme.runs(theme.require(layers, LAYERS, "The ratio first/last")):
        mode = run["mode"][0] if "mode" in run.columns else ""
        for step in dict.fromkeys(run["step"].tolist()):
            here = run["step"] == step
            order = np.argsort(run["index"][here], kind="stable")
            value, state = against_last(run.numbers("gradient_rms")[here][order])
            rows.append((run.name, run.skip, run.depth, run.seed, run.origin, mode, step, value[0], state[0]))
    return pd.DataFrame(rows, columns=["name", "skip", "depth", "seed", "origin", "mode", "step", "ratio", "state"])


def amount(number, places=0):
    """A positive number as people say it: "4.6", "1,133", "2 × 10⁶"; places: of the mantissa."""
    if 0.01 <= number < 9999.5:
        return f"{number:.2g}" if number < 9.95 else f"{number:,.0f}"
    mantissa, exponent = f"{number:.{places}e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"


def power(decades):
    """A number of decades as a power of ten: -8.7 is "10⁻⁸·⁷"."""
    return f"10{f'{decades:.1f}'.translate(_RAISED)}"


def times(ratio):
    """A ratio in words: "813 times larger", "12 times smaller", "about as large"."""
    if 2 / 3 < ratio < 1.5:
        return "about as large"
    return f"{amount(max(ratio, 1 / ratio))} times {'larger' if ratio > 1 else 'smaller'}"


def verdict(layers):
    """Which answer of the lesson's prediction was measured: the nearest on a log scale to the median of first/last over the seeds.

    layers: as `ratios` takes them, of one net and step; ValueError for several, or where a gradient was lost.
    """
    table = ratios(layers)
    if len(table[["name", "step"]].drop_duplicates()) != 1 or (table["state"] != "").any():
        raise ValueError("a verdict is of one net at one step, whose gradients are all numbers above 0.")
    measured = np.median(np.log10(table["ratio"]))
    return min(ANSWERS, key=lambda answer: abs(ANSWERS[answer] - measured))


def sentence(layers):
    """How the gradient at the first block stands against the last, at the latest step of each net, in one sentence.

    layers: as `ratios` takes them. Several seeds are told as their median and range, more than three nets of which some differ in
    depth alone as a path over depth; a gradient that float32 could not hold is called so. ValueError for a missing column.
    """
    nets = _nets(layers)
    if not nets:
        return EMPTY
    steps, modes, families = {net.step for net in nets}, {net.mode for net in nets}, {}
    when = "At initialisation" if steps == {0} else f"At step {max(steps)}" if len(steps) == 1 else "At the latest step"
    when += f", {MODE[modes.pop()]}" if len(modes) == 1 and modes <= set(MODE) else ""
    for net in nets:
        families.setdefault(net.family, []).append(net)
    told = [f"{net.name} {net.said}" for net in nets]
    if len(nets) > 3 and len(families) < len(nets):
        told = [_path(family, sorted(group, key=lambda net: net.depth)) for family, group in families.items()]
    return f"{when}, the gradient at the first block against that at the last: {'; '.join(told)}."


def _nets(layers):
    """A namespace a net, over its seeds: name, family ("plain nets, no norm"), depth, mode, step, middle, lost, said."""
    table, nets = ratios(layers), []
    latest = table[table["step"] == table.groupby(["name", "seed", "origin"], dropna=False)["step"].transform("max")]
    for (name, depth), group in latest.groupby(["name", "depth"], sort=False):
        lost, kept = sorted(set(group["state"]) - {""}), group.loc[group["state"] == "", "ratio"]
        said = times(kept.median()) if len(kept) else f"lost ({' or '.join(lost)})"
        if len(group) > 1:
            said += f" (median of {len(group)} seeds, {amount(kept.min())} to {amount(kept.max())} ×)" if len(kept) == len(group) else ""
            said += f" ({len(kept)} of {len(group)} seeds; else {' or '.join(lost)})" if 0 < len(kept) < len(group) else ""
        kind, _, rest = name.partition(f"-{depth}")
        nets.append(SimpleNamespace(
            name=name, family=f"{'residual' if kind == 'resnet' else kind} nets{rest.replace(' · ', ', ')}", depth=depth,
            mode=group["mode"].iloc[0], step=group["step"].iloc[0], middle=kept.median(), lost=lost, said=said,
        ))  # fmt: skip
    return nets


def _path(family, nets):
    """"plain nets 1.2 times smaller at 8, 9 × 10¹⁸ times larger at 302, lost (not a number) at 1202 layers"."""
    held = [net for net in nets if np.isfinite(net.middle)]
    told = [f"{times(net.middle)} at {net.depth}" for net in held[:1] + held[1:][-1:]]
    if gone := [net for net in nets if net not in held]:
        told.append(f"lost ({' or '.join(gone[0].lost)}) at {', '.join(str(net.depth) for net in gone)}")
    return f"{family} {', '.join(told)} layers"


def steps_sentence(layers):
    """How the first block stands against the last over the steps of training, a clause a run.

    layers: as `ratios` takes them, and outcome where there is one. ValueError for a missing column.
    """
    clauses, table = [], ratios(layers)
    for (name, seed), run in table.groupby(["name", "seed"], sort=False, dropna=False):
        start, end = run.iloc[0], run.iloc[-1]
        several = table.loc[table["name"] == name, "seed"].nunique() > 1
        told = [f"{_told(start)} at step {start['step']}"]
        if len(level := run[run["ratio"].between(1 / LEVEL, LEVEL)]) and level["step"].iloc[0] > start["step"]:
            told.append(f"within a factor of {LEVEL} for the first time at step {level['step'].iloc[0]}")
        if end["step"] > start["step"]:
            told.append(f"{_told(end)} at step {end['step']}")
        if "outcome" in layers and (layers.loc[layers["name"] == name, "outcome"] == "diverged").any():
            told.append("where training diverged")
        clauses.append(f"{name}{f' (seed {seed})' if several else ''} {', '.join(told)}")
    return f"The gradient at the first block against that at the last: {'; '.join(clauses)}." if clauses else EMPTY


def _told(row):
    return f"lost ({row['state']})" if row["state"] else times(row["ratio"])


def alt_text(layers):
    """A text alternative for the charts of gradients by block: axes, lines, and what was measured.

    layers: as `ratios` takes them; ValueError for a missing column.
    """
    layers = theme.require(layers, LAYERS, "The text")
    lines = [f"{run.label} ({'solid blue' if run.skip else 'dashed vermillion'})" for run in theme.runs(layers)]
    drawn = f"Lines: {', '.join(lines[:8])}{f' and {len(lines) - 8} more' * (len(lines) > 8)}. " if lines else ""
    return f"Line chart of the RMS gradient at each block's output, relative to the last block, log scale. {drawn}{sentence(layers)}"
