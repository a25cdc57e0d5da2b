"""Lesson 01: what each run ended with, and how training error goes with depth, as numbers."""

import numpy as np
import pandas as pd
import pytest
from invented import RECORDED, histories, history, rates, together

from reslab.results import degradation as results


def points(frame):
    return results.points(results.results(frame))


def test_a_run_ends_with_the_mean_of_its_last_epoch_unless_the_frame_knows_better():
    (row,) = results.final(history(error=0.3, steps=33)).itertuples()
    assert (row.name, row.skip, row.depth, row.seed, row.parameters, row.steps) == ("plain-56", False, 56, 0, 54026, 33)
    assert (row.outcome, row.seconds) == ("finished", 3.3)
    np.testing.assert_allclose((row.train_error, row.test_error), (0.3, 0.32))
    assert results.final(history(final_train_error=0.25))["train_error"].item() == 0.25
    assert results.final(history(error=0.3, final_train_error=np.nan))["train_error"].item() == pytest.approx(0.3)
    assert results.final(history()[:0]).empty


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="The result cannot be made: the frame lacks epoch"):
        results.final(history().drop(columns="epoch"))


def test_names_lose_their_seed_and_families_their_depth():
    (result,) = results.results(history("resnet-20 · tanh · seed 3"))
    assert (result.net, result.family) == ("resnet-20 · tanh", "residual · tanh")


def test_a_point_is_a_net_over_its_seeds():
    (point,) = points(histories({"plain-8": (0.1, 0.2, 0.6)}))
    assert (point.median, point.low, point.high) == pytest.approx((0.2, 0.1, 0.6))
    assert point.runs == 3
    assert (point.seeds, point.parameters) == ({0, 1, 2}, {54026})


@pytest.mark.parametrize(
    ("plain", "residual", "verdict"),
    [
        ((0.7, 0.8), (0.1, 0.2), results.HIGHER),
        ((0.2, 0.8), (0.1, 0.3), results.OVERLAP),
        ((0.11,), (0.10,), results.SAME),
        ((0.1,), (0.5,), results.LOWER),
        ((0.1, 0.3), (0.15, 0.33), results.OVERLAP),
    ],
)
def test_plain_and_residual_are_compared_over_the_seeds(plain, residual, verdict):
    assert results.compare(*points(histories({"plain-56": plain, "resnet-56": residual}))) == verdict


@pytest.mark.parametrize(
    ("errors", "kind", "start", "end"),
    [
        ((0.01, 0.03, 0.74), "rises", 8, 56),
        ((0.3, 0.1, 0.7), "rises", 20, 56),  # from its lowest point
        ((0.3, 0.2, 0.1), "falls", 8, 56),
        ((0.1, 0.5, 0.1), "peaks", 20, 56),
        ((0.01, 0.02, 0.015), "level", 8, 56),
    ],
)
def test_the_trend_with_depth(errors, kind, start, end):
    trend = results.trend(points(histories(dict(zip(("plain-8", "plain-20", "plain-56"), errors, strict=True)))))
    assert (trend.kind, trend.start.depth, trend.end.depth) == (kind, start, end)
    assert trend.after_a_fall == (errors[0] == 0.3 and kind == "rises")
    if kind == "level":
        assert (trend.low, trend.high) == pytest.approx((0.01, 0.02))


def test_a_rise_or_a_fall_says_whether_its_seeds_overlap():
    assert results.trend(points(histories({"plain-8": (0.1, 0.5), "plain-56": (0.05, 0.3)}))).overlap
    assert not results.trend(points(histories({"plain-8": (0.4, 0.5), "plain-56": (0.05, 0.3)}))).overlap
    assert results.trend(points(histories({"plain-8": (0.1, 0.5), "plain-56": (0.4, 0.6)}))).overlap
    assert not results.trend(points(histories({"plain-8": (0.1, 0.2), "plain-56": (0.4, 0.6)}))).overlap


def test_what_compared_nets_share():
    alike = points(histories({"plain-56": (0.7, 0.8), "resnet-56": (0.1, 0.1)}))
    assert results.same_parameters(alike)
    assert results.same_seeds(alike) == 2
    other = points(together(history("plain-8"), history("resnet-8", parameters=60000, seed=1)))
    assert not results.same_parameters(other)
    assert not results.same_seeds(other)
    assert not results.same_parameters(points(histories({"plain-8": 0.1, "resnet-56": 0.1})))  # no depth in common


def test_origins_are_results_of_their_own():
    frame = together(history(error=0.1), history(error=0.2, origin=RECORDED))
    assert results.final(frame)["train_error"].tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(("deep", "said"), [(0.5, "higher"), (0.1, "about the same"), (0.02, "lower")])
def test_the_verdict_compares_two_depths(deep, said):
    frame = histories({"plain-20": 0.1, "plain-56": deep})
    frame["final_train_error"] = np.where(frame["depth"] == 56, deep, 0.1)
    assert results.verdict(frame) == said
    with pytest.raises(ValueError, match=r"no residual net of depth 20; it has \[\]"):
        results.verdict(frame, skip=True)


def test_in_the_verdict_a_run_that_diverged_errs_on_all():
    for deep, said in (((np.nan, np.nan, np.nan), "higher"), ((0.05, np.nan, np.nan), "higher"),
                       ((0.05, 0.05, np.nan), "lower")):  # fmt: skip
        rows = [(False, depth, seed, e) for depth, es in ((20, (0.1,) * 3), (56, deep)) for seed, e in enumerate(es)]
        frame = pd.DataFrame(rows, columns=["skip", "depth", "seed", "final_train_error"])
        assert results.verdict(frame) == said


def test_by_rate_is_the_median_and_the_range_over_the_seeds():
    table = results.by_rate(rates())
    assert [*zip(table["name"], table["lr"], table["epochs"], strict=True)] == [
        ("plain-56", 0.02, 6), ("plain-56", 0.02, 60), ("plain-56", 0.1, 6), ("plain-56", 0.1, 60),
        ("resnet-56", 0.05, 6),
    ]  # fmt: skip
    assert table.loc[1, ["median", "low", "high", "seeds"]].tolist() == [0.1, 0.02, 0.3, 3]
    assert results.best(table, 60)["lr"] == 0.02
    with pytest.raises(ValueError, match="lacks lr"):
        results.by_rate(rates().drop(columns="lr"))


def test_by_rate_counts_a_run_that_diverged_as_all_wrong():
    table = results.by_rate(rates({("plain-56", 0.1, 6): (0.3, float("nan"))}, outcome="diverged"))
    assert table[["median", "low", "high"]].to_numpy().tolist() == [[1, 1, 1]]


def test_beside_the_paper_has_one_row_per_net_with_means_over_the_seeds_that_finished():
    runs = {("resnet-8", 0): 0.3, ("resnet-20", 0): 0.1, ("resnet-20", 1): 0.2}
    frames = [history(name, seed=seed, test_error=x, final_train_error=x) for (name, seed), x in runs.items()]
    failed = history("resnet-8", seed=1, outcome="diverged", test_error=0.9, final_train_error=0.9)
    table = results.beside_the_paper(together(*frames, failed)).set_index("name")
    assert table["seeds"].to_dict() == {"resnet-8": 1, "resnet-20": 2}
    for error in ("train_error", "test_error"):
        assert table[error].to_dict() == pytest.approx({"resnet-8": 0.3, "resnet-20": 0.15})
    assert table.loc["resnet-20", "paper_test_error"] == 0.0875
    assert np.isnan(table.loc["resnet-8", "paper_test_error"])
    assert (table["parameters"] == 54026).all()
