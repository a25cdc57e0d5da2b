"""Lesson 11, scaling up: the time of the paper's trainings on this machine, the speed of several workers, and whether
the numbers stay the same."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from reslab.figures import theme
from reslab.figures.text.scaling import (
    agreement_sentence,
    duration,
    hours_title,
    paper_sentence,
    precision_sentence,
    throughput_sentence,
    throughput_title,
)
from reslab.results import frames

__all__ = ["agreement_sentence", "hours", "paper_sentence", "precision_sentence", "throughput", "throughput_sentence"]


def hours(frame, *, draw=theme.figure):
    """Hours that each training of the paper takes on this machine: one bar per net.

    frame: name, depth, skip, hours, machine; ValueError for a missing column.
    """
    frame = frames.require(frame, ("name", "depth", "skip", "hours", "machine"), "The hours of the paper's recipe")
    bars = [
        dict(
            type="bar", x=[row.name], y=[row.hours], name=row.name, showlegend=False, meta={"key": f"{row.name}/hours"},
            marker=dict(color=theme.colour(row.skip, row.depth)), text=[duration(row.hours)], textposition="outside",
            textfont=dict(size=theme.LARGE), cliponaxis=False,
            hovertemplate=f"<b>{row.name}</b>: {duration(row.hours)}<extra>{row.machine}</extra>",
        )
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    origin = "; ".join(dict.fromkeys(frame["machine"])) if len(frame) else ""
    return draw(
        bars, title="The paper's 64,000 steps on CIFAR-10, here", statement=lambda: hours_title(frame),
        origin=f"from a few steps each · {origin}" * bool(origin),
        x="Net", y="Time for one training (hours)", showlegend=False,
    )  # fmt: skip


def throughput(frame, *, draw=theme.figure):
    """Nets a minute against workers, with the line of linear scaling.

    frame: workers, nets_per_minute; ValueError for a missing column.
    """
    frame = frames.require(frame, ("workers", "nets_per_minute"), "The throughput")
    workers, rates = list(frame.get("workers", [])), list(frame.get("nets_per_minute", []))
    ideal = [rates[0] * count / workers[0] for count in workers]
    hover = "%{x} workers: %{y:.1f} nets a minute<extra></extra>"
    measured = dict(type="scatter", x=workers, y=rates, name="measured", hovertemplate=hover, meta={"key": "measured"})
    measured |= dict(mode="lines+markers", line=dict(color=theme.RESIDUAL, width=3), marker=dict(size=11))
    dotted = dict(type="scatter", x=workers, y=ideal, name="each worker as fast as one alone", meta={"key": "ideal"})
    dotted |= dict(mode="lines", line=dict(color=theme.GREY, dash="dot", width=2), hoverinfo="skip")
    traces = [measured, dotted] if workers else []
    x = dict(title="Workers (trainings at a time)", tickvals=workers)
    x["range"] = [min(workers, default=1) - 0.1, max(workers, default=2) + 0.1]
    y = dict(title="Nets trained per minute", range=[0, 1.1 * max([1.0, *rates, *ideal])])
    ends = [
        (trace["meta"]["key"], theme.wrap(name), trace["x"][-1], trace["y"][-1], trace["line"]["color"])
        for trace, name in zip(traces, ("measured", "each as fast<br>as one alone"), strict=False)
    ]
    return draw(
        traces, title="Trainings at a time", statement=lambda: throughput_title(frame), origin=frames.LIVE,
        empty="Nothing was measured.", x=x, y=y, **theme.name_lines(ends, x, y),
    )  # fmt: skip
