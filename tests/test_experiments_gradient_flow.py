"""The experiments of lesson 02: what they return is exact, whatever was measured."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from reslab import FAMILY, NetSpec, build, digits, replace
from reslab.experiments import (
    gradient_factors,
    gradient_flow,
    loss_along_gradient,
    mean_field,
    symptoms,
)
from reslab.experiments.degradation import small_net
from reslab.experiments.gradient_factors import factors
from reslab.experiments.gradient_flow import at_initialisation, first_steps, label
from reslab.experiments.shattering import along_a_line, autocorrelation
from reslab.train import TrainSpec

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=256, n_test=128)


def net(split, **changes):
    return replace(small_net(split), **changes)


# Gradients


@pytest.mark.parametrize(
    ("changes", "mode", "said"),
    [
        ({}, "train", "resnet-20"),
        ({"depth": 56, "skip": False, "norm": "none", "init": "torch"}, "train", "plain-56 · no norm · torch init"),
        ({"activation": "sigmoid"}, "eval", "resnet-20 · sigmoid · eval mode"),
        ({"residual_scale": "depth", "norm": "none"}, "train", "resnet-20 · no norm · branch × 1/√blocks"),
        ({"residual_scale": "learned"}, "train", "resnet-20 · branch × learned"),
        ({"residual_scale": "learned", "skip": False}, "train", "plain-20"),  # there is no branch to scale
        ({"init": "fixup", "norm": "none"}, "train", "fixup-resnet-20 · no norm"),
    ],
)
def test_a_label_says_what_sets_a_net_apart(changes, mode, said):
    assert label(NetSpec(**changes), mode) == said


def test_at_initialisation_measures_the_weights_as_they_were_drawn(split):
    spec = net(split, depth=14)
    frame = at_initialisation(spec, split, seed=2)
    assert frame["module"].tolist() == [f"stage{stage}.block{block}" for stage in (1, 2, 3) for block in (1, 2)]
    assert frame["step"].unique().tolist() == [0]
    assert frame.loc[0, ["name", "skip", "depth", "seed", "norm", "mode"]].tolist() == [
        "resnet-14",
        True,
        14,
        2,
        "batch",
        "train",
    ]
    model, outputs = build(spec, seed=2), []
    for stage in (model.stage1, model.stage2, model.stage3):
        for block in stage:
            block.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0))[:128]  # the first batch of data seed 0
    x, y = split.batch(order, "train")
    gradients = torch.autograd.grad(F.cross_entropy(model(x), y), outputs)
    np.testing.assert_allclose(frame["gradient_rms"], [g.square().mean().sqrt().item() for g in gradients], rtol=1e-3)
    np.testing.assert_allclose(frame["activation_rms"], [o.square().mean().sqrt().item() for o in outputs], rtol=1e-4)


def test_the_first_step_of_training_sees_the_same_gradient_to_the_bit(split):
    spec = net(split, depth=56, skip=False)
    steps = first_steps(spec, split, seed=1, steps=3, device="cpu")
    assert steps["step"].unique().tolist() == [1, 2, 3]
    first = steps[steps["step"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        first.drop(columns=["step", "outcome"]),
        at_initialisation(spec, split, seed=1).drop(columns="step"),
        check_exact=True,
    )
    assert set(steps["outcome"]) == {"finished"}


def test_first_steps_are_at_a_constant_learning_rate(split):
    how = gradient_flow.first_steps_spec(split, steps=5, lr=0.2)
    per_epoch, steps = how.steps(256)
    assert (per_epoch, steps) == (2, 5)
    assert {how.learning_rate(step, steps) for step in range(1, 6)} == {0.2}


def test_one_step_is_sgds_and_its_parts_are_what_they_are_called(split):
    spec = net(split, depth=14, skip=False)
    parts = gradient_flow.one_step(spec, split, seeds=(0, 3), lr=0.1)
    assert parts["moved"].tolist() == 2 * list(gradient_flow.PARTS)
    assert parts["seed"].tolist() == 5 * [0] + 5 * [3]
    for seed, rows in parts.groupby("seed"):
        ratio, growth = (rows.set_index("moved")[column] for column in ("ratio", "growth"))
        for part, prefixes in {
            "nothing": (),
            "everything": ("",),
            "convolutions alone": ("conv",),
            "γ and β alone": ("norm",),
        }.items():
            stepped = build(spec, seed=seed).double()
            gradient = gradient_flow.backward(stepped, split, "train")["gradient_rms"]
            before = stepped.stem.conv.weight.norm().item()
            chosen = [
                p
                for name, p in stepped.named_parameters()
                if any(name.split(".")[-2].startswith(prefix) for prefix in prefixes)
            ]
            if chosen:
                torch.optim.SGD(chosen, lr=0.1).step()
                gradient = gradient_flow.backward(stepped, split, "train")["gradient_rms"]
            assert ratio[part] == pytest.approx(gradient.iloc[0] / gradient.iloc[-1], rel=1e-9)
            assert growth[part] == pytest.approx(stepped.stem.conv.weight.norm().item() / before, rel=1e-9)
        assert growth["everything, at the old size"] == pytest.approx(1)
        # BatchNorm's ε is all that sees it
        assert ratio["everything, at the old size"] == pytest.approx(ratio["everything"], rel=0.05)


def test_one_step_is_of_nets_with_batchnorm_and_a_stem_of_one_convolution(split):
    with pytest.raises(ValueError, match="this net has none"):
        gradient_flow.one_step(net(split, norm="none"), split)
    with pytest.raises(ValueError, match="a stem of one convolution: 'cifar' or 'imagenet'; this net's is 'deep'"):
        gradient_flow.one_step(FAMILY["resnet-50-d"], split)


def test_in_eval_mode_a_fresh_batchnorm_does_next_to_nothing(split):
    with_norm = at_initialisation(net(split, depth=20, skip=False), split, mode="eval")
    without = at_initialisation(net(split, depth=20, skip=False, norm="none"), split)
    np.testing.assert_allclose(with_norm["gradient_rms"], without["gradient_rms"], rtol=1e-2)


def test_a_gradient_that_leaves_float32_is_reported_as_it_is(split):
    small = at_initialisation(net(split, depth=110, skip=False, norm="none", init="torch"), split)["gradient_rms"]
    assert small.iloc[0] == 0 < small.iloc[-1]


def test_by_depth_is_every_depth_skip_and_seed(split):
    frame = gradient_flow.by_depth((8, 14), seeds=(0, 3), split=split)
    asked = [(skip, depth, seed) for skip in (False, True) for depth in (8, 14) for seed in (0, 3)]
    assert list(frame[["skip", "depth", "seed"]].drop_duplicates().itertuples(index=False, name=None)) == asked
    one = frame.query("skip and depth == 14 and seed == 3").reset_index(drop=True)
    pd.testing.assert_frame_equal(one, at_initialisation(net(split, depth=14), split, seed=3))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"mode": "test"}, "mode is 'test'; it can be 'train', 'eval'."), ({"seed": -1}, "seed is -1; it must be")],
)
def test_a_wrong_option_is_refused_in_one_sentence(split, options, said):
    with pytest.raises(ValueError, match=said):
        at_initialisation(net(split), split, **options)


def test_a_net_for_other_images_is_refused(split):
    for measure in (at_initialisation, factors, along_a_line):
        with pytest.raises(ValueError, match="the net has in_channels 3, image_size 32"):
            measure(NetSpec(), split)


# Factors


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm": "none", "init": "torch"},
        {"activation": "tanh"},
        {"block": "bottleneck"},
        {"order": "preact"},
        {"init": "xavier"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_the_product_of_all_factors_is_the_ratio(split, skip, changes):
    spec = net(split, depth=20, skip=skip, **changes)
    gradient = at_initialisation(spec, split, seed=1)["gradient_rms"]
    frame = factors(spec, split, seed=1)
    # float64 against float32
    assert frame["factor"].prod() == pytest.approx(gradient.iloc[0] / gradient.iloc[-1], rel=2e-2)
    by_block = frame.groupby("index")["factor"].prod()
    np.testing.assert_allclose(by_block, gradient.to_numpy()[:-1] / gradient.to_numpy()[1:], rtol=2e-2)
    assert set(frame["kind"]) == ({"skip + branch", "activations"} if skip else {"weights", "norms", "activations"})


def test_the_slope_is_the_derivative_over_the_batch(split):
    frame = factors(net(split, depth=8, skip=False), split)
    slopes = frame.loc[frame["kind"] == "activations", "slope"]
    assert frame.loc[frame["kind"] != "activations", "slope"].isna().all()
    # ReLU's is 1 or 0, so its RMS is the root of the share of active units, about half of them after BatchNorm.
    np.testing.assert_allclose(slopes, math.sqrt(0.5), atol=0.05)
    sigmoid = factors(net(split, depth=8, skip=False, activation="sigmoid"), split)["slope"].dropna()
    assert (sigmoid < 0.25).all()
    assert factors(net(split, depth=8), split)["slope"].isna().all()


def test_the_remedies_add_up_to_the_ratio_after_each(split):
    frame = gradient_factors.remedies(20, seeds=(0, 1), split=split)
    assert frame["change"].unique().tolist() == [change for change, _ in gradient_factors.REMEDIES]
    assert frame.groupby("remedy")["name"].first().tolist() == [
        *(
            "plain-20 · no norm · torch init · sigmoid",
            "plain-20 · no norm · torch init",
            "plain-20 · no norm",
            "plain-20",
            "resnet-20",
        ),
    ]
    total = frame[(frame["remedy"] == 4) & (frame["seed"] == 1)]["decades"].sum()
    gradient = at_initialisation(net(split, depth=20, skip=False), split, seed=1)["gradient_rms"]
    assert total == pytest.approx(math.log10(gradient.iloc[0] / gradient.iloc[-1]), abs=1e-3)


def test_the_table_measures_both_ways():
    table = gradient_factors.table(("plain-8", "resnet-8"), seeds=(0, 1))
    assert len(table) == 3 * 2 * 2
    # Four times as many numbers come out of the stem as of the last block, so the L2 norm sees twice the ratio.
    np.testing.assert_allclose(table["ratio"], 2 * table["ratio_rms"])


def test_symptoms_are_a_row_a_net_and_seed(split):
    specs = [net(split, depth=8, skip=skip) for skip in (True, False)]
    frame = symptoms.symptoms(specs, split, seeds=(1, 0), how=TrainSpec(epochs=2), progress=False)
    assert list(zip(frame["name"], frame["seed"], strict=True)) == [
        ("resnet-8", 1),
        ("resnet-8", 0),
        ("plain-8", 1),
        ("plain-8", 0),
    ]
    gradient = at_initialisation(specs[1], split, seed=1)["gradient_rms"]
    assert frame["ratio"][2] == gradient.iloc[0] / gradient.iloc[-1]
    lags = autocorrelation(along_a_line(specs[1], split, seed=1))
    assert frame["autocorrelation"][2] == lags["autocorrelation"][1]
    assert frame["train_error"].between(0, 1).all()
    assert frame["steps"].unique().tolist() == [4]


def test_nets_whose_symptoms_are_known_are_not_measured_again(split, monkeypatch):
    specs = [net(split, depth=8, skip=skip) for skip in (True, False)]
    asked = {"seeds": (0, 1), "how": TrainSpec(epochs=2), "progress": False}
    frame = symptoms.symptoms(specs, split, **asked)
    trained, sweep = [], symptoms.sweep
    monkeypatch.setattr(symptoms, "sweep", lambda new, *rest, **how: trained.extend(new) or sweep(new, *rest, **how))
    known = frame[frame["name"] == "plain-8"].assign(shallow_error=0.5)
    pd.testing.assert_frame_equal(symptoms.symptoms(specs, split, known=known, **asked), frame)
    assert trained == [specs[0]]
    assert symptoms.symptoms(specs, split, known=frame, **asked).equals(frame)
    assert trained == [specs[0]]
    symptoms.symptoms(specs, split, known=frame[frame["seed"] == 0], **asked)
    assert trained == [specs[0], *specs]


# Why it explodes, and what a step gains


def test_growth_is_one_at_the_last_layer_and_drawn_from_the_seed():
    frame = mean_field.growth_by_layer(4, width=16, images=8, seeds=(0, 1))
    assert len(frame) == 4 * 2 * 4
    assert (frame.loc[frame["back"] == 0, "gradient"] == 1).all()
    again = mean_field.growth_by_layer(4, width=16, images=8, seeds=(1,))
    pd.testing.assert_frame_equal(frame[frame["seed"] == 1].reset_index(drop=True), again)
    with pytest.raises(ValueError, match="depth"):
        mean_field.growth_by_layer(1)


def test_the_loss_along_the_gradient_is_that_of_a_net_that_was_moved(split):
    spec = net(split, depth=8)
    model = build(spec, seed=1)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    frame = loss_along_gradient.along(model, split, rates=(1e-4, 0.1)).set_index("rate")
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0))[:128]
    x, y = split.batch(order, "train")
    loss = F.cross_entropy(model.train()(x), y)
    assert frame.loc[0.0, "loss"] == pytest.approx(loss.item())
    loss.backward()
    squared = sum(parameter.grad.square().sum().item() for parameter in model.parameters())
    assert frame.loc[0.1, "predicted"] == pytest.approx(0.1 * squared, rel=1e-4)
    assert loss.item() - frame.loc[1e-4, "loss"] == pytest.approx(1e-4 * squared, rel=0.1)  # so small a step keeps it
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
        assert frame.loc[0.1, "loss"] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-4)


def test_the_loss_is_followed_after_the_steps_that_are_asked_for(split):
    frame = loss_along_gradient.in_training(
        ("plain-8",), steps=(0, 2), rates=(0.1,), seeds=(1,), split=split, progress=False
    )
    assert frame[["step", "rate"]].to_numpy().tolist() == [[0, 0], [0, 0.1], [2, 0], [2, 0.1]]
    assert frame["loss"].iloc[0] != frame["loss"].iloc[2]
