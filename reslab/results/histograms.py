"""Lesson 04: how large the activations become."""

from reslab.results.activations import LABELS

COLUMNS = (*LABELS, "module", "index", "left", "right", "share")


def largest(run):
    """(first, last): the left edge of the highest bin that is not empty, in a run's first and last block.

    run: a `results.frames.Run` with index, left (edges, in units of the activation) and share.
    """
    left, held = run.numbers("left"), run.numbers("share") > 0
    return tuple(left[held & (run["index"] == index)].max(initial=0) for index in (1, run["index"].max()))
