"""The experiments of the lessons, at a small size: the frames that they return are exact."""

import pandas as pd
import pytest
import torch

from reslab import NetSpec, Store, TrainSpec, build, digits, fit, replace
from reslab.experiments.degradation import (
    by_construction,
    by_depth,
    by_rate,
    extend,
    small_net,
    verdict,
    with_recorded,
)
from reslab.experiments.symptoms import symptoms
from reslab.train import evaluate, train


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=256, n_test=128)


QUICK = TrainSpec(epochs=2)


def test_by_depth_is_the_frames_of_its_runs(split):
    frame = by_depth((8, 14), seeds=(0, 1), split=split, how=QUICK, progress=False)
    asked = [(skip, depth, seed) for skip in (False, True) for depth in (8, 14) for seed in (0, 1)]
    assert list(frame[["skip", "depth", "seed"]].drop_duplicates().itertuples(index=False, name=None)) == asked
    alone = fit(replace(small_net(split), depth=14, skip=True), split, QUICK, seed=1, progress=False).frame()
    one = frame[(frame["name"] == "resnet-14") & (frame["seed"] == 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), alone.drop(columns="seconds"), check_exact=True)


def test_what_a_store_has_is_not_trained_again(split, tmp_path):
    how = {"seeds": (0, 1), "split": split, "how": QUICK, "store": Store(tmp_path / "runs"), "progress": False}
    first, again = (by_depth((8,), skips=(False,), **how) for _ in range(2))
    found = symptoms([replace(small_net(split), depth=8, skip=False)], **how)
    assert not first["origin"].str.startswith("recorded").any()
    assert again["origin"].str.startswith("recorded").all()
    assert found["origin"].str.startswith("recorded").all()
    pd.testing.assert_frame_equal(first.drop(columns="origin"), again.drop(columns="origin"), check_exact=True)
    assert found["train_error"].tolist() == first.groupby("seed")["final_train_error"].last().tolist()


@pytest.mark.parametrize(
    ("deep", "said"),
    [(0.50, "higher"), (0.10, "about the same"), (0.119, "about the same"), (0.121, "higher"), (0.02, "lower")],
)
def test_the_verdict_compares_medians_over_seeds(deep, said):
    rows = [(False, 20, 0, 0.05), (False, 20, 1, 0.15), (False, 56, 0, deep), (True, 20, 0, 0.9), (True, 56, 0, 0.1)]
    frame = pd.DataFrame(
        [row for row in rows for _ in range(3)], columns=["skip", "depth", "seed", "final_train_error"]
    )
    assert verdict(frame) == said
    assert verdict(frame, skip=True) == "lower"


def test_a_verdict_on_a_depth_that_was_not_trained_says_which_were():
    frame = pd.DataFrame({"skip": [False], "depth": [8], "seed": [0], "final_train_error": [0.1]})
    with pytest.raises(ValueError, match=r"the frame has no plain net of depth 20; it has \[8\]"):
        verdict(frame)


def test_added_identities_change_no_logit(split):
    spec = NetSpec(depth=8, width=4, skip=False, **split.shape)
    net = build(spec, seed=3)
    for _ in train(net, split, QUICK, device="cpu"):
        pass
    x, _ = split.batch(slice(None), "test")
    deep = extend(net, 56)
    assert deep.spec == replace(spec, depth=56)
    with torch.no_grad():
        torch.testing.assert_close(deep.eval()(x), net.eval()(x), rtol=1e-5, atol=1e-5)
    assert evaluate(deep, split, "train") == evaluate(net, split, "train")


@pytest.mark.parametrize(
    "changes", [{"skip": True}, {"norm": "none"}, {"activation": "tanh"}, {"block": "bottleneck", "depth": 11}]
)
def test_only_nets_that_can_be_extended_are(split, changes):
    net = build(replace(NetSpec(depth=8, width=4, skip=False, **split.shape), **changes))
    with pytest.raises(ValueError, match="only a plain net of basic blocks with BatchNorm and ReLU can be extended"):
        extend(net, 56)


def test_by_construction_trains_two_and_makes_one_of_each_seed(split):
    table = by_construction(20, shallow=8, seeds=(0, 3), split=split, how=QUICK)
    assert table["net"].tolist() == ["plain-8", "plain-20, made of plain-8", "plain-20"] * 2
    assert table["how"].tolist() == ["trained", "made", "trained"] * 2
    assert table["seed"].tolist() == [0] * 3 + [3] * 3
    for _, (shallow, made, deep) in table.groupby("seed")[["depth", "parameters", "train_error", "test_error"]].apply(
        lambda rows: rows.to_dict("records")
    ).items():
        assert (shallow["depth"], made["depth"], deep["depth"]) == (8, 20, 20)
        assert shallow["train_error"] == made["train_error"]
        assert shallow["test_error"] == made["test_error"]
        assert made["parameters"] == deep["parameters"] > shallow["parameters"]
    alone = fit(replace(small_net(split), depth=20, skip=False), split, QUICK, seed=3, progress=False)
    last = table.iloc[-1]
    assert (last["train_error"], last["test_error"]) == (
        alone.final_train_error, alone.history["test_error"].iloc[-1],
    )  # fmt: skip


def test_recorded_runs_of_the_same_nets_stand_beside_what_was_measured(split):
    measured = by_depth((8,), split=split, how=QUICK, progress=False)
    frame = with_recorded(measured)
    assert frame[: len(measured)].equals(measured[frame.columns])
    beside = frame[len(measured) :]
    assert set(zip(beside["name"], beside["seed"], strict=True)) == {
        (name, seed) for name in ("plain-8", "resnet-8") for seed in (0, 1, 2)
    }
    assert beside["origin"].str.startswith("recorded").all()
    assert (beside.groupby(["name", "seed"])["step"].max() == 60).all()


def test_by_rate_has_one_row_a_net_rate_length_and_seed():
    frame = by_rate()
    assert not frame.duplicated(["name", "lr", "epochs", "seed"]).any()
    seeds = frame.groupby(["name", "lr", "epochs"])["seed"].agg(set)
    assert all(some == {0, 1, 2} for some in seeds)
    grid = {(lr, epochs) for lr in (0.01, 0.02, 0.05, 0.1) for epochs in (6, 24)}
    assert set(seeds["plain-56"].index) >= grid | {(0.1, 60)}
    assert set(seeds["resnet-56"].index) >= {(0.05, 6)}
    assert (frame["steps"] == 10 * frame["epochs"]).all()
