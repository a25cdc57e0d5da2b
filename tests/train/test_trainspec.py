"""`TrainSpec`: what it refuses, how long it trains, and the learning rate at every step."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import HOW, assert_one_sentence

from reslab.nets import replace
from reslab.train import PRESETS, TrainSpec


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr": math.nan}, "lr is nan; it must be a finite number above 0"),
        ({"lr": 0}, "above 0"),
        ({"lr": -0.1}, "above 0"),
        ({"lr": math.inf}, "finite"),
        ({"lr": "0.1"}, "lr is '0.1'; it must be a number"),
        ({"lr": None}, "lr is None"),
        ({"lr": True}, "lr is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": -1}, "epochs is -1"),
        ({"epochs": math.inf}, "epochs is inf"),
        ({"epochs": 1e300}, "epochs is 1e\\+300"),
        ({"momentum": 1.01}, "at most 1"),
        ({"momentum": -0.1}, "at least 0"),
        ({"weight_decay": -1e-4}, "at least 0"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"label_noise": 1.1}, "label_noise is 1.1; .* at most 1"),
        ({"label_noise": -0.1}, "at least 0"),
        ({"schedule": "one_cycle"}, "'one-cycle', 'step', 'constant'. Did you mean 'one-cycle'?"),
        ({"schedule": "steps"}, "Did you mean 'step'?"),
        ({"schedule": None}, "schedule is None"),
        ({"schedule": ["step"]}, "schedule is"),
        ({"milestones": (0.5, 1.5)}, "a milestone is 1.5; .* at most 1"),
        ({"milestones": (-0.1,)}, "a milestone is -0.1"),
        ({"milestones": (math.nan,)}, "a milestone is nan"),
        ({"milestones": 0.5}, "milestones is 0.5; it must be a sequence"),
        ({"milestones": None}, "milestones is None; it must be a sequence"),
        ({"milestones": "0.5"}, "a milestone is '0'"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"batch_size": True}, "batch_size is True; it must be a whole number"),
        ({"batch_size": 128.0}, "batch_size is 128.0; it must be a whole number"),
        ({"warmup": -1}, "warmup is -1"),
        ({"log_every": 0}, "log_every is 0"),
        ({"log_every": False}, "log_every is False"),
        ({"test_every": 0}, "test_every is 0"),
        ({"capture_every": -1}, "capture_every is -1"),
        ({"capture_every": "1"}, "capture_every is '1'"),
        ({"data_seed": -1}, "data_seed is -1"),
        ({"data_seed": 2**64}, "data_seed is 18446744073709551616"),
        ({"label_seed": 2**64}, "label_seed is 18446744073709551616"),
        ({"label_seed": 0.5}, "label_seed is 0.5"),
        ({"augment": "crop_flip"}, "'none', 'crop-flip'. Did you mean 'crop-flip'?"),
        ({"augment": None}, "augment is None; it can be 'none'"),
        ({"precision": "fp16"}, "'fp32', 'bf16'. Did you mean"),
        ({"precision": 32}, "precision is 32"),
        ({"compile": 1}, "compile is 1; it must be True or False"),
        ({"deterministic": "yes"}, "deterministic is 'yes'; it must be True or False"),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(change, says):
    with pytest.raises(ValueError, match=says) as error:
        TrainSpec(**change)
    assert_one_sentence(error)
    with pytest.raises(ValueError, match=says):  # the way an explorer or a person changes one
        replace(HOW, **change)


def test_a_field_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"Did you mean 'momentum'\?"):
        replace(HOW, momentun=0.5)


def test_a_spec_is_plain_values_whatever_numbers_it_was_made_of():
    milestones = iter([np.float64(0.5), 0.75])
    made = TrainSpec(
        epochs=np.int64(6), batch_size=np.int64(128), lr=np.float64(0.5), milestones=milestones, data_seed=np.uint8(3)
    )
    plain = TrainSpec(epochs=6, lr=0.5, data_seed=3)
    assert made == plain
    assert hash(made) == hash(plain)
    values = made.to_dict()
    assert {type(value) for value in values.values()} <= {int, float, str, list, bool}
    assert TrainSpec(**values) == made
    assert TrainSpec(milestones=[0.25]).milestones == (0.25,)


def test_the_values_of_an_older_run_load_and_mean_what_they_meant():
    values = replace(HOW, lr=0.3).to_dict()
    for field in ("augment", "precision", "compile", "deterministic"):
        del values[field]
    assert TrainSpec(**values) == replace(HOW, lr=0.3)


@pytest.mark.parametrize(
    ("epochs", "batch_size", "images", "expected"),
    [
        (6, 128, 1400, (10, 60)),
        (6, 1400, 1400, (1, 6)),
        (2, 32, 200, (6, 12)),
        (0.5, 128, 1400, (10, 5)),
        (1.25, 100, 1000, (10, 12)),  # 12.5 steps: half to even
        (1e-6, 128, 1400, (10, 1)),
        (164, 128, 50_000, (390, 63_960)),  # the paper's 64k, nearly
    ],
)
def test_steps_of_an_epoch_and_in_all(epochs, batch_size, images, expected):
    assert TrainSpec(epochs=epochs, batch_size=batch_size).steps(images) == expected


def test_one_cycle_rises_for_three_tenths_and_falls_to_nearly_nothing():
    how = TrainSpec(lr=0.2)
    assert how.learning_rate(1, 1000) == pytest.approx(0.2 * 0.0005 / 0.3)
    assert how.learning_rate(150, 1000) == pytest.approx(0.2 * 0.1495 / 0.3)
    assert how.learning_rate(300, 1000) == pytest.approx(0.2, rel=0.01)
    assert how.learning_rate(650, 1000) == pytest.approx(0.2 * (0.5 + 0.5 * math.cos(math.pi * 0.3495 / 0.7)))
    assert 0 < how.learning_rate(1000, 1000) < 1e-6
    rates = [how.learning_rate(step, 60) for step in range(1, 61)]
    top = rates.index(max(rates))
    assert top in (17, 18)
    assert rates == sorted(rates[: top + 1]) + sorted(rates[top + 1 :], reverse=True)


@given(steps=st.integers(1, 2000), part=st.floats(0, 1), lr=st.floats(1e-6, 10), warmup=st.integers(0, 50))
@settings(max_examples=200, deadline=None, database=None)
def test_one_cycle_is_never_zero_and_never_above_lr(steps, part, lr, warmup):
    step = 1 + round(part * (steps - 1))
    assert 0 < TrainSpec(lr=lr, warmup=warmup).learning_rate(step, steps) <= lr


def test_the_step_schedule_falls_tenfold_after_each_milestone_and_constant_never():
    how = TrainSpec(schedule="step", lr=1.0, milestones=(0.75, 0.5))  # in any order
    rates = [how.learning_rate(step, 100) for step in range(1, 101)]
    assert rates == [1.0] * 50 + [0.1] * 25 + [0.01] * 25
    assert {TrainSpec(schedule="constant", lr=0.3).learning_rate(step, 7) for step in range(1, 8)} == {0.3}
    assert {TrainSpec(schedule="step", lr=0.3, milestones=()).learning_rate(step, 7) for step in range(1, 8)} == {0.3}


@pytest.mark.parametrize("schedule", ["one-cycle", "step", "constant"])
def test_warm_up_is_a_tenth_of_lr_for_its_steps_and_then_the_schedule_as_if_there_had_been_none(schedule):
    plain, warmed = TrainSpec(schedule=schedule), TrainSpec(schedule=schedule, warmup=3)
    assert [warmed.learning_rate(step, 20) for step in (1, 2, 3)] == [plain.lr / 10] * 3
    assert [warmed.learning_rate(step, 20) for step in range(4, 21)] == [
        plain.learning_rate(step, 20) for step in range(4, 21)
    ]


# Presets

CIFAR10 = 50_000  # training images


def test_the_papers_recipe_is_64k_steps_with_a_tenth_of_the_learning_rate_after_32k_and_after_48k():
    paper = PRESETS["paper"]
    assert paper.steps(CIFAR10) == (390, 64_000)
    rates = [paper.learning_rate(step, 64_000) for step in range(1, 64_001)]
    assert rates == [0.1] * 32_000 + [0.1 / 10] * 16_000 + [0.1 / 100] * 16_000
    assert (paper.batch_size, paper.momentum, paper.weight_decay, paper.augment) == (128, 0.9, 1e-4, "crop-flip")


def test_its_110_layers_begin_with_400_steps_at_a_tenth():
    paper, warmed = PRESETS["paper"], PRESETS["paper-110"]
    assert warmed == replace(paper, warmup=400)
    assert [warmed.learning_rate(step, 64_000) for step in (1, 400, 401)] == [0.1 / 10, 0.1 / 10, 0.1]


def test_half_the_papers_length_keeps_its_rates():
    half = PRESETS["paper-half"]
    assert half == replace(PRESETS["paper"], epochs=32_000 / 390)
    rates = [half.learning_rate(step, half.steps(CIFAR10)[1]) for step in range(1, 32_001)]
    assert rates == [0.1] * 16_000 + [0.1 / 10] * 8_000 + [0.1 / 100] * 8_000


def test_presets_are_specs_by_name_the_digits_default_and_a_short_one_among_them():
    assert list(PRESETS) == ["digits", "paper", "paper-110", "paper-half", "short", "cpu-subset"]
    assert PRESETS["digits"] == TrainSpec()
    assert PRESETS["short"].steps(CIFAR10)[1] < 64_000 / 10
    assert PRESETS["short"].augment == "crop-flip"
    assert all(preset.precision == "fp32" and not preset.compile for preset in PRESETS.values())  # which run anywhere


def test_the_lessons_defaults():
    assert dataclasses.asdict(TrainSpec()) == {  # recorded runs and the lesson's sentence were made with these
        "epochs": 6.0,
        "batch_size": 128,
        "lr": 0.05,
        "bias_lr": 1.0,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "one-cycle",
        "milestones": (0.5, 0.75),
        "warmup": 0,
        "augment": "none",
        "data_seed": 0,
        "label_noise": 0.0,
        "label_seed": 0,
        "log_every": 1,
        "test_every": 1,
        "capture_every": 0,
        "capture_first": 0,
        "precision": "fp32",
        "compile": False,
        "cuda_graph": True,
        "deterministic": False,
    }
