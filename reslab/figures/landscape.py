"""Lesson 06: the loss around a trained net: along lines, in maps, on the way of its training, and between two nets.

All maps share one colour scale and the same levels, a quarter of a decade apart, so that a pane can be compared with
another. Every chart but `surface` takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np
import plotly.graph_objects as go

from reslab.figures import bands as of_lines
from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.landscape import (
    alt_text,
    between_sentence,
    between_title,
    comparison_sentence,
    pairs_title,
    path_sentence,
    rise_sentence,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results import landscape as results

__all__ = [
    "alt_text",
    "bands",
    "between",
    "between_sentence",
    "comparison_sentence",
    "contours",
    "pairs",
    "path",
    "path_sentence",
    "rise_sentence",
    "surface",
]  # fmt: skip

PANES = 3  # side by side, at most
GAP = 0.03  # between them, as a share of the chart
NATS = {"title": "Loss (nats, log scale)", "type": "log"}
TICKS = (0.01, 0.1, 1, 10, 100, 1000)
FILTER_STEP_AXIS = "Length of the step (1: that of the net's filters)"
RAW_STEP_AXIS = "Length of the step (1: about 0.1 for each weight)"


def bands(frame, *, empty=EMPTY, draw=theme.figure):
    """The loss along random lines: of each net the median over directions and seeds, in a band from the lowest to the
    highest. frame: as `experiments.landscape.bands` gives it. ValueError for a missing column."""
    frame = results.require(frame, (*results.NET, "alpha", "loss", "mode", "normalisation"), "The loss along lines")
    traces, ends = of_lines.lines(_floored(frame), "alpha", "loss", quantity="loss", each="lines")
    reach = frame["alpha"].abs().max() if len(frame) else 1
    raw = len(frame) and (frame["normalisation"] == "none").all()
    x = dict(title=RAW_STEP_AXIS if raw else FILTER_STEP_AXIS, range=[-1.02 * reach, 1.02 * reach])
    low, high, _ = results.LEVELS
    y = dict(NATS, range=[low, high], tickvals=TICKS)
    title = "The loss along random lines" + _mode(frame)
    return draw(
        traces, title=title, origin=_origin(frame), empty=empty, x=x, y=y,
        **(theme.name_lines(ends, x, y) if ends else {}),
    )  # fmt: skip


def pairs(frame, alpha=0.5, *, empty=EMPTY, draw=theme.figure):
    """How far the loss rises at one length of step: plain at the left, residual at the right, one line per pair of one
    seed and direction. frame: as `experiments.landscape.bands` gives it, of one depth, mode and normalisation.
    ValueError for a missing column."""
    table = results.paired(frame, alpha)
    traces, kinds = [], ("plain", "residual")
    rise = table[[f"rise_{kind}" for kind in kinds]].to_numpy()  # (pairs, 2)
    for kind, heights in zip(kinds, rise.T, strict=True):
        if not len(table):
            break
        name, place = table[f"name_{kind}"].iloc[0], kinds.index(kind)
        hover = f"<b>{name}</b>, seed %{{customdata[0]}}, direction %{{customdata[1]}}<br>rises by %{{y:.2f}} nats"
        traces.append(dict(
            type="scatter", mode="markers", x=[place] * len(table), y=heights, name=name, showlegend=False,
            marker=theme.marker(kind == "residual", table["depth"].iloc[0], open=False, size=12),
            customdata=table[["seed", "direction"]].to_numpy(), meta={"key": kind},
            hovertemplate=f"{hover}<extra></extra>",
        ))  # fmt: skip
    if len(table):
        ends = np.column_stack([rise, np.full(len(rise), np.nan)])  # a gap after each line
        traces.insert(0, dict(
            type="scatter", mode="lines", x=np.tile([0, 1, np.nan], len(rise)), y=ends.ravel(), hoverinfo="skip",
            line=dict(color=theme.GREY, width=1.5), showlegend=False, meta={"key": "pairs"},
        ))  # fmt: skip
    names = [trace["name"] for trace in traces if "name" in trace] or list(kinds)
    x = dict(title="A line is a pair: same seed, same direction", range=[-0.6, 1.6], tickvals=[0, 1], ticktext=names)
    y = dict(title=f"Rise of the loss at {alpha:g} (nats)", rangemode="tozero")
    title = f"Whose loss rises more: {len(table)} pairs"
    said, origin = lambda: pairs_title(frame, alpha), _origin(frame, also=_mode(frame))
    return draw(traces, title=title, statement=said, origin=origin, empty=empty, x=x, y=y)


def between(frame, *, empty=EMPTY, draw=theme.figure):
    """The loss on straight lines from one trained net to another of the same spec: the median over pairs, in a band.
    frame: as `experiments.landscape.between` gives it. ValueError for a missing column."""
    frame = results.require(frame, (*results.NET, "other", "alpha", "loss", "mode"), "The loss between two nets")
    traces, ends = of_lines.lines(frame, "alpha", "loss", quantity="loss", each="pairs")
    x = dict(title="From one net (0) to the other (1)", range=[-0.02, 1.02])
    # Linear, as heights of hills are compared: on a log axis the one that begins lower looks higher.
    most = frame["loss"][np.isfinite(frame["loss"])].max() if len(frame) else 1
    y = dict(title="Loss (nats)", range=[0, 1.05 * most])
    return draw(
        traces, title="On the straight line between two nets", statement=lambda: between_title(frame),
        origin=_origin(frame, frame["other"], _mode(frame)), empty=empty, x=x, y=y,
        **(theme.name_lines(ends, x, y) if ends else {}),
    )  # fmt: skip


def contours(frame, *, title="The loss in a random plane", empty=EMPTY, draw=theme.figure):
    """Maps of the loss, PANES of them at most, side by side, in one colour scale with the same levels.

    frame: as `experiments.landscape.grid` gives it, of several nets below one another. ValueError for a missing column.
    """
    made = results.maps(frame)[:PANES]
    traces, axes = [], {}
    named = _names([labels for labels, _ in made])
    for pane, (_, rows) in enumerate(made):
        traces += [_contour(rows, pane, named[pane]), _own_place(pane)]
        axes |= _axes(pane, len(made), named[pane])
    axes |= {f"{axis}axis{pane + 1}": dict(visible=False) for pane in range(max(1, len(made)), PANES) for axis in "xy"}
    first = dict(x=axes.pop("xaxis", "First direction"), y=axes.pop("yaxis", "Second direction"))
    return draw(
        traces, title=title + _mode(frame), origin=_origin(frame), empty=empty, showlegend=False,
        coloraxis=_scale(), margin=theme.template.layout.margin.to_plotly_json() | dict(r=96), **first, **axes,
    )  # fmt: skip


def path(grid, path, *, empty=EMPTY, draw=theme.figure):
    """The loss in the principal plane of a training's path, and the path in it: one dot per state, the first and the
    last named. grid, path: as `experiments.landscape_path.principal_plane` gives them. ValueError for a missing
    column."""
    made = results.maps(grid)[:1]
    traces, notes = [], []
    x, y = (dict(title=f"{words} axis of the path") for words in ("First", "Second"))
    for labels, rows in made:
        traces.append(_contour(rows, 0, labels["name"]))
        look = dict(
            line=dict(color="white", width=2), marker=dict(color="white", size=7, line=dict(color="#1A1A1A", width=1))
        )
        traces.append(dict(
            type="scatter", mode="lines+markers", x=path["x"], y=path["y"],
            customdata=path[["step", "loss"]].to_numpy(),
            hovertemplate="after step %{customdata[0]}<br>loss there: %{customdata[1]:.2f}<extra></extra>",
            meta={"key": "path"}, **look,
        ))  # fmt: skip
        for place, words in ((0, "start"), (-1, "end")):
            at = path.iloc[place]
            notes.append(dict(
                name=words, text=f"{words}, step {at['step']:.0f}", x=at["x"], y=at["y"], ax=0, ay=-34, showarrow=True,
                bgcolor="rgba(255, 255, 255, 0.9)", font=dict(size=theme.LARGE, color=theme.INK),
            ))  # fmt: skip
        for axis, side, share in ((x, "x", "share_x"), (y, "y", "share_y")):
            axis |= dict(title=f"{axis['title']} ({path[share].iloc[0]:.0%} of its spread)", range=_ends(rows[side]))
    of = path["name"].iloc[0] if len(path) else "a training"
    return draw(
        traces, title=f"The path of {of}, in its principal plane{_mode(grid)}", origin=_origin(grid), empty=empty,
        showlegend=False, annotations=notes, x=x, y=y, coloraxis=_scale(),
        margin=theme.template.layout.margin.to_plotly_json() | dict(r=96),
    )  # fmt: skip


def surface(frame):
    """The first map of a frame as a surface in three dimensions, on request: heights hide one another, so look at
    `contours` first. Returns a plotly Figure; the scale is that of the maps. ValueError for a missing column."""
    labels, rows = results.maps(frame)[0]
    xs, ys, z = results.heights(rows)
    low, high, _ = results.LEVELS
    ticks = dict(tickvals=list(np.log10(TICKS)), ticktext=[f"{tick:g}" for tick in TICKS])
    figure = go.Figure(go.Surface(x=xs, y=ys, z=z, coloraxis="coloraxis"))
    return figure.update_layout(
        template=theme.template, title=f"The loss around {labels['name']}, as a surface", height=520,
        coloraxis=_scale(),
        scene=dict(zaxis=dict(title="Loss (nats)", range=[low, high], **ticks), xaxis_title="x", yaxis_title="y"),
    )  # fmt: skip


def _contour(rows, pane, name):
    xs, ys, z = results.heights(rows)
    low, high, size = results.LEVELS
    return dict(
        type="contour", x=xs, y=ys, z=z, customdata=10**z, coloraxis="coloraxis", meta={"key": f"map/{pane}"},
        contours=dict(start=low, end=high, size=size), line=dict(width=0.6, color="rgba(26, 26, 26, 0.55)"),
        hovertemplate=f"<b>{name}</b><br>%{{x:.2f}}, %{{y:.2f}}: loss %{{customdata:.3~g}}<extra></extra>",
        xaxis=_axis("x", pane), yaxis=_axis("y", pane),
    )  # fmt: skip


def _own_place(pane):
    """The cross where the net itself is."""
    look = dict(symbol="x", size=10, color="white", line=dict(color="#1A1A1A", width=1))
    return dict(
        type="scatter", mode="markers", x=[0], y=[0], marker=look, hovertemplate="the trained net<extra></extra>",
        xaxis=_axis("x", pane), yaxis=_axis("y", pane), meta={"key": f"net/{pane}"},
    )  # fmt: skip


def _axes(pane, panes, name):
    """The axes of a pane, its name below it."""
    wide = (1 - GAP * (panes - 1)) / panes
    left = pane * (wide + GAP)
    ticks = dict(tickvals=[-0.5, 0, 0.5], range=[-1, 1], showgrid=False)
    x = ticks | dict(title=dict(text=name, standoff=4), domain=[left, left + wide], anchor=_axis("y", pane))
    y = ticks | dict(anchor=_axis("x", pane), title=dict(text="Second direction"), showticklabels=not pane)
    if pane:
        y |= dict(title=dict(text=""), matches="y")
    return {_axis("x", pane, "axis"): x, _axis("y", pane, "axis"): y}


def _axis(letter, pane, word=""):
    return f"{letter}{word}{pane + 1 if pane else ''}"


def _scale():
    low, high, _ = results.LEVELS
    bar = dict(title=dict(text="Loss<br>(nats)"), tickvals=list(np.log10(TICKS)), ticktext=[f"{t:g}" for t in TICKS])
    return dict(colorscale=theme.HEAT, cmin=low, cmax=high, colorbar=bar | dict(thickness=16))


def _names(panes):
    """What to call maps: by their names, and where two share one, by what they differ in, too."""
    if len({pane["name"] for pane in panes}) == len(panes):
        return [theme.wrap(pane["name"], 26) for pane in panes]
    differ = [key for key in ("mode", "normalisation", "norms", "seed") if len({pane.get(key) for pane in panes}) > 1]
    words = {"mode": "{} mode", "normalisation": "{}", "norms": "norms {}", "seed": "seed {}"}
    return [" · ".join([pane["name"], *(words[key].format(pane[key]) for key in differ)]) for pane in panes]


def _floored(frame):
    """Losses at the axis's bottom where they are below: a log axis has no 0."""
    return frame.assign(loss=frame["loss"].clip(lower=10 ** results.LEVELS[0])) if len(frame) else frame


def _mode(frame):
    modes = frame["mode"].unique().tolist() if len(frame) else []
    return f", {modes[0]} mode" if len(modes) == 1 else ""


def _origin(frame, others=(), also=""):
    """others: seeds besides the frame's own. also: what counts besides, from `_mode`."""
    if not len(frame):
        return ""
    also = f"{frame['images'].iloc[0]} training images{also}"
    return phrases.origin_line(frame["origin"], [*frame["seed"], *others], also)


def _ends(values):
    return [values.min(), values.max()]
