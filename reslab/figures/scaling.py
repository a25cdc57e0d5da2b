"""Lesson 11, scaling up: how long the paper's trainings take here, what several workers bring, and whether the numbers stay."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme

__all__ = ["agreement_sentence", "hours", "paper_sentence", "precision_sentence", "throughput", "throughput_sentence"]


def hours(frame, *, draw=theme.figure):
    """Hours that each training of the paper takes on this machine: a bar a net.

    frame: name, depth, skip, hours, machine; ValueError for a missing column.
    """
    frame = theme.require(frame, ("name", "depth", "skip", "hours", "machine"), "The hours of the paper's recipe")
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


def duration(hours):
    """Hours as people say them: 40 minutes, 7 hours, 3.5 days."""
    return f"{60 * hours:.0f} minutes" if hours < 1 else f"{hours:.0f} hours" if hours < 24 else f"{hours / 24:.1f} days"


def paper_sentence(frame):
    """What was measured: a step of each net, and how long 64,000 of them take."""
    steps = [f"{row.name} {row.step_seconds:.2g} s, so {duration(row.hours)}" for row in frame.itertuples(index=False)]
    return f"One step of 128 images takes {'; '.join(steps)} for the 64,000 of the paper."


def precision_sentence(usual, other):
    """What was measured of the nets that both have: a step in the other precision against one in the usual.

    usual, other: as `paper_sentence` takes them, with the column precision.
    """
    said = []
    for row in other.merge(usual, on="name", suffixes=("", "_usual")).itertuples(index=False):
        times = row.step_seconds / row.step_seconds_usual
        verdict = "it pays" if times < 0.9 else "it does not pay" if times > 1.1 else "it makes no clear difference"
        said.append(f"A step of {row.name} takes {times:.2g} times as long in {row.precision} as in {row.precision_usual}: {verdict} here.")
    return " ".join(said)


def throughput(frame, *, draw=theme.figure):
    """Nets a minute against workers, with the line of as many times one worker's.

    frame: workers, nets_per_minute; ValueError for a missing column.
    """
    frame = theme.require(frame, ("workers", "nets_per_minute"), "The throughput")
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


def throughput_sentence(frame):
    """What was measured: the most workers against the first row's."""
    last = frame.iloc[-1]
    return f"{last['workers']:.0f} workers train {last['speed']:.2f} times as many nets a minute as {frame['workers'].iloc[0]:.0f}."


def agreement_sentence(losses, missing="Nothing to compare: see the warning above."):
    """Whether trainings have the same losses wherever they were made, to rounding: 4 digits.

    losses: indexed by name, seed, step, a column a place; `missing` is said of fewer than two. Steps that were not made everywhere, or
    whose loss is no number, are counted and not compared.
    """
    if losses.shape[1] < 2:
        return missing
    if lost := (~np.isfinite(losses)).any(axis="columns").sum():
        places = " and ".join(losses.columns)
        return f"{places}: {lost} of {len(losses)} steps have no loss in one of them, so the trainings do not agree."
    apart = ((losses.max(axis="columns") - losses.min(axis="columns")) / losses.min(axis="columns")).max()
    nets = losses.index.droplevel("step").nunique()
    found = f"the same losses to 4 digits, in all {len(losses)} steps" if apart < 1e-4 else f"losses that differ by up to {apart:.1%}"
    return f"{nets} net{'s' * (nets > 1)}, {' and '.join(losses.columns)}: {found}."
