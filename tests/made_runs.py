"""Runs and a checkpoint made up for the tests, with unusual numbers and letters; `assert_same` compares two."""

import dataclasses
import math
import struct

import pandas as pd
import torch

from reslab.nets import NetSpec
from reslab.runs import Checkpoint, Provenance, Run
from reslab.specs import TrainSpec

HOW = TrainSpec(epochs=1, batch_size=50, capture_every=2)  # of the fixture `run`: on 200 images, 4 steps
ODD = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 1e16 + 2.0, 123456789.123456789]


def provenance(**changes):
    values = {"machine": "Zuse Z3 · 5 Hz", "device": "cpu", "threads": 2, "date": "1941-05-12", "python": "3.11.0"}
    return Provenance(**values | {"torch": "2.15.0", "reslab": "0.1.0", "commit": "0123456789ab"} | changes)


def make_run(**changes):
    steps = range(1, len(ODD) + 1)
    history = {
        "step": steps,
        "epoch": [s / 3 for s in steps],
        "lr": 0.1,
        "loss": ODD,
        "train_error": 0.5,
        "test_error": math.nan,
        "seconds": 1.0,
    }
    layers = {
        "step": [1, 1],
        "module": ["stage1.block1", "größe"],
        "index": [1, 2],
        "shape": ["128×8×8×8", ""],
        "gradient_rms": [1e-40, math.nan],
    }
    values = {
        "name": "résnet – 56 “×” 数字 🧮",
        "spec": NetSpec(depth=56, skip=False, width=8),
        "how": {"lr": 0.1, "milestones": [0.5, 0.75], "schedule": "step"},
        "dataset": "digits",
        "seed": 3,
        "parameters": 214_402,
        "outcome": "finished",
        "final_train_error": 0.1 + 0.2,
        "history": pd.DataFrame(history),
        "layers": pd.DataFrame(layers),
        "provenance": provenance(),
    }
    return Run(**values | changes)


def make_checkpoint():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 4, 3, 3, generator=generator)
    tensors = {
        "model.conv.weight": weight.contiguous(memory_format=torch.channels_last),
        "model.norm.num_batches_tracked": torch.tensor(7),
        "momentum.conv.weight": torch.tensor([math.nan, math.inf, -0.0, 1e-45]),
        "model.half": torch.tensor([1.5], dtype=torch.bfloat16),
    }
    return Checkpoint(run=make_run(), tensors=tensors)


def bits(values):
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def assert_same(ours, theirs):
    for field in (field for field in dataclasses.fields(Run) if field.compare):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
            ours_bits, theirs_bits = ([bits(column.tolist()) for _, column in part.items()] for part in (one, other))
            assert ours_bits == theirs_bits
        elif isinstance(one, float):
            assert bits([one]) == bits([other])
        else:
            assert one == other
            assert type(one) is type(other)


def assert_one_sentence(error, path):
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < len(str(path)) + 200


def assert_same_numbers(ours, theirs):
    """Assert that the frames of two runs are equal to the last digit, except for the seconds."""
    pd.testing.assert_frame_equal(
        ours.history.drop(columns="seconds"), theirs.history.drop(columns="seconds"), check_exact=True
    )
    pd.testing.assert_frame_equal(ours.layers, theirs.layers, check_exact=True)


def files(store):
    """The files of a store, as paths within it, sorted."""
    return sorted(
        str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file() and path.name != ".lock"
    )
