"""Lesson 10: what models are made of: body, neck and heads, as shares of the whole, and block by block.

`frame` is as `experiments.backbones.layers` gives it. Every chart takes draw=theme.chart.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from reslab import checks
from reslab.figures import theme
from reslab.figures.text.backbones import COSTS, alt_text, models_sentence, sentence
from reslab.figures.text.phrases import EMPTY, amount
from reslab.results import backbones as results

__all__ = ["alt_text", "models_sentence", "ribbon", "sentence", "shares"]

COLOURS = {"body": theme.RESIDUAL, "neck": "#007A58", "head": "#8A6D00"}  # of a part
LETTER = 0.0145  # of the chart's width, at 700 pixels: a label stands in a bar that has room for it
MOST = 70  # % of the whole: the axis of the ribbon, which never moves; its highest tick is under the title


def shares(frame, cost="parameters", *, empty=EMPTY, draw=theme.figure):
    """Each model as one bar of 100 %: its body, its neck and its heads. cost: "parameters" or "multiply_adds"."""
    checks.choice("cost", cost, COSTS)
    table, traces = results.parts(frame), []
    for model, rows in table.groupby("model", sort=False):
        base = 0.0
        for (part, name), some in _segments(rows):
            share, count = 100 * some[f"{cost}_share"].sum(), some[cost].sum()
            words = f"<b>{name}</b><br>{amount(count)}"
            longest = max(len(name), len(amount(count)))
            traces.append(dict(
                type="bar", orientation="h", y=[model], x=[share], base=[base], width=0.82, showlegend=False,
                marker=_look(part), text=[words if share > 100 * LETTER * (longest + 1) else ""],
                textposition="inside", insidetextanchor="middle", textangle=0, constraintext="none",
                textfont=dict(color=theme.INK, size=theme.SMALL), meta={"key": f"{model}/{name}"},
                customdata=[[model, name]], hoverinfo="text", hovertext=_said(model, name, some, cost),
            ))  # fmt: skip
            base += share
    traces += _legend(table)
    models = list(dict.fromkeys(table["model"]))
    x = dict(title=f"Share of the {COSTS[cost]} (%)", range=[0, 100])
    y = dict(title="Model", type="category", categoryarray=models[::-1], range=[-0.5, len(models) - 0.5])
    title = f"How much of each model is its {table['body_name'].iloc[0]}" if len(table) else "Body, neck and heads"
    return draw(
        traces, title=title, origin=_origin(frame, cost), empty=empty, x=x, y=y, barmode="overlay",
        legend=dict(orientation="h", x=1, xanchor="right", y=1.0, yanchor="bottom", font=dict(size=theme.SMALL)),
    )  # fmt: skip


def ribbon(frame, model="Faster R-CNN", cost="parameters", *, empty=EMPTY, draw=theme.figure):
    """One model from the picture to its answers: a bar a block of the body, then its neck and its heads, each as high
    as its share of the whole. ValueError for a model that the frame does not have."""
    checks.choice("cost", cost, COSTS)
    traces, ticks = [], []
    if len(frame):
        frame = frame[frame["model"] == checks.choice("a model", model, list(frame["model"].unique()))]
        whole = frame[cost].sum()
        frame = frame.assign(unit=frame["block"].where(frame["block"] != "", frame["name"]))
        units = list(frame.groupby("unit", sort=False))
        blocks = sum(rows["part"].iloc[0] == "body" for _, rows in units)
        wide, at = max(1.6, 0.1 * blocks), 0.0
        for unit, rows in units:
            part, name = rows[["part", "name"]].iloc[0]
            width = 1.0 if part == "body" else wide
            traces.append(dict(
                type="bar", x=[at + width / 2], y=[100 * rows[cost].sum() / whole], width=[0.9 * width],
                marker=_look(part), showlegend=False, meta={"key": unit}, hoverinfo="text",
                hovertext=_said(model, unit, rows, cost), customdata=[[model, unit]],
            ))  # fmt: skip
            ticks.append((name, at, at + width))
            at += width
        traces += _legend(frame)
    spans = {}
    for name, low, high in ticks:
        spans[name] = (spans.get(name, (low,))[0], high)
    at = [(low + high) / 2 for low, high in spans.values()]
    x = dict(title="From the picture to the answers", range=[-0.3, ticks[-1][2] + 0.3] if ticks else [0, 1])
    x |= dict(tickvals=at, ticktext=[name.replace(" ", "<br>") for name in spans], ticks="", tickangle=0)
    y = dict(title=f"Share of the {COSTS[cost]} (%)", range=[0, MOST - 1])
    legend = dict(orientation="h", x=1, xanchor="right", y=1.0, yanchor="bottom", font=dict(size=theme.SMALL))
    title = f"{model}, block by block"
    return draw(traces, title=title, origin=_origin(frame, cost), empty=empty, x=x, y=y, legend=legend)


def _segments(rows):
    """((part, name), rows) of a model's bar: the whole body is one segment."""
    names = rows["name"].where(rows["part"] != "body", "body")
    return list(rows.groupby([rows["part"], names], sort=False))


def _look(part):
    hue = COLOURS[part]
    return dict(color=theme.rgba(hue, 0.34), line=dict(color=hue, width=1.5))


def _legend(table):
    """Traces with no bars: what the colours mean."""
    parts = [part for part in COLOURS if part in set(table["part"])] if len(table) else []
    none = dict(type="bar", x=[None], y=[None], hoverinfo="skip")
    return [none | dict(name=part, marker=_look(part), meta={"key": f"legend/{part}"}) for part in parts]


def _said(model, name, rows, cost):
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
    first, boxes = frame.iloc[0], ""
    if "proposals" in set(frame["grows"]):
        boxes = f", {first['proposals']:,} proposals"
    if "objects" in set(frame["grows"]):
        boxes += f", {first['objects']} masks"
    return f"counted, for {first['side']} × {first['side']} pixels{boxes}"
