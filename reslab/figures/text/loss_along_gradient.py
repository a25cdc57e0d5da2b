"""Lesson 02 in words: how much of what the gradient promises comes true."""

from reslab.figures.text.phrases import EMPTY, lines, scientific
from reslab.results import loss_along_gradient as results


def sentence(frame):
    """How far each net's gradient can be followed before training, and how far the loss falls along it, in words.

    frame: as `results.loss_along_gradient.by_step` takes it; ValueError for a missing column.
    """
    nets = results.over_seeds(frame)
    if not nets:
        return EMPTY
    smallest = frame.loc[frame["rate"] > 0, "rate"].min()
    reach = [f"{_reach(*net['reach'], smallest)} in {net['name']}" for net in nets]
    fall = [f"{_spread('{:.2f}', *net['fall'])} nats in {net['name']}" for net in nets]
    return (
        f"Before training, half of the gradient's promise is kept up to a rate of {' and '.join(reach)}. Over the first"
        f" {frame['step'].max()} steps, the loss falls along it by {' and '.join(fall)} (median over the steps;"
        f" {nets[0]['seeds']} seeds, lowest to highest)."
    )


def alt_text(frame):
    """A text alternative for the chart: axes, lines, and what was measured."""
    drawn = lines([(net["name"], net["skip"]) for net in results.over_seeds(frame)])
    chart = "Line chart of the largest fall of the loss along the gradient, in nats, against the step of training"
    return f"{chart}. {drawn}{sentence(frame)}"


def _reach(median, low, high, smallest):
    """A rate, and its range over the seeds; 0 where not even the smallest that was tried is within reach."""
    told = [scientific(rate) if rate else f"less than {scientific(smallest)}" for rate in (median, low, high)]
    return told[0] if low == high else f"{told[0]} ({told[1]} to {told[2]})"


def _spread(how, median, low, high):
    return f"{how.format(median)} ({how.format(low)} to {how.format(high)})"
