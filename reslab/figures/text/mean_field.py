"""Lesson 02 in words: by how much the gradient of a simple deep net grows a layer."""

from reslab.figures.text.phrases import EMPTY
from reslab.results import mean_field as results


def sentence(frame):
    """The growth a layer of each kind of net, measured and predicted, in one sentence.

    frame: as `results.mean_field.a_layer` takes it; ValueError for a missing column.
    """
    nets = list(results.a_layer(frame).itertuples())
    texts = [f"{net.median:.2f} ({net.low:.2f} to {net.high:.2f}) with {net.name}" for net in nets]
    if not texts:
        return EMPTY
    seeds = f"median and range of {nets[0].seeds} seeds"
    lead, predicted = "A layer multiplies the gradient by", f"predicted for ReLU: {results.PREDICTED:.2f}"
    return f"{lead} {', '.join(texts)} ({seeds}); {predicted}."


def title(frame):
    """Which layers make the gradient grow, as a title: BatchNorm and ReLU together, each alone not; otherwise "".

    frame: as `results.mean_field.a_layer` takes it.
    """
    return "BatchNorm alone or ReLU alone: level. Together: it grows" if results.only_together(frame) else ""


def alt_text(frame):
    """A text alternative for the chart: axes, lines, and what was measured."""
    names = ", ".join(results.a_layer(frame)["name"])
    return (
        f"Line chart of the growth of the gradient, log scale, against the layers it has come back. {names}. "
        + sentence(frame)
    )
