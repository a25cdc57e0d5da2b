"""The phrases of which sentences are made: numbers, ratios, shares, seeds, lists, and where numbers come from."""

import numpy as np
import pandas as pd
import pytest
from invented import LIVE, RECORDED, ends, history, signal, together

from reslab.figures.text import (
    activations,
    degradation,
    gradient_factors,
    gradient_flow,
    histograms,
    phrases,
    residual_block,
    shattering,
)
from reslab.figures.text import variants as of_variants
from reslab.results import frames


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (4.6, "4.6"), (9.96, "10"), (813.2, "813"), (1133, "1,133"), (1.99e6, "2 × 10⁶"), (3e-7, "3 × 10⁻⁷"),
        (np.inf, "no finite number"),
    ],
)
def test_numbers_of_any_size(number, said):
    assert phrases.scientific(number) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (813, "813 times larger"),
        (1 / 12, "12 times smaller"),
        (1.3, "about as large"),
        (0.7, "about as large"),
        (0.5, "2 times smaller"),
    ],
)
def test_ratios(ratio, said):
    assert phrases.times(ratio) == said


def test_shares_counts_powers_seeds_and_lists():
    assert (phrases.percent(0.714), phrases.percent(np.nan)) == ("71.4 %", "an unknown share")
    assert [phrases.amount(number) for number in (3_664_000_000, 214_402, 999_950, 7)] == [
        "3.66 G",
        "214 k",
        "1 M",
        "7",
    ]
    table = phrases.table(pd.DataFrame({
        "name": ["resnet-20", "plain-20"], "multiply_adds": [40_000_000, 7], "train_error": [0.0871, np.nan],
        "paper_test_error": [0.0875, np.nan], "steps": [60, 61],
    }))  # fmt: skip
    assert table.columns.tolist() == ["name", "multiply-adds", "training error", "test error in the paper", "steps"]
    assert table.to_numpy().tolist() == [["resnet-20", "40 M", "8.7 %", "8.75 %", 60], ["plain-20", "7", "–", "–", 61]]
    assert phrases.power(-8.72) == "10⁻⁸·⁷"
    assert [phrases.seeds(numbers) for numbers in ([], [None], [0], [1, 0], range(12))] == [
        "",
        "",
        "seed 0",
        "seeds 0, 1",
        "12 seeds",
    ]
    assert phrases.listed(["a", "b", "c"]) == "a, b and c"
    assert (
        phrases.lines([("plain-8", False), ("resnet-8", True)])
        == "Lines: plain-8 (dashed vermillion), resnet-8 (solid blue). "
    )
    assert "and 3 more. " in phrases.lines([(f"plain-{i}", False) for i in range(11)])
    table = pd.DataFrame({"seeds": [1, 3]})
    assert phrases.over_seeds(table) == " Medians and ranges are over 3 seeds."
    assert phrases.over_seeds(table, ranges=False) == " Medians are over 3 seeds."
    assert phrases.over_seeds(table[:1]) == ""


@pytest.mark.parametrize(
    ("sentence", "frame"),
    [
        (degradation.sentence, pd.DataFrame()), (degradation.alt_text, history()[:0]),
        (gradient_flow.sentence, pd.DataFrame()),
        (gradient_flow.steps_sentence, pd.DataFrame()), (gradient_factors.factors_sentence, pd.DataFrame()),
        (shattering.sentence, pd.DataFrame()), (activations.sentence, signal()[:0]),
        (residual_block.sentence, pd.DataFrame()),
        (residual_block.cost_sentence, pd.DataFrame()), (of_variants.sentence, pd.DataFrame()),
        (histograms.alt_text, pd.DataFrame()),
    ],
)  # fmt: skip
def test_nothing_measured_is_said(sentence, frame):
    assert sentence(frame).endswith(phrases.EMPTY)


def test_where_numbers_come_from():
    runs = frames.runs(together(ends("plain-56", 1), ends("resnet-56", 1, seed=1)))
    assert phrases.origin(runs) == f"seeds 0, 1 · {LIVE}"
    assert gradient_flow.origin(runs) == f"seeds 0, 1 · training mode · {LIVE}"
    assert phrases.origin(frames.runs(ends("plain-56", 1).assign(origin=RECORDED))) == RECORDED  # which tells its seeds


def test_origins_that_differ_in_their_steps_alone_are_one():
    frame = pd.concat(
        ends("plain-56", 1, seed=seed).assign(origin=f"recorded, {steps} steps")
        for seed, steps in enumerate(("32,000", "30,400"))
    )
    assert phrases.origin(frames.runs(frame)) == "seeds 0, 1 · recorded, 30,400 to 32,000 steps"
    assert phrases.origin_line(["live", np.nan], [2.0, np.nan], "4 pictures") == "seed 2 · 4 pictures · live"


def test_of_several_machines_what_they_share_is_said_once():
    first, then = "recorded, NVIDIA H200, 2026-11", "recorded, Intel(R) Xeon(R) Processor, 2026-11"
    other = "AMD EPYC, 2026-11"
    assert phrases.origin_line([first], [0]) == f"seed 0 · {first}"
    assert phrases.origin_line([first, then, first], [0, 1, 2]) == (
        "seeds 0, 1, 2 · recorded, NVIDIA H200; Intel Xeon, 2026-11"
    )
    assert phrases.origin_line([other, then], []) == "AMD EPYC; recorded, Intel Xeon, 2026-11"
    assert phrases.origin_line([other, "recorded, NVIDIA H200, 2026-10"], []) == (
        "AMD EPYC, 2026-11; recorded, NVIDIA H200, 2026-10"
    )
    assert phrases.origin_line(["", None], [0], "4 pictures") == ""
