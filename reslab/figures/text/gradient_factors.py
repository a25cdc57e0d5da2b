"""Lesson 02 in words: what multiplies the gradient, and which nets train."""

from itertools import pairwise

import numpy as np

from reslab.figures.text.phrases import EMPTY, percent, power, scientific
from reslab.results import gradient_factors as results


def factors_sentence(factors):
    """The factor on the gradient from the last block to the first, for each kind of layer, in one sentence.

    factors: as `results.gradient_factors.products` takes them.
    """
    products = results.products(factors)
    if not products:
        return EMPTY
    total, *parts = [(kind, decades.iloc[0]) for kind, decades in products.items()]
    texts = [f"{kind} {power(decades)}" for kind, decades in parts]
    net = factors["name"].iloc[0]
    return f"On its way back, the gradient of {net} is multiplied by {power(total[1])}: {', '.join(texts)}."


def remedies_sentence(remedies):
    """How each step of the remedies changed the gradient, in decades, in one sentence.

    remedies: as `results.gradient_factors.totals` takes them.
    """
    total = results.totals(remedies)
    start, end = total.iloc[0], total.iloc[-1]
    moved = [f"{other.change} {other.median - before.median:+.1f}" for before, other in pairwise(total.itertuples())]
    lead = f"With {start['change']}, the gradient at the first block is {power(start['median'])} of that at the last"
    return f"{lead}; in powers of ten, then: {', '.join(moved)}; the end is {power(end['median'])}.".replace("-", "−")


def remedies_table(remedies):
    """The remedies as a table of text, in decades: one row a step, one column a kind of layer, and the sum with its
    range.

    remedies: as `results.gradient_factors.totals` takes them.
    """
    parts = results.parts(remedies).map(lambda decades: "" if np.isnan(decades) else f"{decades:.1f}")
    totals = results.totals(remedies).set_index(["remedy", "change"])
    parts["together"] = [f"{row.median:.1f} ({row.min:.1f} to {row.max:.1f})" for row in totals.itertuples()]
    return parts.map(lambda text: text.replace("-", "−"))


def symptoms_sentence(frame):
    """The final training errors of nets whose gradient is level at initialisation, and of the others, in one sentence.

    Over several seeds: medians and ranges.

    frame: as `experiments.symptoms.symptoms` gives it, with steps.
    """
    texts, kinds = [], {True: "whose gradient was level", False: "whose gradient was not"}
    for level, ends in results.best_and_worst(frame).items():
        low, high = map(_error, ends)
        texts.append(f"nets {kinds[level]} get from {low} to {high} of the training images wrong")
    for name, ends in frame[frame["outcome"] == "diverged"].groupby("name", sort=False):
        of = frame.loc[frame["name"] == name, "seed"].nunique()
        texts.append(f"{name} diverged" + f" for {len(ends)} of {of} seeds" * (of > 1))
    return f"After {frame['steps'].max()} steps, {'; '.join(texts)}." if texts else EMPTY


def failures_table(failures):
    """The symptoms of the nets as a table of text, "median (lowest to highest)": a row a net, a column a symptom."""
    table = results.over_seeds(failures)
    numbers = table.map(lambda number: scientific(number, 1))
    cells = numbers["median"] + " (" + numbers["min"] + " to " + numbers["max"] + ")"
    return (
        cells.unstack()
        .rename_axis(index=None, columns=None)[list(results.DIAGNOSED)]
        .map(lambda text: text.replace("-", "−"))
    )


def _error(net):
    """ "27.3 % (resnet-56; 24.0 to 27.3)"."""
    spread = f"; {100 * net['low']:.1f} to {100 * net['high']:.1f}" * bool(net["low"] < net["high"])
    return f"{percent(net['train_error'])} ({net['name']}{spread})"


def ratio_table(table):
    """The ratio first/last as a table of text, "median (lowest to highest)": a row a norm and init, a column a net.

    table: as `results.gradient_factors.ratio_table` takes it.
    """
    numbers = results.ratio_table(table).map(lambda ratio: scientific(ratio, 1))
    cells = numbers["median"] + " (" + numbers["min"] + " to " + numbers["max"] + ")"
    return cells.unstack("name")[[*dict.fromkeys(table["name"])]]
