"""`reslab.sweep`: every net with every seed, with the numbers that each would have alone, and nothing left running."""

import itertools
import re
import threading

import numpy as np
import pytest
import torch
from made_runs import assert_same_numbers
from tqdm import TMonitor

from reslab import job as module
from reslab.datasets import from_arrays
from reslab.nets import NetSpec, build, replace
from reslab.runs import Run
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit, train

HOW = TrainSpec(epochs=2, batch_size=50, capture_every=3)  # on 200 images: 8 steps


@pytest.fixture(scope="module")
def specs(split):
    base = NetSpec(depth=8, width=4, **split.shape)
    return [base, replace(base, skip=False), replace(base, depth=14)]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    def ours():  # tqdm has a thread of its own, which outlives every bar
        return {thread for thread in threading.enumerate() if not isinstance(thread, TMonitor)}

    before, threads = torch.get_num_threads(), ours()
    yield
    assert ours() <= threads
    assert torch.get_num_threads() == before


@pytest.fixture
def built(monkeypatch):
    """The nets that a sweep builds, each with the number of training steps that it has begun."""
    nets = []

    def watched(spec, *, seed):
        net = build(spec, seed=seed)
        net.begun = 0

        def count(net, _):
            net.begun += net.training

        net.register_forward_pre_hook(count)
        nets.append(net)
        return net

    monkeypatch.setattr(module, "build", watched)
    return nets


def assert_same_run(ours, theirs):
    assert_same_numbers(ours, theirs)
    for name in ("name", "spec", "how", "dataset", "seed", "parameters", "outcome", "final_train_error"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.fixture(scope="module")
def alone(split, specs):
    """The run of each training by itself."""
    return {(spec, seed): fit(spec, split, HOW, seed=seed, progress=False) for spec in specs for seed in (0, 5)}


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_spec_and_seed_comes_once_with_the_numbers_it_has_alone(split, specs, alone, workers):
    runs = list(sweep(specs, split, HOW, seeds=(0, 5), workers=workers, progress=False))
    assert len(runs) == 6
    assert {(run.spec, run.seed) for run in runs} == set(alone)
    for run in runs:
        assert isinstance(run, Run)
        assert run.outcome == "finished"
        assert_same_run(run, alone[run.spec, run.seed])


def test_two_trainings_do_run_at_a_time(split, specs, monkeypatch):
    both = threading.Barrier(2, timeout=600)  # broken, with an error, unless two threads reach it

    def meet(spec, *, seed):
        both.wait()
        return build(spec, seed=seed)

    monkeypatch.setattr(module, "build", meet)
    assert len(list(sweep(specs[:2], split, HOW, workers=2, progress=False))) == 2


def test_specs_and_seeds_may_be_any_iterable_and_runs_can_be_saved(split, specs, tmp_path):
    runs = list(sweep(iter(specs[:1]), split, HOW, seeds=np.arange(2), workers=1, progress=False))
    assert sorted(run.seed for run in runs) == [0, 1]
    for run in runs:
        run.save(tmp_path / f"{run.seed}.json")
        assert_same_run(Run.load(tmp_path / f"{run.seed}.json"), run)


def test_nothing_to_train_is_nothing(split, specs):
    assert list(sweep([], split, HOW, progress=False)) == []
    assert list(sweep(specs, split, HOW, seeds=(), progress=False)) == []


def test_a_net_that_diverges_is_a_run_like_any_other(split, specs):
    wild = replace(specs[0], norm="none")
    runs = list(
        sweep([wild, specs[0]], split, replace(HOW, lr=30.0, schedule="constant", epochs=8), workers=2, progress=False)
    )
    assert {run.spec.norm: run.outcome for run in runs} == {"none": "diverged", "batch": "finished"}


def test_closing_the_generator_stops_a_training_midway(split, specs, built):
    long = replace(specs[0], depth=56)
    # 80 steps: the short net is done while the long one has most before it
    how = replace(HOW, epochs=20, capture_every=0)
    runs = sweep([specs[0], long], split, how, workers=2, progress=False)
    assert next(runs).spec == specs[0]
    runs.close()
    begun = {net.spec: net.begun for net in built}
    assert begun[specs[0]] == 80
    assert begun.get(long, 0) < 80
    assert list(runs) == []


def test_trainings_not_begun_are_not_begun_after_closing(split, specs, built):
    runs = sweep(specs[:1], split, HOW, seeds=range(40), workers=1, progress=False)
    next(runs)
    runs.close()
    assert len(built) < 40
    assert sum(net.begun for net in built) < 40 * 8


def test_a_generator_dropped_before_its_first_run_has_started_nothing(split, specs, built):
    sweep(specs, split, HOW, progress=False).close()
    assert built == []


class Broken(Exception):
    pass


@pytest.fixture
def sabotage(monkeypatch):
    """Call it with the training step at which the net of seed 1 breaks; 0: already while it is built."""

    def at(step):
        def saboteur(spec, *, seed):
            net, steps = build(spec, seed=seed), itertools.count(1)

            def fail(net, _):
                if net.training and next(steps) == step:
                    raise Broken("in a step\nwith details")

            if seed == 1:
                if step == 0:
                    raise Broken
                net.register_forward_pre_hook(fail)
            return net

        monkeypatch.setattr(module, "build", saboteur)

    return at


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_failure_is_a_run_with_its_cause_and_the_others_go_on(split, specs, sabotage, step, tmp_path, capsys):
    sabotage(step)
    store = Store(tmp_path)
    with pytest.warns(UserWarning, match="resnet-8, seed 1, on digits failed: Broken: "):
        runs = {run.seed: run for run in sweep(specs[:1], split, HOW, seeds=(0, 1, 2), workers=2, store=store)}
    assert {seed: run.outcome for seed, run in runs.items()} == {0: "finished", 1: "failed", 2: "finished"}
    failed = runs[1]
    assert failed.history["step"].tolist() == list(range(1, step))  # what was measured before is not lost
    assert re.fullmatch(rf"Broken: {'in a step' if step else 'no reason given'} \(test_sweep.py:\d+\)", failed.cause)
    assert (failed.spec, failed.parameters is None) == (specs[0], step == 0 or step == 1)
    assert failed.frame().columns.tolist() == runs[0].frame().columns.tolist()
    assert "1 failed" in capsys.readouterr().err
    assert [(run.seed, run.outcome, run.cause) for run in store.runs(seed=1)] == [(1, "failed", failed.cause)]


def test_what_failed_is_tried_again_and_what_the_store_has_is_not(split, specs, built, sabotage, monkeypatch, tmp_path):
    store, watched = Store(tmp_path), module.build
    sabotage(3)
    with pytest.warns(UserWarning, match="failed"):
        first = list(sweep(specs[:1], split, HOW, seeds=(0, 1), store=store, progress=False))
    monkeypatch.setattr(module, "build", watched)  # repaired
    second = {run.seed: run for run in sweep(specs[:1], split, HOW, seeds=(0, 1, 2), store=store, progress=False)}
    assert sorted(net.seed for net in built) == [1, 2]
    assert second[0].recorded
    assert not second[1].recorded
    assert_same_run(second[0], next(run for run in first if run.seed == 0))
    assert_same_run(second[1], fit(specs[0], split, HOW, seed=1, progress=False))
    assert {run.outcome for run in store.runs()} == {"finished"}
    assert len(store.runs()) == 3


def test_again_trains_again_and_replaces(split, specs, built, tmp_path):
    store = Store(tmp_path)
    list(sweep(specs[:1], split, HOW, store=store, progress=False))
    before = store.runs()[0].history["seconds"].tolist()
    (run,) = sweep(specs[:1], split, HOW, store=store, again=True, progress=False)
    assert len(built) == 2
    assert store.runs()[0].history["seconds"].tolist() == run.history["seconds"].tolist() != before


def test_trying_again_and_failing_does_not_lose_the_run_that_was_there(split, specs, sabotage, tmp_path):
    store = Store(tmp_path)
    list(sweep(specs[:1], split, HOW, seeds=(1,), store=store, progress=False))
    sabotage(2)
    with pytest.warns(UserWarning, match="failed: Broken"):
        (run,) = sweep(specs[:1], split, HOW, seeds=(1,), store=store, again=True, progress=False)
    assert run.outcome == "failed"
    assert [run.outcome for run in store.runs()] == ["finished"]


def test_an_interrupted_sweep_goes_on_where_it_was(split, specs, built, tmp_path):
    store, long = Store(tmp_path), replace(specs[0], depth=26)
    how = replace(HOW, epochs=20, capture_every=0)  # 80 steps
    runs = sweep([specs[0], long], split, how, workers=2, store=store, progress=False)
    assert next(runs).spec == specs[0]
    runs.close()
    (unfinished,) = store.unfinished()
    steps = unfinished.history["step"].iloc[-1]
    assert 0 < steps < 80
    built.clear()
    again = list(sweep([specs[0], long], split, how, store=store, progress=False))
    assert [net.begun for net in built] == [80 - steps]
    assert {run.spec for run in again} == {specs[0], long}
    assert_same_run(next(run for run in again if run.spec == long), fit(long, split, how, progress=False))
    assert store.unfinished() == []


def test_checkpoints_are_saved_on_the_way(split, specs, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(
        Store, "save_checkpoint", lambda _, checkpoint: saved.append(checkpoint.run.history["step"].iloc[-1])
    )
    for save_every, steps in ((0, range(1, 8)), (1000.0, [])):  # at the eighth, the run itself is saved
        list(sweep(specs[:1], split, HOW, store=Store(tmp_path), save_every=save_every, again=True, progress=False))
        assert saved == list(steps)
        saved.clear()


def test_a_damaged_checkpoint_is_named_and_the_training_starts_again(split, specs, alone, tmp_path):
    store = Store(tmp_path)
    event = next(train(build(specs[0], seed=5), split, HOW))
    store.save_checkpoint(event.checkpoint())
    for file in tmp_path.glob("*/*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"passed over: .*This training starts from the beginning"):
        (run,) = sweep(specs[:1], split, HOW, seeds=(5,), store=store, progress=False)
    assert_same_run(run, alone[specs[0], 5])


def test_on_a_full_disk_the_files_are_lost_and_the_training_is_not(split, specs, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(Store, "add", full)
    monkeypatch.setattr(Store, "save_checkpoint", full)
    with pytest.warns(UserWarning, match="resnet-8, seed 0, could not be saved: No space left on device") as warned:
        (run,) = sweep(specs[:1], split, HOW, store=Store(tmp_path), save_every=0, progress=False)
    assert run.outcome == "finished"
    assert len(warned) == 2  # once for the checkpoints, once for the run


def test_several_datasets_and_the_nets_fit_each(split, specs, tmp_path):
    pictures = from_arrays(torch.rand(60, 3, 12, 12), [0, 1, 2] * 20, name="pictures")
    store, how = Store(tmp_path), replace(HOW, batch_size=20, epochs=1)
    runs = list(sweep(specs[:2], [split, pictures], how, seeds=(0, 1), store=store, progress=False))
    assert sorted((run.dataset, run.name, run.seed) for run in runs) == [
        (dataset, name, seed)
        for dataset in ("digits", "pictures")
        for name in ("plain-8", "resnet-8")
        for seed in (0, 1)
    ]
    assert {(run.dataset, run.spec.in_channels, run.spec.image_size, run.spec.classes) for run in runs} == {
        ("digits", 1, 8, 10), ("pictures", 3, 12, 3),
    }  # fmt: skip
    assert len({run.data for run in store.runs()}) == 2
    assert len(list(sweep(specs[:2], [split, pictures], how, seeds=(0, 1), store=store, progress=False))) == 8


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"workers": 0}, ValueError, "workers is 0; it must be at least 1"),
        ({"workers": 1.5}, ValueError, "workers is 1.5; it must be a whole number"),
        ({"workers": True}, ValueError, "workers is True"),
        ({"seeds": (0, -1)}, ValueError, "a seed is -1; it must be from 0 to "),
        ({"seeds": (0.5,)}, ValueError, "a seed is 0.5"),
        ({"seeds": (True,)}, ValueError, "a seed is True"),
        ({"device": "gpu0"}, ValueError, "device is 'gpu0'; it can be 'auto', 'cuda', 'mps', 'cpu'"),
        ({"how": TrainSpec(batch_size=201)}, ValueError, "batch_size is 201, and digits has 200 training images"),
        (
            {"specs": [NetSpec()]},
            ValueError,
            "in_channels 3, image_size 32, and digits gives in_channels 1, image_size 8",
        ),
        ({"split": "digits"}, TypeError, "split must be a Split, or several, not str"),
        ({"store": "runs"}, TypeError, "store must be a Store, not str"),
        ({"save_every": -1}, ValueError, "save_every is -1; it must be a finite number at least 0"),
        (
            {"address": "auto", "workers": 2},
            ValueError,
            "workers is for one machine; on a cluster, say with cpus and gpus",
        ),
        ({"address": "auto", "gpus": -1}, ValueError, "gpus is -1"),
        (
            {"specs": ["resnet-20"]},
            TypeError,
            r"sweep takes NetSpecs, not str; names are looked up with FAMILY\['resnet-20'\]",
        ),
    ],
)
def test_bad_arguments_are_refused_at_the_call_and_nothing_starts(split, specs, built, arguments, error, says):
    with pytest.raises(error, match=says):
        sweep(**{"specs": specs, "split": split, "how": HOW, "progress": False} | arguments)  # not even iterated
    assert built == []


def test_the_bar_says_how_many_are_done(split, specs, capsys):
    assert len(list(sweep(specs, split, HOW, workers=1))) == 3
    shown = capsys.readouterr().err
    assert "3 nets" in shown
    assert "3 of 3 done" in shown
    assert "left" in shown
    list(sweep(specs[:1], split, HOW, workers=1, progress=False))
    assert capsys.readouterr().err == ""
