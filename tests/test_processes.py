"""A sweep whose trainings have a process each: the same runs, nothing left behind, and what happens where a process dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from reslab import processes
from reslab.datasets import digits, from_arrays
from reslab.job import Job
from reslab.nets import NetSpec, replace
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit

# To the bit: torch.set_num_threads(2), of another test, would reach MKL in this process alone.
pytestmark = pytest.mark.usefixtures("one_thread")

HOW = TrainSpec(epochs=2, batch_size=50, capture_every=3)  # on 200 images: 8 steps
ENDLESS = replace(HOW, epochs=20_000, capture_every=0)


@pytest.fixture(scope="module")
def split():
    return digits().subset(200, 60)


@pytest.fixture(scope="module")
def spec(split):
    return NetSpec(depth=8, width=4, **split.shape)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    monkeypatch.setattr("reslab.sweep.LONG", 0)
    yield
    assert multiprocessing.active_children() == []


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_same_run(ours, theirs):
    pd.testing.assert_frame_equal(ours.history.drop(columns="seconds"), theirs.history.drop(columns="seconds"), check_exact=True)
    pd.testing.assert_frame_equal(ours.layers, theirs.layers, check_exact=True)


def test_every_training_comes_once_with_the_numbers_it_has_alone(split, spec, tmp_path):
    told, jobs = [], [Job(spec=spec, split=split, how=HOW, seed=seed, store=Store(tmp_path)) for seed in range(3)]
    runs = {run.seed: run for run, remarks in processes.train(jobs, lambda work, _: told.append(work), workers=2) if not remarks}
    assert sorted(runs) == [0, 1, 2]
    assert sum(told) == sum(job.work for job in jobs)
    for seed, run in runs.items():
        assert run.outcome == "finished"
        assert_same_run(run, fit(spec, split, HOW, seed=seed, progress=False))
        assert_same_run(run, Store(tmp_path).find(spec, split, HOW, seed))


def test_long_sweeps_have_processes_and_short_ones_threads(split, spec, monkeypatch):
    given = []
    monkeypatch.setattr(processes, "train", lambda jobs, tell, workers: given.append((len(jobs), workers)) or iter(()))
    monkeypatch.setattr("reslab.sweep.LONG", 3 * Job(spec=spec, split=split, how=HOW, seed=0).work)
    for nets in (6, 7):
        runs = list(sweep([spec], split, HOW, seeds=range(nets), workers=2, progress=False))
    assert len(runs) == 0
    list(sweep([spec], split, HOW, seeds=range(40), workers=1, progress=False))
    assert given == [(7, 2)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting(Job):
    """Trains when as many as it says are there."""

    place: Path
    expected: int

    def train(self, tell, stopped):
        (self.place / str(os.getpid())).touch()
        wait_until(lambda: len(list(self.place.iterdir())) == self.expected)
        return super().train(tell, stopped)


def test_as_many_train_at_a_time_as_it_says_each_in_a_process(split, spec, tmp_path):
    jobs = [Meeting(spec=spec, split=split, how=HOW, seed=seed, place=tmp_path, expected=3) for seed in range(3)]
    assert [run.outcome for run, _ in processes.train(jobs, lambda *_: None, workers=3)] == ["finished"] * 3


def test_processes_share_the_threads_and_the_images(monkeypatch):
    photographs = from_arrays(torch.rand(64, 3, 32, 32), [0, 1] * 32, name="photographs")
    spec, how = NetSpec(depth=8, width=4, **photographs.shape), TrainSpec(batch_size=32, epochs=1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    runs = list(sweep([spec], photographs, how, seeds=(0, 1), workers=2, progress=False))
    assert [run.provenance.threads for run in runs] == [2, 2]
    assert {run.data for run in runs} == {photographs.fingerprint}


@dataclass(frozen=True, kw_only=True, eq=False)
class Second(Job):
    """Trains when another has a checkpoint."""

    def train(self, tell, stopped):
        wait_until(self.store.unfinished)
        return super().train(tell, stopped)


def test_closed_it_saves_where_they_are_and_goes_on_from_there(split, spec, tmp_path):
    store, long, how = Store(tmp_path), replace(spec, depth=56), replace(HOW, epochs=40)
    first = Job(spec=long, split=split, how=how, seed=0, store=store, save_every=0.0)
    runs = processes.train([first, Second(spec=spec, split=split, how=HOW, seed=0, store=store)], lambda *_: None, workers=2)
    assert next(runs)[0].spec == spec
    runs.close()
    (unfinished,) = store.unfinished()
    assert 0 < unfinished.history["step"].iloc[-1] < 160
    (run,) = sweep([long], split, how, store=store, progress=False)
    assert_same_run(run, fit(long, split, how, progress=False))


def test_closed_it_begins_no_more(split, spec, tmp_path):
    store, jobs = Store(tmp_path), [Job(spec=spec, split=split, how=HOW, seed=0)]
    jobs += [Job(spec=spec, split=split, how=ENDLESS, seed=seed, store=store) for seed in range(1, 8)]
    runs = processes.train(jobs, lambda *_: None, workers=2)
    assert next(runs)[0].seed == 0
    runs.close()
    assert len(store.unfinished()) <= 2


def test_nobody_waits_for_whoever_takes_the_runs(split, spec, tmp_path):
    store = Store(tmp_path)
    runs = sweep([spec], split, HOW, seeds=range(5), workers=2, store=store, progress=False)
    first = next(runs)
    wait_until(lambda: len(store.runs()) == 5)
    assert sorted([first.seed, *(run.seed for run in runs)]) == [0, 1, 2, 3, 4]


@dataclass(frozen=True, kw_only=True, eq=False)
class Doomed(Job):
    """Seed 1 kills its process at its third event."""

    def train(self, tell, stopped):
        events = iter(range(3))

        def deadly(work, said):
            if self.seed == 1 and next(events) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            tell(work, said)

        return super().train(deadly, stopped)


def test_where_a_process_dies_the_others_go_on_and_its_training_has_failed(split, spec, tmp_path):
    told, store = [], Store(tmp_path)
    jobs = [Doomed(spec=spec, split=split, how=HOW, seed=seed, store=store) for seed in range(4)]
    with pytest.warns(UserWarning, match="A training's process died, perhaps for want of memory: going on, 1 at a time"):
        runs = [run for run, _ in processes.train(jobs, lambda work, _: told.append(work), workers=2)]
    outcomes = {run.seed: run.outcome for run in runs}
    assert len(runs) == 4
    assert outcomes == {0: "finished", 1: "failed", 2: "finished", 3: "finished"}
    assert next(run.cause for run in runs if run.seed == 1) == "ChildProcessError: its process died, perhaps for want of memory"
    assert [run.outcome for run in store.runs(seed=1)] == ["failed"]
    assert_same_run(next(run for run in runs if run.seed == 3), fit(spec, split, HOW, seed=3, progress=False))


def die(*_):
    os._exit(1)


def test_where_none_can_be_started_there_is_a_sentence(split, spec, monkeypatch):
    monkeypatch.setattr(processes, "_begin", die)
    sentence = r"processes for the trainings do not start here \(.+\); workers=1 trains in this one"
    with pytest.warns(UserWarning, match="going on, 1 at a time"), pytest.raises(RuntimeError, match=sentence):
        list(sweep([spec], split, HOW, seeds=(0, 1), workers=2, progress=False))


@pytest.mark.parametrize("error", [OSError("no more of them"), AssertionError("daemonic processes"), NotImplementedError("semaphores")])
def test_where_none_may_be_started_there_is_the_same(split, spec, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(processes.ProcessPoolExecutor, "submit", refuse)
    with pytest.raises(RuntimeError, match=f"do not start here \\({error}\\); workers=1"):
        list(sweep([spec], split, HOW, seeds=(0, 1), workers=2, progress=False))


def test_a_bar_that_breaks_holds_nothing_up(split, spec):
    jobs = [Job(spec=spec, split=split, how=HOW, seed=seed) for seed in range(2)]
    assert [run.outcome for run, _ in processes.train(jobs, lambda *_: 1 / 0, workers=2)] == ["finished"] * 2


UNGUARDED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a program that a shell started in the background would hear of no Ctrl-C
print("begun", flush=True)
from reslab import NetSpec, Store, TrainSpec, digits, processes
from reslab.job import Job
split = digits().subset(200, 60)
specs, how = [NetSpec(depth=depth, width=4, **split.shape) for depth in (8, 14)], TrainSpec(batch_size=50, HOW)
jobs = [Job(spec=spec, split=split, how=how, seed=0, device="cpu", store=Store("store"), save_every=1000.0) for spec in specs]
"""
SUSPENDED = """
runs = processes.train(jobs, lambda *_: None, workers=2)
print(next(runs)[0].outcome)
"""
TELLING = """
for run, _ in processes.train(jobs, lambda work, said: said and print(said.split()[0], flush=True), workers=2):
    print(run.outcome)
"""


# Where a generator is never closed, Python clears its temporary folder as it exits, and says so.
WARNINGS = ["-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning"]


@pytest.fixture
def script(tmp_path):
    """A program that sweeps, in a process group of its own, as a terminal has it."""
    started = []

    def start(text, **how):
        (tmp_path / "program.py").write_text(UNGUARDED.replace("HOW", ", ".join(f"{name}={value}" for name, value in how.items())) + text)
        options = {"cwd": tmp_path, "start_new_session": True, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        (tmp_path / "temporary").mkdir()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path / "temporary")}
        started.append(subprocess.Popen([sys.executable, *WARNINGS, "program.py"], env=environment, **options))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):  # as it should be
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def group_is_gone(process):
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_script_needs_no_guard_and_may_leave_a_sweep_unfinished(script, tmp_path):
    said, complaints = script(SUSPENDED, epochs=2).communicate(timeout=120)
    assert (said.split(), complaints) == (["begun", "finished"], "")
    assert len(Store(tmp_path / "store").runs()) == 2


@pytest.mark.parametrize("how", ["Ctrl-C", "killed"])
def test_interrupted_or_killed_its_processes_save_and_leave(script, tmp_path, how):
    process, store = script(TELLING, epochs=20_000, log_every=50), Store(tmp_path / "store")  # events so far apart that each is told of
    told = set()
    while told != {"begun", "resnet-8", "resnet-14"}:
        told.add(process.stdout.readline().strip())
        assert process.poll() is None
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # the terminal's, to all of them
    else:
        process.kill()
    said, complaints = process.communicate(timeout=120)
    wait_until(lambda: group_is_gone(process))
    assert set(said.split()) <= told
    assert ("KeyboardInterrupt" in complaints) == (how == "Ctrl-C")
    assert complaints.count("Traceback") == (how == "Ctrl-C")
    assert [run.outcome for run in store.unfinished()] == ["stopped"] * 2
    assert list((tmp_path / "temporary").glob("reslab-*")) == []
