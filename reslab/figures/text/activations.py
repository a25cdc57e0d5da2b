"""Lesson 04 in words: how large the signal is, and what each block does to it."""

import numpy as np
import pandas as pd

from reslab import checks
from reslab.figures.text.phrases import EMPTY, lines, listed, percent, scientific
from reslab.results import activations as results
from reslab.results.activations import LABELS
from reslab.results.frames import require, runs

# Statistic → the words before the values, and after the first value.
_PHRASES = {
    "ratio": ("|F(x)| is", " × |x|"),
    "cosine": ("the cosine of a block's output with its input is", ""),
    "cka": ("the CKA of a block's output with its input is", ""),
    "r2": ("the share of a block's input that can be read from its output (R²) is", ""),
    "activation_rms": ("the RMS of a block's output is", ""),
    "activation_mean": ("the mean of a block's output is", ""),
    "activation_std": ("the standard deviation of a block's output is", ""),
    "activation_dead": ("the share of dead channels is", ""),
    "inner_dead": ("the share of dead channels inside the branch is", ""),
}

COLUMNS = {
    "ratio": "|F(x)| / |x|", "cosine": "cosine", "cka": "CKA", "r2": "R²", "activation_dead": "dead channels",
}  # fmt: skip


def sentence(frame, statistic="ratio"):
    """One statistic, averaged over the blocks of every net, in one sentence; over several seeds median and range.

    frame: as `experiments.activations` gives it. statistic: as `figures.activations.profile` takes it. Nets that did
    not learn, or diverged, are named. ValueError for another statistic or a missing column.
    """
    if statistic not in _PHRASES:
        raise ValueError(f"statistic is {statistic!r}; it can be {', '.join(map(repr, _PHRASES))}.")
    frame = require(frame, (*LABELS, "train_error", statistic), "The sentence")
    lead, unit = _PHRASES[statistic]
    share, texts = statistic.endswith("dead"), []
    for net in results.nets(frame, statistic):
        means = (net.before, net.after)
        before, after = ("" if mean is None else _number(mean, share, unit * (not texts)) for mean in means)
        if before and after:
            texts.append(f"{after} in {net.name} (untrained {_number(net.before, share)})")
        else:
            texts.append(f"{after} in {net.name}" if after else f"{before} in the untrained {net.name}")
    return f"On average over the blocks, {lead} {listed(texts)}{_failures(frame)}.{_seeds(frame)}" if texts else EMPTY


def table(frame, *statistics):
    """Some statistics, averaged over the blocks of every net, as a table of text: median (lowest to highest seed).

    frame, statistics: as `sentence` takes them. One column per statistic and state. ValueError for a statistic that has
    no column, or a missing column of the frame.
    """
    columns = {}
    for statistic in statistics:
        title = COLUMNS[checks.choice("a statistic", statistic, COLUMNS)]
        for net in results.nets(require(frame, (*LABELS, "train_error", statistic), "The table"), statistic):
            for state, spread in (("trained", net.after), ("untrained", net.before)):
                if spread is not None:
                    number = _number(spread, statistic.endswith("dead"))
                    columns.setdefault(f"{title}, {state}", {})[net.name] = number
    return pd.DataFrame(columns).fillna("–")


def responses_sentence(frame):
    """Fig. 7 in one sentence: each net's standard deviation of the responses, and plain and residual nets layer by
    layer.

    frame: as `experiments.activations.responses` gives it; ValueError for a missing column.
    """
    frame = require(frame, (*LABELS, "index", "train_error", "std"), "The sentence")
    nets = results.nets(frame, "std")
    texts = [f"{_number(net.after if net.before is None else net.before)} in {net.name}" for net in nets]
    clauses = "".join(
        f"; {less} of the {len(plain.blocks)} layers of {residual.name} respond less than those of {plain.name}"
        for plain, residual, less in results.twins(nets)
    )
    lead = "Averaged over the layers, the standard deviation of the response is"
    return f"{lead} {listed(texts)}{clauses}{_failures(frame)}.{_seeds(frame)}" if texts else EMPTY


def depth_sentence(frame):
    """How |F(x)|/|x| goes with depth before training, with the exponent of a fitted power law.

    frame: as `experiments.activations.at_initialisation` gives it; ValueError for a missing column.
    """
    frame = require(frame, (*LABELS, "norm", "index", "ratio"), "The sentence")
    clauses = []
    for norm, word in (("batch", "with BatchNorm |F(x)| goes"), ("none", "without it")):
        nets = results.by_depth(frame, norm)
        if len(nets) > 1:
            (first, start), (last, end) = nets["ratio"].iloc[[0, -1]].items()
            power = round(results.power(nets), 2) + 0.0  # no −0.00
            ends = f"from {start:.2f} × |x| at {first} layers to {end:.2f} at {last}"
            clauses.append(f"{word} {ends}, as the number of blocks to the power {power:.2f}".replace("-", "−"))
    return f"Before training, {'; '.join(clauses)}." if clauses else EMPTY


def alt_text(frame, statistic="ratio"):
    """A text alternative for `profile`: the axes, the lines, and what was measured. ValueError for a missing column."""
    text = sentence(frame, statistic)
    named = [(run.label, run.skip) for run in runs(frame)] if len(frame) else []
    drawn = lines(named, "; open markers are untrained nets")
    return f"Line chart of one statistic of the signal against the way through the net, block by block. {drawn}{text}"


def failures_sentence(frame):
    """Which nets of a `table` did not learn, or diverged; "" for none. frame: as `sentence` takes it."""
    return f"{_failures(frame).removeprefix('; ')}." if results.failures(frame) else ""


def _failures(frame):
    """A clause for every net that did not learn."""
    return "".join(
        f"; {net} diverged"
        if outcome == "diverged"
        else f"; {net} did not learn: it gets {percent(error)} of the training images wrong"
        for net, outcome, error in results.failures(frame)
    )


def _seeds(frame):
    """A sentence about what the ranges are over; "" for one seed."""
    seeds = frame["seed"].nunique()
    return f" In brackets: the lowest and the highest of {seeds} seeds." if seeds > 1 else ""


def _number(spread, share=False, unit=""):
    """ "0.74 × |x| (0.73 to 0.75)", or without the range where there is one seed."""
    if not np.isfinite(spread.median):
        return "no finite number"

    def formatted(value):
        return percent(value) if share else f"{value:.2f}" if abs(value) < 1000 else scientific(value, 1)

    low, high = formatted(spread.low), formatted(spread.high)
    return f"{formatted(spread.median)}{unit}" + f" ({low} to {high})" * (low != high)

def similarity_title(frame):
    """Whether residual blocks keep more of their input than plain ones, as a title, by each of the measures; "" where
    the seeds of any overlap.

    frame: as `figures.activations.similarity` takes it.
    """
    kept = []
    for measure in ("cosine", "cka", "r2"):
        nets = [(net.skip, net.after or net.before) for net in results.nets(frame, measure)]
        plain, residual = ([mean for skip, mean in nets if bool(skip) == kind] for kind in (False, True))
        if not plain or not residual:
            return ""
        kept.append(max(mean.high for mean in plain) < min(mean.low for mean in residual))
    return "Residual blocks keep more of their input than plain ones do" if all(kept) else ""


def responses_title(frame):
    """Whether the layers of residual nets respond less than those of plain ones, as a title: on average, in every seed;
    otherwise "".

    frame: as `responses_sentence` takes it.
    """
    nets = [(net.skip, net.after or net.before) for net in results.nets(frame, "std")]
    plain, residual = ([mean for skip, mean in nets if bool(skip) == kind] for kind in (False, True))
    if not plain or not residual:
        return ""
    less = max(mean.high for mean in residual) < min(mean.low for mean in plain)
    return "On average residual nets respond less than plain ones" if less else ""
