"""Fixtures of the explorers' tests."""

import pytest

from reslab import TrainSpec, digits, explorers


@pytest.fixture(scope="session")
def split():
    """Few enough digits that a training of some steps takes no time."""
    return digits().subset(n_train=256, n_test=64)


@pytest.fixture
def explorer(split):
    """That of lesson 01, and a quick one: 6 steps a run. Files on other explorers have a fixture of their own."""
    made = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=3, capture_every=2))
    assert made._previews.join(30)
    yield made
    made.worker.stop()
    assert made.worker.join(30)
    assert made._previews.join(30)
