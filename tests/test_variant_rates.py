"""Lesson 09's table: each variant at its own best of five learning rates, as recorded in data/rates.csv."""

import pandas as pd
import pytest

from reslab import digits, fit
from reslab.experiments import variant_rates as rating
from reslab.experiments.variants import VARIANTS
from reslab.figures import variants as figures
from reslab.results import variants as results

SHOWN = ["ResNet", "projection", "stochastic depth", "SkipInit", "Fixup"]  # in the lesson's table


@pytest.fixture(scope="module")
def rates():
    return rating.rates()


@pytest.fixture(scope="module")
def best(rates):
    return results.at_best_rate(rates)


def test_seed_0_is_there_at_every_rate_and_three_seeds_at_the_best(rates, best):
    assert set(rates["name"]) == set(VARIANTS)
    for name in VARIANTS:
        first = rates[(rates["name"] == name) & (rates["seed"] == 0)]
        assert sorted(first["lr"]) == sorted(rating.RATES)
        mine = best[best["name"] == name]
        assert sorted(mine["seed"]) == [0, 1, 2]
        assert mine["lr"].nunique() == 1
        assert mine.set_index("seed")["final_train_error"][0] == first["final_train_error"].min()


@pytest.mark.claims
def test_at_its_own_best_rate_no_variant_beats_20_layers_and_those_with_batchnorm_are_level(best):
    """Medians: 0.0 to 1.8 % with BatchNorm, original 0.4 %; stochastic depth 3.5 %; without BatchNorm 15 to 45 %."""
    found = {name: results.verdict(best, name) for name in VARIANTS if name != "ResNet"}
    behind = {"stochastic depth", "no norm", "SkipInit", "Fixup"}
    assert found == {name: results.HIGHER if name in behind else results.SAME for name in found}


def test_each_training_says_where_it_comes_from(rates):
    assert not rates.duplicated(["name", "lr", "seed"]).any()
    assert rates["commit"].str.fullmatch(r"[0-9a-f]{12}").all()
    assert rates["origin"].str.startswith("recorded, ").all()
    assert (rates.loc[rates["outcome"] == "finished", "step"] == 60).all()


def test_fixup_is_trained_as_its_authors_do_and_a_row_is_the_training_that_it_names():
    spec, how = rating.rated("Fixup", 0.1)
    assert (spec.norm, spec.init, spec.depth, how.bias_lr, how.lr) == ("none", "fixup", 20, 0.1, 0.1)
    assert rating.rated("SkipInit", 0.1)[1].bias_lr == 1.0


@pytest.mark.claims
def test_a_recorded_training_is_what_a_training_here_gives(rates):
    """Roughly: another processor rounds otherwise."""
    row = rates[(rates["name"] == "ResNet") & (rates["lr"] == 0.05) & (rates["seed"] == 0)].iloc[0]
    spec, how = rating.rated("ResNet", 0.05)
    assert fit(spec, digits(), how, seed=0, device="cpu", progress=False).final_train_error == pytest.approx(
        row["final_train_error"], abs=0.02
    )


def test_the_table_says_rate_error_spread_and_the_papers_figure():
    frame = pd.DataFrame({
        "name": ["ResNet"] * 3 + ["Fixup"] * 3, "lr": [0.1] * 3 + [0.5] * 3, "seed": [0, 1, 2] * 2,
        "final_train_error": [0.01, 0.03, 0.02, 0.5, float("nan"), 0.7],
        "outcome": ["finished"] * 4 + ["diverged", "finished"], "claim": ["6.61 %"] * 3 + ["7.24 %"] * 3,
        "rates": [(0.02, 0.1, 0.5)] * 6,
    })  # fmt: skip
    rows = results.spreads(frame).set_index("name")
    assert rows.loc["ResNet", ["lr", "edge", "low", "median", "high", "finished"]].tolist() == [
        0.1, False, 0.01, 0.02, 0.03, 3,
    ]  # fmt: skip
    table = figures.outcome_table(frame)
    assert table.loc["ResNet"].tolist() == ["2.0 %, 1.0 to 3.0", "0.1", "6.61 %"]
    assert table.loc["Fixup"].tolist() == [
        "60.0 %, 50.0 to 70.0 (1 of 3 diverged)", "0.5 (the edge of the grid)", "7.24 %",
    ]  # fmt: skip
    without = figures.outcome_table(frame.drop(columns="rates"))
    assert list(without) == ["training error here", "in its paper, on its data"]


@pytest.mark.claims
def test_no_best_rate_of_the_table_is_at_the_edge_of_the_grid(best):
    assert not results.spreads(best[best["name"].isin(SHOWN)])["edge"].any()


@pytest.mark.claims
def test_at_its_best_rate_a_projection_is_level_and_the_nets_without_a_norm_stay_behind(best):
    """Training errors in %, seeds 0 to 2: ResNet 0.4, 0.2, 0.4; projection 0.4, 0.4, 0.2; stochastic depth 2.9, 3.5,
    5.8; SkipInit 10.9, 44.6, 48.1; Fixup 39.1, 12.5, 54.8."""
    found = {name: results.verdict(best, name) for name in SHOWN[1:]}
    assert found == {
        "projection": results.SAME, "stochastic depth": results.HIGHER, "SkipInit": results.HIGHER,
        "Fixup": results.HIGHER,
    }  # fmt: skip
    assert (best[best["name"] == "SkipInit"]["final_train_error"] > 0.05).all()
    assert (best[best["name"] == "Fixup"]["final_train_error"] > 0.05).all()
