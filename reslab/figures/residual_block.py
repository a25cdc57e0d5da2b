"""Lesson 03, the residual block: how it learns the identity and other targets, and the effect of weight decay.

Frames are those of `reslab.experiments.residual_block`; residual_block_diagram.py draws the block itself. With
draw=theme.chart, every chart is returned as plain dictionaries, for live charts. A trace's key ends in its part.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np
import pandas as pd

from reslab.figures import log_scale, theme
from reslab.figures.residual_block_diagram import diagram, kept, tiles
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.residual_block import (
    alt_text,
    block_text,
    cost_sentence,
    end_title,
    learned_table,
    learning_title,
    sentence,
    stacks_sentence,
    starts_sentence,
)  # fmt: skip
from reslab.results import frames
from reslab.results.residual_block import FLOOR, LABELS, ends

__all__ = [
    "alt_text", "block_text", "cost_sentence", "decay", "diagram", "final_error", "kept", "learned_table",
    "learning_curves", "sentence", "stacks_sentence", "starts_sentence", "tiles",
]  # fmt: skip

ERROR = "‖H(x) − target‖ / ‖target‖"
FAR = "How far from the target<br>(1: as an output of 0"
TOGETHER = 0.1  # decades: lines whose ends are nearer have their names at their lowest points
NAMED = 2  # runs whose ‖F‖ has a name, too
OVER = {
    "lr": "Learning rate (log scale)",
    "distance": "Distance of the target from the identity (0 to 1)",
    "blocks": "Blocks in the stack",
}


def learning_curves(frame, *, branch=True, room=None, empty=EMPTY, draw=theme.figure):
    """Relative error against step, one line per run; ‖F(x)‖/‖x‖, the relative size of the branch's output, as a thin
    line with open markers.

    frame: name, skip, depth, seed, origin, step, outcome, error and branch (ratios, no unit). room: the same of blocks
    that are not drawn, for which the axes have room. branch: whether ‖F(x)‖/‖x‖ is drawn. ValueError for a missing
    column.
    """
    frame = frames.require(frame, (*LABELS, "error", "branch", "outcome"), "The learning curves")
    runs, traces, ends, columns = frames.runs(frame), [], [], ["error", "branch"] if branch else ["error"]
    for run in runs:
        error, added = (
            np.where(np.isfinite(run.numbers(column)), run.numbers(column), np.nan) for column in ("error", "branch")
        )
        end = f"<br>diverged at step {run['step'][-1]}" if run["outcome"][-1] == "diverged" else ""
        template = f"<b>{run.label}</b>, step %{{x}}<br>... %{{y:.3~g}}{end}<extra>{run.origin}</extra>"
        look = dict(mode="lines", line=theme.run_line(run), hovertemplate=template.replace("...", "relative error"))
        traces.append(theme.trace(run, "error", run["step"], np.maximum(error, FLOOR), **look))
        # a few markers, because F's line is close to the error's
        every = slice(None, None, max(1, len(added) // 15))
        mark = theme.marker(run.skip, run.depth, size=8)
        look = dict(mode="lines+markers", line=theme.run_line(run) | dict(width=1.2), marker=mark, showlegend=False)
        hover = template.replace("...", "‖F(x)‖ / ‖x‖")
        if branch:
            thin = np.maximum(added, FLOOR)[every]
            traces.append(theme.trace(run, "branch", run["step"][every], thin, hovertemplate=hover, **look))
        last, size = (max(end, FLOOR) if np.isfinite(end) else 1.0 for end in (error[-1], added[-1]))
        ends.append((run.key("name"), theme.wrap(run.label), run["step"][-1], last, theme.run_line(run)["color"]))
        if branch and len(runs) <= NAMED:
            of = f"‖F‖, {'residual' if run.skip else 'plain'} block"
            ends.append((run.key("branch/name"), of, run["step"][-1], size, theme.run_line(run)["color"]))
    least = pd.DataFrame({"step": [1], "error": 0.05, "branch": 3.0 if branch else 1.0})
    seen = pd.concat([least, *(part for part in (frame, room) if part is not None and len(part))])
    sizes = seen[columns].to_numpy(float)
    sizes = np.maximum(sizes[np.isfinite(sizes)], FLOOR)
    x = dict(title="Step (one batch)", range=[0, seen["step"].max()])
    low, high = np.log10([sizes.min() / 1.6, 1.3 * sizes.max()])
    said = f"{ERROR}<br>and ‖F(x)‖ / ‖x‖ (log scale)" if branch else f"{FAR}; log scale)"
    y = dict(title=said, range=[low, high], **log_scale.ticks(low, high))
    origin = phrases.origin(runs, *["open marks: ‖F(x)‖ / ‖x‖"] * branch)
    named = theme.name_lines(ends, x, y)
    return draw(
        traces, title="Learning to put out the target", statement=lambda: learning_title(frame), origin=origin,
        empty=empty, x=x, y=y, **named,
    )  # fmt: skip


def final_error(table, *, x="lr", empty=EMPTY, draw=theme.figure):
    """The final error against learning rate, distance of the target, or number of blocks: one line per kind of block.

    table: as `results.residual_block.ended` gives it: skip, seed, error and the column `x` ("lr", "distance" or
    "blocks"). Over several seeds: the mean, with a bar from the lowest to the highest. A run that diverged is not
    drawn. ValueError for another x, or a missing column.
    """
    if x not in OVER:
        raise ValueError(f"x is {x!r}; the final error can be drawn against {', '.join(map(repr, OVER))}.")
    table = frames.require(table, ("skip", "seed", "error", x), "The final error")
    traces, names, lowest = [], [], []
    other = {skip: ends(table, x, not skip) for skip in (False, True)}
    for skip in (False, True):
        points = ends(table, x, skip)
        if points.empty:
            continue
        mean, low, high = (np.maximum(points[column].to_numpy(float), FLOOR) for column in ("mean", "min", "max"))
        label = "residual (with the skip)" if skip else "plain (without)"
        names.append((label, label.replace(" (", "<br>("), points.index[-1], mean[-1], theme.line(skip, 56)["color"]))
        lowest.append((label, names[-1][1], points.index[mean.argmin()], mean.min()))
        rival = other[skip]["mean"].reindex(points.index).fillna(np.inf).to_numpy(float)
        text = [f"<b>{value:.{2 if value >= 0.01 else 1}g}</b>" for value in mean]
        written = dict(mode="lines+markers+text", text=text)
        sides = np.where(mean <= rival, "bottom center", "top center")
        written |= dict(textposition=sides, textfont=dict(size=theme.LARGE))
        bars = dict(type="data", symmetric=False, array=high - mean, arrayminus=mean - low, width=5, thickness=1.3)
        template = f"<b>{label}</b>, %{{x}}<br>error %{{y:.3~g}}, %{{customdata[0]:.3~g}} to %{{customdata[1]:.3~g}}"
        traces.append(dict(
            type="scatter", x=points.index.to_numpy(), y=mean, error_y=bars, name=label,
            **(written if x == "distance" else dict(mode="lines+markers")), line=theme.line(skip, 56),
            marker=theme.marker(skip, 56, open=False, size=9), customdata=np.stack([low, high], axis=1),
            meta={"key": f"{label}/end"},
            hovertemplate=template + f"<br>{phrases.seeds(table['seed'])}<extra></extra>",
        ))  # fmt: skip
    ticks, statement = sorted(set(table[x])) or [0.1, 1.0], lambda: end_title(table, x)
    axis = dict(title=OVER[x], tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    low, high = ticks[0], ticks[-1]
    if x != "distance":
        axis["type"] = "log"
        low, high = np.log10([low, high])
    axis["range"] = [low - 0.04 * (high - low or 1), high + 0.04 * (high - low or 1)]
    drawn = np.maximum(table["error"].to_numpy(float), FLOOR) if len(table) else np.array([0.1, 1.0])
    drawn = np.log10(drawn[np.isfinite(drawn)])
    low, high = drawn.min(initial=-1) - 0.12, drawn.max(initial=0) + 0.12
    if traces:  # an output of 0 is off by 1
        level = dict(x=[ticks[0], ticks[-1]], y=[1, 1], name="an output of 0", line=dict(color=theme.GREY, dash="dot"))
        traces.append(dict(type="scatter", mode="lines", hoverinfo="skip", meta={"key": "level"}, **level))
        names.append(("level", level["name"], ticks[-1], 1, theme.GREY))
    if x == "distance":  # what counts is the difference at its ends
        y = dict(title=f"{FAR}; last 10 steps)", range=[-0.14, 1.08])
        axis["range"] = [-0.14, 1.1]
    else:
        y = dict(title=f"{FAR}; last 10 steps; log)", range=[low, high], **log_scale.ticks(low, high))
    named = theme.name_lines(names, axis, y)
    if x != "distance" and len(lowest) == 2 and abs(np.log10(names[0][3] / names[1][3])) < TOGETHER:
        named = theme.name_lines(names[2:], axis, y)
        named["annotations"] += [
            dict(
                name=f"{label}/name", text=text, x=np.log10(at), y=np.log10(error), xanchor="right", yanchor="top",
                xshift=-6, yshift=-2, align="right", showarrow=False, font=dict(size=theme.LARGE),
            ) for label, text, at, error in lowest
        ]  # fmt: skip
    return draw(
        traces, title="Error at the end of the training", statement=statement, empty=empty, x=axis, y=y, **named,
        origin=phrases.origin_line([frames.LIVE] * bool(traces), table["seed"]),
    )  # fmt: skip


def decay(frame, *, empty=EMPTY, draw=theme.figure):
    """‖H(x)‖/‖x‖ while weight decay alone shrinks the weights: at 1 the output is as large as x, at 0 it is zero.

    frame: as `experiments.residual_block.decay_alone` gives it: name, skip, depth, seed, step, case, left (fraction of
    a weight that is left) and size (ratio, no unit). ValueError for a missing column.
    """
    frame = frames.require(frame, (*LABELS, "case", "left", "size"), "Weight decay")
    runs, traces, ends = frames.runs(frame), [], []
    cases = dict(zip(dict.fromkeys(frame["case"]), (("circle", "●"), ("square", "■"), ("x", "✕")), strict=False))
    for run in runs:
        symbol, sign = cases[run["case"][0]]
        mark = dict(symbol=symbol, size=9, color=theme.run_line(run)["color"])
        template = (
            f"<b>{run.label}</b><br>%{{x:.2~g}} of each weight left<br>‖H(x)‖ / ‖x‖"
            f" %{{y:.3f}}<extra>{run.origin}</extra>"
        )
        style = dict(mode="lines+markers", line=theme.run_line(run), marker=mark, hovertemplate=template)
        traces.append(theme.trace(run, "size", run["left"], run["size"], **style))
        name = f"{sign} {theme.wrap(run.label)}"
        ends.append((run.key("name"), name, run["left"][-1], run["size"][-1], theme.run_line(run)["color"]))
    ends = [end for end in ends if np.isfinite(end[3])]
    left = min([0.01, *frame["left"]]) if len(frame) else 0.01
    size = frame["size"].replace(np.inf, np.nan).max() if len(frame) else 1.0
    x = dict(
        title="How much is left of each decayed weight (1 = all; log scale)", type="log", tickvals=[1, 0.1, 0.01],
        range=[0.05, np.log10(left) - 0.05],
    )  # fmt: skip
    y = dict(title="Output against input, ‖H(x)‖ / ‖x‖", range=[0, 1.05 * np.nanmax([1.0, size])])
    return draw(
        traces, title="Weight decay alone, without data", origin=phrases.origin(runs), empty=empty, x=x, y=y,
        **theme.name_lines(ends, x, y),
    )  # fmt: skip
