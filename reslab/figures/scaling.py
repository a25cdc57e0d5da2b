"""Lesson 11, scaling up: how long the paper's trainings take here, what several workers bring, and whether the numbers stay."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from reslab.figures import theme
from reslab.figures.text.scaling import (
    agreement_sentence,
    duration,
    paper_sentence,
    precision_sentence,
    throughput_sentence,
)
from reslab.results import frames

__all__ = ["agreement_sentence", "hours", "paper_sentence", "precision_sentence", "throughput", "throughput_sentence"]


def hours(frame, *, draw=theme.figure):
    """Hours that each training of the paper takes on this machine: a bar a net.

    frame: name, depth, skip, hours, machine; ValueError for a missing column.
    """
    frame = frames.require(frame, ("name", "depth", "skip", "hours", "machine"), "The hours of the paper's recipe")
    bars = [
        dict(
            type="bar", x=[row.name], y=[row.hours], name=row.name, showlegend=False, meta={"key": f"{row.name}/hours"},
            marker=dict(color=theme.colour(row.skip, row.depth)), text=[duration(row.hours)], textposition="outside", cliponaxis=False,
            hovertemplate=f"<b>{row.name}</b>: {duration(row.hours)}<extra>{row.machine}</extra>",
        )
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    origin = "; ".join(dict.fromkeys(frame["machine"])) if len(frame) else ""
    return draw(
        bars, title="The paper's 64,000 steps on CIFAR-10, here", origin=f"{origin}, from a few steps each" * bool(origin),
        x="Net", y="Time for one training (hours)", showlegend=False,
    )  # fmt: skip


def throughput(frame, *, draw=theme.figure):
    """Nets a minute against workers, with the line of as many times one worker's.

    frame: workers, nets_per_minute; ValueError for a missing column.
    """
    frame = frames.require(frame, ("workers", "nets_per_minute"), "The throughput")
    x, y = frame.get("workers", []), frame.get("nets_per_minute", [])
    x, y = list(x), list(y)
    look = dict(mode="lines+markers", line=dict(color=theme.RESIDUAL), marker=dict(size=9), meta={"key": "measured"})
    data = [dict(type="scatter", x=x, y=y, name="measured", hovertemplate="%{x} workers: %{y:.1f} nets a minute<extra></extra>", **look)]
    if x:
        ideal = [y[0] * workers / x[0] for workers in x]
        style = dict(mode="lines", line=dict(color=theme.INK, dash="dot"), hoverinfo="skip", meta={"key": "ideal"})
        data.append(dict(type="scatter", x=x, y=ideal, name="as many times the first", **style))
    return draw(
        data if x else [], title="Trainings at a time", origin="live, this machine", empty="Nothing was measured.",
        x=dict(title="Workers (trainings at a time)", tickvals=x), y=dict(title="Nets trained a minute", rangemode="tozero"),
    )  # fmt: skip
