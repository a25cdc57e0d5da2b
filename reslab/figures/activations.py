"""Lesson 04, activations: their size block by block, and the spread of each layer's response.

`frame` is what `experiments.activations` gives: one row per net × block (or layer), of nets before and after training.
Trained nets have filled markers, untrained ones open markers. With draw=theme.chart, every chart is returned as plain
dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import math
from dataclasses import dataclass

import numpy as np

from reslab.figures import bands, block_axis, log_scale, theme
from reslab.figures.text import phrases
from reslab.figures.text.activations import (
    alt_text,
    depth_sentence,
    failures_sentence,
    responses_sentence,
    responses_title,
    sentence,
    similarity_title,
    table,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.activations import LABELS, medians

__all__ = [
    "STATISTICS",
    "alt_text",
    "by_depth",
    "depth_sentence",
    "failures_sentence",
    "profile",
    "responses",
    "responses_sentence",
    "sentence",
    "similarity",
    "table",
]


@dataclass(frozen=True)
class Statistic:
    """How a column of the frame is drawn: the chart's title, its y axis, and a reference level."""

    title: str
    axis: str
    log: bool = False
    factor: float = 1.0  # 100 where a fraction is shown in per cent
    level: float | None = None
    note: str = ""  # the meaning of the level


GAP = 0.07  # between two panels, as a share of the chart's width
STATISTICS = {
    "ratio": Statistic(
        "What a block adds, against what it gets",
        "RMS of F(x) / RMS of x",
        log=True,
        level=1.0,
        note="as large as x (1)",
    ),
    "cosine": Statistic(
        "How alike a block's output and input are",
        "Cosine of output with input",
        level=1 / math.pi,
        note="unrelated: 1/π",
    ),
    "cka": Statistic("Are the same images near each other?", "Linear CKA of output with input", level=0.0, note="no"),
    "r2": Statistic(
        "Can the input be read from the output?", "R² of reading the input", level=0.0, note="no better than the mean"
    ),
    "activation_rms": Statistic("Size of the signal", "RMS at block output", log=True),
    "activation_mean": Statistic("Mean of the signal", "Mean at block output"),
    "activation_std": Statistic("Spread of the signal", "Standard deviation at block output", log=True),
    "activation_dead": Statistic(
        "Dead channels after each block", "Channels that are 0 for every image (%)", factor=100
    ),
    "inner_dead": Statistic("Dead channels inside each branch", "Channels that are 0 for every image (%)", factor=100),
}


def profile(frame, statistic="ratio", *, opened=None, room=None, empty=EMPTY, draw=theme.figure):
    """One statistic at every block, one line per net; x is index / number of blocks, so that all nets have the same
    length.

    frame: as `experiments.activations.signal` gives it. statistic: a key of STATISTICS. opened: the index of the block
    to mark, in every net that has it. Over several seeds: the median, in a band from the lowest to the highest. Values
    that are infinite or not a number are marks at the top. room: the same of nets that are not drawn, but fit into the
    axis. ValueError for another statistic or a missing column.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic is {statistic!r}; it can be {', '.join(map(repr, STATISTICS))}.")
    shown = STATISTICS[statistic]
    frame = frames.require(frame, (*LABELS, "module", "index", "shape", statistic), shown.title)
    runs = frames.runs(medians(frame, statistic))
    values = [shown.factor * run.numbers(statistic) for run in runs]
    others = [shown.factor * room[statistic].to_numpy(float)] if room is not None and len(room) else []
    y, top = _axis(shown, np.concatenate([*values, *others, []]))
    traces, ends = [], []
    for run, value in zip(runs, values, strict=True):
        at = 100 * run["index"] / run["index"][-1]
        good = np.isfinite(value) & ((value > 0) | (not shown.log))
        about = list(zip(run["module"], run["shape"], run["index"], strict=True))
        hover = (
            f"<b>{run.label}</b><br>%{{customdata[0]}}, %{{customdata[1]}}<br>{shown.axis}:"
            f" %{{y:.3~g}}<extra>{run.origin}</extra>"
        )
        style = dict(
            mode="lines+markers", line=theme.run_line(run), marker=_marker(run), customdata=about, hovertemplate=hover
        )
        traces += bands.band(run, at, good, shown.factor)
        traces.append(theme.trace(run, "profile", at, np.where(good, value, np.nan), **style))
        ends.append(
            (run.key("name"), theme.wrap(run.label), 100, value[-1] if good[-1] else top, theme.run_line(run)["color"])
        )
        lost = ~good & ~((statistic == "cosine") & np.isnan(value))  # no cosine where the shape changes
        if lost.any():
            mark = dict(color=theme.run_line(run)["color"], symbol="x", size=10)
            hover = f"<b>{run.label}</b><br>%{{customdata[0]}}: %{{text}}<extra>{run.origin}</extra>"
            words = [str(number).replace("nan", "not a number").replace("inf", "infinite") for number in value[lost]]
            style = dict(mode="markers", marker=mark, text=words, hovertemplate=hover, showlegend=False)
            style["customdata"] = [about[i] for i in np.flatnonzero(lost)]
            traces.append(theme.trace(run, "lost", at[lost], [top] * lost.sum(), **style))
        if opened is not None and (here := run["index"] == opened).any():
            ring = dict(symbol="circle-open", size=17, color=theme.GREY, line=dict(width=2))
            style = dict(mode="markers", marker=ring, showlegend=False, hoverinfo="skip")
            traces.append(theme.trace(run, "opened", at[here], np.where(good, value, top)[here], **style))
    if shown.level is not None and traces:
        line = dict(color=theme.GREY, width=1.5, dash="dot")
        look = dict(mode="lines", line=line, name=shown.note, hoverinfo="skip", meta={"key": "level"})
        traces.append(dict(type="scatter", x=[0, 103], y=[shown.level] * 2, **look))
        ends.append(("level", shown.note, 103, shown.level, theme.GREY))
    x = block_axis.axis([run["index"][-1] for run in runs])
    named = theme.name_lines(ends, x, y)
    return draw(traces, title=shown.title, origin=_origin(runs, frame), empty=empty, x=x, y=y, **named)


SIMILAR = {"cosine": "Cosine", "cka": "Linear CKA", "r2": "R²"}  # each ignores more than the one before


def similarity(frame, *, empty=EMPTY, draw=theme.figure):
    """The similarity of a block's output to its input, by three measures side by side: one line per net in each.

    frame: as `experiments.activations.signal` gives it. Over several seeds: the median, in a band from the lowest to
    the highest. Blocks that change the shape have no value. ValueError for a missing column.
    """
    frame = frames.require(frame, (*LABELS, "module", "index", "shape", *SIMILAR), "The three measures")
    traces, axes, named, runs, shapes, notes = [], {}, {}, [], [], []
    for place, (measure, title) in enumerate(SIMILAR.items()):
        number, left = str(place + 1) * (place > 0), place * (1 + GAP) / 3
        kept = frame[frame[measure].notna()]  # the line passes over blocks without a value
        runs, ends, drawn = frames.runs(medians(kept, measure)), [], []
        longest = frame.groupby(["name", "origin"])["index"].max()
        for run in runs:
            value, at = run.numbers(measure), 100 * run["index"] / longest[run.name, run.origin]
            hover = f"<b>{run.label}</b><br>%{{customdata}}: %{{y:.2f}}<extra>{run.origin}</extra>"
            style = dict(mode="lines+markers", line=theme.run_line(run), marker=_marker(run), hovertemplate=hover)
            drawn += bands.band(run, at, np.isfinite(value))
            drawn.append(theme.trace(run, "median", at, value, customdata=run["module"], **style))
            ends.append((run.key("name"), theme.wrap(run.label), at[-1], value[-1], theme.run_line(run)["color"]))
        on = dict(xaxis=f"x{number}", yaxis=f"y{number}")
        traces += [trace | on | dict(meta={"key": f"{trace['meta']['key']}/{measure}"}) for trace in drawn]
        if level := STATISTICS[measure].level:
            line = dict(color=theme.GREY, width=1.5, dash="dot")
            pane = dict(xref=on["xaxis"], yref=on["yaxis"])
            shapes.append(dict(type="line", x0=0, x1=103, y0=level, y1=level, line=line, **pane))
            where = dict(x=103, y=level, xanchor="right", yanchor="top", yshift=-20, **pane)
            notes.append(dict(name=f"level/{measure}", text=f"unrelated: {level:.2f}", showarrow=False, **where))
        blocks = block_axis.axis(longest, few=True, rows=1)
        below = f"<b>{title}</b><br>{blocks['title'] if place == 1 else ' '}"
        axes[f"xaxis{number}"] = blocks | dict(domain=[left, left + (1 - 2 * GAP) / 3], title=dict(text=below))
        axes[f"yaxis{number}"] = dict(range=[-0.03, 1.03], anchor=on["xaxis"], showticklabels=place == 0)
        named = theme.name_lines(ends, axes[f"xaxis{number}"], axes[f"yaxis{number}"])
    for note in named.get("annotations", []):  # names are shown only beside the last panel
        note.update(xref="x3", yref="y3", axref="x3", ayref="y3")
    named["annotations"] = [*named.get("annotations", ()), *(notes if runs else ())]
    first = dict(x=axes.pop("xaxis", " "), y=axes.pop("yaxis", {}) | dict(title="Output against input"))
    return draw(
        traces, title="How much of a block's input is left in its output?",
        statement=lambda: similarity_title(frame), origin=_origin(runs, frame), empty=empty,
        shapes=shapes if runs else (), **first, **axes, **named,
    )  # fmt: skip


def _origin(runs, frame):
    return phrases.origin_line([run.origin for run in runs], frame["seed"].unique() if len(frame) else [])


def _marker(run):
    """Open before training, filled after; at most 24 along a line."""
    return theme.marker(run.skip, run.depth, open=run["outcome"][-1] == "untrained", size=8) | dict(maxdisplayed=24)


def _axis(shown, values):
    """(the y axis for these values, where values that it cannot show are marked)."""
    kept = values[np.isfinite(values) & ((values > 0) | (not shown.log))]
    low, high = (kept.min(), kept.max()) if len(kept) else (0.5, 2.0)
    if shown.level is not None:
        low, high = min(low, shown.level), max(high, shown.level)
    axis = dict(title=shown.axis + " (log scale)" * shown.log, type="log" if shown.log else "linear")
    if not shown.log:
        low = min(low, 0)
        room = 0.08 * ((high - low) or 1)
        return axis | dict(range=[low - room, high + room]), high + room / 2
    low, high = math.log10(low), math.log10(high)
    low, high = min(low, high - 0.3), max(high, low + 0.3)  # so wide that noise does not look like a trend
    room = 0.08 * (high - low)
    steps = (
        (1, 1.5, 2, 3, 5, 7)
        if high - low < 0.5
        else (1, 2, 3, 5)
        if high - low < 1
        else (1, 2, 5)
        if high - low < 2.5
        else (1,)
    )
    every = max(1, math.ceil((high - low) / 7))
    ticks = [
        step * 10.0**power
        for power in range(math.floor(low - room), math.ceil(high + room) + 1, every)
        for step in steps
    ]
    text = [f"{tick:,g}" if 1e-3 <= tick < 1e4 else log_scale.power(f"{math.log10(tick):.0f}") for tick in ticks]
    return axis | dict(tickvals=ticks, ticktext=text, range=[low - room, high + room]), 10 ** (high + room / 2)


def responses(frame, *, empty=EMPTY, draw=theme.figure):
    """He et al. 2015, Fig. 7: the standard deviation of every 3×3 layer's response, one line per net.

    frame: as `experiments.activations.responses` gives it. ValueError for a missing column.
    """
    frame = frames.require(frame, (*LABELS, "module", "index", "shape", "std"), "The chart of responses")
    shown = Statistic("Response of each 3×3 layer", "Standard deviation after BatchNorm", log=True)
    runs, traces, ends = frames.runs(medians(frame, "std")), [], []
    y, top = _axis(shown, frame["std"].to_numpy(float))
    for run in runs:
        hover = f"<b>{run.label}</b>, layer %{{customdata[1]}}<br>%{{customdata[0]}}<br>"
        hover += f"standard deviation %{{y:.3f}}<extra>{run.origin}</extra>"
        about = list(zip(run["module"], run["index"], strict=True))
        style = dict(
            mode="lines+markers", line=theme.run_line(run), marker=_marker(run), customdata=about, hovertemplate=hover
        )
        at = 100 * run["index"] / run["index"][-1]
        traces += bands.band(run, at, np.isfinite(run.numbers("std")))
        traces.append(theme.trace(run, "response", at, run.numbers("std"), **style))
        last = run.numbers("std")[-1]
        end = last if np.isfinite(last) and last > 0 else top
        ends.append((run.key("name"), theme.wrap(run.label), 100, end, theme.run_line(run)["color"]))
    x = block_axis.axis([run["index"][-1] for run in runs], "3×3 layer")
    named, said = theme.name_lines(ends, x, y), lambda: responses_title(frame)
    return draw(
        traces, title=shown.title, statement=said, origin=_origin(runs, frame), empty=empty, x=x, y=y, **named
    )


def by_depth(frame, *, empty=EMPTY, draw=theme.figure):
    """|F(x)|/|x|, averaged over the blocks, against their number, on two log scales: a line with BatchNorm and one
    without.

    frame: as `experiments.activations.at_initialisation` gives it. Over several seeds: the mean, with a bar from the
    lowest to the highest. The dotted line falls as 1/√blocks from the shallowest net with BatchNorm. ValueError for a
    missing column.
    """
    frame = frames.require(frame, (*LABELS, "norm", "index", "ratio"), "The chart against depth")
    nets = frame.groupby(["norm", "depth", "seed"]).agg(ratio=("ratio", "mean"), blocks=("index", "max")).reset_index()
    traces, ends = [], []
    ticks = {
        blocks: f"{blocks}<br>({depth} layers)" for blocks, depth in zip(nets["blocks"], nets["depth"], strict=True)
    }
    for norm, word, symbol in (("batch", "with BatchNorm", "circle"), ("none", "without BatchNorm", "square")):
        kept = nets[nets["norm"] == norm].groupby("blocks")["ratio"].agg(["mean", "min", "max", "size"])
        if kept.empty:
            continue
        mean, line = kept["mean"].to_numpy(), theme.line(True, 110 if norm == "batch" else 8)
        bars = dict(
            type="data",
            symmetric=False,
            array=kept["max"] - mean,
            arrayminus=mean - kept["min"],
            width=5,
            thickness=1.3,
        )
        hover = (
            f"<b>residual, {word}</b><br>%{{x}} blocks: |F(x)| is %{{y:.2f}} × |x|<extra>mean of {kept['size'].max()}"
            " seeds</extra>"
        )
        look = dict(
            mode="lines+markers", line=line, marker=dict(symbol=symbol, size=10, color=line["color"]), error_y=bars
        )
        blocks = kept.index.to_numpy()
        traces.append(
            dict(type="scatter", x=blocks, y=mean, name=word, hovertemplate=hover, meta={"key": f"norm/{norm}"}, **look)
        )
        ends.append((norm, word.replace(" ", "<br>", 1), blocks[-1], mean[-1], line["color"]))
        if norm == "batch":
            line = dict(color=theme.GREY, width=1.5, dash="dot")
            look = dict(mode="lines", line=line, name="1/√blocks", hoverinfo="skip", meta={"key": "guide"})
            traces.append(dict(type="scatter", x=blocks, y=mean[0] * np.sqrt(blocks[0] / blocks), **look))
            ends.append(("guide", "1/√blocks", blocks[-1], mean[0] * np.sqrt(blocks[0] / blocks[-1]), theme.GREY))
    y, _ = _axis(STATISTICS["ratio"], nets["ratio"].to_numpy(float))
    x = dict(title="Residual blocks (log scale)", type="log", tickvals=list(ticks), ticktext=list(ticks.values()))
    reach = np.log10([min(ticks, default=1), max(ticks, default=10)])
    x["range"] = [reach[0] - 0.08, reach[1] + 0.08]
    title = "What a block adds before training, by depth"
    origin, named = phrases.origin(frames.runs(frame)), theme.name_lines(ends, x, y)
    return draw(traces, title=title, origin=origin, empty=empty, x=x, y=y, **named)
