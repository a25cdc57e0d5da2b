"""A pytest plugin for the notebooks: patience, and with several workers one thread a kernel."""

import os

# Kernels inherit it. With a worker a core, more threads only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collectstart(collector):
    """How long nbval waits for the next message of a cell that has replied; it has no option for that."""
    if hasattr(collector, "output_timeout"):
        collector.output_timeout = 60  # seconds; its own 5 are too few for a busy machine
