"""`reslab.runs`: what is saved is read back to the bit, by anything that can read, and nothing is unpickled."""

import dataclasses
import json
import math
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_runs import assert_same, bits, make_checkpoint, make_run, provenance

from reslab.runs import Checkpoint, CorruptRun, Run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.json"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": pd.DataFrame()},
        {"spec": None, "seed": None},
        {"final_train_error": math.nan, "outcome": "diverged"},
        {"final_train_error": -0.0},
        {"provenance": provenance(commit=None, device="cuda", machine="")},
        {"how": {}},
    ],
    ids=["whole", "no layers", "no spec", "diverged", "minus zero", "no commit", "no how"],
)
def test_a_run_is_read_back_to_the_bit(file, changes):
    run = make_run(**changes)
    run.save(file)
    assert_same(Run.load(file), run)
    assert_same(Run.load(str(file)), run)
    assert Run.load(file).to_json() == run.to_json()


def test_every_double_survives(file):
    doubles = np.frombuffer(np.random.default_rng(5).bytes(8 * 2000), dtype=np.float64).tolist()
    doubles = [math.nan if math.isnan(value) else value for value in doubles]  # a NaN's payload is no number
    run = make_run(layers=pd.DataFrame({"gradient_rms": doubles}))
    run.save(file)
    assert bits(Run.load(file).layers["gradient_rms"].tolist()) == bits(doubles)


def test_a_run_of_numpy_numbers_from_a_frame_is_saved_as_plain_ones(file):
    layers = pd.DataFrame({"step": np.array([1, 2], dtype=np.int32), "rms": np.array([0.1, np.inf], dtype=np.float32)})
    make_run(layers=layers).save(file)
    assert Run.load(file).layers["rms"].tolist() == [float(np.float32(0.1)), math.inf]
    assert Run.load(file).layers["step"].tolist() == [1, 2]


def test_a_saved_run_is_strict_json_in_utf_8_that_anything_can_read(file):
    make_run().save(file)
    strict = json.loads(
        file.read_bytes().decode("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    assert strict["name"] == "résnet – 56 “×” 数字 🧮"
    assert strict["history"]["loss"][5:8] == [None, "inf", "-inf"]
    assert "résnet".encode() in file.read_bytes()  # as itself, not as \\u00e9


def test_the_locale_of_the_machine_does_not_matter(tmp_path):
    """The encoding of the locale may lack "×"; here Python warns where a file is opened with it."""
    code = f"""
import sys, warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
from made_runs import Run, make_run
warnings.simplefilter("error", EncodingWarning)
make_run().save({str(tmp_path / "run.json")!r})
print(Run.load({str(tmp_path / "run.json")!r}).outcome)
"""
    command = [sys.executable, "-X", "warn_default_encoding", "-c", code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONWARNINGS": ""})
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr


def test_a_checkpoint_is_read_back_to_the_bit(tmp_path):
    checkpoint, file = make_checkpoint(), tmp_path / "part.safetensors"
    checkpoint.save(file)
    loaded = Checkpoint.load(file)
    assert_same(loaded.run, checkpoint.run)
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert loaded.tensors[name].shape == tensor.shape
        one, other = (
            bytes(t.contiguous().reshape(-1).view(torch.uint8).tolist()) for t in (tensor, loaded.tensors[name])
        )
        assert one == other


def test_nothing_is_unpickled(file, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    make_run().save(file)
    make_checkpoint().save(tmp_path / "part.safetensors")
    for module, name in (
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (pd, "read_pickle"),
        (np, "load"),
    ):
        monkeypatch.setattr(module, name, refuse)
    assert Run.load(file).seed == 3
    assert len(Checkpoint.load(tmp_path / "part.safetensors").tensors) == 4


def test_a_pickle_is_refused_and_not_run(file, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    file.write_bytes(pickle.dumps(Trap()))
    for kind in (Run, Checkpoint):
        with pytest.raises(CorruptRun):
            kind.load(file)
    torch.save({"weight": torch.ones(1)}, file)
    for kind in (Run, Checkpoint):
        with pytest.raises(CorruptRun):
            kind.load(file)
    assert not (tmp_path / "sprung").exists()


def test_a_history_longer_than_a_header_of_safetensors_may_be_is_saved(tmp_path):
    """64,000 logged steps, as in the paper's recipe with every step logged; a header is limited to 100 MB."""
    steps = range(64_000)
    long = make_run(history=pd.DataFrame({"step": steps, "loss": np.random.default_rng(0).random(64_000)}))
    dataclasses.replace(make_checkpoint(), run=long).save(tmp_path / "part.safetensors")
    whole = (tmp_path / "part.safetensors").read_bytes()
    assert struct.unpack("<Q", whole[:8])[0] < 10_000
    assert len(Checkpoint.load(tmp_path / "part.safetensors").run.history) == 64_000
