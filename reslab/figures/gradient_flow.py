"""Lesson 02, gradient flow: the gradient at every block, before training, by depth, and over the first steps.

`layers` has one row per net × seed × step × block, as `experiments.gradient_flow` and `reslab.runs.Run` give it. A
gradient that is 0, infinite or not a number has no place on a log scale, and is drawn as a named mark. A trace's key
ends in its part: gradient, ratio, map or lost. Every chart takes draw=theme.chart, to come as plain dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from collections import Counter
from dataclasses import replace

import numpy as np

from reslab.figures import bands, block_axis, log_scale, theme
from reslab.figures.text.gradient_flow import (
    alt_text,
    depth_title,
    growth_sentence,
    origin,
    sentence,
    steps_sentence,
    steps_table,
    steps_title,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.gradient_flow import LAYERS, against_last, by_block_and_step, ratios, verdict

__all__ = [
    "alt_text",
    "by_depth",
    "first_steps",
    "gradient_profile",
    "growth_sentence",
    "over_steps",
    "ratios",
    "sentence",
    "steps_sentence",
    "steps_table",
    "verdict",
]

# Nets of equal skip and depth share colour and dash: from the second on, these markers tell them apart.
SYMBOLS = ("circle", "square", "triangle-up", "x", "star", "cross")
# between two maps, as a share of the chart's width: enough for the last step's number beside the next map's first
GAP = 0.035
# Okabe and Ito's purple: no colour of the map, which goes from blue through grey to yellow
NOT_FINITE_COLOUR = "#CC79A7"


def gradient_profile(layers, *, relative=True, room=None, empty=EMPTY, draw=theme.figure):
    """RMS gradient at each block's output, at the latest step of each run, by default relative to the last block's.

    layers: name, skip, depth, seed, step, module, index (from 1), shape, gradient_rms (RMS of ∂loss/∂output: nats per
    unit of the activation; relative: no unit). x is index / number of blocks, so that nets of any depth have the same
    length and their stages, a third of the net each, lie over one another. A gradient that is 0, infinite or not a
    number is a mark at the bottom or top of the chart. room: the same of nets that are not drawn, but fit into the
    axis. ValueError for a missing column.
    """
    layers = frames.require(layers, (*LAYERS, "module", "shape"), "The gradient profile")
    runs = frames.runs(layers)
    profiles = [_profile(run, relative) for run in runs]
    others = [_profile(run, relative) for run in frames.runs(room)] if room is not None and len(room) else []
    steps = sorted({run["step"][-1] for run, *_ in profiles})
    limits = log_scale.limits(*(value[state == ""] for *_, value, state in profiles + others))
    traces, states, alike, ends = [], set(), Counter(), []
    for run, gradient, value, state in profiles:
        at = 100 * run["index"] / run["index"][-1]
        about = list(zip(run["module"], run["shape"], gradient, state, strict=True))
        hover = f"<b>{run.label}</b>, {_when(run['step'][-1])}<br>%{{customdata[0]}}, %{{customdata[1]}}<br>"
        hover += "RMS gradient %{customdata[2]:.3~g}" + (", %{y:.3~g} × the last block's" if relative else "")
        before, good = alike[run.skip, run.depth], state == ""
        alike[run.skip, run.depth] += 1
        mark = dict(size=9, symbol=SYMBOLS[(before - 1) % len(SYMBOLS)], maxdisplayed=10) if before else dict(size=7)
        style = dict(
            mode="lines+markers" if before or len(at) <= 12 else "lines", line=theme.run_line(run), marker=mark
        )
        style |= dict(customdata=about, hovertemplate=hover + f"<extra>{run.origin}</extra>")
        traces.append(theme.trace(run, "gradient", at, np.where(good, value, np.nan), **style))
        if not good.all():
            hover = (
                f"<b>{run.label}</b><br>%{{customdata[0]}},"
                f" %{{customdata[1]}}<br>%{{customdata[3]}}<extra>{run.origin}</extra>"
            )
            y, look = log_scale.out_of_range(state[~good], limits, theme.run_line(run)["color"])
            style = dict(customdata=[row for row in about if row[3]], hovertemplate=hover, showlegend=False)
            traces.append(theme.trace(run, "lost", at[~good], y, **look, **style))
            states |= set(state[~good])
        start = value[0] if good[0] else log_scale.out_of_range(state[:1], limits, "")[0][0]
        ends.append((run.key("start"), theme.wrap(run.label), at[0], start, theme.run_line(run)["color"]))
    per = "÷ that of the last (log scale)" if relative else "(nats per unit, log scale)"
    y = log_scale.axis("RMS gradient at block output<br>" + per, limits) | dict(side="right")
    x = block_axis.axis([run["index"][-1] for run, *_ in profiles])
    named = theme.name_lines(ends, x, y, left=True)
    notes = [*log_scale.names(states, limits), *named.pop("annotations")]
    return draw(
        traces,
        origin=origin(runs),
        empty=empty,
        annotations=notes,
        shapes=[log_scale.LEVEL] if relative else [],
        title="Gradient at each block"
        + (f", {_when(steps[0])}" if len(steps) == 1 else ", latest step" if steps else ""),
        x=x,
        y=y,
        **named,
    )


def _profile(run, relative):
    """(run at its latest step, block by block; its gradient; what is drawn of it; the state of what cannot be)."""
    run = replace(run, at=run.at[run["step"] == run["step"][-1]])
    run = replace(run, at=run.at[np.argsort(run["index"])])
    gradient = run.numbers("gradient_rms")
    # Beside a last gradient of 1, every gradient is relative to 1: itself.
    value, state = against_last(gradient) if relative else (part[:-1] for part in against_last([*gradient, 1.0]))
    return run, gradient, value, state


def by_depth(layers, *, empty=EMPTY, draw=theme.figure):
    """The gradient at the first block over that at the last, against depth: one line per family of nets.

    layers: as `ratios` takes them; of each net, the latest step is drawn. Over several seeds: the median, with a bar
    from the lowest to the highest. A ratio outside the range of float32 is a mark at the bottom or top. ValueError for
    a missing column.
    """
    table = frames.latest(ratios(layers))
    limits, states, traces = log_scale.limits(table.loc[table["state"] == "", "ratio"]), set(), []
    ends = []
    families = [name.replace(f"-{depth}", "", 1) for name, depth in zip(table["name"], table["depth"], strict=True)]
    for (family, skip, source), group in table.groupby([families, "skip", "origin"], sort=False):
        look = dict(name=theme.wrap(family.replace("resnet", "residual")), legendgroup=f"{family}/{source}")
        line, good = theme.line(skip, 56, recorded=frames.recorded(source)), group[group["state"] == ""]
        at = good.groupby("depth")["ratio"].agg(["median", "min", "max", "size"])
        hover = [
            f"<b>{family}-{row.Index}</b><br>first block's gradient {row.median:.3g} × the last's"
            + f" ({row.min:.3g} to {row.max:.3g}, {row.size} seeds)" * (row.size > 1)
            + f"<extra>{source}</extra>"
            for row in at.itertuples()
        ]
        if len(at):
            end = (at.index[-1], at["median"].iloc[-1], line["color"])
            ends.append((f"{family}/{source}", theme.wrap(family.replace("resnet", "residual")), *end))
        spread = dict(array=at["max"] - at["median"], arrayminus=at["median"] - at["min"])
        traces.append(
            dict(
                type="scatter",
                x=at.index,
                y=at["median"],
                hovertemplate=hover,
                meta={"key": f"{family}/{source}/ratio"},
                mode="lines+markers",
                line=line,
                marker=theme.marker(skip, 56, open=False, size=9),
                error_y=dict(type="data", symmetric=False, width=5, thickness=1.3, **spread),
                **look,
            )
        )
        if len(lost := group[group["state"] != ""].drop_duplicates(["depth", "state"])):
            y, mark = log_scale.out_of_range(lost["state"], limits, line["color"])
            hover = [f"<b>{family}-{row.depth}</b><br>{row.state}<extra>{source}</extra>" for row in lost.itertuples()]
            key = {"key": f"{family}/{source}/lost"}
            traces.append(
                dict(
                    type="scatter", x=lost["depth"], y=y, hovertemplate=hover, meta=key, showlegend=False,
                    **look, **mark,
                )
            )
            states |= set(lost["state"])
    x = theme.depth_axis(sorted(set(table["depth"])))
    y = log_scale.axis("RMS gradient at block output,<br>first block / last (log scale)", limits)
    named = theme.name_lines(ends, x, y)
    return draw(
        traces,
        origin=origin(frames.runs(layers)) if traces else "",
        empty=empty,
        annotations=[*log_scale.names(states, limits), *named.pop("annotations")],
        shapes=[log_scale.LEVEL],
        title="First block's gradient over the last's",
        statement=lambda: depth_title(layers),
        x=x,
        y=y,
        **named,
    )


def over_steps(layers, *, empty=EMPTY, draw=theme.figure):
    """The gradient at the first block over that at the last, step by step of training: one line per net.

    layers: as `ratios` takes them. Over several seeds: the median, in a band from the lowest to the highest. Values
    outside the range of float32 are left out. ValueError for a missing column.
    """
    table = ratios(layers)
    table["ratio"] = table["ratio"].where(table["state"] == "")
    traces, ends = bands.lines(table, "step", "ratio", quantity="first block's gradient, against the last's: ×")
    limits = log_scale.limits(table.loc[table["state"] == "", "ratio"].to_numpy(float))
    x = dict(title="Step of training", range=[0, 1.01 * (table["step"].max() if len(table) else 20)])
    y = log_scale.axis("RMS gradient at block output,<br>first block / last (log scale)", limits)
    named = theme.name_lines(ends, x, y)
    first = table[(table["step"] <= 1) & table["ratio"].notna()].groupby("name")["ratio"].median()
    if len(first):  # no step was done: this is the net before training
        at = dict(x=table["step"].min(), y=np.log10(first.max()), xanchor="left", xshift=14, showarrow=False)
        text = f"before training: × {float(f'{first.max():.2g}'):,g}"
        named["annotations"] = [*named["annotations"], dict(name="first", text=text, font=dict(size=theme.LARGE), **at)]
    return draw(
        traces, title="The first block's gradient over the last's, in training",
        statement=lambda: steps_title(layers), origin=origin(frames.runs(table)), empty=empty,
        shapes=[log_scale.LEVEL], x=x, y=y, **named,
    )  # fmt: skip


def first_steps(layers, *, steps=None, empty=EMPTY, draw=theme.figure):
    """The gradient as a map, block × step of training, relative to the last block of its step: one map per run, side by
    side.

    layers: name, skip, depth, seed, step, module, index, gradient_rms, and outcome if there is one. The colour is on a
    log scale centred on 1; values that are 0, infinite or not a number are purple, with a note. steps: the length of
    the axis; by default the steps in the frame. ValueError for a missing column.
    """
    layers = frames.require(layers, (*LAYERS, "module"), "The map of gradients")
    runs, traces, notes, axes = frames.runs(layers), [], [], {}
    steps = steps or int(layers["step"].max() if len(layers) else 20)
    maps = [by_block_and_step(run) for run in runs]
    drawn = [abs(np.log10(value[state == ""])) for value, state in maps]
    reach = int(np.ceil(np.concatenate([[0.5], *drawn]).max()))  # decades, up and down
    width = (1 - GAP * (len(runs) - 1)) / max(1, len(runs))
    for i, (run, (value, state)) in enumerate(zip(runs, maps, strict=True)):
        number = "" if i == 0 else i + 1
        modules = dict(sorted(zip(run["index"].tolist(), run["module"], strict=True)))
        place = dict(
            x=sorted(set(run["step"].tolist())),
            y=100 * np.array([*modules]) / max(modules),
            xaxis=f"x{number}",
            name=run.label,
        )
        hover = f"<b>{run.label}</b>, step %{{x}}<br>%{{customdata}}<br>%{{text}}<extra>{run.origin}</extra>"
        about = np.broadcast_to(np.array([*modules.values()])[:, None], value.shape)
        place |= dict(type="heatmap", customdata=about, hovertemplate=hover, hoverongaps=False, showlegend=False)
        text = np.vectorize("{:.3g} × the last block's".format, otypes=[str])(value)
        decades = np.log10(np.where(state == "", value, np.nan))
        traces.append(dict(place, z=decades, text=text, coloraxis="coloraxis", meta={"key": run.key("map")}))
        purple = dict(colorscale=[[0, NOT_FINITE_COLOUR], [1, NOT_FINITE_COLOUR]], showscale=False)
        traces.append(
            dict(place, z=np.where(state == "", np.nan, 1), text=state, meta={"key": run.key("lost")}, **purple)
        )
        notices = [f"purple: {' or '.join(sorted(set(state.flat) - {''}))}"] * bool((state != "").any())
        notices += [f"diverged at step {run['step'][-1]}"] * (
            "outcome" in run.columns and run["outcome"][-1] == "diverged"
        )
        left, right = i * (width + GAP), i * (width + GAP) + width
        inside = dict(x=right, y=0.98, xref="paper", yref="paper", xanchor="right", yanchor="top", showarrow=False)
        notes += [dict(name=run.key("state"), text="<br>".join(notices), **inside)] * bool(notices)
        title = f"Step of training,<br>{theme.wrap(run.label)}"
        axes[f"xaxis{number}"] = dict(
            title=dict(text=title), domain=[left, right], range=[0.5, steps + 0.5], tickvals=_ticks(steps)
        )
    blocks = block_axis.axis([run["index"].max() for run in runs], rows=1)
    first = axes.pop("xaxis", dict(title="Step of training", range=[0.5, steps + 0.5], tickvals=_ticks(steps)))
    every = max(1, reach // 3)
    ticks = [tick for tick in range(-reach, reach + 1) if tick % every == 0]
    bar = dict(
        title=dict(text="RMS gradient, relative to<br>the last block (log scale)", side="right"),
        thickness=12,
        tickvals=ticks,
        ticktext=[log_scale.written(tick) for tick in ticks],
    )
    return draw(
        traces,
        title="Gradient at each block, step by step",
        origin=origin(runs),
        empty=empty,
        annotations=notes,
        x=first,
        y=blocks | dict(showgrid=False),
        coloraxis=dict(colorscale="Cividis", cmin=-reach, cmax=reach, colorbar=bar),
        **axes,
        shapes=[],
        uirevision="steps",  # it may replace another chart, whose zoom and hidden lines must not stay
    )


def _when(step):
    return f"step {step}" if step else "before training"


def _ticks(steps):
    """The numbers of a few steps, the first and the last among them."""
    every = max(1, round(steps / 4))
    return sorted({1, *range(every, steps - every // 2, every), steps})
