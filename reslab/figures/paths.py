"""Lesson 05: the exact share of the gradient of each path length, and the number of such paths.

`frame` has one row per net × seed × step × length, as `experiments.paths` gives it. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab import checks
from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.paths import sampled_sentence, sentence
from reslab.figures.text.paths import title as short_title
from reslab.figures.text.phrases import EMPTY
from reslab.results import paths as results

__all__ = ["by_length", "sampled_sentence", "sentence"]


def by_length(frame, name="resnet-56", *, sampled=None, empty=EMPTY, draw=theme.figure):
    """The shares of one net by path length: trained a thick line, untrained a thin one, the binomial count in grey.

    sampled: the frame of `experiments.paths.sampled` of the same net; each repeat is a row of marks. ValueError for a
    net that the frame does not have, or a missing column.
    """
    if len(frame):
        checks.choice("a net", name, list(frame["name"].unique()))
        frame = frame[frame["name"] == name]
    table = results.by_length(frame)
    traces, ends, last = [], [], max(table["length"].max() if len(table) else 9, 1)
    x = dict(title="Branches on the path", range=[-0.3, last + 0.3])
    highest = 0.0
    if len(table):
        one = table[table["step"] == table["step"].min()]
        highest = 100 * one["counted"].max()
        line = dict(color=theme.GREY, width=2, dash="1px,4px")
        traces.append(_line("count", one["length"], 100 * one["counted"], line, "if all paths counted the same"))
        peak = one.loc[one["counted"].idxmax()]
        ends.append(("count", "if all paths<br>counted the same", peak["length"], 100 * peak["counted"], theme.GREY))
    for step, rows in table.groupby("step", sort=True):
        label, hue = "trained" if step else "untrained", theme.colour(True, rows["depth"].iloc[0])
        line = dict(color=hue, width=4 if step else 1.6, dash="solid")
        low, high = (100 * rows[column].to_numpy() for column in ("low", "high"))
        if (low < high).any():
            here = rows["length"].to_numpy()
            traces.append(dict(
                type="scatter", mode="lines", fill="toself", fillcolor=theme.rgba(hue, 0.16), line=dict(width=0),
                x=np.concatenate([here, here[::-1]]), y=np.concatenate([high, low[::-1]]), hoverinfo="skip",
                showlegend=False, meta={"key": f"{label}/band"},
            ))  # fmt: skip
        traces.append(_line(label, rows["length"], 100 * rows["median"], line, f"the gradient, {label}"))
        peak = rows.loc[rows["median"].idxmax()]
        ends.append((label, f"the gradient,<br>{label}", peak["length"], 100 * peak["median"], hue))
        highest = max(highest, high.max())
    if sampled is not None and len(sampled):
        for repeat, rows in sampled.groupby("repeat"):
            mark = dict(symbol="x-thin", size=10, line=dict(width=2, color=theme.INK))
            crosses = _line(f"sampled/{repeat}", rows["length"], 100 * rows["share"], {}, "sampled, as Veit et al. do")
            traces.append(crosses | dict(mode="markers", marker=mark))
            highest = max(highest, 100 * rows["share"].max())
    y = dict(title="Share of the gradient (%)", range=[-0.03 * highest, 1.12 * highest or 1])
    layout = theme.name_lines(ends, x, y) if ends else {}
    origin = ""
    if len(frame):
        crosses = "crosses: sampled, of the trained net" * (sampled is not None)
        origin = phrases.origin_line(frame["origin"], frame["seed"], crosses)
    title = f"How long the gradient's paths are: {name}"
    statement = lambda: short_title(frame)  # noqa: E731
    return draw(traces, title=title, statement=statement, origin=origin, empty=empty, x=x, y=y, **layout)


def _line(key, x, y, line, label):
    return dict(
        type="scatter", mode="lines", x=x, y=y, line=line, name=label, meta={"key": key},
        hovertemplate=f"<b>{label}</b><br>%{{x}} branches: %{{y:.1f}} %<extra></extra>",
    )  # fmt: skip
