"""Lesson 11: whether trainings agree, and whether a precision pays, as numbers."""

import numpy as np
import pandas as pd
import pytest

from reslab.results import scaling as results

STEPS = pd.MultiIndex.from_product([["net"], [0], [1, 2, 3]], names=["name", "seed", "step"])


def losses(there):
    return pd.DataFrame({"here": [2.0, 1.0, 0.5], "there": there}, index=STEPS)


def test_the_same_losses_agree_to_four_digits():
    found = results.agreement(losses([2.0, 1.00005, 0.5]))
    assert (found.nets, found.steps, found.lost, found.agree) == (1, 3, 0, True)
    found = results.agreement(losses([2.0, 1.03, 0.5]))
    assert (found.difference, found.agree) == (pytest.approx(0.03), False)


@pytest.mark.parametrize("there", [[2.0, np.nan, np.nan], [2.0, 1.0, np.inf], [np.nan] * 3])
def test_losses_that_are_missing_never_agree(there):
    found = results.agreement(losses(there))
    assert (found.lost, found.agree) == ((~np.isfinite(there)).sum(), False)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.2, results.FASTER), (0.43, results.NO_DIFFERENCE), (4.8, results.SLOWER)]
)
def test_whether_a_precision_pays(seconds, verdict):
    usual = pd.DataFrame({"name": ["resnet-20", "resnet-56"], "precision": "fp32", "step_seconds": [0.4, 1.2]})
    other = pd.DataFrame({"name": ["resnet-20"], "precision": "bf16", "step_seconds": [seconds]})
    (row,) = results.precision(usual, other).itertuples()
    assert (row.times, row.verdict) == (pytest.approx(seconds / 0.4), verdict)
