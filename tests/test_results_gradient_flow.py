"""Lesson 02: gradients against the last block's, what multiplies them, and what sets a net apart, as numbers."""

import numpy as np
import pandas as pd
import pytest
from invented import (
    along,
    autocorrelations,
    ends,
    factors,
    failures,
    gradients,
    grown,
    remedies,
    together,
)

from reslab.results import gradient_factors, gradient_flow, loss_along_gradient, mean_field, shattering
from reslab.results import gradient_flow as results


def test_a_gradient_is_told_against_the_last_or_why_it_cannot_be():
    value, state = results.against_last([0, np.inf, np.nan, 10, 2])
    np.testing.assert_array_equal(value, [0, np.inf, np.nan, 5, 1])
    assert state.tolist() == ["underflow to 0", "infinite", "not a number", "", ""]
    for last in (0, np.nan, np.inf):
        assert results.against_last([1, last])[1][0] == "the last block has none to compare with"


def test_ratios_are_the_first_block_over_the_last_at_every_step():
    table = results.ratios(
        together(ends("plain-56", 8, step=1), ends("plain-56", 2, step=3), ends("resnet-20", np.nan))
    )
    assert table[["name", "step", "state"]].values.tolist() == [
        ["plain-56", 1, ""], ["plain-56", 3, ""], ["resnet-20", 0, "not a number"],
    ]  # fmt: skip
    assert table["ratio"].tolist()[:2] == [8, 2]
    assert set(table["mode"]) == {"train"}
    with pytest.raises(ValueError, match="The ratio first/last cannot be made: the frame lacks gradient_rms"):
        results.ratios(gradients().drop(columns="gradient_rms"))


def test_nets_are_told_over_their_seeds_at_their_latest_step():
    frame = together(
        ends("plain-56", 9, step=1),
        *(ends("plain-56", ratio, step=2, seed=seed) for seed, ratio in enumerate((2, 4, 0))),
    )
    (net,) = results.nets(frame)
    assert (net.name, net.step, net.seeds, net.kept.tolist(), net.lost) == (
        "plain-56",
        2,
        3,
        [2, 4],
        ["underflow to 0"],
    )


@pytest.mark.parametrize(("path", "level"), [((800, 50, 2, 0.05), 3), ((800, 50, 20), None), ((2, 50, 2), 1)])
def test_the_first_level_step(path, level):
    table = results.ratios(together(*(ends("plain-56", ratio, step=step) for step, ratio in enumerate(path, 1))))
    assert results.first_level(table) == level


@pytest.mark.parametrize(
    ("ratios", "said"),
    [((813, 900), "1000× larger"), ((1e-9,), "1000× smaller"), ((4, 0.3), "about equal"), ((20,), "about equal")],
)
def test_the_verdict_is_the_nearest_answer(ratios, said):
    assert results.verdict(together(*(ends("plain-56", ratio, seed=seed) for seed, ratio in enumerate(ratios)))) == said


@pytest.mark.parametrize("layers", [ends("plain-56", np.nan), together(ends("plain-56", 1), ends("resnet-56", 1))])
def test_a_verdict_is_of_one_net_with_numbers(layers):
    with pytest.raises(ValueError, match="a verdict is of one net at one step"):
        results.verdict(layers)


# Factors


def test_products_run_from_the_last_block_back():
    products = gradient_factors.products(factors())
    assert list(products) == ["all together", "activations", "weights"]  # norms that do nothing are left out
    np.testing.assert_allclose(products["weights"], (5, 3, 0))
    np.testing.assert_allclose(products["activations"], (-5, -3, 0))
    np.testing.assert_allclose(products["all together"], 0, atol=1e-12)
    with pytest.raises(ValueError, match="one net at a time; this frame has 2"):
        gradient_factors.products(together(factors(), factors(skip=True)))


def test_a_remedy_is_its_parts_and_their_sum():
    totals = gradient_factors.totals(remedies()).set_index("remedy")
    assert totals.loc[1, ["median", "min", "max"]].tolist() == [-38.5, -40, -37]
    parts = gradient_factors.parts(remedies())
    assert parts.loc[(1, "sigmoid"), ["activations", "weights", "norms"]].tolist() == [-29.5, -9.5, 0.5]
    assert np.isnan(parts.loc[(2, "skips"), "weights"])
    assert gradient_factors.reach(remedies()) == (-40, 2)


def test_a_dead_net_is_one_seed_of_several():
    dead = pd.concat([remedies(), remedies().query("seed == 0").assign(seed=2, decades=-np.inf)])
    assert gradient_factors.totals(dead)["median"].tolist() == [-40, 2]
    assert gradient_factors.reach(dead) == (-40, 2)


def test_the_product_of_a_net_with_a_dead_layer_is_0_in_front_of_it():
    frame = factors()
    frame.loc[frame["index"] == frame["index"].min(), "factor"] = 0.0
    assert gradient_factors.products(frame)["all together"].iloc[0] == -np.inf


@pytest.mark.parametrize(
    ("net", "apart"),
    [
        ({"ratio": 1e-3}, "its gradient vanishes"),
        ({"ratio": 1e3}, "its gradient explodes"),
        ({"ratio": 0.0}, "its gradient vanishes"),
        ({"ratio": np.nan}, "its gradient vanishes"),  # 0 / 0
        ({"autocorrelation": 0.1}, "its gradient is shattered"),
        ({"train_error": 0.5}, "degradation alone"),
        ({"train_error": np.nan}, "degradation alone"),  # it diverged
        ({}, "nothing"),
    ],
)
def test_a_diagnosis_is_the_first_thing_that_is_wrong(net, apart):
    seeds = together(failures(**net), failures(seed=1, **net), failures(seed=2))  # two of three decide
    assert gradient_factors.diagnosis(seeds) == apart


def test_symptoms_are_told_over_the_seeds():
    seeds = together(*(failures(seed=seed, train_error=error) for seed, error in enumerate((0.4, 0.2, 0.3))))
    assert gradient_factors.over_seeds(seeds).loc[("plain-32", "train_error")].tolist() == [0.3, 0.2, 0.4]


def test_the_growth_a_layer():
    frame = together(grown(growth=1.2), grown(growth=1.3, seed=1), grown("ReLU alone", 1.0))
    told = mean_field.a_layer(frame).set_index("name")
    assert told.loc["BatchNorm and ReLU"].tolist() == pytest.approx([1.25, 1.2, 1.3, 2])
    assert told.loc["ReLU alone", "median"] == 1
    assert pytest.approx(1.2112, abs=1e-4) == mean_field.PREDICTED


def test_the_growth_a_layer_of_nets_of_many_depths():
    layers = together(*(ends(f"plain-{depth}", 1.1**depth) for depth in (8, 20, 56)), ends("resnet-56", 5.0))
    assert gradient_flow.a_layer(layers).tolist() == pytest.approx([1.1])


def test_what_a_step_along_the_gradient_gains():
    """Of predictions of 0.1, 1 and 10 nats, the first two hold by half; one below rounding does not count."""
    frame = along(falls=(0.09, 0.6, 3.0), predicted=(0.1, 1.0, 10.0))
    (row,) = loss_along_gradient.by_step(frame).to_dict("records")
    assert (row["fall"], row["reach"]) == (pytest.approx(3.0), pytest.approx(0.1))
    tiny = along(falls=(0.0, 0.6), predicted=(1e-5, 1.0))
    assert loss_along_gradient.by_step(tiny)["reach"].tolist() == pytest.approx([0.1])
    broken = along(falls=(-0.5, 0.6))  # the first prediction does not hold
    assert loss_along_gradient.by_step(broken)["reach"].isna().all()
    (net,) = loss_along_gradient.over_seeds(together(frame, along(seed=1), along(seed=1, falls=(0.4, 0.3), step=3)))
    assert net["largest"] == pytest.approx([1.7, 0.4, 3.0])
    assert net["reach"] == pytest.approx([0.055, 0.01, 0.1])


def test_the_table_of_ratios():
    rows = [("batch", "kaiming", "plain-56", ratio) for ratio in (9e3, 1.4e4, 2e4)]
    table = gradient_factors.ratio_table(pd.DataFrame(rows, columns=["norm", "init", "name", "ratio"]))
    assert table.loc[("batch", "kaiming", "plain-56")].tolist() == [1.4e4, 9e3, 2e4]


def test_autocorrelation_by_depth_is_over_the_seeds_at_one_lag():
    table = shattering.by_depth(autocorrelations(("plain", 1, (0.9, 1.0)), ("plain", 50, (-0.1, 0.1))))
    assert table["depth"].tolist() == [1, 50]
    np.testing.assert_allclose(
        table[["mean", "min", "max", "size"]], [[0.95, 0.9, 1.0, 2], [0, -0.1, 0.1, 2]], atol=1e-12
    )
