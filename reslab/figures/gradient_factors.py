"""Lesson 02: the factors that explain the size of a gradient, layer by layer; and whether a level gradient is enough.

Each kind of layer has its own colour; plain nets are vermillion and residual nets blue, as in all charts. With
draw=theme.chart, every chart is returned as plain dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from textwrap import wrap

import numpy as np

from reslab.figures import block_axis, log_scale, theme
from reslab.figures.text.gradient_factors import (
    factors_sentence,
    failures_table,
    ratio_table,
    remedies_sentence,
    remedies_table,
    symptoms_table,
    symptoms_title,
)
from reslab.figures.text.gradient_flow import origin
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results import gradient_factors as results
from reslab.results.gradient_factors import FACTORS, REMEDIES, SYMPTOMS, diagnosis
from reslab.results.gradient_flow import LEVEL

__all__ = [
    "diagnosis",
    "factors_sentence",
    "failures_table",
    "product",
    "ratio_table",
    "remedies",
    "remedies_sentence",
    "remedies_table",
    "symptoms",
    "symptoms_table",
]

# kind → (colour, dash, pattern of its bars): Okabe and Ito's green, purple, orange and sky blue.
KINDS = {
    "activations": ("#009E73", "2px,2px", "/"),
    "weights": ("#CC79A7", "7px,3px,2px,3px", "\\"),
    "norms": ("#E69F00", "9px,4px", "x"),
    "skip + branch": ("#56B4E9", "12px,3px", "."),
}


def product(factors, *, room=None, empty=EMPTY, draw=theme.figure):
    """The factor on the gradient since the last block, at every block: of all layers together, and of each kind.

    factors: one row per layer, as `experiments.gradient_factors.factors` gives them for one net: name, skip, depth,
    seed, index (of its block), kind, factor. room: the same of another net that is not drawn, for which the axis has
    room. ValueError for a missing column, or several nets.
    """
    factors = frames.require(factors, FACTORS, "The product of factors")
    traces, ends, drawn = [], [], []
    for kind, decades in results.products(factors).items():
        name, skip, depth = factors[["name", "skip", "depth"]].iloc[0]
        line = _line(kind) if kind in KINDS else theme.line(skip, depth)
        blocks = decades.index.to_numpy()
        y = 10.0 ** decades.to_numpy()
        drawn.append(y)
        hover = f"<b>{name}</b>, {kind}<br>from the last block to block %{{customdata}}: × %{{y:.3~g}}<extra></extra>"
        traces.append(dict(
            type="scatter", mode="lines", x=100 * blocks / blocks[-1], y=y, line=line, name=kind, customdata=blocks,
            hovertemplate=hover, meta={"key": f"{name}/{kind}/product"},
        ))  # fmt: skip
        shown = np.flatnonzero(y)[0]  # a dead net's 0 is not on a log axis: its line ends where the gradient does
        text = f"{kind if kind in KINDS else f'<b>{kind}</b>'}<br>{_times(decades.iloc[0])}"
        ends.append((kind, text, 100 * blocks[shown] / blocks[-1], y[shown], line["color"]))
    drawn += [10.0 ** decades.to_numpy() for decades in results.products(room).values()] if room is not None else []
    y = log_scale.axis("Product of the factors<br>since the last block (log scale)", log_scale.limits(*drawn))
    y |= dict(side="right")
    x = block_axis.axis(factors["index"].groupby(factors["name"]).max())
    return draw(
        traces,
        title="What multiplies the gradient",
        origin=_origin(factors),
        empty=empty,
        shapes=[log_scale.LEVEL],
        x=x,
        y=y,
        **theme.name_lines(ends, x, y, left=True),
    )


def _times(decades):
    """ "× 10⁻⁸·⁷" as plotly writes it, or "× 0"."""
    return "× 0" if np.isneginf(decades) else f"× {log_scale.power(f'{decades:.1f}')}"


def remedies(frame, *, empty=EMPTY, draw=theme.figure):
    """Decades that the gradient gains or loses from the last block to the first: one bar per remedy, one part per kind
    of layer.

    frame: as `experiments.gradient_factors.remedies` gives it: remedy, change, name, skip, depth, seed, kind, decades.
    Parts are medians over the seeds; the marker is the median of their sum, with a bar from the lowest seed to the
    highest. ValueError for a missing column.
    """
    frame = frames.require(frame, REMEDIES, "The chart of remedies")
    traces, totals, parts = [], results.totals(frame), results.parts(frame)
    for kind, (colour, _, pattern) in KINDS.items():
        if kind in parts and (abs(part := parts[kind].droplevel("change").dropna()) > results.NEGLIGIBLE).any():
            fill = dict(shape=pattern, fillmode="overlay", fgcolor="rgba(0, 0, 0, 0.35)", size=6, solidity=0.15)
            traces.append(dict(
                type="bar", orientation="h", x=part, y=part.index, width=0.55, name=kind,
                marker=dict(color=colour, pattern=fill),
                hovertemplate=f"{kind}: 10 to the power %{{x:+.1f}}<extra></extra>", meta={"key": f"{kind}/decades"},
            ))  # fmt: skip
    for skip, group in totals.groupby("skip"):
        spread = dict(array=group["max"] - group["median"], arrayminus=group["median"] - group["min"])
        traces.append(dict(
            type="scatter", mode="markers", x=group["median"], y=group["remedy"],
            name=f"together, {'residual' if skip else 'plain'}",
            marker=theme.marker(skip, 56, open=False, size=12) | dict(line=dict(width=1.5, color="white")),
            error_x=dict(type="data", symmetric=False, color=theme.GREY, width=5, **spread),
            hovertemplate="all together: 10 to the power %{x:+.1f}<extra></extra>",
            meta={"key": f"{'residual' if skip else 'plain'}/total"},
        ))  # fmt: skip
    notes = [
        dict(
            name=f"{row.remedy}/total", text=f"<b>{_times(row.median)}</b>", x=1,
            xref="paper", y=row.remedy,
            xanchor="left", showarrow=False, font=dict(size=theme.LARGE),
        ) for row in totals.itertuples()
    ]  # fmt: skip
    numbered = [f"{row.remedy}. {'+ ' * (row.remedy > 1)}{row.change}" for row in totals.itertuples()]
    names = ["<br>".join(wrap(text, 22)) for text in numbered]
    low, high = results.reach(frame)
    how = "bars to the left shrink it, to the right enlarge it; the mark is their sum"
    return draw(
        traces, title="What multiplies the gradient, from the last block to the first", empty=empty,
        origin=_origin(frame, how),
        annotations=notes, barmode="relative", height=220 + 58 * max(3, len(totals)),
        margin=dict(l=76, r=100, t=theme.TOP, b=150),
        legend=dict(orientation="h", y=0, yref="container", yanchor="bottom"),
        x=dict(
            title="Powers of ten (0: as at the last block)", showgrid=True, gridcolor=theme.GRID,
            zeroline=True, zerolinecolor=theme.GREY, range=[1.04 * low - 1, high + 0.04 * (high - low)],
        ),
        y=dict(
            title="What is turned on", tickvals=totals["remedy"], ticktext=names, autorange="reversed", showgrid=False,
        ),
    )  # fmt: skip


def symptoms(frame, *, empty=EMPTY, draw=theme.figure):
    """Training error (%) against first/last of the gradient before training: one marker per net × seed, the median one
    with the net's number.

    frame: name, skip, depth, seed, ratio, train_error (fraction), outcome, as `experiments.symptoms.symptoms`
    gives them. In the grey band the gradient is level. A run that diverged is a cross at the top. ValueError for a
    missing column.
    """
    frame = frames.require(frame, SYMPTOMS, "Training error against the gradient")
    limits, traces = log_scale.limits(frame["ratio"]), []
    for number, ((name, skip, depth), group) in enumerate(frame.groupby(["name", "skip", "depth"], sort=False), 1):
        broke = group["outcome"] == "diverged"
        side = "left" if 1 / LEVEL < group["ratio"].median() < 1 else "right"  # the level nets are close together
        ranks = np.where(broke, np.inf, group["train_error"]).argsort()
        middle = ranks[(len(ranks) - 1) // 2]
        mark = theme.marker(skip, depth, open=False, size=12)
        mark["symbol"] = np.where(broke, "x", mark["symbol"])
        ended = ", ×: diverged, no error" * bool(broke.any())
        about = [f"seed {seed}{', diverged' * bad}" for seed, bad in zip(group["seed"], broke, strict=True)]
        hover = (
            f"<b>{name}</b>, %{{customdata}}<br>first block's gradient %{{x:.3~g}} × the last's<br>%{{y:.1f}} % of the"
            " training"
        )
        traces.append(dict(
            type="scatter", mode="markers+text", x=group["ratio"], y=np.where(broke, 100, 100 * group["train_error"]),
            marker=mark,
            text=[f"<b> {number} </b>" * int(place == middle) for place in range(len(group))],
            textposition=f"middle {side}", customdata=about,
            textfont=dict(color=theme.INK, size=theme.SMALL), name=f"{number} {'<br>'.join(wrap(name + ended, 26))}",
            hovertemplate=f"{hover} images wrong<extra></extra>",
            meta={"key": f"{name}/symptoms"},
        ))  # fmt: skip
    low, high = 1 / LEVEL, LEVEL
    band = dict(
        type="rect", yref="paper", y0=0, y1=1, x0=low, x1=high, fillcolor=theme.GRID, line=dict(width=0), layer="below"
    )
    note = dict(name="level", text="level", x=0, y=1, yref="paper", yanchor="top", showarrow=False)
    return draw(
        traces,
        title="Does a level gradient make a net train?",
        statement=lambda: symptoms_title(frame),
        origin=_origin(frame),
        empty=empty,
        annotations=[note] * bool(traces),
        shapes=[band] * bool(traces),
        x=log_scale.axis("RMS gradient before training,<br>first block / last (log scale)", limits),
        y=dict(title="Training error<br>after training (%)", range=[-4, 108], tickvals=[0, 20, 40, 60, 80, 100]),
    )


def _line(kind):
    colour, dash, _ = KINDS[kind]
    return dict(color=colour, dash=dash, width=3)


def _origin(frame, *also):
    return origin(frames.runs(frame.assign(step=0)), *also) if len(frame) else ""
