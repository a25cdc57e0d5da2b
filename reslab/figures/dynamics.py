"""Lesson 02: the pictures told apart, the gradient and the error of two nets, on one time axis.

`frame` has one row per net × seed × step, as `experiments.dynamics` gives it.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from math import log10

from reslab.figures import bands, log_scale, theme
from reslab.figures.text import dynamics as text
from reslab.figures.text import phrases
from reslab.figures.text.dynamics import sentence
from reslab.figures.text.phrases import EMPTY
from reslab.results.activations import LEARNED
from reslab.results.dynamics import COLUMNS, HALF, nets
from reslab.results.frames import require
from reslab.results.gradient_flow import LEVEL

__all__ = ["sentence", "timeline"]

HEIGHT, GAP = 660, 0.06  # px of the chart; between two panels, as a share of the plot's height
PANELS = {
    "told_apart": ("Pictures told apart<br>after last block (%)", "pictures told apart, %:"),
    "ratio": ("Gradient, first<br>block / last (log)", "first block's gradient, against the last's: ×"),
    "train_error": ("Training error,<br>one batch (%)", "training error, %:"),
}


def timeline(frame, *, empty=EMPTY, draw=theme.figure):
    """Three panels under one another, by steps taken: the pictures told apart after the last block, the gradient at the
    first block over that at the last, and the training error: one line per net in each.

    The median over the seeds, in a band from the lowest to the highest. A vertical line: from there on, the gradient of
    a net that explodes before training does not, in any seed. Values outside the range of float32 are left out.
    ValueError for a missing column.
    """
    frame = require(frame, (*COLUMNS, "origin"), "The chart")
    high, last = (1 - 2 * GAP) / 3, max(frame["step"], default=60)
    x = dict(title="Steps of training taken", range=[-0.01 * last, 1.01 * last], anchor="y3")
    percent, traces, axes, named = dict(range=[-12, 104], tickvals=[0, 50, 100]), [], {}, {}
    for place, (column, (name, quantity)) in enumerate(PANELS.items()):
        number, top = str(place + 1) * (place > 0), 1 - place * (high + GAP)
        drawn = frame.assign(shown=frame[column] * (1 if column == "ratio" else 100))
        lines, ends = bands.lines(drawn, "step", "shown", quantity=quantity)
        traces += [line | dict(yaxis=f"y{number}", meta={"key": f"{line['meta']['key']}/{column}"}) for line in lines]
        scale = log_scale.axis(name, log_scale.limits(frame[column])) if column == "ratio" else percent
        axes[f"yaxis{number}"] = scale | dict(title=dict(text=name), domain=[top - high, top])
        if place == 0:
            panel = theme.TOP + theme.BOTTOM + high * (HEIGHT - theme.TOP - theme.BOTTOM)
            named = theme.name_lines(ends, x, axes["yaxis"], height=panel)
    shapes, notes = _marks(frame, last) if len(frame) else ([], [])
    named["annotations"] = [*named["annotations"], *notes]
    return draw(
        traces, title="Pictures, gradient and error, step by step", statement=lambda: text.title(frame), empty=empty,
        origin=phrases.origin_line(frame["origin"], frame["seed"]), shapes=shapes, height=HEIGHT, x=x,
        y=axes.pop("yaxis"), **axes, **named,
    )  # fmt: skip


def _marks(frame, last):
    """(shapes, annotations): the level of chance, where gradients are about equal, and where an explosion has ended."""
    guess = 100 * frame["guess"].iloc[0]
    shapes, notes = [], []
    for axis, share, side in (("y", guess, "top"), ("y3", 100 - guess, "bottom")):
        dots = dict(color=theme.GREY, width=1.5, dash="dot")
        shapes.append(dict(type="line", xref="paper", x0=0, x1=1, yref=axis, y0=share, y1=share, line=dots))
        notes.append(_note(f"guess/{axis}", f"a guess: {share:.3g} %", last, share, axis, "right", side))
    inside = dict(type="rect", xref="paper", x0=0, x1=1, yref="y2", y0=1 / LEVEL, y1=LEVEL, line=dict(width=0))
    shapes.append(inside | dict(fillcolor=theme.GRID, layer="below"))
    level = f"about equal: {1 / LEVEL:g} × to {LEVEL} ×"
    notes.append(_note("level", level, last, log10(LEVEL), "y2", "right", "bottom"))
    exploded = [net for net in nets(frame) if net.explodes and net.small is not None]
    for net in exploded[:1]:  # marks of two would lie over one another
        ends = dict(type="line", x0=net.small, x1=net.small, yref="paper", y0=0, y1=1)
        shapes.append(ends | dict(line=dict(color=theme.GREY, width=1.5)))
        notes.append(_note("ended", text.ended(net), net.small, 1, "y2 domain", "left", "top"))
        if net.least > LEARNED:
            notes.append(_note("stays", text.stays(net), last, 100 * HALF, "y3", "right", "middle"))
    return shapes, notes


def _note(name, words, x, y, axis, xanchor, yanchor):
    where = dict(x=x, y=y, yref=axis, xanchor=xanchor, yanchor=yanchor, align=xanchor, xshift=4 * (xanchor == "left"))
    return dict(name=name, text=words, showarrow=False, **where)
