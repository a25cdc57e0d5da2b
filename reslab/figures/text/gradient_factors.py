"""Lesson 02 in words: what multiplies the gradient, and which nets train."""

from itertools import pairwise

import numpy as np
import pandas as pd

from reslab.figures.text.phrases import EMPTY, power, scientific
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


def symptoms_table(frame):
    """The nets of `figures.gradient_factors.symptoms` by their numbers, as a table of text: median (lowest to highest).

    frame: as `experiments.symptoms.symptoms` gives it.
    """
    rows = [
        {
            "net": name,
            "gradient before training, first block / last": _spread(net["ratio"], lambda ratio: scientific(ratio, 1)),
            "training error at the end": _ended(net),
        }
        for name, net in frame.groupby("name", sort=False)
    ]
    return pd.DataFrame(rows, index=range(1, len(rows) + 1))


def _ended(net):
    """The training error of a net, "27.3 % (24.0 % to 27.3 %)", and how many of its seeds diverged."""
    broke = (net["outcome"] == "diverged").sum()
    if broke == len(net):
        return "diverged"
    rest = f" ({broke} of {len(net)} seeds diverged)" * bool(broke)
    return _spread(100 * net["train_error"], "{:.1f} %".format) + rest


def symptoms_title(frame):
    """Whether a level gradient is enough to learn, as a title: all that learned had one, and some others, too;
    otherwise "".

    frame: as `symptoms_table` takes it.
    """
    said = results.level_is_needed_and_not_enough(frame)
    return "All that learned had a level gradient; some others had, too" if said else ""


def failures_table(failures):
    """The symptoms of the nets as a table of text, "median (lowest to highest)": one row per net, one column per
    symptom."""
    table = results.over_seeds(failures)
    numbers = table.map(lambda number: scientific(number, 1))
    cells = numbers["median"] + " (" + numbers["min"] + " to " + numbers["max"] + ")"
    return (
        cells.unstack()
        .rename_axis(index=None, columns=None)[list(results.DIAGNOSED)]
        .map(lambda text: text.replace("-", "−"))
    )


def _spread(numbers, written):
    """ "27.3 % (24.0 % to 27.3 %)"; of one seed, the number alone."""
    around = f" ({written(numbers.min())} to {written(numbers.max())})" * bool(numbers.min() < numbers.max())
    return f"{written(numbers.median())}{around}".replace("-", "−")


def ratio_table(table):
    """The ratio first/last as a table of text, "median (lowest to highest)": one row per norm and init, one column per
    net.

    table: as `results.gradient_factors.ratio_table` takes it.
    """
    numbers = results.ratio_table(table).map(lambda ratio: scientific(ratio, 1))
    cells = numbers["median"] + " (" + numbers["min"] + " to " + numbers["max"] + ")"
    return cells.unstack("name")[[*dict.fromkeys(table["name"])]]
