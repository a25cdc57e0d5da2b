"""Trained weights, kept beside their run: in half precision, with their errors, and loaded into a net."""

import re

import pytest
import torch
from click.testing import CliRunner

from reslab import cli
from reslab.datasets import digits
from reslab.nets import NetSpec, build, replace
from reslab.runs import CorruptRun, Weights
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, evaluate, train

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = TrainSpec(epochs=4, batch_size=50)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def trained(spec, split, store, **options):
    (run,) = sweep([spec], split, HOW, store=store, device="cpu", progress=False, **options)
    return run


def test_the_net_of_a_run_is_the_net_that_was_trained_but_for_rounding(spec, split, store):
    run = trained(spec, split, store, weights=True)
    weights, net = store.weights(run), store.net(run)
    assert run.final_train_error < 0.5  # chance is 0.9, so this net has learned
    assert (weights.train_error, weights.test_error) == (evaluate(net, split, "train"), evaluate(net, split, "test"))
    assert abs(weights.train_error - run.final_train_error) <= 2 / 200
    assert abs(weights.test_error - run.history["test_error"].iloc[-1]) <= 2 / 60
    assert not net.training
    assert (net.spec, net.seed) == (spec, 0)


def test_parameters_are_in_half_precision_and_nothing_else_is(spec, split, store):
    tensors = store.weights(trained(spec, split, store, weights=True)).tensors
    net = build(spec)
    assert list(tensors) == sorted(net.state_dict())
    assert {name for name, tensor in tensors.items() if tensor.dtype == torch.float16} == {
        name for name, _ in net.named_parameters()
    }
    assert all(tensors[name].dtype == buffer.dtype for name, buffer in net.named_buffers())


def test_training_errors_count_by_the_labels_that_were_trained_on(spec, split, store):
    (run,) = sweep(
        [spec], split, replace(HOW, label_noise=0.5), store=store, device="cpu", progress=False, weights=True
    )
    assert run.final_train_error > 0.3
    assert abs(store.weights(run).train_error - run.final_train_error) <= 2 / 200


def test_they_are_no_checkpoint_and_no_run(spec, split, store):
    run = trained(spec, split, store, weights=True)
    assert store.unfinished() == []
    assert len(store.runs()) == 1
    (file,) = store.path.glob("*/weights/*")
    assert file.stat().st_mode == store.path_of(run).stat().st_mode  # others may read both, or neither
    assert (file.parent.parent, file.stem) == (store.path_of(run).parent, store.path_of(run).stem)


def test_a_run_without_weights_is_trained_again_for_them_and_one_with_them_is_not(spec, split, store):
    run = trained(spec, split, store)
    assert not store.has_weights(run)
    with pytest.raises(
        FileNotFoundError, match=r"no weights of resnet-8, seed 0; sweep\(\.\.\., weights=True\) would keep them"
    ):
        store.net(run)
    again = trained(spec, split, store, weights=True)
    assert not again.recorded
    assert again.final_train_error == run.final_train_error
    assert trained(spec, split, store, weights=True).recorded
    assert trained(spec, split, store).recorded


def test_of_a_checkpoint_at_the_end_there_are_none_until_it_is_trained_again(spec, split, store):
    *_, last = train(build(spec, seed=0), split, HOW, device="cpu")
    store.save_checkpoint(last.checkpoint())
    with pytest.warns(
        UserWarning, match="resnet-8, seed 0, had ended in its checkpoint; run the same sweep again to train it"
    ):
        run = trained(spec, split, store, weights=True)
    assert run.outcome == "finished"
    assert run.history.drop(columns="seconds").equals(last.run().history.drop(columns="seconds"))
    assert not store.has_weights(run)
    assert store.has_weights(trained(spec, split, store, weights=True))


def test_stochastic_depth_has_learned_its_draws_too(split, store):
    spec = NetSpec(depth=8, width=4, stochastic_depth=0.5, **split.shape)
    run = trained(spec, split, store, weights=True)
    assert store.net(run).stage1.block1.branch.survival.draws > 0
    assert store.weights(run).test_error == evaluate(store.net(run), split, "test")


def test_a_damaged_file_is_refused(spec, split, store):
    run = trained(spec, split, store, weights=True)
    (file,) = store.path.glob("*/weights/*")
    whole = file.read_bytes()
    assert Weights.load(file).test_error == store.weights(run).test_error
    for damaged in (
        whole[:-1],
        whole.replace(b'"test_error":"0.', b'"test_error":"1.'),
        whole[:-1] + bytes([whole[-1] ^ 1]),
    ):
        assert damaged != whole
        file.write_bytes(damaged)
        with pytest.raises(CorruptRun, match="is not a whole reslab weights file"):
            store.weights(run)


def test_weights_need_a_store(spec, split):
    with pytest.raises(ValueError, match="weights are kept in a store"):
        sweep([spec], split, HOW, weights=True)
    with pytest.raises(ValueError, match="weights is 1; it must be True or False"):
        sweep([spec], split, HOW, weights=1)


def test_on_a_full_disk_the_weights_are_lost_and_the_run_is_not(spec, split, store, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(Weights, "save", full)
    with pytest.warns(UserWarning, match="resnet-8, seed 0, could not be saved: No space left on device"):
        run = trained(spec, split, store, weights=True)
    assert run.outcome == "finished"
    assert len(store.runs()) == 1


def test_the_command_line_keeps_them_too(tmp_path):
    words = [
        "train",
        "resnet-8",
        "--width",
        "4",
        "--epochs",
        "0.5",
        "--weights",
        "--device",
        "cpu",
        "--store",
        str(tmp_path),
    ]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 0, result.output
    store = Store(tmp_path)
    (run,) = store.runs()
    weights = store.weights(run)
    assert weights.test_error == evaluate(store.net(run), digits(), "test")
    shown = CliRunner().invoke(cli.main, ["runs", "show", "resnet-8", "--store", str(tmp_path)])
    said = rf"Weights, in half precision\n  train_error +{weights.train_error}\n  test_error +{weights.test_error}\n"
    assert re.search(said, shown.output)
    assert f"--epochs 0.5 --dataset digits --seed 0 --weights --again --store {tmp_path}\n" in shown.output
