"""Lesson 09, variants: the final errors, one mark per seed; and the training curves of a few variants.

Frames are those of `reslab.experiments.variants`; residual_block_diagram.py draws the blocks. With draw=theme.chart,
every chart is returned as plain dictionaries, for live charts.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.figures.degradation import training_curves
from reslab.figures.residual_block_diagram import diagram
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.variants import (
    alt_text,
    cost_sentence,
    errors_title,
    outcome_table,
    race_title,
    ratio,
    sentence,
)
from reslab.results.variants import SAME, at_best_rate, compare, cost_ratios, results, summary, verdict

__all__ = [
    "alt_text", "at_best_rate", "cost_sentence", "diagram", "errors", "outcome_table", "race", "ratio", "sentence",
    "summary", "verdict",
]  # fmt: skip

ROW = 28  # pixels a variant
NONE = 0.03  # where 0 % is drawn: a log scale has no 0; a single image of the digits is 0.07 %
TICKS = {NONE: "0", 0.1: "0.1", 0.3: "0.3", 1: "1", 3: "3", 10: "10", 30: "30", 100: "100"}
# Residual nets of one depth have the same colour, so nets compared with a first one get these, each 3:1 on white and
# on #111.
EXTRA_STYLES = (("#009E73", "9px,3px"), ("#B15E92", "2px,3px"), ("#A87B00", "9px,3px,2px,3px"), ("#767676", "4px,4px"))


def errors(frame, *, empty=EMPTY, draw=theme.figure):
    """Training error (%, log scale) after the last step, one row per variant and one mark per seed; test error as open
    marks below.

    frame: as `experiments.variants.race` gives it. Where the others change the first net, a band through all rows shows
    its training errors;
    a training that diverged is a cross at 100 %; variants with no clear difference from the first net are grey. A row's
    name ends in the cost of a step, in multiply-adds, as a
    multiple of the first's. ValueError for a missing column.
    """
    by_name = results(frame) if len(frame) else {}
    table = list(by_name.values())
    traces, shapes = [], []
    beside = bool(table) and bool(len(table[0].train)) and any(v.of == table[0].name for v in table)
    alike = {v.name for v in table[1:] if beside and compare(v, table[0]) == SAME}
    for part, above, word in (("train", 0.16, "training"), ("test", -0.16, "test")):
        points = [
            (100 * error, -row + above + shift, v, seed)
            for row, v in enumerate(table)
            for error, seed, shift in _seeds(v, part)
        ]
        look = theme.marker(True, 56, open=part == "test", size=11)
        look["color"] = [theme.GREY if v.name in alike else theme.RESIDUAL for *_, v, _ in points]
        hover = [
            f"<b>{v.name}</b>, seed {seed}<br>{error:.2f} % of the {word} images wrong" for error, _, v, seed in points
        ]
        if points:
            x, y = [max(error, NONE) for error, *_ in points], [height for _, height, *_ in points]
            traces.append(
                dict(x=x, y=y, hovertext=hover, name=f"{word} error", marker=look, meta={"key": f"{part}/seeds"})
            )
    if broken := [(row, v, *ended) for row, v in enumerate(table) for ended in v.broken]:
        hover = [f"<b>{v.name}</b>, seed {seed}<br>{outcome} at step {step}" for _, v, seed, outcome, step in broken]
        mark = dict(symbol="x", size=10, color=theme.RESIDUAL)
        at = dict(x=[100] * len(broken), y=[-row + 0.26 * (i % 3 - 1) for i, (row, *_) in enumerate(broken)])
        traces.append(dict(**at, hovertext=hover, name="diverged", marker=mark, meta={"key": "end/seeds"}))
    if beside or (len(table) == 1 and len(table[0].train)):
        low, high = (max(100 * end(table[0].train), NONE) for end in (np.min, np.max))
        band = dict(
            type="rect",
            yref="paper",
            y0=0,
            y1=1,
            line=dict(width=0),
            fillcolor=theme.rgba(theme.RESIDUAL, 0.13),
            layer="below",
        )
        shapes.append(band | dict(x0=low / 1.04, x1=high * 1.04))
    names = [f"{name} · {ratio:.2f} ×" for name, ratio in cost_ratios(by_name).items()] if table else []
    rows = dict(tickvals=[-row for row in range(len(table))], ticktext=names, range=[0.45 - len(table), 0.6])
    return draw(
        [dict(type="scatter", mode="markers", hoverinfo="text", **trace) for trace in traces],
        title="Training and test error at the end", statement=lambda: errors_title(frame), empty=empty, shapes=shapes,
        origin=_origin(frame, f"grey: no clear difference from {table[0].name}" * bool(alike)) if table else "",
        letters=50,
        x=dict(title="Images wrong at the end, one mark per seed<br>(%, log scale; 0 at its edge)", type="log",
               range=list(np.log10([NONE / 1.4, 130])),
               tickvals=list(TICKS), ticktext=list(TICKS.values()), gridcolor=theme.GRID, showgrid=True),
        y=dict(title="Variant · cost of a step", **rows), height=190 + ROW * max(len(table), 7),
        margin=dict(l=76, r=16, t=theme.TOP, b=110),
        legend=dict(orientation="h", y=0, yref="container", yanchor="bottom"),
    )  # fmt: skip


def _origin(frame, *also):
    return phrases.origin_line(frame["origin"][:1], frame["seed"], *also)


def _seeds(variant, part):
    """(error, seed, a small vertical offset, so that equal errors do not overlap) of the seeds that finished."""
    broken = {seed for seed, *_ in variant.broken}
    seeds = [seed for seed in variant.seeds if seed not in broken]
    return zip(
        getattr(variant, part), seeds, np.linspace(-0.08, 0.08, len(seeds)) if len(seeds) != 1 else [0.0], strict=True
    )


def race(frame, *, base="", until=None, empty=EMPTY, draw=theme.figure):
    """`degradation.training_curves` of nets of one kind: the run named `base` as there, each other one with its own
    line style."""
    names = [name for name in dict.fromkeys(frame["name"]) if name != base] if len(frame) else []
    looks = {name: EXTRA_STYLES[i % len(EXTRA_STYLES)] for i, name in enumerate(names)}

    def repaint(trace):
        colour, dash = looks.get(trace["meta"]["run"], (None, None))
        if colour and "line" in trace:
            trace["line"] = trace["line"] | dict(color=colour, dash=dash)
        if colour and "marker" in trace:
            trace["marker"] = trace["marker"] | dict(color=colour)
        return trace

    def drawn(data, **options):
        return draw([repaint(trace) for trace in data], **options | dict(statement=lambda: race_title(frame, base)))

    return training_curves(frame, until=until, empty=empty, draw=drawn)
