"""Lesson 04: which pictures a net can distinguish, block by block and during training; for lesson 02 too, chaos.

`frame` has one row per net × seed × step × block, as `experiments.representations` and `experiments.chaos` give it.
Over several seeds the line is the median, in a band from the lowest to the highest. With draw=theme.chart, every chart
is returned as plain dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from dataclasses import dataclass, replace

import numpy as np

from reslab.figures import bands, block_axis, log_scale, theme
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.representations import alt_text, chaos_sentence, chaos_title, sentence, title
from reslab.results import frames
from reslab.results.representations import over_seeds, totals, verdict

__all__ = [
    "STATISTICS",
    "alt_text",
    "by_block",
    "chaos",
    "chaos_sentence",
    "in_training",
    "sentence",
    "totals",
    "verdict",
]


@dataclass(frozen=True)
class Statistic:
    """How a column of the frame is drawn: the chart's title, its y axis, and the label of the chance level."""

    title: str
    axis: str
    level: str
    factor: float = 100.0  # fractions are shown in per cent


STATISTICS = {
    "neighbour_accuracy": Statistic(
        "Pictures that each block tells apart", "Most similar picture is of the same class (%)", "a guess"
    ),
    "readout_accuracy": Statistic(
        "Classes that a linear readout finds", "Test pictures the readout gets right (%)", "a guess"
    ),
    "noise_cosine": Statistic("A picture and its noisy copy", "Cosine of the two, centred", "unrelated: 0", factor=1.0),
}


def by_block(frame, statistic="neighbour_accuracy", *, empty=EMPTY, draw=theme.figure):
    """One statistic after every block, at the latest step of each net: one line per net.

    statistic: a key of STATISTICS. ValueError for another one, or a missing column.
    """
    shown = _statistic(statistic)
    runs = _runs(frame, statistic)
    traces = []
    for run in runs:
        here = run["step"] == run["step"].max()
        traces += _line(
            run, statistic, 100 * run["share"][here], here, shown.factor, run["index"][here], "block %{customdata[0]}"
        )
    said = lambda: title(frame, statistic)  # noqa: E731
    return _draw(traces, runs, frame, shown, draw, empty, x=_blocks(runs), statement=said)


def in_training(frame, statistic="neighbour_accuracy", *, empty=EMPTY, draw=theme.figure):
    """One statistic after the last block over the steps of training: one line per net. Arguments and errors as of
    `by_block`."""
    shown = _statistic(statistic)
    runs = _runs(frame, statistic)
    traces = []
    for run in runs:
        here = np.isclose(run["share"], 1)
        traces += _line(
            run, statistic, run["step"][here], here, shown.factor, run["step"][here], "step %{customdata[0]}"
        )
    return _draw(traces, runs, frame, shown, draw, empty, x="Training step", after=", after the last block")


def chaos(frame, *, empty=EMPTY, draw=theme.figure):
    """How a small change of the picture grows forward (▶), and the gradient backward (◀), at every block: two lines a
    net.

    The change is relative to the stem's, the gradient to the last block's: the change grows from 1 at the left, the
    gradient from 1 at the right. Values that are 0, infinite or not a number are marks at the bottom or top. ValueError
    for a missing column.
    """
    runs, pairs = [], []
    for way, symbol, quantity in (
        ("change", "triangle-right", "change of the picture"),
        ("gradient", "triangle-left", "gradient"),
    ):
        for run in _runs(frame, way):
            runs += [run] if way == "change" else []
            value = run.numbers("median")
            state = np.select(
                [value == 0, np.isinf(value), np.isnan(value)], [log_scale.LOW, "infinite", "not a number"], ""
            )
            pairs.append((run, way, symbol, quantity, value, state))
    limits = log_scale.limits(*(value[state == ""] for *_, value, state in pairs))
    traces, states = [], set()
    for run, way, symbol, quantity, value, state in pairs:
        at, good = 100 * run["share"], state == ""
        label = f"<b>{run.label}</b>, block %{{customdata}}<br>{quantity} × %{{y:.3~g}}<extra>{run.origin}</extra>"
        mark = dict(symbol=symbol, size=9, maxdisplayed=9)
        style = dict(
            mode="lines+markers", line=theme.run_line(run), marker=mark, customdata=run["index"], hovertemplate=label
        )
        trace = theme.trace(run, way, at, np.where(good, value, np.nan), **style)
        traces.append(trace | dict(name=f"{trace['name']}: {quantity}", legendgroup=run.key(way)))
        if not good.all():
            y, look = log_scale.out_of_range(state[~good], limits, theme.run_line(run)["color"])
            traces.append(theme.trace(run, f"{way}/lost", at[~good], y, **look, showlegend=False, hoverinfo="skip"))
            states |= set(state[~good])
    return draw(
        traces, title="Growth of a change, and of the gradient", statement=lambda: chaos_title(frame), empty=empty,
        origin=_origin(runs, frame, "medians of the RMS, untrained, training mode"),
        annotations=log_scale.names(states, limits), shapes=[log_scale.LEVEL], x=_blocks(runs),
        y=log_scale.axis("Growth (times, log scale)", limits),
    )  # fmt: skip


def _blocks(runs):
    return block_axis.axis([run["index"].max() for run in runs], stem=True)


def _statistic(name):
    if name not in STATISTICS:
        raise ValueError(f"statistic is {name!r}; it can be {', '.join(map(repr, STATISTICS))}.")
    return STATISTICS[name]


def _runs(frame, column):
    """The nets of a frame as runs whose columns are those of `over_seeds`."""
    return frames.runs(over_seeds(frame, column))


def _line(run, statistic, at, here, factor, about, where):
    """The traces of a run: its median, over the band between its lowest and its highest."""
    middle, low, high = (factor * run.numbers(column)[here] for column in ("median", "low", "high"))
    traces = bands.band(replace(run, at=run.at[here]), at, np.isfinite(middle), factor)
    hover = (
        f"<b>{run.label}</b>, {where}<br>%{{y:.3~g}} (%{{customdata[1]:.3~g}} to"
        f" %{{customdata[2]:.3~g}})<extra>{run.origin}</extra>"
    )
    marker = theme.marker(run.skip, run.depth, open=False, size=6) | dict(maxdisplayed=14)
    style = dict(mode="lines+markers", line=theme.run_line(run), marker=marker, hovertemplate=hover)
    style |= dict(customdata=list(zip(about, low, high, strict=True)))
    return [*traces, theme.trace(run, statistic, at, middle, **style)]


def _draw(traces, runs, frame, shown, draw, empty, x, after="", statement=None):
    """A chart of fractions or cosines; a dotted line at the level of chance, or of unrelated pictures."""
    guess = 100 * frame["guess"].iloc[0] if shown.factor != 1 and traces and "guess" in frame else 0.0
    dots = dict(color=theme.GREY, width=1.5, dash="dot")
    shapes = [dict(type="line", xref="paper", x0=0, x1=1, y0=guess, y1=guess, line=dots)]
    label = f"{shown.level}: {guess:.3g} %" if shown.factor != 1 else shown.level
    named = dict(
        name="level", text=label, x=0, xref="paper", xanchor="left", y=guess, yanchor="bottom", showarrow=False
    )
    y = dict(title=shown.axis, range=[-2, 102] if shown.factor != 1 else [-0.12, 1.03])
    about = dict(shapes=shapes, annotations=[named]) if traces else {}
    return draw(
        traces, title=shown.title + after, statement=statement, origin=_origin(runs, frame), empty=empty, x=x, y=y,
        **about,
    )  # fmt: skip


def _origin(runs, frame, also="BatchNorm: mean and spread of these pictures"):
    numbers = frame["seed"].unique() if "seed" in frame else []
    return phrases.origin_line([run.origin for run in runs], numbers, also)
