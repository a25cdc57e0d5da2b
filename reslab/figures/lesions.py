"""Lesson 05: the error of a trained net without one block, without several, and with its blocks in another order.

`frame` has one row per net × seed × lesion, as `experiments.lesions` gives it. A line is the median over seeds, in a
band from the lowest to the highest, or with bars where bands would cover one another; the error of the whole
net is beside its name. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import block_axis, theme
from reslab.figures.text import phrases
from reslab.figures.text.lesions import alt_text, count_sentence, sentence, statistics_sentence
from reslab.figures.text.lesions import title as one_out_title
from reslab.figures.text.phrases import EMPTY
from reslab.results import lesions as results
from reslab.results.frames import recorded

__all__ = ["alt_text", "count_sentence", "one_out", "sentence", "several_out", "statistics_sentence", "swapped"]

ERROR = dict(title="Test error (%)", range=[-2, 102], tickvals=[0, 25, 50, 75, 100])
# The marks of the nets of a kind, the shallowest first, and how they are written beside a net's name.
MARKS = {False: (("diamond", "◆"), ("triangle-up", "▲")), True: (("circle", "●"), ("square", "■"))}


def one_out(frame, *, empty=EMPTY, draw=theme.figure):
    """The error of every net with each block out, one at a time. Of the deepest residual net, the blocks without which
    the error at least doubles have their numbers. ValueError for a missing column."""
    table = results.by_block(frame)
    gathered = bool(len(table)) and bool(table["calibrated"].all())
    title = "One block out" + ", BatchNorm's statistics measured again" * gathered
    table = table.assign(at=100 * table["way"], about=table["module"])
    hurt = results.needed(table)
    notes = [
        dict(name=f"{row.name}/{row.index}", text=str(row.index), x=row.at, y=100 * row.median, yshift=4,
             yanchor="bottom", showarrow=False)
        for row in hurt.itertuples(index=False)
    ]  # fmt: skip
    x = block_axis.axis(table.groupby("name")["index"].max(), "Block that is taken out", start=1)
    also = f"numbered: without this block {hurt['name'].iloc[0]} errs at least twice as often" if len(hurt) else ""
    return _draw(
        table, frame, "%{customdata[0]}", draw, title=title, statement=lambda: one_out_title(frame), x=x,
        empty=empty, notes=notes, also=also,
    )  # fmt: skip


def several_out(frame, *, empty=EMPTY, draw=theme.figure):
    """The error of every net with more and more blocks out, drawn at random. ValueError for a missing column."""
    return _counts(frame, "Several blocks out, at random", "Blocks out", draw, empty)


def swapped(frame, *, empty=EMPTY, draw=theme.figure):
    """The error of every net after more and more random swaps of two blocks. ValueError for a missing column."""
    return _counts(frame, "Blocks that change places, at random", "Swaps of two blocks of the same shape", draw, empty)


def _counts(frame, title, words, draw, empty):
    table = results.by_count(frame)
    counts = sorted(table["count"].unique()) or [1, 8]
    x = dict(title=words, range=[min(counts) - 0.4, max(counts) + 0.4], tickvals=counts)
    beside = {name: 0.08 * place for place, name in enumerate(table["name"].unique())}  # so that no bar hides another
    table = table.assign(at=table["count"] + table["name"].map(beside), about=table["count"])
    hover = f"{words.lower()}: %{{customdata[0]}}"
    return _draw(table, frame, hover, draw, title=title, x=x, empty=empty, bars=True)


def _draw(table, frame, hover, draw, *, title, x, empty, statement=None, bars=False, notes=(), also=""):
    """A chart of a table of medians. Its columns at and about: x, and the number in the hover text."""
    traces, ends = [], []
    depths = {skip: sorted(nets["depth"].unique()) for skip, nets in table.groupby("skip")}
    for (name, skip, depth, origin), rows in table.groupby(["name", "skip", "depth", "origin"], sort=False):
        rows = rows.sort_values("at")
        hue, key = theme.colour(skip, depth), f"{name}/{origin}"
        symbol, sign = MARKS[bool(skip)][depths[skip].index(depth) % 2]
        middle, low, high = (100 * rows[column].to_numpy() for column in ("median", "low", "high"))
        if (low < high).any() and not bars:
            band = dict(mode="lines", fill="toself", fillcolor=theme.rgba(hue, 0.16), line=dict(width=0))
            here = rows["at"].to_numpy()
            traces.append(dict(
                type="scatter", x=np.concatenate([here, here[::-1]]), y=np.concatenate([high, low[::-1]]), **band,
                hoverinfo="skip", showlegend=False, legendgroup=key, meta={"key": f"{key}/band"},
            ))  # fmt: skip
        reach = dict(type="data", symmetric=False, array=high - middle, arrayminus=middle - low, thickness=1.5)
        label = f"<b>{name}</b>, {hover}<br>error %{{y:.1f}} % (%{{customdata[1]:.1f}} to %{{customdata[2]:.1f}})"
        traces.append(dict(
            type="scatter", mode="lines+markers", x=rows["at"], y=middle, name=name, legendgroup=key,
            line=theme.line(skip, depth, recorded(origin)),
            marker=theme.marker(skip, depth, open=False, size=8) | dict(symbol=symbol),
            error_y=reach if bars else None,
            customdata=list(zip(rows["about"], low, high, strict=True)), meta={"key": f"{key}/error"},
            hovertemplate=f"{label}<extra>{origin}</extra>",
        ))  # fmt: skip
        whole = 100 * rows["whole"].iloc[0]
        called = f"{sign} {name}" if len(depths[skip]) > 1 else name
        ends.append((key, f"{called}<br>whole: {whole:.1f} %", rows["at"].iloc[-1], middle[-1], hue))
    layout = theme.name_lines(ends, x, ERROR) if ends else {}
    origin = ""
    if len(table):
        pictures = f"{frame['images'].iloc[0]} test pictures, eval mode"
        origin = phrases.origin_line(table["origin"], frame["seed"], pictures, also)
    layout["annotations"] = [*layout.get("annotations", ()), *notes]
    return draw(
        traces, title=title, statement=statement, origin=origin, empty=empty, x=x, y=ERROR, **layout
    )
