"""Lesson 02 in words: what comes when in a training: the pictures, the gradient, the error."""

import math

from reslab.figures.text.phrases import EMPTY, scientific
from reslab.results import dynamics as results
from reslab.results.activations import LEARNED
from reslab.results.gradient_flow import LEVEL


def sentence(frame):
    """From which step on, in every seed, the gradient no longer explodes, half of the pictures are told apart, and half
    of the answers are right: a line per net.

    frame: as `experiments.dynamics.in_training` gives it. ValueError for a missing column.
    """
    return "\n".join(map(_line, results.nets(frame))) or EMPTY


def title(frame):
    """That the plain net does not learn when its gradient no longer explodes, as a title; "" where a seed says
    otherwise, or the residual net has not learned."""
    nets = {net.skip: net for net in results.nets(frame)}
    if set(nets) != {False, True} or nets[True].right is None:
        return ""
    plain = nets[False]
    said = plain.explodes and plain.small is not None and plain.least > LEARNED
    return "The explosion ends, but the plain net errs on most pictures" if said else ""


def ended(net):
    """That a net's gradient no longer explodes, on the chart."""
    return f"the explosion ends: from step {net.small} on<br>below {LEVEL} × in every seed"


def stays(net):
    """How far the error of a net falls after that, on the chart: down, never up, to a whole number of per cent."""
    least = math.floor(100 * net.least)
    return f"from step {net.small} on<br>{net.name} errs on {least} % or more"


def _line(net):
    gradient = "before training the gradient has no number"
    if net.before["ratio"]:
        median, low, high = map(scientific, net.before["ratio"])
        around = f" ({low} to {high})" * (net.seeds > 1)
        gradient = f"before training the gradient at the first block is {median} ×{around} that at the last"
        gradient += f", and below {LEVEL} × from step {net.small} on" * bool(net.small)
    told, error = (net.after[column][0] for column in ("told_apart", "train_error"))
    pictures = _since(net.through, "of the pictures are told apart", told)
    return f"{net.name}: {gradient}; {pictures}; {_since(net.right, 'of the answers are right', 1 - error)}."


def _since(step, what, share):
    return f"at least half {what} from step {step} on" if step is not None else f"{100 * share:.0f} % {what} at the end"
