"""Wait for a condition, never for a time."""

import time

LIVE = "live, this machine"


def wait_until(condition, timeout=60.0):
    """Return once condition() is true; fail if it is not true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.002)


def finish(explorer):
    """Press Start, and wait until the training has ended."""
    explorer.start.click()
    assert explorer.worker.join(60)


def take(explorer, **values):
    """Set some controls of an explorer, and wait until what they ask for is drawn."""
    for name, value in values.items():
        getattr(explorer, name).value = value
    assert explorer.join(60)
