"""Lesson 08: PSNR while nets learn, and by depth, with bicubic interpolation as a line.

`frame` is as `experiments.super_resolution.quick` and `best_rate` give it, with an origin. Lines are medians over seeds
of the mean over the pictures, in bands from the lowest to the highest. Nets without a global skip are drawn as the
plain nets of other lessons; block skips have squares, and without a global one a colour of their own. Every chart takes
draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import bands, theme
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.super_resolution import (
    LABELS,
    alt_text,
    depth_title,
    gains_table,
    picture_sentence,
    sentence,
    title,
)
from reslab.results import super_resolution as results

__all__ = [
    "alt_text",
    "curves",
    "depths",
    "gains_table",
    "picture_sentence",
    "sentence",
]  # fmt: skip

BLOCKS = "#007A58"  # of block skips alone
BELOW, ABOVE = 4.0, 1.6  # dB under and over bicubic that a chart shows


def curves(frame, front="", *, empty=EMPTY, draw=theme.figure):
    """PSNR against steps, one line per net; a line that leaves the chart below is worse than bicubic by over 4 dB.

    front: the name of a net whose line is thicker. Live lines beside recorded ones have "live" in their name.
    ValueError for a missing column.
    """
    each = results.per_seed(frame)
    looks = _looks(each)
    for name in looks.keys() & {front}:
        line, marker = looks[name]
        looks[name] = line | dict(width=4), marker
    traces, ends = bands.lines(each, "step", "psnr", quantity="PSNR (dB)", look=looks)
    last = max(each["step"].max() if len(each) else 0, 1)
    x = dict(title="Steps of training", range=[0, 1.02 * last])
    y, bicubic = _psnr(frame)
    if traces:
        traces.append(_bicubic([0, last], bicubic))
        ends.append(("bicubic", "bicubic", last, bicubic, theme.GREY))
    ends = [(key, text, at, max(value, y["range"][0]), hue) for key, text, at, value, hue in ends]
    layout = theme.name_lines(ends, x, y) if ends else {}
    return draw(
        traces, title="How good is the picture, while nets learn?", statement=lambda: title(frame),
        origin=_origin(frame), empty=empty, x=x, y=y, **layout,
    )  # fmt: skip


def depths(frame, *, empty=EMPTY, draw=theme.figure):
    """PSNR after the last step against depth: a line for each way to use skips, named with the gain over bicubic of its
    deepest net. ValueError for a missing column."""
    frame = frame[frame["step"] == frame["step"].max()] if len(frame) else frame
    each = results.per_seed(frame)
    kinds = [LABELS[bool(skip), bool(blocks)] for skip, blocks in zip(each["skip"], each["block_skips"], strict=True)]
    looks = {}
    for kind, row in zip(kinds, each.itertuples(), strict=True):
        looks[kind] = _look(row.skip, row.block_skips, 20, row.origin)
    deep = each["depth"]
    each = each.assign(name=kinds, layers=deep, depth=20)
    traces, ends = bands.lines(each, "layers", "psnr", quantity="PSNR (dB)", look=looks)
    found = sorted(int(depth) for depth in deep.unique())
    x = theme.depth_axis(found)
    y, bicubic = _psnr(frame)
    if traces:
        traces.append(_bicubic([found[0], found[-1]], bicubic))
        ends.append(("bicubic", "bicubic", found[-1], bicubic, theme.GREY))
    lowest = y["range"][0]
    ends = [
        (key, f"{text} {_signed(value - bicubic)}" * (key != "bicubic") or text, at, max(value, lowest), hue)
        for key, text, at, value, hue in ends
    ]
    layout = theme.name_lines(ends, x, y) if ends else {}
    step = f"After {int(frame['step'].max())} steps: what" if len(frame) else "What"
    return draw(
        traces, title=f"{step} does each skip bring?", statement=lambda: depth_title(frame), origin=_origin(frame),
        empty=empty, x=x, y=y, **layout,
    )  # fmt: skip


def _signed(gain):
    """ "−1.88 dB", "+0.71 dB"."""
    return f"{gain:+.2f} dB".replace("-", "−")


def _psnr(frame):
    """(the axis, bicubic's PSNR): around bicubic's mean over the pictures."""
    bicubic = float(frame.drop_duplicates("picture")["bicubic"].mean()) if len(frame) else 24.0
    values = results.per_seed(frame)["psnr"].astype(float) if len(frame) else np.array([bicubic])
    low = max(bicubic - BELOW, min(np.nanmin(values), bicubic) - 0.3)
    title = f"PSNR (dB), mean of {frame['picture'].nunique() if len(frame) else 'the'} pictures"
    return dict(title=title, range=[low, max(bicubic + ABOVE, np.nanmax(values) + 0.3)]), bicubic


def _bicubic(x, value):
    line = dict(color=theme.GREY, width=2.5, dash="1px,3px")
    return dict(
        type="scatter", mode="lines", x=x, y=[value, value], line=line, name="bicubic", meta={"key": "bicubic"},
        hovertemplate=f"bicubic: {value:.2f} dB<extra></extra>",
    )  # fmt: skip


def _looks(each):
    return {row.name: _look(row.skip, row.block_skips, row.depth, row.origin) for row in
            each.drop_duplicates("name").itertuples(index=False)}  # fmt: skip


def _look(skip, block_skips, depth, origin):
    """(line, marker) of a net: those of plain and residual nets; block skips have squares and another dash, and without
    a global skip another colour, as the net is not plain."""
    line = theme.line(skip, depth, theme.recorded(origin))
    marker = theme.marker(skip, depth, open=False, size=8)
    if block_skips:
        line, marker = line | dict(dash="8px,2px,2px,2px"), marker | dict(symbol="square", size=9)
        if not skip:
            line, marker = line | dict(color=BLOCKS), marker | dict(color=BLOCKS)
    return line, marker


def _origin(frame):
    """Each origin with its own seeds."""
    if not len(frame):
        return ""
    groups = frame.groupby("origin", sort=False)["seed"]
    return "; ".join(phrases.origin_line([origin], seeds) for origin, seeds in groups)
