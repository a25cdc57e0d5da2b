"""AP of patches: exact on drawn cases, and equal to the definition's by hand."""

import numpy as np
import pytest

from reslab.experiments.average_precision import average_precision


def pictures(*patches, count=1, side=8):
    """(count, side, side) of class 0, with squares of 2 × 2: (picture, row, column, class)."""
    made = np.zeros((count, side, side), dtype=int)
    for picture, row, column, kind in patches:
        made[picture, row : row + 2, column : column + 2] = kind
    return made


def test_the_truth_itself_has_one_and_a_class_that_is_not_there_has_none():
    truth = pictures((0, 0, 0, 1), (0, 4, 4, 1), (0, 0, 4, 2))
    found = average_precision(truth, np.ones(truth.shape), truth, 4)
    assert found[:2].tolist() == [1, 1]
    assert np.isnan(found[2])


def test_finding_nothing_is_zero():
    truth = pictures((0, 0, 0, 1))
    assert average_precision(pictures(), np.ones(truth.shape), truth, 2).tolist() == [0]


@pytest.mark.parametrize(("wrong_first", "expected"), [(True, (2 / 3 + 2 / 3) / 2), (False, 1.0)])
def test_a_wrong_patch_costs_what_is_found_after_it(wrong_first, expected):
    """Two true patches, both found, and one more: precision 1/2 and 2/3, or 1 and 1."""
    truth = pictures((0, 0, 0, 1), (1, 0, 0, 1), count=2)
    found = pictures((0, 0, 0, 1), (1, 0, 0, 1), (1, 4, 4, 1), count=2)
    certain = np.full(truth.shape, 0.5)
    certain[1, 4:, 4:] = 0.9 if wrong_first else 0.1
    assert average_precision(found, certain, truth, 2) == pytest.approx([expected])


def test_a_patch_counts_once_and_only_in_its_own_picture():
    truth = pictures((0, 0, 0, 1), (1, 0, 0, 1), count=2)
    elsewhere = pictures((0, 0, 0, 1), (0, 4, 4, 1), count=2)
    assert average_precision(elsewhere, np.ones(truth.shape), truth, 2) == pytest.approx([0.5])


def test_half_of_a_patch_is_enough_and_less_is_not():
    truth = pictures((0, 0, 0, 1))
    half, quarter = truth.copy(), truth.copy()
    half[0, 0] = 0
    quarter[0, 0], quarter[0, 1, 0] = 0, 0
    assert average_precision(half, np.ones(truth.shape), truth, 2).tolist() == [1]
    assert average_precision(quarter, np.ones(truth.shape), truth, 2).tolist() == [0]
