"""Lesson 07: how good maps are: how far the probability falls without their pixels, and what the nets' layers add.

`frame` is as `experiments.deletion` and `experiments.attribution` give it. Lines are medians over seeds, in bands from
the lowest to the highest. Every chart takes draw=theme.chart. The maps themselves: `figures.attribution_maps`.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import textwrap

import numpy as np

from reslab import checks
from reslab.figures import bands, block_axis, log_scale, theme
from reslab.figures.text import phrases
from reslab.figures.text.attribution import (
    LABELS,
    alt_text,
    areas_sentence,
    branches_sentence,
    completeness_sentence,
    errors_sentence,
    falls_title,
    methods_sentence,
    randomisation_sentence,
    randomisation_title,
    sentence,
    stability_sentence,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results import attribution as results

__all__ = [
    "alt_text", "areas_sentence", "branches", "branches_sentence", "completeness_gaps", "completeness_sentence",
    "curves", "errors_sentence", "falls", "holes", "methods_sentence", "randomisation_sentence", "randomised",
    "sentence", "stability_sentence",
]  # fmt: skip

BASELINE_DASHES = {"untrained": "1px,3px", "moved": "8px,4px", "disc": "solid"}  # kind → dash of its grey line
SYMBOLS = {"untrained": "circle-open", "moved": "x-thin-open", "disc": "square-open"}
METHODS = {  # method → (colour, dash, symbol); no net's colours
    "Grad-CAM": ("#8A6D00", "solid", "circle"),
    "integrated gradients": ("#007A58", "solid", "diamond"),
    "saliency": ("#A4477B", "6px,3px", "square"),
    "occlusion": (theme.GREY, "1px,3px", "triangle-up"),
}
WAYS = {"deletion": "deleted", "insertion": "put into the mean picture"}
P = dict(title="Probability of the net's answer", range=[-0.02, 1.02])
BESIDE = dict(font=dict(size=theme.LARGE), y=0.5, yanchor="middle")  # the legend of lines that end at one place


def holes(frame, *, empty=EMPTY, draw=theme.figure):
    """How far the probability falls, one net and one method: a bar for each kind of hole, from the median of the seeds,
    with a line from the lowest to the highest. ValueError for a missing column, or for several nets or methods."""
    table = results.falls(frame)
    for what in ("name", "method"):
        if len(several := sorted(set(table[what]) - {""})) > 1:
            raise ValueError(f"one {what} can be shown, not {', '.join(several)}; choose one with frame.query(...).")
    rows = table.set_index("kind").reindex([kind for kind in reversed(LABELS) if kind in set(table["kind"])])
    names = {kind: "<br>".join(textwrap.wrap(LABELS[kind], 14)) for kind in rows.index}
    traces = []
    for kind, row in rows.iterrows():
        hue = theme.colour(row["skip"], row["depth"]) if kind == "map" else theme.GREY
        spread = dict(array=[row["high"] - row["median"]], arrayminus=[row["median"] - row["low"]])
        traces.append(dict(
            type="bar", orientation="h", x=[row["median"]], y=[names[kind]], width=0.6, showlegend=False,
            marker=dict(color=theme.rgba(hue, 0.5)), meta={"key": f"{row['name']}/{kind}"},
            error_x=spread | dict(symmetric=False, color=hue, thickness=3, width=7),
            customdata=[[row["low"], row["high"], row["seeds"]]],
            hovertemplate=f"<b>{row['name']}</b>, {LABELS[kind]}<br>falls by %{{x:.2f}} "
            "(%{customdata[0]:.2f} to %{customdata[1]:.2f}, %{customdata[2]} seeds)<extra></extra>",
        ))  # fmt: skip
    values = [
        dict(
            name=f"{kind}/value", text=f"<b>{row['median']:.2f}</b>", x=max(row["high"], 0), y=names[kind],
            showarrow=False, xanchor="left", xshift=8, font=dict(size=theme.LARGE),
        )
        for kind, row in rows.iterrows()
    ]  # fmt: skip
    least = min([0, *rows["low"]]) if len(rows) else 0
    x = dict(title="Fall of the probability, a quarter deleted", range=[least, 1.08], dtick=0.2)
    y = dict(title="What is deleted", showgrid=False, tickfont=dict(size=theme.LARGE))
    return draw(
        traces, title="How far the probability of the answer falls", statement=lambda: falls_title(frame),
        origin=_origin(table, frame), empty=empty, x=x, y=y, annotations=values, showlegend=False, height=320,
    )  # fmt: skip


def falls(frame, *, empty=EMPTY, draw=theme.figure):
    """How far the probability falls without the pixels of several maps, and of holes of the same size: one row per net
    × method; for a single one see `holes`. A bar goes from the lowest seed to the highest. ValueError for a missing
    column."""
    table = results.falls(frame)
    discs, table = table[table["kind"] == "disc"], table[table["kind"] != "disc"]
    rows = list(dict.fromkeys(zip(table["method"], table["name"], strict=True))) if len(table) else []
    methods = list(dict.fromkeys(method for method, _ in rows))
    nets = list(dict.fromkeys(name for _, name in rows))
    places = {
        (method, name): -(len(nets) + 0.6) * i - j for i, method in enumerate(methods) for j, name in enumerate(nets)
    }
    traces = []
    for (name, skip, depth, kind), points in table.groupby(["name", "skip", "depth", "kind"], sort=False):
        hue, at = theme.colour(skip, depth), [places[method, name] for method in points["method"]]
        symbol = ("circle" if skip else "diamond") if kind == "map" else SYMBOLS[kind]
        line = dict(width=2.5 if kind == "moved" else 2, color=hue)
        traces.append(dict(
            type="scatter", mode="markers", x=points["median"], y=at, showlegend=False,
            marker=dict(symbol=symbol, size=13 if kind == "map" else 11, color=hue, line=line),
            error_x=dict(
                array=points["high"] - points["median"], arrayminus=points["median"] - points["low"], thickness=1.5,
                symmetric=False, color=hue, width=0,
            ),
            customdata=points[["method", "low", "high", "seeds"]].to_numpy(), meta={"key": f"{name}/{kind}"},
            hovertemplate=f"<b>{name}</b>, %{{customdata[0]}}, {LABELS[kind]}<br>falls by %{{x:.2f}} "
            "(%{customdata[1]:.2f} to %{customdata[2]:.2f}, %{customdata[3]} seeds)<extra></extra>",
        ))  # fmt: skip
    for row in discs.itertuples():
        middle = [places[method, row.name] for method in methods]
        hue = theme.colour(row.skip, row.depth)
        x, y = [], []
        for place in middle:
            x, y = [*x, row.median, row.median, None], [*y, place - 0.45, place + 0.45, None]
        traces.append(dict(
            type="scatter", mode="lines", x=x, y=y, hoverinfo="skip", showlegend=False,
            line=dict(color=hue, width=2, dash="dot"), meta={"key": f"{row.name}/disc"},
        ))  # fmt: skip
    traces += _legend(table, discs)
    groups = {method: np.mean([places[method, name] for name in nets]) for method in methods}
    y = dict(
        title="Which map", tickvals=list(groups.values()), ticktext=[method.replace(" ", "<br>") for method in groups],
        range=[min(places.values(), default=0) - 0.8, 0.8], showgrid=False,
    )  # fmt: skip
    x = dict(title="Fall of the probability, a quarter deleted", range=[-0.05, 1.0])
    legend = dict(orientation="h", x=0, y=-0.2, yanchor="top", font=dict(size=theme.SMALL))
    margin = theme.template.layout.margin.to_plotly_json() | {"b": 130}
    return draw(
        traces, title="How far the probability of the answer falls", statement=lambda: falls_title(frame),
        origin=_origin(table, frame), empty=empty, x=x, y=y, legend=legend, margin=margin, height=theme.HEIGHT + 60,
    )  # fmt: skip


def curves(frame, name=results.NAME, method=results.METHOD, way="deletion", *, empty=EMPTY, draw=theme.figure):
    """The probability while pixels are deleted or inserted, the map's first, beside other holes of the same size.

    ValueError for a net, a method or a way that the frame does not have, or a missing column.
    """
    if len(frame):
        checks.choice("a net", name, list(frame["name"].unique()))
        checks.choice("a method", method, [each for each in frame["method"].unique() if each])
        frame = frame[(frame["name"] == name) & frame["method"].isin([method, ""])]
    each = results.per_seed(frame[frame["way"] == way] if len(frame) else frame, ["method", "kind", "share"], "p")
    looks = {}
    for row in each.drop_duplicates("kind").itertuples():
        looks[_kind(row.kind, method)] = look(row.kind, row.skip, row.depth)
    each = each.assign(name=[_kind(kind, method) for kind in each["kind"]], share=100 * each["share"].astype(float))
    traces, _ = bands.lines(each, "share", "p", quantity="probability", look=looks)
    verb = WAYS[checks.choice("way", way, WAYS)]
    x = dict(title=f"Pixels {verb} (%), those of the map first", range=[-2, 102])
    title = f"{name}: its answer while pixels are {verb}"
    return draw(traces, title=title, origin=_origin(each, frame), empty=empty, x=x, y=P, legend=BESIDE)


def randomised(frame, name=results.NAME, *, empty=EMPTY, draw=theme.figure):
    """What is left of each kind of map while layers are re-initialised, from the last to the first. ValueError for a
    net that the frame does not have, or a missing column."""
    if len(frame):
        frame = frame[frame["name"] == checks.choice("a net", name, list(frame["name"].unique()))]
    each = results.per_seed(frame, ["method", "drawn"], "alike")
    each = each.assign(name=each["method"], share=100 * each["drawn"] / max(each["drawn"].max(), 1))
    look = {
        method: (dict(color=hue, dash=dash, width=3), dict(color=hue, symbol=symbol, size=8))
        for method, (hue, dash, symbol) in METHODS.items()
    }
    traces, ends = bands.lines(each, "share", "alike", quantity="rank correlation", look=look)
    traces = [trace for trace in traces if "line" in trace and not trace["meta"]["key"].endswith("/band")]
    lows = [trace["customdata"][-1][0] for trace in traces]
    for place, trace in enumerate(traces):  # four bands hide one another: the range stands at the end, beside the line
        low, high, _ = trace["customdata"][-1]
        bar = dict(width=2, color=trace["line"]["color"])
        bar = dict(type="scatter", mode="lines", x=[102 + 2 * place] * 2, y=[low, high], line=bar, hoverinfo="skip")
        traces = [*traces, bar | dict(name=trace["name"], meta={"key": f"{trace['meta']['key']}/end"})]
    x = dict(title="Layers with new random weights (%), the last first", range=[-2, 110], tickvals=[0, 25, 50, 75, 100])
    y = dict(title="Rank correlation with its own<br>map, without signs", range=[min([-0.2, *lows]) - 0.05, 1.05])
    layout = theme.name_lines(ends, x, y) if ends else {}
    return draw(
        traces, title=f"{name}: what is left of its maps", statement=lambda: randomisation_title(frame),
        origin=_origin(each, frame, "strokes at the right: range of the seeds at the end"), empty=empty, x=x, y=y,
        **layout,
    )  # fmt: skip


def completeness_gaps(frame, *, empty=EMPTY, draw=theme.figure):
    """By how much integrated gradients miss the difference that they should add up to, by the number of steps.
    ValueError for a missing column."""
    each = results.per_seed(frame, ["steps"], "gap", middle="median")
    each = each.assign(gap=100 * each["gap"].astype(float))
    traces, ends = bands.lines(each, "steps", "gap", quantity="gap (%)")
    counts = sorted(each["steps"].unique()) or [8, 64]
    span = np.log10(min(counts)) - 0.05, np.log10(max(counts)) + 0.05
    x = dict(title="Steps from the mean picture to the picture", type="log", range=list(span), tickvals=counts)
    low, high = -1, 2.3  # powers of ten
    y = dict(title="Gap (% of the difference, log scale)", range=[low, high], **log_scale.ticks(low, high))
    layout = theme.name_lines(ends, x, y) if ends else {}
    title = "How far integrated gradients are from adding up"
    return draw(traces, title=title, origin=_origin(each, frame), empty=empty, x=x, y=y, **layout)


def branches(frame, *, empty=EMPTY, draw=theme.figure):
    """The share of the answer that passes through the branch of every block; the rest of a residual net's goes along
    the skips. ValueError for a missing column."""
    each = results.per_seed(frame, ["index"], "branch")
    last = each.groupby("name")["index"].transform("max")
    each = each.assign(branch=100 * each["branch"].astype(float), way=100 * (each["index"] - 1) / (last - 1))
    traces, ends = bands.lines(each, "way", "branch", quantity="through the branch (%)")
    least, most = each["branch"].min(), each["branch"].max()
    y = dict(title="Answer through the branch (%)", range=[min(-50, least - 5), max(200, most + 5)])
    x = block_axis.axis(last, start=1)
    layout = theme.name_lines(ends, x, y) if ends else {}
    title = "How much of the answer each block's branch carries"
    return draw(traces, title=title, origin=_origin(each, frame), empty=empty, x=x, y=y, **layout)


def _legend(table, discs):
    """Traces with no points: what the colours and the marks mean."""
    none, marks = dict(type="scatter", x=[None], y=[None], hoverinfo="skip"), []
    for name, skip, depth in dict.fromkeys(zip(table["name"], table["skip"], table["depth"], strict=True)):
        line = dict(color=theme.colour(skip, depth), width=8)
        marks.append(none | dict(mode="lines", name=name, line=line, meta={"key": f"legend/{name}"}))
    for kind in table["kind"].unique():
        marker = dict(symbol="circle" if kind == "map" else SYMBOLS[kind], size=12, color=theme.GREY)
        marker |= dict(line=dict(width=2, color=theme.GREY))
        marks.append(none | dict(mode="markers", name=LABELS[kind], marker=marker, meta={"key": f"legend/{kind}"}))
    if len(discs):
        line = dict(color=theme.GREY, width=2, dash="dot")
        marks.append(none | dict(mode="lines", name=LABELS["disc"], line=line, meta={"key": "legend/disc"}))
    return marks


def _kind(kind, method):
    return f"{method}: {LABELS[kind]}" if kind == "map" else LABELS[kind]


def look(kind, skip, depth):
    """(line, marker) of a kind of hole: the map's in the colour of the net, the others grey."""
    if kind == "map":
        return theme.line(skip, depth), theme.marker(skip, depth, open=False, size=8)
    line = dict(color=theme.GREY, dash=BASELINE_DASHES[kind], width=2.5)
    return line, dict(color=theme.GREY, symbol=SYMBOLS[kind], size=8, line=dict(width=2, color=theme.GREY))


def _origin(table, frame, *also):
    if not len(table):
        return ""
    count = int(frame["images"].max()) if "images" in frame else 0
    pictures = f"{count} test pictures" if count > 1 else ""
    return phrases.origin_line(table["origin"], frame["seed"], pictures, *also)
