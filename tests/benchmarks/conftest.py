"""Benchmarks measure on the machine at hand and report; a figure never decides whether a test passes."""

import pytest

from reslab import digits


def pytest_collection_modifyitems(items):
    for item in items:
        if "benchmarks" in item.path.parts:
            item.add_marker("benchmark")


@pytest.fixture(scope="session")
def report(request):
    """Call it with a line of text; the lines are printed together at the end."""
    lines = []
    yield lines.append
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_sep("=", "measured")
    for line in lines:
        reporter.write_line(line)


@pytest.fixture(scope="session")
def split():
    return digits()
