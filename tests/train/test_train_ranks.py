"""A training shared by two processes over gloo: gradients of the whole batch, equal numbers in both, one run."""

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from together import WILD
from trainings import HOW, RESUMABLE, assert_same_history, assert_same_tensors

from reslab.nets import build, replace
from reslab.store import Store
from reslab.train import Ranks, train
from reslab.train.augment import crop_flip, draw

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "reslab"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def both(folder):
    """What each of two processes saw."""
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("together.py")), str(folder)]
    with ExitStack() as stack:
        begun = [
            stack.enter_context(subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True))
            for rank in (0, 1)
        ]
        errors = [process.communicate(timeout=600)[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], "\n".join(errors)
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]


def alone(spec, split, how):
    *_, last = train(build(spec, seed=2), split, how, device="cpu")
    return last


def test_a_process_alone_is_a_world_of_one(split, spec):
    ranks = Ranks("cpu")
    assert (ranks.world, ranks.rank, ranks.share(33)) == (1, 0, 33)
    assert ranks.first("it") == "it"
    assert ranks.any(True)
    net = build(spec)
    assert ranks.wrap(net, every_parameter=True) is net
    assert next(train(net, split, HOW)).run().provenance.processes == 1


def test_gradients_of_the_shares_average_to_those_of_the_whole_batch(both, split, spec):
    net = build(replace(spec, norm="none"), seed=2)
    generator = torch.Generator().manual_seed(HOW.data_seed * 1_000_003)
    order, draws = torch.randperm(200, generator=generator)[:32], draw(200, generator)[:32]
    x, y = split.batch(order)
    logits = net(crop_flip(x, draws))
    loss = F.cross_entropy(logits, y)
    loss.backward()
    for each in both:
        measured, error, gradients = each["first step"]
        assert measured == pytest.approx(loss.item(), rel=1e-6)
        assert error == (logits.argmax(1) != y).float().mean().item()
        for ours, parameter in zip(gradients, net.parameters(), strict=True):
            torch.testing.assert_close(ours, parameter.grad, rtol=1e-4, atol=1e-6)


def test_without_batchnorm_two_processes_train_the_net_that_one_trains(both, split, spec):
    last = alone(replace(spec, norm="none"), split, HOW)
    run, tensors = both[0]["bare"]
    assert run.history["loss"].tolist() == pytest.approx(last.run().history["loss"].tolist(), rel=1e-4)
    assert run.history["train_error"].tolist() == pytest.approx(
        last.run().history["train_error"].tolist(), abs=1.1 / 32
    )  # an image
    for name, tensor in last.checkpoint().tensors.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=1e-3, atol=1e-4)
    wild = both[0]["diverged"]
    assert wild.outcome == alone(replace(spec, norm="none"), split, WILD).state == "diverged"


def test_batchnorm_takes_the_statistics_of_a_share(both, split, spec):
    ours, theirs = both[0]["whole"][0].history["loss"], alone(spec, split, RESUMABLE).run().history["loss"]
    assert abs(ours[0] - theirs[0]) > 1e-4
    assert ours[0] == pytest.approx(theirs[0], rel=0.2)


@pytest.mark.parametrize("training", ["bare", "whole", "resumed", "stochastic"])
def test_both_processes_have_the_same_numbers_and_weights(both, training):
    (first, tensors), (second, others) = (each[training] for each in both)
    assert_same_history(replace(first, layers=second.layers), second)
    assert first.outcome == "finished"
    assert first.provenance.processes == second.provenance.processes == 2
    # the second's are its own; what is tested and saved is the first's
    weights = {name for name in tensors if "running_" not in name}
    assert_same_tensors({name: tensors[name] for name in weights}, {name: others[name] for name in weights})


def test_both_say_diverged_at_the_same_step(both):
    assert_same_history(*(each["diverged"] for each in both))


def test_a_resumed_training_has_the_numbers_of_one_that_was_not_stopped(both):
    (whole, tensors), (resumed, others) = both[0]["whole"], both[0]["resumed"]
    assert_same_history(whole, resumed)
    assert_same_tensors(tensors, others)


def test_capture_sees_a_share_and_changes_no_number(both, split, spec):
    (run, tensors), (_, others) = both[0]["whole"], both[0]["not captured"]
    assert_same_tensors(tensors, others)
    modules = alone(spec, split, RESUMABLE).run().layers["module"]
    for each in both:
        # their own names, not those that DistributedDataParallel gives them
        assert each["whole"][0].layers["module"].equals(modules)
    assert not run.layers["activation_rms"].equals(both[1]["whole"][0].layers["activation_rms"])


def test_the_first_alone_keeps_the_run_and_all_stop_when_one_is_told_to(both, folder):
    _, finished, remarks, stored = both[0]["job"]
    assert remarks == both[1]["job"][2] == []
    assert [each["job"][0].outcome for each in both] == ["stopped", "stopped"]
    assert [len(each["job"][0].history) for each in both] == [5, 5]
    whole = both[0]["whole"][0]
    for run in (finished, both[1]["job"][1], stored, both[1]["job"][3]):
        assert_same_history(replace(run, layers=whole.layers), whole)
    assert [run.outcome for run in Store(folder / "runs of 0").runs()] == ["finished"]
    assert not (folder / "runs of 1").exists()


def test_what_cannot_be_shared_is_refused(both):
    for each in both:
        assert each["refused"] == [
            "batch_size is 33, and 2 processes share it; take a multiple of 2.",
            "torchrun's processes train one net together, and here are 2 trainings; sweep them without torchrun.",
        ]


def test_torchrun_prints_once_and_what_it_interrupts_goes_on(tmp_path):
    words = [
        "train",
        "resnet-8",
        "--width",
        "4",
        "--epochs",
        "20",
        "--log-every",
        "5",
        "--device",
        "cpu",
        "--store",
        str(tmp_path),
    ]
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "env": os.environ | {"OMP_NUM_THREADS": "1"},
    }
    with subprocess.Popen([*TORCHRUN, *words, "--save-every", "0"], **pipes) as command:
        while not list(tmp_path.glob("digits/*.safetensors")) and command.poll() is None:
            time.sleep(0.02)
        command.send_signal(signal.SIGTERM)
        said, errors = command.communicate(timeout=600)
    assert said == ""
    assert errors.count("Interrupted, and saved in") == 1, errors
    store = Store(tmp_path)
    (begun,) = store.unfinished()
    assert 5 <= begun.summary()["steps"] < 200
    done = subprocess.run([*TORCHRUN, *words], capture_output=True, text=True, env=pipes["env"], timeout=600)
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("resnet-8 on digits, seed 0, finished after 200 steps")
    assert last.startswith("Kept in ")
    (run,) = store.runs()
    assert run.provenance.processes == 2
    assert run.history["step"].tolist() == list(range(5, 201, 5))
    assert run.history["loss"][: len(begun.history)].tolist() == begun.history["loss"].tolist()
    assert run.final_train_error < 0.1  # chance is 0.9
