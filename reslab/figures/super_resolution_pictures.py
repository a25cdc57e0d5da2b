"""Lesson 08: a zoomed photograph at half its size, enlarged by bicubic interpolation and by nets; and what nets add, on
a diverging scale that is centred on 0.

`frame` has one row per pane, as `experiments.super_resolution.compared` gives it. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import textwrap

import numpy as np

from reslab.figures import panes, theme
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY

__all__ = ["differences", "wipe"]

WIDE, TILE = 0.32, 0.18  # of the chart's width: the large picture, and an enlarged part with its words at its right
PLACES = ("sharp", "bicubic", "direct", "residual")
CLOSE = 3  # times: so large that a difference of nets can be seen
LABELS = {"bicubic": "bicubic", "sharp": "sharp"}
SCALE = [[0, "#762A83"], [0.5, "#F7F7F7"], [1, "#1B7837"]]  # ColorBrewer's PRGn: darker to lighter than bicubic
DIFFERENCE_LIMIT = 0.15  # of the scale of differences, in units of white


def wipe(frame, share=50, front="residual", *, empty=EMPTY, draw=theme.figure):
    """One picture, large: bicubic left of a line, a net right of it; beside it, four times and enlarged, the framed
    part, of which bicubic misses most.

    share: where the line is, in % of the width. front: "residual", "direct" or "sharp", right of the line.
    """
    traces, axes, notes, shapes = [], {}, [], []
    if len(frame):
        rows = frame.set_index("kind")
        front = front if front in rows.index else "sharp"
        before, after = (_grey(rows.loc[kind, "pixels"]) for kind in ("bicubic", front))
        size = after.shape[1]
        at = round(size * share / 100)
        traces.append(panes.photograph(np.concatenate([before[:, :at], after[:, at:]], axis=1), "", "wipe"))
        axes |= panes.axes("", (0.0, WIDE), (0.04, 0.9), "pixels", f"the middle {size} pixels", after.shape)
        side = size // CLOSE
        top, left = _missed_most(rows, side)
        framed = dict(type="rect", x0=left - 0.5, x1=left + side - 0.5, y0=top - 0.5, y1=top + side - 0.5)
        name = _called(front, rows)
        line = dict(type="line", x0=at - 0.5, x1=at - 0.5, y0=-0.5, y1=size - 0.5, xref="x", yref="y")
        shapes = [line | dict(line=dict(color="#FFD400", width=3))]
        shapes.append(framed | dict(xref="x", yref="y", line=dict(color="#FFD400", width=2, dash="4px,3px")))
        notes.append(panes.at(f"bicubic ◂ │ ▸ {name}", "", after.shape, "top", "wipe"))
        for i, kind in enumerate(kind for kind in PLACES if kind in rows.index):
            pixels, number = _grey(rows.loc[kind, "pixels"][top : top + side, left : left + side]), str(i + 2)
            traces.append(panes.photograph(pixels, number, kind))
            column, row = divmod(i, 2)
            start = WIDE + 0.03 + column * (1 - WIDE - 0.03) / 2
            down = (0.5, 0.93) if row == 0 else (0.03, 0.46)
            axes |= panes.axes(number, (start, start + TILE), down, shape=pixels.shape)
            score = "" if kind == "sharp" else panes.large(f"{rows.loc[kind, 'psnr']:.2f} dB") + "<br>"
            name = "<br>".join(textwrap.wrap(_called(kind, rows), 11))  # letters, at 700 px
            notes.append(panes.beside(score + name, number, pixels.shape, f"score/{kind}"))
    title = f"{frame['picture'].iloc[0].capitalize() if len(frame) else 'A picture'}, enlarged to twice its size"
    origin = _origin(frame, "at the right: the framed part")
    return panes.drawn(traces, axes, notes, draw, title=title, origin=origin, empty=empty, shapes=shapes)


def differences(frame, *, empty=EMPTY, draw=theme.figure):
    """What bicubic misses of the sharp picture, and what each net adds to bicubic, on one scale centred on 0."""
    traces, axes, notes = [], {}, []
    if len(frame):
        rows = frame.set_index("kind")
        shown = [kind for kind in ("sharp", "residual", "direct") if kind in rows.index]
        wide = 1 / len(shown)
        for i, kind in enumerate(shown):
            number, middle = str(i + 1) * (i > 0), (i + 0.5) * wide
            bar = dict(showscale=i == 0)
            if i == 0:
                bar["colorbar"] = dict(
                    orientation="h", x=0.5, xanchor="center", y=-0.02, yanchor="top", len=0.6, thickness=12,
                    outlinewidth=0, tickvals=[-DIFFERENCE_LIMIT, 0, DIFFERENCE_LIMIT], tickfont=dict(size=theme.SMALL),
                    ticktext=[f"darker than bicubic by {DIFFERENCE_LIMIT}", "0", f"lighter by {DIFFERENCE_LIMIT}"],
                )  # fmt: skip
            traces.append(dict(
                type="heatmap", z=rows.loc[kind, "added"].round(4).tolist(), colorscale=SCALE,
                zmin=-DIFFERENCE_LIMIT, zmid=0, zmax=DIFFERENCE_LIMIT, **panes.on(number), **bar,
                meta={"key": f"{kind}/added"}, hovertemplate="%{z:.3f}<extra></extra>",
            ))  # fmt: skip
            titles = ("pixels", "pixels") if i == 0 else ()
            axes |= panes.axes(number, (i * wide + 0.01, (i + 1) * wide - 0.01), (0.04, 0.82), *titles)
            label = "what bicubic<br>misses" if kind == "sharp" else f"{_called(kind, rows)}<br>minus bicubic"
            notes.append(panes.words(label, middle, 0.84, name=f"words/{kind}"))
    title = "What has to be learned, and what was"
    return panes.drawn(traces, axes, notes, draw, title=title, origin=_origin(frame), empty=empty)


def _missed_most(rows, side):
    """The top and left pixel of the square of this side in which the squares of what bicubic misses add up to most."""
    sums = np.pad(np.square(rows.loc["sharp", "added"]).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return map(int, np.unravel_index(inside.argmax(), inside.shape))


def _called(kind, rows):
    return LABELS.get(kind) or rows.loc[kind, "name"]


def _grey(pixels):
    """Luminance from 0 to 1 as (H, W) uint8."""
    return (255 * pixels).round().astype("uint8")


def _origin(frame, *also):
    return phrases.origin_line(frame["origin"][:1], frame["seed"][:1], *also) if len(frame) else ""
