"""Lesson 04 in words: how large the activations become."""

from reslab.figures.text.phrases import EMPTY
from reslab.results.frames import require, runs
from reslab.results.histograms import COLUMNS, largest


def alt_text(frame):
    """A text alternative for the histograms: the size of the activations in the first and last block of each net."""
    texts = []
    for run in runs(require(frame, COLUMNS, "A histogram")):
        first, last = largest(run)
        texts.append(
            f"{run.label}: the largest lie in the bin from {first:g} in the first block, from {last:g} in the last"
        )
    return f"Histograms of the activations at block outputs. {'; '.join(texts)}." if texts else EMPTY
