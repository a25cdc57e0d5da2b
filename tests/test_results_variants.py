"""Lesson 09: what each variant came to beside the net that it changes, as numbers."""

import numpy as np
import pytest
from invented import together, variant, variants

from reslab.results import variants as results

BASE = variants("ResNet", 0.10, 0.12, of="")


def test_a_variant_over_its_seeds():
    table = results.results(
        together(BASE, variant("wide", 0.3, cost=79), variant("wide", 0.5, seed=1, outcome="diverged"))
    )
    wide = table["wide"]
    assert (wide.of, wide.seeds, wide.train.tolist(), wide.test.tolist()) == ("ResNet", [0, 1], [0.3], [0.5])
    assert (wide.broken, wide.steps, wide.multiply_adds) == ([(1, "diverged", 3)], 3, 79)
    assert table["ResNet"].error == pytest.approx(0.11)
    assert np.isnan(results.results(variant("wide", 0.5, outcome="diverged"))["wide"].error)
    assert results.cost_ratios(table) == {"ResNet": 1.0, "wide": 0.79}


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((0.01, 0.05), "lower"),
        ((0.20, 0.30), "higher"),
        ((0.095, 0.10), "about the same"),  # within 2 points
        ((0.01, 0.11), "about the same"),  # the seeds overlap
        ((0.30, 0.11), "about the same"),
    ],
)
def test_a_verdict_needs_every_seed_and_two_points(errors, said):
    assert results.verdict(together(BASE, variants("wide", *errors)), "wide") == said


def test_a_verdict_beside_what_broke():
    broken = variant("no norm", 0.1, outcome="diverged")
    frame = together(BASE, broken, variants("SkipInit", 0.5, 0.6, of="no norm"))
    assert results.verdict(frame, "no norm") == "did not finish"
    assert results.verdict(frame, "SkipInit") == "lower"
    assert results.verdict(frame, "SkipInit", of="ResNet") == "higher"
    half = together(BASE, variant("ResNet", 0.1, of="", seed=2, outcome="diverged"))
    for errors, said in (((0.8, 0.9), "about the same"), ((0.01, 0.02), "lower")):  # of its base, a seed errs on all
        assert results.verdict(together(half, variants("wide", *errors)), "wide") == said
    with pytest.raises(ValueError, match="the race has no 'Fixup'; it has 'ResNet', 'no norm', 'SkipInit'"):
        results.verdict(frame, "Fixup")
    with pytest.raises(ValueError, match="the race has no 'ResNet'"):
        results.verdict(variants("wide", 0.1, 0.2), "wide")
