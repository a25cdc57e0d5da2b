"""What it costs a training that the stage looks into it: at most 5 % of its time, at the pace of a live film.

All of it runs in one thread and by the processor's clock, so that a busy neighbour disturbs it less.
"""

import statistics
import time

import pytest

from reslab import build, digits, replace
from reslab.experiments import film
from reslab.experiments.degradation import small_net
from reslab.train import train

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
ROUNDS = 5


@pytest.mark.parametrize("depth", [20, 56])
def test_looking_costs_at_most_5_percent_of_the_training(depth, record_property):
    """From the first step to the last: a live film of a pair against the same two trainings with no frames.

    What comes before the first step and after the last (a frame of each net, and a last gradient) is reported beside it.
    """
    split = digits()
    spec = replace(small_net(split), depth=depth)
    bare = replace(film.LIVE, capture_every=0)

    def looked_into():
        """Seconds of the whole film, and of its steps."""
        began, points = time.process_time(), []
        for patch in film.film(spec, split, device="cpu"):
            if patch["point"] is not None:
                points.append(time.process_time())
        return time.process_time() - began, points[-1] - points[0]

    def alone():
        """Seconds of the steps of both trainings."""
        points = []
        for events in zip(*(train(build(replace(spec, skip=skip)), split, bare, device="cpu") for skip in (False, True)), strict=True):
            points += [time.process_time()] * len(events)
        return points[-1] - points[0]

    alone()  # what is prepared once
    rounds = [(*looked_into(), alone()) for _ in range(ROUNDS)]
    steps = statistics.median(during / bare for _, during, bare in rounds)
    whole = statistics.median(film / bare for film, _, bare in rounds)
    record_property("ratio", steps)
    print(f"\n{depth} layers: {steps:.3f} times the time of the steps alone; with the first and the last frame {whole:.3f}")
    assert steps < 1.05
