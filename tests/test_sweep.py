"""`reslab.sweep`: every net with every seed, with the numbers that each would have alone, and nothing left running."""

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from tqdm import TMonitor

from reslab import sweep as module
from reslab.datasets import digits
from reslab.nets import NetSpec, build, replace
from reslab.runs import Run
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit

HOW = TrainSpec(epochs=2, batch_size=50, capture_every=3)  # on 200 images: 8 steps


@pytest.fixture(scope="module")
def split():
    return digits().subset(200, 60)


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
    pd.testing.assert_frame_equal(ours.history.drop(columns="seconds"), theirs.history.drop(columns="seconds"), check_exact=True)
    pd.testing.assert_frame_equal(ours.layers, theirs.layers, check_exact=True)
    for name in ("name", "spec", "how", "dataset", "seed", "parameters", "outcome", "final_train_error"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_spec_and_seed_comes_once_with_the_numbers_it_has_alone(split, specs, workers):
    runs = list(sweep(specs, split, HOW, seeds=(0, 5), workers=workers, progress=False))
    alone = {(spec, seed): fit(spec, split, HOW, seed=seed, progress=False) for spec in specs for seed in (0, 5)}
    assert len(runs) == 6
    assert {(run.spec, run.seed) for run in runs} == set(alone)
    for run in runs:
        assert isinstance(run, Run)
        assert run.outcome == "finished"
        assert_same_run(run, alone[run.spec, run.seed])


def test_two_trainings_do_run_at_a_time(split, specs, monkeypatch):
    both = threading.Barrier(2, timeout=60)  # broken, with an error, unless two threads reach it

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
    runs = list(sweep([wild, specs[0]], split, replace(HOW, lr=30.0, schedule="constant", epochs=8), workers=2, progress=False))
    assert {run.spec.norm: run.outcome for run in runs} == {"none": "diverged", "batch": "finished"}


def test_closing_the_generator_stops_a_training_midway(split, specs, built):
    long = replace(specs[0], depth=56)
    how = replace(HOW, epochs=20, capture_every=0)  # 80 steps: the short net is done while the long one has most before it
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


def test_an_exception_in_one_training_surfaces_and_stops_the_others(split, specs, monkeypatch):
    class Broken(Exception):
        pass

    def fail(*_):
        raise Broken("in a step")

    begun = []

    def sabotage(spec, *, seed):
        net = build(spec, seed=seed)
        net.register_forward_pre_hook(lambda net, _: begun.append(net.spec) if net.training else None)
        if seed == 1:
            net.fc.register_forward_pre_hook(fail)
        return net

    monkeypatch.setattr(module, "build", sabotage)
    long = replace(specs[0], depth=56)
    how = replace(HOW, epochs=20, capture_every=0)
    with pytest.raises(Broken, match="in a step"):
        list(sweep([long], split, how, seeds=(0, 1, 2, 3), workers=2, progress=False))
    assert len(begun) < 3 * 80


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"workers": 0}, ValueError, "workers is 0; it must be at least 1"),
        ({"workers": 1.5}, ValueError, "workers is 1.5; it must be a whole number"),
        ({"workers": True}, ValueError, "workers is True"),
        ({"seeds": (0, -1)}, ValueError, "a seed is -1; it must be at least 0"),
        ({"seeds": (0.5,)}, ValueError, "a seed is 0.5"),
        ({"seeds": (True,)}, ValueError, "a seed is True"),
        ({"device": "gpu0"}, ValueError, "device is 'gpu0'; it can be 'auto', 'cuda', 'mps', 'cpu'"),
        ({"how": TrainSpec(batch_size=201)}, ValueError, "batch_size is 201, and digits has 200 training images"),
        ({"specs": [NetSpec()]}, ValueError, "in_channels 3, image_size 32, and digits gives in_channels 1, image_size 8"),
        ({"specs": ["resnet-20"]}, TypeError, r"sweep takes NetSpecs, not str; names are looked up with FAMILY\['resnet-20'\]"),
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
