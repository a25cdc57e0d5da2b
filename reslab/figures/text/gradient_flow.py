"""Lesson 02 in words: by how much the gradient grows or shrinks from the last block to the first."""

import numpy as np
import pandas as pd

from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY, lines, scientific, times
from reslab.results import gradient_flow as results
from reslab.results.frames import require, runs

MODE = {"train": "in training mode", "eval": "in eval mode"}


def origin(runs, *also):
    """The origin of the numbers of some runs, and the nets' mode: the line under a title. also: as in
    `phrases.origin`."""
    modes = {run["mode"][0] if "mode" in run.columns else "" for run in runs}
    mode = modes.pop() if len(modes) == 1 else ""
    return phrases.origin(runs, MODE[mode].removeprefix("in ") if mode in MODE else "", *also)


def sentence(layers):
    """How the gradient at the first block compares with that at the last, at the latest step of each net, in one
    sentence.

    layers: as `results.gradient_flow.ratios` takes them. Several seeds are given as their median and range. More than
    three nets, of which some differ only in depth, are given as a path over depth. A gradient that float32 could not
    hold is called lost. ValueError for a missing column.
    """
    nets = results.nets(layers)
    if not nets:
        return EMPTY
    steps, modes, families = {net.step for net in nets}, {net.mode for net in nets}, {}
    when = "At initialisation" if steps == {0} else f"At step {max(steps)}" if len(steps) == 1 else "At the latest step"
    when += f", {MODE[modes.pop()]}" if len(modes) == 1 and modes <= set(MODE) else ""
    for net in nets:
        families.setdefault(_family(net), []).append(net)
    texts = [f"{net.name} {_net(net)}" for net in nets]
    if len(nets) > 3 and len(families) < len(nets):
        texts = [_path(family, sorted(group, key=lambda net: net.depth)) for family, group in families.items()]
    return f"{when}, the gradient at the first block against that at the last: {'; '.join(texts)}."


def growth_sentence(layers):
    """By how much the gradient of the plain nets grows a layer, in one sentence.

    layers: as `results.gradient_flow.a_layer` takes them.
    """
    grown = results.a_layer(layers)
    if not len(grown):
        return EMPTY
    spread = f"median of {len(grown)} seeds, {grown.min():.3f} to {grown.max():.3f}"
    return f"Fitted over depth, the gradient of the plain nets grows by {grown.median():.2f} a layer ({spread})."


def steps_sentence(layers):
    """How the first block compares with the last over the steps of training, a line per net; over several seeds medians
    and ranges. At step 1 no weight has changed yet.

    layers: as `results.gradient_flow.ratios` takes them, and outcome where there is one. ValueError for a missing
    column.
    """
    rows, table = [], results.ratios(layers)
    for name, net in table.groupby("name", sort=False):
        run = results.over_seeds(net)
        start, end, level = run.iloc[0], run.iloc[-1], results.first_level(run)
        parts = [f"{_at(start)} at step {start['step']}"]
        if level not in (None, start["step"]):
            parts.append(f"first between {1 / results.LEVEL:g} and {results.LEVEL} at step {level}")
        if end["step"] > start["step"]:
            parts.append(f"{_at(end)} at step {end['step']}")
        if "outcome" in layers and (layers.loc[layers["name"] == name, "outcome"] == "diverged").any():
            parts.append("where training diverged")
        rows.append(f"{name} ({phrases.seeds(net['seed'].unique())}): {', '.join(parts)}")
    several = table["seed"].nunique() > 1
    of = ", median (lowest to highest)" * several
    lead = f"The gradient at the first block, as a multiple of that at the last{of}:"
    return "\n".join([lead, *rows]) if rows else EMPTY


def steps_table(layers):
    """`steps_sentence` of nets whose training went well, as a table of text: one row per net, median (lowest to
    highest).

    layers: as `results.gradient_flow.ratios` takes them.
    """
    rows = []
    for name, net in results.ratios(layers).groupby("name", sort=False):
        run = results.over_seeds(net)
        start, end, level = run.iloc[0], run.iloc[-1], results.first_level(run)
        rows.append({
            "net": name, "seeds": net["seed"].nunique(), f"at step {start['step']}": _at(start),
            f"first about equal ({1 / results.LEVEL:g} × to {results.LEVEL} ×)":
            "never" if level is None else "from the start" if level == start["step"] else f"at step {level}",
            "at the end": f"{_at(end)}, step {end['step']}",
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("net")


def alt_text(layers):
    """A text alternative for the charts of gradients by block: axes, lines, and what was measured.

    layers: as `results.gradient_flow.ratios` takes them; ValueError for a missing column.
    """
    named = [(run.label, run.skip) for run in runs(require(layers, results.LAYERS, "The text"))]
    chart = "Line chart of the RMS gradient at each block's output, relative to the last block, log scale"
    return f"{chart}. {lines(named)}{sentence(layers)}"


def _family(net):
    """The name of a net without its depth: "plain nets, no norm"."""
    kind, _, rest = net.name.partition(f"-{net.depth}")
    return f"{'residual' if kind == 'resnet' else kind} nets{rest.replace(' · ', ', ')}"


def _net(net):
    """The ratio of a net over its seeds: "4.4 times smaller (median of 3 seeds, 4.3 to 4.6)"."""
    kept, lost = net.kept, " or ".join(net.lost)
    if not len(kept):
        return f"lost ({lost})"
    ratio = times(kept.median())
    if len(kept) < net.seeds:
        return f"{ratio} ({len(kept)} of {net.seeds} seeds; else {lost})"
    low, high = kept.min(), kept.max()
    ends = (1 / high, 1 / low) if high < 1 else (low, high)  # smaller with every seed: said as the median is
    places = int(len({*map(scientific, ends)}) == 1)  # of the mantissa: a range whose ends read alike says nothing
    reach = " to ".join(scientific(end, places) for end in ends)
    spread = f" (median of {net.seeds} seeds, {reach}{' ×' * bool(high >= 1)})"
    return ratio + spread * (net.seeds > 1)


def _path(family, nets):
    """ "plain nets 1.2 times smaller at 8, 9 × 10¹⁸ times larger at 302, lost (not a number) at 1202 layers"."""
    finite = [net for net in nets if np.isfinite(net.kept.median())]
    texts = [f"{times(net.kept.median())} at {net.depth}" for net in finite[:1] + finite[1:][-1:]]
    if lost := [net for net in nets if net not in finite]:
        texts.append(f"lost ({' or '.join(lost[0].lost)}) at {', '.join(str(net.depth) for net in lost)}")
    return f"{family} {', '.join(texts)} layers"


def _at(row):
    """The ratio at a step, over its seeds: "813 × (800 to 900)"."""
    if row["state"]:
        return f"lost ({row['state']})"
    spread = f" ({scientific(row['low'])} to {scientific(row['high'])})" if row["low"] < row["high"] else ""
    ratio = scientific(row["ratio"])
    return f"{ratio} {'times' if '×' in ratio else '×'}{spread}"

def steps_title(layers):
    """Whether the gradient explodes without skips, and how long, as a title; "" where a seed says otherwise.

    layers: as `results.gradient_flow.ratios` takes them. It explodes where the first block's is EXPLODES times that of
    the last, in every seed.
    """
    table = results.ratios(layers)
    if set(table["skip"]) != {False, True} or (table["state"] != "").any():
        return ""
    nets = [(net["skip"].iloc[0], results.over_seeds(net)) for _, net in table.groupby("name", sort=False)]
    plain, residual = ([run for skip, run in nets if bool(skip) == kind] for kind in (False, True))
    explodes = all(run["low"].iloc[0] >= results.EXPLODES for run in plain)
    if not explodes or any(run["high"].iloc[0] >= results.EXPLODES for run in residual):
        return ""
    ended = all(len(run) > 1 and run["high"].iloc[-1] < results.LEVEL for run in plain)
    return "Without skips the gradient explodes" + ", but only at first" * ended


def depth_title(layers):
    """How the plain nets' gradient grows with depth before training, as a title; "" where the seeds of two depths
    overlap, or the deepest net's is level.

    layers: as `results.gradient_flow.ratios` takes them.
    """
    return "The deeper the plain net, the more its gradient grows" if results.grows_with_depth(layers) else ""
