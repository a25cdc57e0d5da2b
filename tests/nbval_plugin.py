"""A pytest plugin for the notebooks: their order, one thread a kernel, and more time for messages."""

import os

from reslab.cli.lesson_times import steps_of_lessons

# Kernels inherit it. With one worker per core, more threads only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collectstart(collector):
    """How long nbval waits for the next message of a cell that has replied; it has no option for that."""
    if hasattr(collector, "output_timeout"):
        collector.output_timeout = 60  # seconds; its own 5 are too few for a busy machine


def pytest_collection_modifyitems(items):
    """The lesson that takes longest first: at the end, one worker would wait for the other. Other tests follow."""
    steps = {lesson: every for lesson, (_, every) in steps_of_lessons().items()}
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", -steps.get(item.path.name[:2], 0)))
