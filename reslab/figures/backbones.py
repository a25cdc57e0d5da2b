"""Lesson 10: what models are made of: body, neck and heads, as shares of the whole, and block by block.

`frame` is as `experiments.backbones.layers` gives it. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import re

from reslab import checks
from reslab.figures import theme
from reslab.figures.text.backbones import (
    COSTS,
    alt_text,
    classes_sentence,
    found_sentence,
    models_sentence,
    sentence,
    shares_title,
    weights_sentence,
)
from reslab.figures.text.phrases import EMPTY, amount
from reslab.results import backbones as results

__all__ = [
    "alt_text", "classes_sentence", "found_sentence", "models_sentence", "ribbon", "sentence", "shares",
    "weights_sentence",
]  # fmt: skip

COLOURS = {"body": theme.RESIDUAL, "neck": "#007A58", "head": "#8A6D00"}  # of a part
PARTS = {"body": "body", "neck": "neck", "head": "heads"}  # part → its name
THICK = 0.7  # of a bar, of the distance of two
LETTER_WIDTH = 0.0195  # of the chart's width, at 700 pixels: a label stands in a bar that has room for it
AXIS_END = 70  # % of the whole: the axis of the ribbon, which never moves; its highest tick is under the title


def shares(frame, cost="parameters", *, empty=EMPTY, draw=theme.figure):
    """Each model as one bar of 100 %: its body, its neck and its heads.

    cost: "parameters" or "multiply_adds".
    """
    checks.choice("cost", cost, COSTS)
    table, traces = results.parts(frame), []
    models = list(dict.fromkeys(table["model"]))
    for model, rows in table.groupby("model", sort=False):
        base = 0.0
        for part, some in rows.groupby("part", sort=False):
            share, count = 100 * some[f"{cost}_share"].sum(), amount(some[cost].sum())
            name = PARTS[part]
            words = next((words for words in (f"<b>{name}</b> {count}", f"<b>{name}</b>") if share > _width(words)), "")
            traces.append(dict(
                type="bar", orientation="h", y=[model], x=[share], base=[base], width=THICK, showlegend=False,
                marker=_look(part), text=[words],
                textposition="inside", insidetextanchor="middle", textangle=0, constraintext="none",
                textfont=dict(color=theme.INK, size=theme.SMALL), meta={"key": f"{model}/{part}"},
                customdata=[[model, part]], hoverinfo="text", hovertext=_hover_texts(model, name, some, cost),
            ))  # fmt: skip
            base += share
    traces += _legend(table)
    x = dict(title=f"Share of the {COSTS[cost]} (%)", range=[0, 100])
    y = dict(title="Model", type="category", categoryarray=models[::-1])
    title = f"How much of each model is its {table['body_name'].iloc[0]}" if len(table) else "Body, neck and heads"
    return draw(
        traces, title=title, statement=lambda: shares_title(frame, cost), origin=_origin(frame, cost), empty=empty,
        x=x, y=y, barmode="overlay", **_below(-0.2),
    )  # fmt: skip


def ribbon(frame, model="Faster R-CNN", cost="parameters", *, empty=EMPTY, draw=theme.figure):
    """One model from the picture to its answers: one bar per block of the body, then its neck and its heads, each as
    high as its share of the whole. ValueError for a model that the frame does not have."""
    checks.choice("cost", cost, COSTS)
    traces, names = [], []
    if len(frame):
        frame = frame[frame["model"] == checks.choice("a model", model, list(frame["model"].unique()))]
        whole = frame[cost].sum()
        frame = frame.assign(unit=frame["block"].where(frame["block"] != "", frame["name"]))
        names = list(dict.fromkeys(frame["name"]))
        blocks = frame.groupby("name")["unit"].nunique()  # every part is equally wide, and so are the blocks in it
        for unit, rows in frame.groupby("unit", sort=False):
            part, name = rows[["part", "name"]].iloc[0]
            others = list(dict.fromkeys(frame.loc[frame["name"] == name, "unit"]))
            at = names.index(name) - 0.46 + 0.92 * (others.index(unit) + 0.5) / blocks[name]
            traces.append(dict(
                type="bar", x=[at], y=[100 * rows[cost].sum() / whole], width=[0.86 / blocks[name]],
                marker=_look(part), showlegend=False, meta={"key": unit}, hoverinfo="text",
                hovertext=_hover_text(model, unit, rows, cost), customdata=[[model, unit]],
            ))  # fmt: skip
        traces += _legend(frame)
    x = dict(title="From the picture to the answers", range=[-0.55, max(len(names), 1) - 0.45], ticks="", tickangle=0)
    x |= dict(tickvals=list(range(len(names))), ticktext=[name.replace(" ", "<br>") for name in names])
    y = dict(title=f"Share of the {COSTS[cost]} (%)", range=[0, AXIS_END - 1])
    title = f"{model}, block by block"
    origin = _origin(frame, cost)
    return draw(traces, title=title, origin=origin, empty=empty, x=x, y=y, **_below(-0.3))


def _width(words):
    """The room that words take, in % of the chart's width."""
    return 100 * LETTER_WIDTH * (len(re.sub("<[^>]*>", "", words)) + 1)


def _below(y):
    """A legend under the axis, and room for it."""
    legend = dict(orientation="h", x=0.5, xanchor="center", y=y, yanchor="top", font=dict(size=theme.SMALL))
    return dict(legend=legend, margin=theme.template.layout.margin.to_plotly_json() | dict(b=96))


def _look(part):
    hue = COLOURS[part]
    return dict(color=theme.rgba(hue, 0.34), line=dict(color=hue, width=1.5))


def _legend(table):
    """Traces with no bars: what the colours mean."""
    parts = [part for part in COLOURS if part in set(table["part"])] if len(table) else []
    none = dict(type="bar", x=[None], y=[None], hoverinfo="skip")
    return [none | dict(name=PARTS[part], marker=_look(part), meta={"key": f"legend/{part}"}) for part in parts]


def _hover_texts(model, part, rows, cost):
    """Of a part: together, or each of its heads for itself, where their costs depend on other things."""
    if rows["grows"].nunique() == 1:
        return _hover_text(model, part, rows, cost)
    return "<br>".join(_hover_text(model, name, each, cost) for name, each in rows.groupby("name", sort=False))


def _hover_text(model, name, rows, cost):
    grows = {"picture": "", "proposals": ", proportional to the proposals", "objects": ", proportional to the masks"}
    share = rows[f"{cost}_share"].sum() if f"{cost}_share" in rows else float("nan")
    of_all = f"{share:.1%} of the {COSTS[cost]}<br>" if share == share else ""
    costs = f"{amount(rows['parameters'].sum())} parameters, {amount(rows['multiply_adds'].sum())} multiply-adds"
    return f"<b>{model}: {name}</b><br>{of_all}{costs}{grows[rows['grows'].iloc[0]]}"


def _origin(frame, cost):
    if not len(frame):
        return ""
    if cost == "parameters":
        return "counted"
    first = frame.iloc[0]
    return f"counted, for {first['side']} × {first['side']} pixels"
