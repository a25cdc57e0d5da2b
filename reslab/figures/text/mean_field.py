"""Lesson 02 in words: by how much the gradient of a simple deep net grows a layer."""

from reslab.figures.text.phrases import EMPTY
from reslab.results import mean_field as results
from reslab.results.gradient_flow import LEVEL


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

    frame: as `results.mean_field.a_layer` takes it. It grows where the first layer's is more than LEVEL times that of
    the last, in every seed.
    """
    whole = frame["back"].max()
    kinds = frame.drop_duplicates("name").set_index("name")[["norm", "activation"]]
    grown = results.a_layer(frame).set_index("name").join(kinds)
    norm, relu = grown["norm"].astype(bool), grown["activation"] == "relu"
    both, alone = norm & relu, (norm & (grown["activation"] == "")) | (~norm & relu)
    level = grown["low"].pow(whole).gt(1 / LEVEL) & grown["high"].pow(whole).lt(LEVEL)
    grows = grown["low"].pow(whole).gt(LEVEL)
    all_three = both.any() and alone.sum() == 2 and grows[both].all() and level[alone].all()
    return "BatchNorm alone or ReLU alone: level. Together: it grows" if all_three else ""


def alt_text(frame):
    """A text alternative for the chart: axes, lines, and what was measured."""
    names = ", ".join(results.a_layer(frame)["name"])
    return (
        f"Line chart of the growth of the gradient, log scale, against the layers it has come back. {names}. "
        + sentence(frame)
    )
