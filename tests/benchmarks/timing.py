"""What the benchmarks share. Ratios are between things measured in turn, in the same run."""

import statistics
import time

from reslab import TrainSpec
from reslab.train import train


def seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def ours(net, split, steps, **how):
    """`steps` steps through `train`, an event each, with no test error in between. A generator of events."""
    per_epoch, _ = TrainSpec().steps(len(split.y_train))
    return train(net, split, TrainSpec(epochs=steps / per_epoch, test_every=10**6, **how))


def ratio(first, second, rounds):
    """Time of `first` over that of `second`, step by step in turn: the median, and both medians in milliseconds."""
    for stepper in (first, second):
        for _ in range(3):
            next(stepper)
    pairs = [[seconds(next, stepper) for stepper in (first, second)] for _ in range(rounds)]
    return statistics.median(a / b for a, b in pairs), *(1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
