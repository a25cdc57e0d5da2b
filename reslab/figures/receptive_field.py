"""Lesson 10: how much of a picture one place sees, what a frozen body still knows, and segments of drawn pictures.

Lines are medians over seeds, in bands from the lowest to the highest. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import textwrap

import numpy as np

from reslab.figures import bands, theme
from reslab.figures.text import phrases
from reslab.figures.text.backbones import (
    field_sentence,
    field_title,
    probe_sentence,
    probe_title,
    segmenters_sentence,
    stages_table,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results.frames import require

__all__ = [
    "field_sentence", "maps", "photo", "probe", "probe_sentence", "segmenters", "segmenters_sentence", "sizes",
    "stages_table",
]  # fmt: skip

BLOCKS = dict(title="Block (0: the stem)")
CLASSES = ((255, 255, 255), (0, 114, 178), (230, 159, 0), (0, 158, 115))  # none, disc, square, triangle
HEAT_COLOURS = [[0, "rgba(213, 94, 0, 0)"], [0.5, "rgba(213, 94, 0, 0.55)"], [1, "rgba(120, 30, 0, 0.95)"]]


def sizes(frame, *, empty=EMPTY, draw=theme.figure):
    """The measured side of what a place sees, block by block, trained and untrained, beside what the layers allow.

    frame: as `experiments.receptive_field.trained_and_untrained` gives it. ValueError for a missing column.
    """
    needed = ("name", "skip", "depth", "origin", "seed", "trained", "index", "side", "field")
    frame = require(frame, needed, "The receptive field")
    traces, ends = _both(frame, "side", "side (pixels)")
    if len(frame):
        allowed = frame.drop_duplicates("index").sort_values("index")
        traces.append(dict(
            type="scatter", mode="lines", x=allowed["index"], y=allowed["field"], meta={"key": "allowed"},
            line=dict(color=theme.GREY, width=2.5, dash="8px,4px"), name="allowed",
            hovertemplate="allowed by the layers: %{y} pixels<extra></extra>",
        ))  # fmt: skip
        last = allowed.iloc[-1]
        ends.append(("allowed", "allowed by the layers", last["index"], last["field"], theme.GREY))
    x = dict(BLOCKS, range=[-0.2, (frame["index"].max() if len(frame) else 9) + 0.2])
    words = "Side that holds 90 % of the<br>squared gradient (pixels)"
    y = dict(title=words, range=[0, (frame["field"].max() if len(frame) else 81) + 5])
    layout = theme.name_lines(ends, x, y) if ends else {}
    title, statement = "How much of the picture one place sees", lambda: field_title(frame)
    return draw(traces, title=title, statement=statement, origin=_origin(frame), empty=empty, x=x, y=y, **layout)


def probe(frame, *, empty=EMPTY, draw=theme.figure):
    """What a linear classifier on each block of a frozen body gets right. frame: as `experiments.probe` gives it.

    ValueError for a missing column.
    """
    needed = ("name", "skip", "depth", "origin", "seed", "trained", "index", "readout_accuracy", "guess")
    frame = require(frame, needed, "The probe")
    frame = frame.assign(right=100 * frame["readout_accuracy"].astype(float))
    traces, ends = _both(frame, "right", "right (%)")
    x = dict(BLOCKS, range=[-0.2, (frame["index"].max() if len(frame) else 9) + 0.2])
    y = dict(title="Test pictures that are right (%)", range=[0, 103])
    if len(frame):
        guess = 100 * frame["guess"].iloc[0]
        line = dict(color=theme.GREY, width=2, dash="1px,3px")
        traces.append(dict(type="scatter", mode="lines", x=x["range"], y=[guess, guess], line=line, name="a guess",
                           hoverinfo="skip", meta={"key": "guess"}))  # fmt: skip
        ends.append(("guess", "a guess", x["range"][1], guess, theme.GREY))
    layout = theme.name_lines(ends, x, y) if ends else {}
    title, statement = "What a linear classifier reads from each block of a frozen body", lambda: probe_title(frame)
    return draw(traces, title=title, statement=statement, origin=_origin(frame), empty=empty, x=x, y=y, **layout)


def maps(frame, picture, *, empty=EMPTY, draw=theme.figure):
    """What one place of the last map sees, over a photograph: one pane per net; the outer square is what the layers
    allow, the inner one holds 90 % of the squared gradient.

    frame: rows of one block, one row per net: as `experiments.receptive_field.by_block` gives them, with `label`, the
    words over a pane. picture: (S, S, 3) uint8.
    """
    traces, axes, notes, shapes, count = [], {}, [], [], max(len(frame), 1)
    for i, row in enumerate(frame.itertuples()):
        number, left = str(i + 1) * (i > 0), i / count
        grey = picture.astype(float).mean(-1, keepdims=True).repeat(3, -1)  # beside orange no colour of the photograph
        pale = (255 - 0.6 * (255 - grey)).round().astype("uint8")
        on = dict(xaxis=f"x{number}", yaxis=f"y{number}")
        traces.append(dict(type="image", z=pale.tolist(), hoverinfo="skip", meta={"key": f"{i}/image"}, **on))
        seen = np.sqrt(row.energy / row.energy.max())
        traces.append(dict(
            type="heatmap", z=seen.round(3).tolist(), colorscale=HEAT_COLOURS, zmin=0, zmax=1, showscale=False,
            meta={"key": f"{i}/seen"}, hovertemplate="%{z:.2f} of the largest gradient<extra></extra>", **on,
        ))  # fmt: skip
        for side, width, dash in ((row.field, 2, "dash"), (row.side, 3, "solid")):
            ends = [at + sign * side / 2 for at in row.centre[::-1] for sign in (-1, 1)]
            ends = [min(max(end, -0.5), len(picture) - 0.5) for end in ends]
            line = dict(color=theme.INK, width=width, dash=dash)
            shapes.append(dict(type="rect", x0=ends[0], x1=ends[1], y0=ends[2], y1=ends[3], line=line,
                               xref=f"x{number}", yref=f"y{number}"))  # fmt: skip
        bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False, constrain="domain")
        across = [left + 0.01, left + 1 / count - 0.01]
        under = dict(text=f"{len(picture)} pixels", font=dict(size=theme.SMALL))
        axes[f"xaxis{number}"] = bare | dict(domain=across, anchor=f"y{number}", title=under)
        axes[f"yaxis{number}"] = bare | dict(
            domain=[0, 0.88], anchor=f"x{number}", autorange="reversed", scaleanchor=f"x{number}",
            title=under if i == 0 else dict(text=""),
        )
        words = f"{row.label}<br>measured {row.side}, allowed {row.field} pixels"
        where = dict(x=sum(across) / 2, y=0.89, xref="paper", yref="paper", xanchor="center", yanchor="bottom")
        notes.append(dict(name=str(i), text=words, showarrow=False, font=dict(size=theme.SMALL), **where))
    first = dict(x=axes.pop("xaxis", "Pixels"), y=axes.pop("yaxis", "Pixels"))
    return draw(
        traces, title="What one place of the last map sees", origin=_origin(frame), empty=empty, annotations=notes,
        shapes=shapes, showlegend=False, margin=dict(l=14, r=14, t=theme.TOP, b=48), **first, **axes,
    )  # fmt: skip


def segmenters(frame, *, empty=EMPTY, draw=theme.figure):
    """Three drawn pictures, the truth, and what each segmenter and baseline says of every pixel: a column each.

    frame: as `experiments.segmenter.compare` gives it, of one seed.
    """
    traces, notes = [], []
    if len(frame):
        first = frame.iloc[0]
        columns = [("the picture", first["pixels"]), ("the truth", _painted(first["truth"]))]
        for row in frame.itertuples(index=False):
            words = "<br>".join([*textwrap.wrap(row.name, 12), f"<b>{row.mean_iou:.2f}</b>"])
            columns.append((words, _painted(row.answers)))
        side = first["pixels"].shape[1]
        sheet = np.concatenate([np.concatenate(list(_framed(each[:3])), 0) for _, each in columns], 1)
        traces = [dict(type="image", z=sheet.tolist(), hoverinfo="skip", meta={"key": "sheet"})]
        for i, (words, _) in enumerate(columns):
            where = dict(x=(i + 0.5) * (side + 2), xanchor="center", y=-1, yanchor="bottom")
            notes.append(dict(name=words, text=words, showarrow=False, font=dict(size=theme.SMALL), **where))
    bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False, constrain="domain")
    x = bare | dict(title="White: none, blue: disc, yellow: square, green: triangle; numbers: mean IoU")
    names = 0.16  # of the height, above the pictures
    y = bare | dict(title="Test pictures", autorange="reversed", scaleanchor="x", domain=[0, 1 - names])
    margin = dict(l=40, r=10, t=theme.TOP, b=56)
    return draw(
        traces, title="Which pixel belongs to which shape", origin=_origin(frame), empty=empty, annotations=notes, x=x,
        y=y, showlegend=False, margin=margin, height=520,
    )  # fmt: skip


def photo(pixels, title="What was found", *, origin="", draw=theme.figure):
    """A picture that can be zoomed and moved: (H, W, 3) uint8."""
    traces = [dict(type="image", z=pixels.tolist(), hoverinfo="skip", meta={"key": "photo"})]
    bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False)
    x, y = bare | dict(title="Drag to zoom, double-click to go back"), bare | dict(title=" ", scaleanchor="x")
    y |= dict(title="Pixels", autorange="reversed")
    return draw(traces, title=title, origin=origin, x=x, y=y, showlegend=False, height=560)


def _both(frame, column, quantity):
    """Lines of trained nets and, thin and dotted, of untrained ones."""
    traces, ends = [], []
    for trained in (True, False):
        some = frame[frame["trained"] == trained] if len(frame) else frame
        some = some.assign(name=[f"{name}, {'' if trained else 'un'}trained" for name in some["name"]])
        some = some.assign(origin=some["origin"].iloc[0] if len(some) else "")
        look = {}
        for row in some.drop_duplicates("name").itertuples():
            line = theme.line(row.skip, row.depth) | ({} if trained else dict(width=2, dash="1px,3px"))
            look[row.name] = line, theme.marker(row.skip, row.depth, open=not trained, size=8)
        drawn, named = bands.lines(some, "index", column, quantity=quantity, look=look)
        for trace in drawn:
            trace["meta"] = {"key": f"{trace['meta']['key']}/{trained}"}
        traces, ends = traces + drawn, ends + named
    return traces, ends


def _painted(classes):
    """Classes (N, S, S) as colours (N, S, S, 3) uint8."""
    return np.array(CLASSES, dtype=np.uint8)[classes]


def _framed(pictures):
    """Each picture (S, S, 3) with a grey edge, 2 pixels at its right and below."""
    for picture in pictures:
        yield np.pad(picture, ((0, 2), (0, 2), (0, 0)), constant_values=190)


def _origin(frame):
    return phrases.origin_line(frame["origin"], frame["seed"]) if len(frame) else ""
