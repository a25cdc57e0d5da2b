"""Files that older versions wrote are read: a run, a checkpoint and stored weights of 0.1.0.

versions/0.1.0 has a training of eight steps, and its checkpoint after five, as that version wrote them.
"""

import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from packaging.version import Version

import reslab
from reslab import Checkpoint, NetSpec, Run, Store, TrainSpec, digits, fit, recorded

FILES = Path(__file__).parent / "versions" / "0.1.0"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def old():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Run.load(FILES / "run.json")


def test_this_is_a_newer_version(old):
    assert old.provenance.reslab == "0.1.0"
    assert Version(reslab.__version__) > Version("0.1.0")


def test_a_run_is_read_whole_and_its_specs_have_every_field_of_today(old):
    assert (old.outcome, old.history["step"].tolist()) == ("finished", list(range(1, 9)))
    assert sorted(set(old.layers["step"])) == [1, 5]
    assert {field.name for field in fields(NetSpec)} == set(vars(old.spec))
    assert TrainSpec(**old.how).epochs == 2


def test_a_store_finds_it_beside_a_run_of_today(old, tmp_path):
    store, split = Store(tmp_path), digits().subset(200, 60)
    store.add(old)
    how = TrainSpec(**old.how)
    store.add(fit(old.spec, split, how, seed=1, device="cpu", progress=False))
    found = store.runs(depth=8)
    assert {run.provenance.reslab for run in found} == {"0.1.0", reslab.__version__}
    assert store.frame()["seed"].tolist() == [0, 1]


def test_a_checkpoint_goes_on(old):
    checkpoint = Checkpoint.load(FILES / "checkpoint.safetensors")
    assert checkpoint.run.history["step"].iloc[-1] == 5
    run = fit(old.spec, digits().subset(200, 60), TrainSpec(**old.how), device="cpu", resume=checkpoint, progress=False)
    assert run.outcome == "finished"
    np.testing.assert_array_equal(run.history["loss"][:5], old.history["loss"][:5])  # kept, not trained again
    np.testing.assert_allclose(run.history["loss"][5:], old.history["loss"][5:], rtol=1e-3)  # on another processor


def test_the_recorded_runs_and_weights_of_0_1_0_are_read():
    runs = [run for run in recorded().runs() if run.provenance.reslab == "0.1.0"]
    assert len(runs) > 200
    stored = next(run for run in runs if recorded().has_weights(run))
    net = recorded().net(stored)
    assert net.spec == stored.spec
    assert all(torch.isfinite(value).all() for value in net.state_dict().values())
