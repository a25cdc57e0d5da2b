"""How much the stage's measurements slow a training: at most 5 % of its time, at the pace of a live film.

All of it runs in one thread and by the processor's clock, and what is compared is taken in turn, so that another busy
process disturbs it less.
"""

import statistics
import time

import pytest

from reslab import build, digits, replace
from reslab.experiments import film, film_frames
from reslab.experiments.degradation import small_net
from reslab.train import train

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
ROUNDS = 12


def seconds(function, *arguments):
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


@pytest.mark.parametrize("depth", [20, 56])
@pytest.mark.parametrize("skip", [False, True])
def test_looking_costs_at_most_5_percent_of_the_training(depth, skip, record_property):
    """A frame, and what it costs a step to be captured for the frame's gradient, over the steps from one frame to the
    next."""
    split = digits()
    spec = replace(small_net(split), depth=depth, skip=skip)
    bare, captured = (
        train(build(spec), split, replace(film.LIVE, epochs=100, capture_every=every), device="cpu") for every in (0, 1)
    )
    net, pictures = build(spec), film_frames.chosen(split)
    x, y = split.batch(slice(film.LIVE_IMAGES), "test")
    look = (film_frames.frame, net, x, y, pictures, 0)
    times = [(seconds(next, bare), seconds(next, captured), seconds(*look)) for _ in range(ROUNDS)]
    step, with_capture, frame = map(statistics.median, zip(*times, strict=True))
    share = (frame + with_capture - step) / (film.LIVE.capture_every * step)
    record_property("share", share)
    print(
        f"\n{spec.name}: {share:.1%}; a step {1e3 * step:.0f} ms, captured {1e3 * with_capture:.0f} ms, a frame"
        f" {1e3 * frame:.0f} ms"
    )
    assert share < 0.05
