"""Lesson 07: maps over their pictures, on one diverging scale that is centred on 0, and the pictures without a quarter.

Green speaks for the answer, purple against it; the more, the less the picture shows through. `frame` has one row per
hole, as `experiments.deletion.of_picture` gives it. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import textwrap

import numpy as np

from reslab.figures import panes, theme
from reslab.figures.attribution import BESIDE, P, look
from reslab.figures.text import phrases
from reslab.figures.text.attribution import LABELS, picture_sentence, sum_words
from reslab.figures.text.phrases import EMPTY

__all__ = ["picture", "picture_curve", "picture_sentence"]

# Purple to green (ColorBrewer's PRGn, safe for colour-blind readers); where a map is 0, the picture is clear.
AGAINST, FOR = "118, 42, 131", "27, 120, 55"
SCALE = [[0, f"rgba({AGAINST}, 1)"], [0.5, "rgba(247, 247, 247, 0)"], [1, f"rgba({FOR}, 1)"]]
ENDS = ["against", "0", "for"]  # the answer
MARK = "rgba(240, 228, 66, 0.75)"  # yellow, over the grey of a deleted pixel: on a grey digit it could not be seen
TILE = 0.19  # of the chart's width: a picture, with its words at its right
FADED = 0.55  # of the picture's darkness, where a map is over it
OPACITY = 0.7  # opacity of a map


def picture(frame, opacity=OPACITY, *, empty=EMPTY, draw=theme.figure):
    """One picture, and under it the picture with its map; at their right the picture without a quarter of its pixels,
    which are marked, one for each kind of hole, with the probability that is left. Integrated gradients: under the
    title, what they add up to.

    frame: of one net and one method. opacity: of the map, 0 to 1.
    """
    traces, axes, notes, adds_up = [], {}, [], ""
    rows = frame.set_index("kind") if len(frame) else frame
    if len(frame):
        first = rows.loc["map"]
        adds_up = sum_words(first)
        shape = first["map"].shape
        sure = panes.large(f"{first['before']:.2f}")
        says = f"{sure}<br>{first['name']}<br>says <b>{first['says']}</b>"
        made = f"{first['method']}<br>over the<br>picture<br>(root scale)".replace(" gradients", "<br>gradients")
        traces += [panes.image(first["picture"], "", "whole")]
        traces += _with_map(first["picture"], first["map"], opacity, "2", "picture", bar=(0.115, 0.15))
        cells = [("", [f"{side} pixels" for side in shape], says, "says"), ("2", (), made, "map")]
        for i, kind in enumerate(kind for kind in LABELS if kind in rows.index):
            hole, number = rows.loc[kind], str(i + 3)
            traces.append(panes.image(hole["deleted"], number, f"deleted/{kind}"))
            traces.append(_marked(hole["picture"], hole["deleted"], number, kind))
            words = "<br>".join(textwrap.wrap(LABELS[kind], 11))  # letters, at 700 px
            left_over = panes.large(f"{hole['after']:.2f}")
            cells.append((number, (), f"{left_over}<br>{words}", f"after/{kind}"))
        for place, (number, titles, text, name) in enumerate(cells):
            column, row = divmod(place, 2)
            across, down = column / 3, (0.52, 0.92) if row == 0 else (0.02, 0.42)
            axes |= panes.axes(number, (across, across + TILE), down, *titles, shape=shape)
            notes.append(panes.beside(text, number, shape, name))
        words = "Probability without the yellow quarter:"
        notes.append(panes.words(words, 2 / 3, 0.95, size=theme.LARGE))
    return _drawn(traces, axes, notes, frame, "Which pixels the answer depends on", empty, draw, adds_up)


def picture_curve(frame, *, empty=EMPTY, draw=theme.figure):
    """The probability of the answer for one picture while its pixels are deleted, one line per kind of hole."""
    traces = []
    for row in frame.itertuples():
        line, marker = look(row.kind, row.skip, row.depth)
        traces.append(dict(
            type="scatter", mode="lines+markers", x=100 * np.asarray(row.shares, dtype=float), y=row.p, line=line,
            marker=marker, name=LABELS[row.kind], meta={"key": f"{row.kind}/curve"},
            hovertemplate=f"{LABELS[row.kind]}<br>%{{x:.0f}} % deleted: %{{y:.2f}}<extra></extra>",
        ))  # fmt: skip
    x = dict(title="Pixels deleted (%), those of the map first", range=[-2, 102])
    origin = frame["origin"].iloc[0] if len(frame) else ""
    # all lines end at about 0: names beside their ends could not be told apart
    title = "The answer while pixels are deleted"
    return draw(traces, title=title, origin=origin, empty=empty, x=x, y=P, legend=BESIDE)


def _with_map(pixels, made, opacity, axis, key, bar=None):
    """A picture and a map over it: a pixel is the more opaque, the more it speaks for or against the answer. bar:
    (middle, width) of the scale below, in shares of the chart's width, or None."""
    most = float(np.abs(made).max()) or 1.0
    look = dict(colorscale=SCALE, zmid=0, zmin=-1, zmax=1, showscale=bar is not None, opacity=opacity)
    if bar is not None:
        look["colorbar"] = dict(
            orientation="h", x=bar[0], xanchor="center", y=-0.02, yanchor="top", len=bar[1], thickness=12,
            outlinewidth=0, tickvals=[-1, 0, 1], ticktext=ENDS, tickfont=dict(size=theme.SMALL), tickangle=0,
        )  # fmt: skip
    share = made / most  # drawn by its root: else one large pixel makes all others pale
    over = dict(type="heatmap", z=(np.sign(share) * np.sqrt(np.abs(share))).tolist(), **panes.on(axis), **look)
    over |= dict(customdata=share.tolist(), meta={"key": f"{key}/map"})
    over |= dict(hovertemplate="%{customdata:.2f} of the map's largest<extra></extra>")
    pale = (255 - FADED * (255 - pixels.astype(float))).round().astype("uint8")
    return [panes.image(pale, axis, key), over]


def _marked(pixels, deleted, axis, kind):
    """The pixels (H, W, 3) that differ in the two pictures, marked."""
    differs = np.where((pixels != deleted).any(-1), 1.0, np.nan)
    flat = dict(colorscale=[[0, MARK], [1, MARK]], zmin=0, zmax=1, showscale=False, hoverinfo="skip")
    return dict(type="heatmap", z=differs, **panes.on(axis), **flat, meta={"key": f"marked/{kind}"})


def _drawn(traces, axes, notes, frame, title, empty, draw, also="", **layout):
    origin = phrases.origin_line(frame["origin"], frame["seed"], also) if len(frame) else ""
    return panes.drawn(traces, axes, notes, draw, title=title, origin=origin, empty=empty, **layout)
