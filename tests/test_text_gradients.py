"""The sentences of lesson 02: what each layer does to the gradient, and how gradients of near points agree."""

import invented
import numpy as np
import pandas as pd
import pytest
from invented import ends, together
from wording import says

from reslab.figures.text import (
    gradient_factors,
    gradient_flow,
    loss_along_gradient,
    shattering,
)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (together(ends("plain-56", 813), ends("resnet-56", 4.6)),
         ["At initialisation, in training", "813 times larger", "4.6"]),
        (together(*(ends("plain-56", r, seed=s) for s, r in enumerate((800, 900, 1100)))),
         ["900 times larger", "3 seeds, 800 to 1,100 ×"]),
        (together(*(ends("plain-56", r, seed=s) for s, r in enumerate((1.04e5, 1.1e5, 1.36e5)))),
         ["1.0 × 10⁵ to 1.4 × 10⁵ ×"]),
        (together(*(ends("plain-56", 1 / r, seed=s) for s, r in enumerate((4, 5, 8)))),
         ["5 times smaller (median of 3 seeds, 4 to 8)"]),
        (ends("plain-110 · no norm", 0), ["plain-110 · no norm lost (underflow to 0)"]),
        (together(ends("plain-56", 4), ends("plain-56", np.inf, seed=1)),
         ["4 times larger", "1 of 2 seeds", "infinite"]),
        (
            together(*(ends(f"{kind}-{depth}", ratio)
                       for kind, path in (("plain", (1, 9e18, np.nan)), ("resnet", (0.5, 3, 111)))
                       for depth, ratio in zip((8, 302, 1202), path, strict=True))),
            ["plain nets about as large at 8, 9 × 10¹⁸ times larger at 302, lost (not a number) at 1202",
             "residual nets 2"],
        ),
        (ends("plain-56", 20, step=7).assign(mode="eval"), ["At step 7, in eval mode", "20 times larger"]),
    ],
)  # fmt: skip
def test_the_first_block_against_the_last(layers, words):
    says(gradient_flow.sentence(layers), *words)


def test_the_first_block_over_the_steps():
    layers = together(*(ends("plain-56", ratio, step=step) for step, ratio in enumerate((800, 50, 2, 0.05), 1)))
    says(gradient_flow.steps_sentence(layers), "800 × at step 1", "at step 3", "0.05 × at step 4")
    row = gradient_flow.steps_table(layers).loc["plain-56"]
    assert row.tolist() == [1, "800 ×", "at step 3", "0.05 ×, step 4"]
    steps = {"resnet-56": (5, 9, 2), "plain-110": (5e6, 300, 80), "plain-302": (9e18, np.nan, np.nan)}
    nets = together(*(ends(name, r, step=step) for name, path in steps.items() for step, r in enumerate(path, 1)))
    said = gradient_flow.steps_table(nets)["first about equal (0.1 × to 10 ×)"]
    assert said.to_dict() == {"resnet-56": "from the start", "plain-110": "never", "plain-302": "never"}
    lost = together(ends("plain-302", 9e18, step=1), ends("plain-302", np.nan, step=2)).assign(outcome="diverged")
    says(gradient_flow.steps_sentence(lost), "lost (not a number) at step 2", "diverged")
    two = together(*(ends("resnet-56", 2 + 2 * seed, step=1, seed=seed) for seed in (0, 1)))
    says(gradient_flow.steps_sentence(two), "median (lowest to highest)", "(seeds 0, 1): 3 × (2 to 4) at step 1")


def test_what_multiplies_the_gradient():
    says(
        gradient_factors.factors_sentence(invented.factors()),
        "plain-20",
        "10⁰·⁰",
        "activations 10⁻⁵·⁰",
        "weights 10⁵·⁰",
    )
    says(gradient_factors.remedies_sentence(invented.remedies()), "sigmoid", "10⁻³⁸·⁵", "skips +40.5", "10²·⁰")
    table = gradient_factors.remedies_table(invented.remedies())
    assert table.loc[(1, "sigmoid"), ["activations", "weights", "together"]].tolist() == [
        "−29.5",
        "−9.5",
        "−38.5 (−40.0 to −37.0)",
    ]
    table = gradient_factors.symptoms_table(invented.symptoms()).set_index("net")["training error at the end"]
    assert (table["plain-56 · tanh"], table["resnet-56"]) == ("50.0 %", "diverged")
    some = invented.symptoms().query("name == 'plain-56 · tanh'")
    frame = together(some, *(some.assign(seed=seed, outcome="diverged", train_error=np.nan) for seed in (1, 2)))
    (said,) = gradient_factors.symptoms_table(frame)["training error at the end"]
    assert said == "50.0 % (2 of 3 seeds diverged)"
    rows = [("batch", "kaiming", "plain-56", ratio) for ratio in (9e3, 1.4e4, 2e4)]
    said = gradient_factors.ratio_table(pd.DataFrame(rows, columns=["norm", "init", "name", "ratio"]))
    assert said.loc[("batch", "kaiming")].tolist() == ["1.4 × 10⁴ (9,000 to 2.0 × 10⁴)"]


def test_how_far_the_loss_falls_is_the_median_of_the_moments():
    falls = {0: (0.1, 0.2), 1: (0.3, 0.4), 20: (0.1, 0.9)}
    frame = together(*(invented.along(falls=fall, step=step) for step, fall in falls.items()))
    said = loss_along_gradient.sentence(frame)
    says(said, "best of 2 learning rates", "by 0.40", "plain-56: the median of 3 moments of the first 20 steps")
    says(said, "at learning rates up to 0.01 in plain-56. (Medians")
    short = together(frame, *(invented.along("resnet-56", (0.0, fall), seed=seed) for seed, fall in enumerate((1, 2))))
    said = loss_along_gradient.sentence(short)
    says(said, "nats in plain-56 and by 1.50 (1.00 to 2.00) nats in resnet-56")
    says(said, "and below 0.01, if at all, in resnet-56")


def test_how_far_gradients_go_together():
    nets = (
        ("plain", 1, (0.9, 1.0)),
        ("plain", 50, (-0.1, 0.1)),
        ("residual", 50, (0.6, 0.8)),
        ("white noise", 0, (-0.1, 0.0)),
    )
    table = invented.autocorrelations(*nets)
    says(
        shattering.sentence(table),
        "neighbouring",
        "plain 0.95 at 1 to 0.00 at 50 layers",
        "residual 0.70",
        "white noise −0.05",
    )
    says(shattering.alt_text(table), "plain (dashed vermillion)", "residual (solid blue)", "0.95")
    assert "white noise (" not in shattering.alt_text(table)
