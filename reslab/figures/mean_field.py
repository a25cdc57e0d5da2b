"""Lesson 02: the growth of the gradient of a simple deep net, layer by layer: measured, and predicted by theory."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import bands, log_scale, theme
from reslab.figures.gradient_factors import KINDS
from reslab.figures.text import phrases
from reslab.figures.text.mean_field import alt_text, sentence, title
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.mean_field import COLUMNS, PREDICTED

__all__ = ["alt_text", "growth", "sentence"]


def growth(frame, *, empty=EMPTY, draw=theme.figure):
    """The gradient relative to the last layer's, against the number of layers back: one line per kind of net.

    frame: as `experiments.mean_field.growth_by_layer` gives it. Over several seeds: the median, in a band from the
    lowest to the highest. The dotted line grows by the predicted factor a layer. ValueError for a missing column.
    """
    frame = frames.require(frame, (*COLUMNS, "origin"), "The growth of the gradient")
    table = frame.assign(skip=False, depth=56, step=0)  # for their colours
    look = {}
    for name, norm, activation in frame[["name", "norm", "activation"]].drop_duplicates().itertuples(index=False):
        colour, dash, _ = KINDS["norms" if norm else "activations"]
        look[name] = dict(color=colour, dash=dash, width=3), dict(color=colour, size=7, maxdisplayed=10)
        if norm and activation == "tanh":
            look[name] = look[name][0] | dict(dash="1px,3px"), look[name][1] | dict(symbol="square")
        if norm and activation == "relu":
            look[name] = theme.line(False, 56), theme.marker(False, 56, open=False, size=8) | dict(maxdisplayed=10)
    traces, ends = bands.lines(table, "back", "gradient", quantity="the gradient ×", look=look)
    limits = log_scale.limits(frame["gradient"].to_numpy(float))
    last = int(frame["back"].max()) if len(frame) else 50
    x = dict(title="Layers that the gradient has come back", range=[-1, last + 1])
    y = log_scale.axis("Gradient, against the last layer<br>(times, log scale)", limits)
    if traces:
        at = np.arange(last + 1)
        dots = dict(type="scatter", mode="lines", line=dict(color=theme.INK, width=2, dash="dot"), hoverinfo="skip")
        label = f"predicted for ReLU:<br>{PREDICTED:.2f} a layer"
        traces.append(dots | dict(x=at, y=PREDICTED**at, name=label, meta={"key": "predicted"}))
        ends.append(("predicted", label, last, PREDICTED**last, theme.INK))
    origin = phrases.origin_line(table["origin"], table["seed"], "before training, training mode")
    return draw(
        traces, title="How the gradient grows, layer by layer", statement=lambda: title(frame), origin=origin,
        empty=empty, shapes=[log_scale.LEVEL], x=x, y=y, **theme.name_lines(ends, x, y),
    )  # fmt: skip
