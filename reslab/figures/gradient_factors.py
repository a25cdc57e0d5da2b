"""Lesson 02, what explains a gradient's size: the factors that it meets on its way, and whether a level gradient is enough to train.

Each kind of layer has a colour of its own; a plain net is vermillion and a residual net blue, as everywhere. Every chart takes
draw=theme.chart, to come as plain dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from itertools import pairwise
from textwrap import wrap

import numpy as np

from reslab.figures import gradient_flow_words as words
from reslab.figures import log_scale, theme
from reslab.figures.gradient_flow_words import EMPTY

__all__ = [
    *("product", "staircase", "symptoms", "ratio_table", "staircase_table"),
    *("diagnosis", "factors_sentence", "staircase_sentence", "symptoms_sentence"),
]

# kind → (colour, dash, pattern of its bars): Okabe and Ito's green, purple, orange and sky blue.
KINDS = {
    "activations": ("#009E73", "2px,2px", "/"),
    "weights": ("#CC79A7", "7px,3px,2px,3px", "\\"),
    "norms": ("#E69F00", "9px,4px", "x"),
    "skip + branch": ("#56B4E9", "12px,3px", "."),
}
NET = ("name", "skip", "depth", "seed")
SHATTERED = 0.25  # white noise stays below this autocorrelation, and a walk far above it
WORSE = 0.10  # of the training images: what a deeper net gets wrong beyond its shallow twin, to be called degraded
NEGLIGIBLE = 0.05  # decades: a kind of layer that changes the gradient by less is left out


def product(factors, *, empty=EMPTY, draw=theme.figure):
    """What the gradient has been multiplied by since the last block, block by block: by all layers together, and by each kind.

    factors: a row a layer, as `experiments.gradient_flow.factors` gives them for one net: name, skip, depth, seed, index (of its
    block), kind, factor. ValueError for a missing column, or several nets.
    """
    factors = theme.require(factors, (*NET, "index", "kind", "factor"), "The product of factors")
    if len(nets := factors[["name", "seed"]].drop_duplicates()) > 1:
        raise ValueError(f"the product of factors is drawn for one net at a time; this frame has {len(nets)}.")
    traces, notes, drawn = [], [], []
    for kind, decades, line in _products(factors):
        name, blocks = factors["name"].iloc[0], decades.index.to_numpy()
        y = 10.0**decades.to_numpy()
        drawn.append(y)
        said = f"<b>{name}</b>, {kind}<br>from the last block to block %{{customdata}}: × %{{y:.3~g}}<extra></extra>"
        traces.append(dict(
            type="scatter", mode="lines", x=100 * blocks / blocks[-1], y=y, line=line, name=kind, customdata=blocks,
            hovertemplate=said, meta={"key": f"{name}/{kind}/product"},
        ))  # fmt: skip
        text = f"10<sup>{decades.iloc[0]:.1f}</sup>".replace("-", "−")
        at = dict(x=100 * blocks[0] / blocks[-1], y=decades.iloc[0], xanchor="left", yanchor="bottom", showarrow=False)
        notes.append(dict(name=kind, text=text, font=dict(color=line["color"]), **at))
    limits = log_scale.limits(*drawn)
    return draw(
        traces, title="What multiplies the gradient", origin=_origin(factors), empty=empty,
        annotations=_apart(notes, np.diff(np.log10(limits))[0]), shapes=[log_scale.LEVEL],
        x=words.WAY,
        y=log_scale.axis("Product of the factors since<br>the last block (log scale)", limits),
    )


def factors_sentence(factors):
    """What the gradient of a net is multiplied by from the last block to the first, kind by kind, in one sentence.

    factors: as `product` takes them.
    """
    factors = theme.require(factors, (*NET, "index", "kind", "factor"), "The product of factors")
    if not len(factors):
        return EMPTY
    (_, total, _), *parts = _products(factors)
    told = [f"{kind} {words.power(decades.iloc[0])}" for kind, decades, _ in parts]
    net = factors["name"].iloc[0]
    return f"On its way back, that of {net} is multiplied by {words.power(total.iloc[0])}: {', '.join(told)}."


def staircase(stairs, *, empty=EMPTY, draw=theme.figure):
    """Decades that the gradient gains or loses from the last block to the first: a bar a stair, a part a kind of layer.

    stairs: as `experiments.gradient_flow.staircase` gives them: stair, change, name, skip, depth, seed, kind, decades. Parts are means
    over the seeds; the marker is their sum, with a bar from the lowest seed to the highest. ValueError for a missing column.
    """
    stairs = theme.require(stairs, (*NET, "stair", "change", "kind", "decades"), "The staircase")
    traces, totals = [], stairs.groupby(["stair", "change", "skip", "seed"])["decades"].sum()
    totals = totals.groupby(["stair", "change", "skip"]).agg(["mean", "min", "max"]).reset_index()
    for kind, (colour, _, pattern) in KINDS.items():
        part = stairs[stairs["kind"] == kind].groupby("stair")["decades"].mean()
        if (abs(part) > NEGLIGIBLE).any():
            fill = dict(shape=pattern, fillmode="overlay", fgcolor="rgba(0, 0, 0, 0.35)", size=6, solidity=0.15)
            traces.append(dict(
                type="bar", orientation="h", x=part, y=part.index, width=0.55, name=kind, marker=dict(color=colour, pattern=fill),
                hovertemplate=f"{kind}: %{{x:+.1f}} decades<extra></extra>", meta={"key": f"{kind}/decades"},
            ))  # fmt: skip
    for skip, group in totals.groupby("skip"):
        spread = dict(array=group["max"] - group["mean"], arrayminus=group["mean"] - group["min"])
        traces.append(dict(
            type="scatter", mode="markers", x=group["mean"], y=group["stair"], name=f"together, {'residual' if skip else 'plain'}",
            marker=theme.marker(skip, 56, open=False, size=12) | dict(line=dict(width=1.5, color="white")),
            error_x=dict(type="data", symmetric=False, color=theme.INK, width=5, **spread),
            hovertemplate="all together: %{x:+.1f} decades<extra></extra>", meta={"key": f"{'residual' if skip else 'plain'}/total"},
        ))  # fmt: skip
    notes = [
        dict(
            name=f"{row.stair}/total", text=f"<b>× 10<sup>{row.mean:.1f}</sup></b>".replace("-", "−"), x=1, xref="paper", y=row.stair,
            xanchor="right", showarrow=False, font=dict(size=14, color=theme.line(row.skip, 56)["color"]),
        ) for row in totals.itertuples()
    ]  # fmt: skip
    names = ["<br>".join(wrap(f"{row.stair}. {'+ ' * (row.stair > 1)}{row.change}", 22)) for row in totals.itertuples()]
    ends = stairs.assign(down=stairs["decades"].clip(upper=0), up=stairs["decades"].clip(lower=0)).groupby(["stair", "seed"])
    low, high = (ends["down"].sum().min(), ends["up"].sum().max()) if len(stairs) else (-10, 10)
    return draw(
        traces, title="What multiplies the gradient, from the last block to the first", origin=_origin(stairs), empty=empty,
        annotations=notes, barmode="relative", height=120 + 52 * max(4, len(totals)),
        x=dict(
            title="Powers of ten (decades); 0: as large as at the last block", showgrid=True, gridcolor=theme.GRID,
            zeroline=True, zerolinecolor=theme.INK, range=[1.04 * low - 1, high + 0.2 * (high - low)],
        ),
        y=dict(title="What is turned on", tickvals=totals["stair"], ticktext=names, autorange="reversed", showgrid=False),
    )  # fmt: skip


def staircase_table(stairs):
    """The staircase as a table of decades, as text: a row a stair, a column a kind of layer, and their sum with its range over the seeds.

    stairs: as `staircase` takes them.
    """
    by = ["stair", "change"]
    parts = stairs.groupby([*by, "kind"])["decades"].mean().unstack("kind")
    parts = parts[[kind for kind in KINDS if kind in parts]].map(lambda decades: "" if np.isnan(decades) else f"{decades:.1f}")
    totals = stairs.groupby([*by, "seed"])["decades"].sum().groupby(by)
    parts["together"] = totals.agg(lambda total: f"{total.mean():.1f} ({total.min():.1f} to {total.max():.1f})")
    return parts.map(lambda text: text.replace("-", "−"))


def staircase_sentence(stairs):
    """What each stair did to the gradient, in decades, in one sentence.

    stairs: as `staircase` takes them.
    """
    total = stairs.groupby(["stair", "change", "seed"])["decades"].sum().groupby(["stair", "change"]).mean().reset_index()
    start, *others = total.itertuples()
    moved = [f"{other.change} {other.decades - before.decades:+.1f}" for before, other in pairwise(total.itertuples())]
    said = f"With {start.change}, the gradient at the first block is {words.power(start.decades)} of that at the last; in decades, then"
    return f"{said}: {', '.join(moved)}, which ends at {words.power(others[-1].decades)}.".replace("-", "−")


def symptoms(frame, *, empty=EMPTY, draw=theme.figure):
    """Training error (%) against first/last of the gradient before training: a marker a net × seed, with the net's number.

    frame: name, skip, depth, seed, ratio, train_error (fraction), outcome, as `experiments.gradient_flow.symptoms` gives them. In the
    grey band the gradient is level. A run that diverged is a cross at the top. ValueError for a missing column.
    """
    frame = theme.require(frame, (*NET, "ratio", "train_error", "outcome"), "Training error against the gradient")
    limits, traces = log_scale.limits(frame["ratio"]), []
    for number, ((name, skip, depth), group) in enumerate(frame.groupby(["name", "skip", "depth"], sort=False), 1):
        broke = group["outcome"] == "diverged"
        mark = theme.marker(skip, depth, open=False, size=10)
        mark["symbol"] = np.where(broke, "x", mark["symbol"])
        about = [f"seed {seed}{', diverged' * bad}" for seed, bad in zip(group["seed"], broke, strict=True)]
        said = f"<b>{name}</b>, %{{customdata}}<br>first block's gradient %{{x:.3~g}} × the last's<br>%{{y:.1f}} % of the training"
        traces.append(dict(
            type="scatter", mode="markers+text", x=group["ratio"], y=np.where(broke, 100, 100 * group["train_error"]), marker=mark,
            text=[f"<b>{number}</b>"] * len(group), textposition="middle right", textfont=dict(color=theme.INK, size=12), customdata=about,
            name=f"{number} {'<br>'.join(wrap(name, 26))}", hovertemplate=f"{said} images wrong<extra></extra>",
            meta={"key": f"{name}/symptoms"},
        ))  # fmt: skip
    low, high = 1 / words.LEVEL, words.LEVEL
    band = dict(type="rect", yref="paper", y0=0, y1=1, x0=low, x1=high, fillcolor=theme.GRID, line=dict(width=0), layer="below")
    note = dict(name="level", text="level", x=0, y=1, yref="paper", yanchor="top", showarrow=False)
    return draw(
        traces, title="Does a level gradient make a net train?", origin=_origin(frame), empty=empty,
        annotations=[note] * bool(traces), shapes=[band] * bool(traces),
        x=log_scale.axis("RMS gradient before training, first block / last (log scale)", limits),
        y=dict(title="Training error<br>after training (%)", range=[-4, 108], tickvals=[0, 20, 40, 60, 80, 100]),
    )


def symptoms_sentence(frame):
    """What training errors nets come to whose gradient is level at initialisation, and the others, in one sentence.

    frame: as `symptoms` takes it, with steps.
    """
    told, ended = [], frame[frame["outcome"] != "diverged"]
    level = ended["ratio"].between(1 / words.LEVEL, words.LEVEL)
    for kind, group in (("whose gradient was level", ended[level]), ("whose gradient was not", ended[~level])):
        if len(group):
            best, worst = (group.loc[row] for row in (group["train_error"].idxmin(), group["train_error"].idxmax()))
            low, high = (f"{theme.percent(net['train_error'])} ({net['name']})" for net in (best, worst))
            told.append(f"nets {kind} get from {low} to {high} of the training images wrong")
    told += [f"{name} diverged" for name in frame.loc[frame["outcome"] == "diverged", "name"].unique()]
    return f"After {frame['steps'].max()} steps, {'; '.join(told)}." if told else EMPTY


def diagnosis(net):
    """What ails a net: that its gradient "vanishes", "explodes" or "is shattered", "degradation alone", or "nothing".

    net: a row of `experiments.gradient_flow.puzzle`: ratio, autocorrelation, train_error, shallow_error.
    """
    if not 1 / words.LEVEL**2 < net["ratio"] < words.LEVEL**2:
        return "its gradient vanishes" if net["ratio"] < 1 else "its gradient explodes"
    if net["autocorrelation"] < SHATTERED:
        return "its gradient is shattered"
    return "nothing" if net["train_error"] < net["shallow_error"] + WORSE else "degradation alone"


def ratio_table(table):
    """Median and range over the seeds of the ratio first/last: a row a norm and init, a column a net, each cell as text.

    table: as `experiments.gradient_flow.table` gives it: norm, init, name, ratio.
    """
    by = table.groupby(["norm", "init", "name"], sort=False)["ratio"]
    told = {name: by.agg(name).map(lambda ratio: words.amount(ratio, 1)) for name in ("median", "min", "max")}
    said = told["median"] + " (" + told["min"] + " to " + told["max"] + ")"
    return said.unstack("name")[[*dict.fromkeys(table["name"])]]


def _products(factors):
    """[(kind, decades by block, line), ...] of one net, all kinds together first: log10 of the factors since the last block."""
    if not len(factors):
        return []
    table = factors.assign(decades=np.log10(factors["factor"])).pivot_table(
        index="index", columns="kind", values="decades", aggfunc="sum", fill_value=0
    )
    table.index -= 1  # the layers of block i take the gradient from the output of block i to that of block i - 1
    table.loc[table.index[-1] + 1] = 0.0
    back = table[::-1].cumsum()[::-1]
    told = [kind for kind in KINDS if kind in back and abs(back[kind]).max() > NEGLIGIBLE]
    lines = [(kind, back[kind], dict(color=KINDS[kind][0], dash=KINDS[kind][1], width=2.2)) for kind in told]
    return [("all together", back.sum(axis=1), theme.line(factors["skip"].iloc[0], factors["depth"].iloc[0])), *lines]


def _origin(frame):
    return words.origin(theme.runs(frame.assign(step=0))) if len(frame) else ""


def _apart(notes, span):
    """Labels at the ends of lines, the higher of two moved up where they would overprint. span: of the axis, in decades."""
    notes = sorted(notes, key=lambda note: note["y"])
    for below, note in pairwise(notes):
        note["y"] = max(note["y"], below["y"] + 0.08 * span)
    return notes
