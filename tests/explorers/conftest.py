"""Fixtures of the explorers' tests."""

import pytest

from reslab import digits


@pytest.fixture(scope="session")
def split():
    """Few enough digits that a training of some steps takes no time."""
    return digits().subset(n_train=256, n_test=64)
