"""Lesson 02 in words: how much of the loss decrease that the gradient predicts is measured."""

from reslab.figures.text.phrases import EMPTY, lines, listed, scientific
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
    fall = [f"by {_spread('{:.2f}', *net['fall'])} nats in {net['name']}" for net in nets]
    return (
        f"At the best of {(frame['rate'].unique() > 0).sum()} learning rates, one step lowers the loss {listed(fall)}:"
        f" the median of {frame['step'].nunique()} moments of the first {frame['step'].max()} steps. Before training,"
        f" the loss falls by at least half of what the gradient predicts at learning rates {listed(reach)}. (Medians,"
        f" lowest to highest of {nets[0]['seeds']} seeds.)"
    )


def title(frame):
    """Whether the best step lowers the loss more with skips, as a title: at each moment, in every seed; otherwise "".

    frame: as `results.loss_along_gradient.by_step` takes it.
    """
    table = results.by_step(frame)
    ends = table.groupby(["step", "skip"])["fall"].agg(["min", "max"]).unstack("skip")
    if set(table["skip"]) != {False, True} or ends.isna().any(axis=None):
        return ""
    more = (ends["max", False] < ends["min", True]).all()
    return "At its best rate, a step lowers the loss more with skips" if more else ""


def alt_text(frame):
    """A text alternative for the chart: axes, lines, and what was measured."""
    drawn = lines([(net["name"], net["skip"]) for net in results.over_seeds(frame)])
    chart = "Line chart of the largest fall of the loss along the gradient, in nats, against the step of training"
    return f"{chart}. {drawn}{sentence(frame)}"


def _reach(median, low, high, smallest):
    """A rate, and its range over the seeds; 0 where not even the smallest that was tried is within reach."""
    if not high:
        return f"below {scientific(smallest)}, if at all,"
    texts = [scientific(rate) if rate else f"less than {scientific(smallest)}" for rate in (median, low, high)]
    around = "" if low == high else f" ({texts[1]} to {texts[2]})"
    return f"{'up to ' if median else 'of '}{texts[0]}{around}"


def _spread(how, median, low, high):
    return f"{how.format(median)} ({how.format(low)} to {how.format(high)})"
