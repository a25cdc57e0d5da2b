"""Lesson 02: how far the loss falls along the gradient in the first steps of training, for plain and residual nets."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from reslab.figures import bands, theme
from reslab.figures.text import phrases
from reslab.figures.text.loss_along_gradient import alt_text, sentence, title
from reslab.figures.text.phrases import EMPTY
from reslab.results.loss_along_gradient import by_step

__all__ = ["alt_text", "falls", "sentence"]


def falls(frame, *, empty=EMPTY, draw=theme.figure):
    """The largest fall of the loss along the gradient, over the rates tried, after each step of training: one line per
    net.

    frame: as `experiments.loss_along_gradient.in_training` gives it. Over several seeds: the median, in a band from the
    lowest to the highest. ValueError for a missing column.
    """
    table = by_step(frame)
    traces, ends = bands.lines(table, "step", "fall", quantity="the loss falls by")
    top = max(1.0, table["fall"].max()) if len(table) else 1.0
    x = dict(title="Steps of training done", range=[-0.5, (table["step"].max() if len(table) else 20) + 0.5])
    y = dict(title="Largest fall of the loss<br>along the gradient (nats)", range=[-0.04 * top, 1.05 * top])
    origin = phrases.origin_line(table["origin"], table["seed"], "medians, training mode")
    return draw(
        traces, title="What a step along the gradient can gain", statement=lambda: title(frame), origin=origin,
        empty=empty, x=x, y=y,
        **theme.name_lines(ends, x, y),
    )  # fmt: skip
