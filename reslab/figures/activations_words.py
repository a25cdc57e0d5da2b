"""Lesson 04 in words: what was measured of the signal, in sentences made from the frame."""

import re
from types import SimpleNamespace

import numpy as np

from reslab.figures import theme

LABELS = ("name", "skip", "depth", "seed", "origin", "step", "outcome")
EMPTY = "Nothing has been measured yet."
LEARNED = 0.5  # a net that gets more of the training images wrong is said not to have learned

# Statistic → what is said of it before a value, and after the first one.
_WORDS = {
    "ratio": ("|F(x)| is", " × |x|"),
    "cosine": ("the cosine of a block's output with its input is", ""),
    "activation_rms": ("the RMS of a block's output is", ""),
    "activation_mean": ("the mean of a block's output is", ""),
    "activation_std": ("the standard deviation of a block's output is", ""),
    "activation_dead": ("the share of dead channels is", ""),
    "inner_dead": ("the share of dead channels inside the branch is", ""),
}


def sentence(frame, statistic="ratio"):
    """What was measured of one statistic, averaged over the blocks (and seeds) of every net, in one sentence for anybody.

    frame: as `experiments.activations` gives it. statistic: as `profile` takes it. Nets that did not learn, or diverged, are named.
    ValueError for a missing column.
    """
    if statistic not in _WORDS:
        raise ValueError(f"statistic is {statistic!r}; it can be {', '.join(map(repr, _WORDS))}.")
    frame = theme.require(frame, (*LABELS, "train_error", statistic), "The sentence")
    lead, unit = _WORDS[statistic]
    share, told = statistic.endswith("dead"), []
    for net in _nets(frame, statistic):
        before, after = (_number(mean, share, unit * (not told)) if mean is not None else "" for mean in (net.before, net.after))
        told.append(f"{after} in {net.name} (untrained {_number(net.before, share)})" if before and after else f"{after} in {net.name}")
        if before and not after:
            told[-1] = f"{before} in the untrained {net.name}"
    return f"On average over the blocks, {lead} {_listed(told)}{_failures(frame)}." if told else EMPTY


def responses_sentence(frame):
    """Fig. 7 in one sentence: the mean over the layers of the standard deviation of each net's responses, and twins layer by layer.

    frame: as `experiments.activations.responses` gives it; ValueError for a missing column.
    """
    frame = theme.require(frame, (*LABELS, "index", "train_error", "std"), "The sentence")
    nets = _nets(frame, "std")
    told = [f"{_number(net.after if net.before is None else net.before)} in {net.name}" for net in nets]
    twins = [(plain, residual) for plain in nets for residual in nets if plain.depth == residual.depth and plain.skip < residual.skip]
    clauses = ""
    for plain, residual in twins:
        less = [one > other for one, other in zip(plain.blocks, residual.blocks, strict=True)]
        clauses += f"; {sum(less)} of the {len(less)} layers of {residual.name} respond less than those of {plain.name}"
    lead = "Averaged over the layers, the standard deviation of the response is"
    return f"{lead} {_listed(told)}{clauses}{_failures(frame)}." if told else EMPTY


def depth_sentence(frame):
    """How |F(x)|/|x| goes with depth before training, with the exponent of a power law fitted through the means over seeds.

    frame: as `experiments.activations.at_initialisation` gives it; ValueError for a missing column.
    """
    frame = theme.require(frame, (*LABELS, "norm", "index", "ratio"), "The sentence")
    clauses = []
    for norm, word in (("batch", "with BatchNorm |F(x)| goes"), ("none", "without it")):
        nets = frame[frame["norm"] == norm].groupby("depth").agg(ratio=("ratio", "mean"), blocks=("index", "max"))
        if len(nets) > 1:
            power = round(np.polyfit(np.log(nets["blocks"]), np.log(nets["ratio"]), 1)[0], 2) + 0.0  # no −0.00
            ends = f"from {nets['ratio'].iloc[0]:.2f} × |x| at {nets.index[0]} layers to {nets['ratio'].iloc[-1]:.2f} at {nets.index[-1]}"
            clauses.append(f"{word} {ends}, as the number of blocks to the power {power:.2f}".replace("-", "−"))
    return f"Before training, {'; '.join(clauses)}." if clauses else EMPTY


def alt_text(frame, statistic="ratio"):
    """A text alternative for `profile`: what the axes are, what the lines, and what was measured. ValueError for a missing column."""
    said = sentence(frame, statistic)
    lines = [f"{run.label} ({'solid blue' if run.skip else 'dashed vermillion'})" for run in theme.runs(frame)] if len(frame) else []
    drawn = f"Lines: {', '.join(lines)}; open markers are untrained nets. " if lines else ""
    return f"Line chart of one statistic of the signal against the way through the net, block by block. {drawn}{said}"


def _nets(frame, column):
    """The nets of a frame, plain ones first and each deeper than the one before, with the mean of a column untrained and trained."""
    found = {}
    for (name, skip, depth, outcome), rows in frame.groupby(["name", "skip", "depth", "outcome"], sort=False):
        net = re.sub(" · (un)?trained$", "", name)
        net = found.setdefault(net, SimpleNamespace(name=net, skip=skip, depth=depth, before=None, after=None))
        net.blocks = rows.groupby("index")[column].mean().to_numpy()
        setattr(net, "before" if outcome == "untrained" else "after", np.nanmean(net.blocks) if np.isfinite(net.blocks).any() else np.nan)
    return sorted(found.values(), key=lambda net: (net.skip, net.depth))


def _failures(frame):
    """A clause for every net whose numbers are those of a net that did not learn."""
    said, trained = "", frame[frame["outcome"] != "untrained"]
    for (name, outcome), rows in trained.groupby(["name", "outcome"], sort=False):
        net, error = re.sub(" · trained$", "", name), rows.groupby("seed")["train_error"].first().mean()
        if outcome == "diverged":
            said += f"; {net} diverged"
        elif error > LEARNED:
            said += f"; {net} did not learn: it gets {theme.percent(error)} of the training images wrong"
    return said


def _number(value, share=False, unit=""):
    if not np.isfinite(value):
        return "no finite number"
    return theme.percent(value) if share else f"{value:.2f}{unit}" if abs(value) < 1000 else f"{value:.1e}{unit}"


def _listed(parts):
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
