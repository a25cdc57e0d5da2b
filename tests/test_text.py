"""Sentences of all lessons: the words that carry the meaning, and the numbers. Other words may change."""

import invented
import numpy as np
import pandas as pd
import pytest
from invented import RECORDED, constructed, histories, history, rates, signal, together, variant, variants
from wording import says

from reslab.figures.text import (
    activations,
    degradation,
    feature_maps,
    histograms,
    residual_block,
    scaling,
)
from reslab.figures.text import variants as of_variants

BASE = variants("ResNet", 0.10, 0.12, of="")


# Lesson 01


def test_rates_and_lengths_say_what_the_best_of_them_came_to():
    says(
        degradation.rate_sentence(rates()),
        "After 6 epochs resnet-56 gets 1.2 % (median of 3 seeds, 1.0 to 2.0 %)",
        "plain-56 75.0 % (median of 3 seeds, 70.0 to 80.0 %), at 0.02, the best of 2 learning rates",
        "After 60 epochs plain-56 still gets 10.0 %",
    )
    table = degradation.rate_table(rates())
    assert table.columns.tolist() == ["6 epochs", "60 epochs"]
    assert table.loc[("plain-56", 0.1)].tolist() == ["85.0 % (80.0 to 90.0 %)", "80.0 % (70.0 to 90.0 %)"]
    assert table.loc[("resnet-56", 0.05)].tolist() == ["1.2 % (1.0 to 2.0 %)", ""]
    solved = {("plain-56", 0.02, 6): (0.7,), ("plain-56", 0.02, 60): (0.01,), ("resnet-56", 0.05, 6): (0.01,)}
    says(degradation.rate_sentence(rates(solved)), "After 60 epochs plain-56 gets 1.0 %", "the only learning rate")


def test_a_net_made_by_hand_is_said_to_be_better_only_where_it_is():
    says(
        degradation.construction_sentence(constructed()),
        "Made by hand, 56 plain layers get 2.0 % (median of 3 seeds, 1.0 to 3.0 %)",
        "trained, 80.0 %",
        "for 3 of 3 seeds: such a net exists, and training did not find it in this budget",
    )
    words = degradation.construction_sentence(constructed(trained=(0.8, 0.0, 0.7)))
    assert "for 2 of 3 seeds." in words
    assert "exists" not in words


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            histories({"plain-56": 0.714, "resnet-56": 0.004}, steps=66),
            ["66 steps", "plain-56 still", "71.4 %", "resnet-56 0.4 %", "54,026"],
        ),
        (histories({"resnet-56": 0.004}), ["22 steps", "resnet-56", "0.4 %", "2.4 % of the test images"]),
        (
            histories({"plain-8": 0.01, "resnet-8": 0.02}),
            ["plain-8", "1.0 %", "resnet-8 2.0 %", "less than 2 points apart"],
        ),
        (histories({"plain-56": 0.1, "resnet-56": 0.5}), ["10.0 %", "50.0 %", "residual net does worse"]),
        (
            histories({"plain-56": (0.2, 0.8), "resnet-56": (0.1, 0.3)}),
            ["median of 2 seeds, 20.0 to 80.0 %", "seeds overlap", "same 2 seeds"],
        ),
        (
            histories({"plain-8": 0.01, "plain-56": 0.74, "resnet-8": 0.012, "resnet-56": 0.004}),
            ["plain nets rises", "1.0 % at 8 layers", "74.0 % at 56", "residual nets stays between 0.4 % and 1.2 %"],
        ),
        (
            histories({"resnet-8": (0.01, 0.011, 0.03), "resnet-56": (0.002, 0.01, 0.012)}),
            ["between 1.0 % and 1.1 %", "(medians of 3 seeds; single ones 0.2 to 3.0 %)"],
        ),
        (
            histories({"plain-20": 0.03, "plain-56": 0.7, "resnet-56": 0.01}),
            ["rises", "3.0 % at 20", "70.0 % at 56", "resnet-56 gets 1.0 %"],
        ),
        (
            histories({"plain-8": 0.3, "plain-56": 0.1}),
            ["No degradation here", "falls", "30.0 % at 8 layers", "10.0 % at 56"],
        ),
        (
            histories({"plain-8": 0.1, "plain-20": 0.5, "plain-56": 0.1}),
            ["highest at 20 layers, 50.0 %"],
        ),
        (
            histories({"plain-8": 0.3, "plain-20": 0.1, "plain-56": 0.7}),
            ["lowest, and then rises", "10.0 % at 20", "70.0 % at 56"],
        ),
        (
            histories({"plain-8": (0.1, 0.5), "plain-56": (0.4, 0.6)}),
            ["rises", "30.0 %", "50.0 %", "though the seeds overlap"],
        ),
        (
            histories({"plain-20": (0.1, 0.3), "plain-56": (0.05, 0.27)}),
            ["falls", "20.0 %", "16.0 %", "though the seeds overlap"],
        ),
        (histories({"plain-56": (0.1, 0.3), "resnet-56": (0.15, 0.33)}), ["24.0 %", ": the seeds overlap"]),
    ],
)
def test_what_the_nets_ended_with(frame, words):
    says(degradation.sentence(frame), *words)


def test_a_net_that_errs_more_than_a_shallower_one_is_degradation_whatever_a_deeper_one_does():
    said = degradation.sentence(histories({"plain-8": 0.1, "plain-20": 0.4, "plain-56": 0.11}))
    assert "degradation" not in said


def test_runs_that_did_not_finish_are_told_apart():
    finished = histories({"plain-8": 0.1, "plain-20": 0.1})
    says(
        degradation.sentence(together(finished, history(steps=5, outcome="diverged"))),
        "among the runs that finished",
        "diverged at step 5",
    )
    running = together(history(error=0.7), history("resnet-56", 0.2, steps=12, outcome="running"))
    says(degradation.sentence(running), "plain-56 gets 70.0 %", "so far resnet-56 gets 20.0 %", "step 12")
    stopped = together(*(history(error=0.7, steps=9, outcome="stopped", seed=seed) for seed in (0, 1)))
    says(
        degradation.sentence(stopped),
        "plain-56 (seed 0) was stopped at step 9, with 70.0 %",
        "plain-56 (seed 1) was stopped",
    )
    assert degradation.sentence(history(outcome="diverged", steps=7, loss=np.nan)) == "plain-56 diverged at step 7."


def test_a_run_that_went_on_on_another_machine_is_compared_with_those_that_did_not():
    resumed = RECORDED.replace(", 2026", ", then another, 2026")
    frame = together(history("plain-20", 0.1, origin=RECORDED), history("plain-56", 0.7, origin=resumed))
    assert resumed != RECORDED
    assert "rises from 10.0 % at 20 layers to 70.0 % at 56" in degradation.sentence(frame)


def test_origins_are_sentences_of_their_own():
    says(
        degradation.sentence(together(history(), history(origin=RECORDED))),
        "Live, this machine: ",
        "50.0 %",
        "Recorded, H200",
        ": ",
        "50.0 %",
    )


# Lesson 03


def test_how_soon_a_block_learned():
    plain, residual = residual_block.sentence(
        together(invented.learning(), invented.learning(False, (1.0, 0.9, 0.8)))
    ).split("; ")
    says(plain, "plain block at rate 0.1", "not within 10 %", "3 steps", "90 % off", "1.8 × the size of x")
    says(residual, "residual block at rate 0.1", "after 2 steps", "52 % off")
    two = together(invented.learning(), invented.learning(error=(1.0, 0.01, 0.01), seed=1))
    says(residual_block.sentence(two), "seeds 0, 1", "after 1 to 2 steps")
    one = together(invented.learning(), invented.learning(error=(1.0, 1.0, 1.0), seed=1))
    says(residual_block.sentence(one), "after 2 steps", "1 of 2 seeds")
    table = residual_block.learned_table(together(one, invented.learning(False, (1.0, 0.9, 0.8))))
    assert table.iloc[:, 0].tolist() == ["not in 3 steps", "2 steps (1 of 2 seeds)"]
    assert table["size of F at the end"].tolist() == ["1.8 × that of x", "1.5 × that of x"]
    says(residual_block.sentence(invented.learning(outcome="diverged")), "diverged at step 2")


def test_what_a_shortcut_costs():
    says(
        residual_block.cost_sentence(invented.block_parts()),
        "Shortcut A",
        "0 parameters, 0 multiply-adds",
        "16 element-wise additions",
    )
    projected = residual_block.cost_sentence(invented.block_parts(shortcut="B", projects=True))
    says(projected, "Shortcut B", "8 parameters, 32 multiply-adds", "3.6 %")
    plain = residual_block.cost_sentence(invented.block_parts(False))
    says(plain, "nothing is added", "216 parameters, 864 multiply-adds")


def test_the_diagram_names_every_tensor():
    says(
        residual_block.block_text(invented.block_parts()),
        "x, 2×4×4",
        "3×3 conv, stride 2, 4×2×2",
        "ReLU",
        "Shortcut: every 2nd pixel",
    )
    says(residual_block.block_text(invented.block_parts(False)), "No shortcut", "y, 4×2×2")


# Lesson 04


def test_what_was_measured_of_the_signal():
    frame = together(
        *(signal("resnet-56", value, state) for value, state in ((0.5, "untrained"), (0.4, "trained"))),
        *(signal("plain-56", 1.4, state, error=0.8) for state in ("untrained", "trained")),
        signal("plain-20", 1.3, "untrained"),
    )
    words = [
        "1.30 × |x| in the untrained plain-20",
        "1.40 in plain-56 (untrained 1.40)",
        "0.40 in resnet-56 (untrained 0.50)",
    ]
    says(activations.sentence(frame), *words, "plain-56 did not learn", "80.0 %")
    says(activations.sentence(frame[frame["depth"] == 20], "activation_dead"), "dead channels", "130.0 %")
    table = activations.table(frame, "ratio")
    assert table.loc["plain-56"].tolist() == ["1.40", "1.40"]
    failed = "plain-56 did not learn: it gets 80.0 % of the training images wrong."
    assert activations.failures_sentence(frame) == failed
    assert activations.failures_sentence(frame[frame["depth"] == 20]) == ""
    assert table["|F(x)| / |x|, trained"].to_dict() == {"plain-20": "–", "plain-56": "1.40", "resnet-56": "0.40"}
    says(activations.alt_text(frame, "cosine"), "resnet-56 · trained (solid blue)", "cosine")
    broken = signal("resnet-20", np.nan, error=np.nan).assign(outcome="diverged")
    says(activations.sentence(broken), "no finite number in resnet-20", "diverged")
    with pytest.raises(ValueError, match=r"statistic is 'size'; it can be 'ratio', 'cosine', 'cka'"):
        activations.sentence(signal(), "size")


def test_responses_and_depth():
    frame = together(invented.responses("plain-20", [0.3, 0.2, 0.1]), invented.responses("resnet-20", [0.2, 0.3, 0.05]))
    says(
        activations.responses_sentence(frame), "0.20 in plain-20", "0.18 in resnet-20", "2 of the 3 layers of resnet-20"
    )
    words = ["with BatchNorm", "0.61 × |x| at 8 layers to 0.35 at 20", "power −0.50", "2.10", "power 0.00"]
    says(activations.depth_sentence(invented.at_initialisation()), *words)
    says(histograms.alt_text(invented.histograms()), "plain-20 · trained", "0.5 in the first block", "0.5 in the last")
    says(feature_maps.alt_text(invented.maps(), 2), "block 2", "16 maps, 1 of them 0", "15.00")


def test_a_median_over_channels_says_over_which():
    frame = together(invented.edits("resnet-20", ((0, 3, 4, 0), (0, 0, 5, 0))), invented.edits(image="dog"))
    words = ["0.70 in plain-20", "0.90 in resnet-20", "1 picture, 1 block, their channels"]
    says(feature_maps.edit_sentence(frame), *words)
    assert feature_maps.edit_sentence(invented.edits().assign(x=None)) == "Nothing has been measured yet."


# Lesson 09


def test_variants_are_sorted_by_what_they_bought():
    broken = variant("no norm", 0.1, outcome="diverged")
    frame = together(
        BASE, variants("wide", 0.01, 0.02), variants("bottleneck", 0.3, 0.4), variants("ReZero", 0.1, 0.12), broken
    )
    said = of_variants.sentence(together(frame, variants("SkipInit", 0.5, 0.7, of="no norm")))
    lower = ["ResNet: 11.0 %, 10.0 to 12.0", "Lower than its base net's", "wide (1.5 %, 1.0 to 2.0)"]
    lower += ["Finished where", "SkipInit (60.0 %, 50.0 to 70.0, where no norm diverged)"]
    others = [
        "About the same",
        "ReZero (11.0 %, 10.0 to 12.0)",
        "Higher",
        "bottleneck (35.0 %, 30.0 to 40.0)",
        "Did not finish",
        "no norm",
    ]
    says(said, "3 steps", "seeds 0, 1", *lower, *others)
    says(of_variants.sentence(together(BASE, variants("ReZero", 0.1, 0.12))), "Lower than ResNet's", "none")
    half = together(BASE, variant("ResNet", 0.1, of="", seed=2, outcome="diverged"), variants("wide", 0.8, 0.9))
    says(of_variants.sentence(half), "wide (85.0 %, 80.0 to 90.0; ResNet 11.0 %, 10.0 to 12.0, diverged in 1 of 3")
    assert "Finished" not in of_variants.sentence(half)
    alone = of_variants.sentence(variants("stochastic depth", 0.2, 0.3))
    says(alone, "Their base net was not trained here", "stochastic depth (25.0 %, 20.0 to 30.0)")
    says(of_variants.alt_text(together(BASE, broken)), "ResNet 11.0 %", "no norm an unknown share (1 of 1 broke off)")


def test_one_seed_has_neither_a_median_nor_a_range():
    said = of_variants.sentence(together(variant("ResNet", 0.3, of=""), variant("wide", 0.1)))
    assert said == "Training error after 3 steps, seed 0. ResNet: 30.0 %. Lower than ResNet's: wide (10.0 %)."


def test_costs_are_told_beside_the_first():
    frame = together(
        BASE, variants("wide", 0.1, cost=79), variants("heavy", 0.1, cost=198), variants("preact", 0.1, cost=103)
    )
    says(of_variants.cost_sentence(frame), "More", "ResNet", "heavy 1.98 ×", "Fewer", "wide 0.79 ×", "others", "5 %")
    says(of_variants.cost_sentence(together(BASE, variants("preact", 0.1))), "All", "as many as ResNet", "5 %")
    assert of_variants.ratio((10, 50), (20, 100)) == "0.50 × the parameters and 0.50 × the multiply-adds"


# Lesson 11


def test_how_long_trainings_take():
    assert [scaling.duration(hours) for hours in (0.5, 7.4, 84)] == ["30 minutes", "7 hours", "3.5 days"]
    says(
        scaling.paper_sentence(invented.paper_hours()),
        "resnet-20 0.4 s, so 7 hours",
        "plain-56 1.2 s, so 22 hours",
        "64,000",
    )
    says(scaling.throughput_sentence(invented.throughput()), "2 workers", "1.90 times", "1.")


def test_whether_trainings_agree():
    steps = pd.MultiIndex.from_product([["net"], [0], [1, 2]], names=["name", "seed", "step"])
    losses = pd.DataFrame({"here": [2.0, 1.0], "there": [2.0, 1.0]}, index=steps)
    says(scaling.agreement_sentence(losses), "1 net, here and there", "same losses to 4 digits", "2 steps")
    says(scaling.agreement_sentence(losses.assign(there=[2.0, 1.03])), "differ by up to 3.0%")
    says(scaling.agreement_sentence(losses.assign(there=[2.0, np.nan])), "1 of 2 steps", "do not agree")
    assert scaling.agreement_sentence(losses[["here"]], missing="No Ray here.") == "No Ray here."
    usual = pd.DataFrame({"name": ["resnet-20"], "precision": "fp32", "step_seconds": [0.4]})
    says(
        scaling.precision_sentence(usual, usual.assign(precision="bf16", step_seconds=0.2)),
        "0.5 times",
        "bf16",
        "fp32",
        "it is faster",
    )
