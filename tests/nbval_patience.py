"""A pytest plugin: how long nbval waits for the next message of a cell that has replied; it has no option for that."""


def pytest_collectstart(collector):
    if hasattr(collector, "output_timeout"):
        collector.output_timeout = 60  # seconds; its own 5 are too few for a busy machine
