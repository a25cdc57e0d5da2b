"""How long the lessons take on this machine: one step of resnet-56 is measured, and each lesson takes so many of them.

How many is in data/lesson_times.csv, which `python data/record_lesson_times.py` measures.
"""

import statistics
import time

from reslab.shipped import shipped_rows

LIMIT = 3.0  # seconds that the measurement may take
STEPS = 12  # at most
WARM_UP = 2  # the first steps are slower: they allocate memory and choose a layout


def step_seconds(clock=time.perf_counter):
    """Seconds of a training step of resnet-56, width 8, on 128 digits: the median of some steps, by this clock.

    RuntimeError if the net does not train.
    """
    from reslab import NetSpec, TrainSpec, build, digits
    from reslab.train import train

    split, began, taken = digits(), time.perf_counter(), []
    net = build(NetSpec(depth=56, width=8, **split.shape))
    last = clock()
    for event in train(net, split, TrainSpec(log_every=1)):
        now = clock()
        taken.append(now - last)
        if event.state == "diverged":
            raise RuntimeError("resnet-56 diverged in its first steps; report this with the lines above.")
        if event.step >= STEPS or (time.perf_counter() - began > LIMIT and event.step > WARM_UP):
            break
        last = now
    return statistics.median(taken[WARM_UP:])


def steps_of_lessons():
    """{lesson: (steps of its core, steps of all of it)}, as recorded: {"01": (240, 610)}."""
    rows = shipped_rows("lesson_times.csv", ("core_steps", "all_steps"))
    return {row["lesson"]: (row["core_steps"], row["all_steps"]) for row in rows}


def lesson_seconds(step):
    """{lesson: (seconds of its core, seconds of all of it)} where a step takes `step` seconds."""
    return {lesson: (core * step, every * step) for lesson, (core, every) in steps_of_lessons().items()}


def in_words(seconds):
    """A rough duration: "10 s", "50 s", "2 min"."""
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 85 else f"{seconds / 60:.0f} min"
