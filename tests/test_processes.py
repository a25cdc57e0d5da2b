"""A sweep whose trainings have a process each: the same runs, nothing left behind, and a process that dies."""

import dataclasses
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from made_runs import assert_same_numbers
from waiting import wait_until

from reslab import processes
from reslab.datasets import from_arrays
from reslab.job import Job
from reslab.nets import NetSpec, replace
from reslab.store import Store
from reslab.sweep import _on_this_machine, sweep
from reslab.train import TrainSpec, fit

# To the bit: torch.set_num_threads(2), of another test, would reach MKL in this process alone.
pytestmark = pytest.mark.usefixtures("one_thread")

HOW = TrainSpec(epochs=2, batch_size=50, capture_every=3)  # on 200 images: 8 steps


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    monkeypatch.setattr("reslab.sweep.PROCESSES_FROM", 0)
    yield
    assert multiprocessing.active_children() == []


def job_of(spec, split, seed=0, how=HOW, kind=Job, **options):
    return kind(spec=spec, split=split, how=how, seed=seed, device="cpu", **options)


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting(Job):
    """Trains when as many processes as it says are there."""

    place: Path
    expected: int

    def train(self, report, stopped):
        (self.place / str(os.getpid())).touch()
        wait_until(lambda: len(list(self.place.iterdir())) == self.expected, timeout=600)
        return super().train(report, stopped)


@pytest.fixture(scope="module")
def photographs():
    return from_arrays(torch.rand(64, 3, 32, 32), [0, 1] * 32, name="photographs")


@pytest.fixture(scope="module")
def sweep_of_four(split, spec, photographs, tmp_path_factory):
    """(jobs, runs by dataset and seed, the work reported, store): three processes at a time, six threads of PyTorch."""
    place, store, work = tmp_path_factory.mktemp("place"), Store(tmp_path_factory.mktemp("store")), []
    options = {"kind": Meeting, "place": place, "expected": 3, "store": store}
    jobs = [job_of(spec, split, seed, **options) for seed in range(3)]
    other, how = NetSpec(depth=8, width=4, **photographs.shape), TrainSpec(batch_size=32, epochs=1)
    jobs.append(job_of(other, photographs, how=how, **options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 6)
        events = processes.train(jobs, lambda more, _: work.append(more), workers=3)
        first = next(events)
        wait_until(lambda: len(store.runs()) == 4, timeout=600)  # no process waits until its run is taken
        taken = [first, *events]
    assert not any(remarks for _, remarks in taken)
    assert len(taken) == 4  # each once; and that all came says that three did train at a time, each in a process
    return jobs, {(run.dataset, run.seed): run for run, _ in taken}, work, store


def test_every_training_comes_once_with_the_numbers_it_has_alone(sweep_of_four, split, spec):
    jobs, runs, work, store = sweep_of_four
    assert sorted(runs) == [("digits", 0), ("digits", 1), ("digits", 2), ("photographs", 0)]
    assert {run.outcome for run in runs.values()} == {"finished"}
    assert sum(work) == sum(job.work for job in jobs)
    for seed in range(3):
        run = runs["digits", seed]
        assert_same_numbers(run, fit(spec, split, HOW, seed=seed, progress=False))
        assert_same_numbers(run, store.find(spec, split, HOW, seed))


def test_processes_share_the_threads_and_the_images(sweep_of_four, photographs):
    _, runs, _, _ = sweep_of_four
    assert runs["photographs", 0].provenance.threads == 2
    assert runs["photographs", 0].data == photographs.fingerprint


def test_long_sweeps_have_processes_and_short_ones_threads(split, spec, monkeypatch):
    given = []
    monkeypatch.setattr(
        processes, "train", lambda jobs, report, workers: given.append((len(jobs), workers)) or iter(())
    )
    monkeypatch.setattr("reslab.sweep.PROCESSES_FROM", 3 * job_of(spec, split).work)
    for nets in (6, 7):
        runs = list(sweep([spec], split, HOW, seeds=range(nets), workers=2, progress=False))
    assert len(runs) == 0
    list(sweep([spec], split, HOW, seeds=range(40), workers=1, progress=False))
    assert given == [(7, 2)]


@pytest.mark.parametrize(("cuda_graph", "where"), [(True, "threads"), (False, "processes")])
def test_on_a_gpu_recorded_trainings_have_threads_and_others_processes(split, spec, monkeypatch, cuda_graph, where):
    given = []
    for name, train in (("reslab.sweep._in_threads", "threads"), ("reslab.processes.train", "processes")):
        monkeypatch.setattr(name, lambda jobs, report, workers, train=train: given.append(train) or iter(()))
    how, card = replace(HOW, cuda_graph=cuda_graph), torch.device("cuda")
    jobs = [dataclasses.replace(job_of(spec, split, seed, how), device=card) for seed in range(2)]
    list(_on_this_machine(jobs, print, workers=2))
    assert given == [where]


@dataclass(frozen=True, kw_only=True, eq=False)
class Endless(Job):
    """At its fifth event it waits until it is told to stop."""

    def train(self, report, stopped):
        events = itertools.count(1)

        def wait(work, status):
            report(work, status)
            if next(events) == 5:
                wait_until(stopped, timeout=600)

        return super().train(wait, stopped)


@dataclass(frozen=True, kw_only=True, eq=False)
class Second(Job):
    """Trains when another has a checkpoint."""

    def train(self, report, stopped):
        wait_until(self.store.unfinished, timeout=600)
        return super().train(report, stopped)


def test_closed_it_begins_no_more_saves_where_they_are_and_goes_on_from_there(split, spec, tmp_path):
    store = Store(tmp_path)
    options = {"store": store, "save_every": 0.0}
    jobs = [job_of(spec, split, 0, kind=Endless, **options), job_of(spec, split, 1, kind=Second, **options)]
    jobs += [job_of(spec, split, seed, kind=Endless, **options) for seed in range(2, 8)]
    runs = processes.train(jobs, lambda *_: None, workers=2)
    assert next(runs)[0].seed == 1
    runs.close()
    unfinished = {run.seed: run for run in store.unfinished()}
    assert 1 <= len(unfinished) <= 2
    assert unfinished[0].history["step"].iloc[-1] == 5
    (run,) = sweep([spec], split, HOW, store=store, progress=False)
    assert_same_numbers(run, fit(spec, split, HOW, progress=False))


@dataclass(frozen=True, kw_only=True, eq=False)
class Doomed(Job):
    """Seed 1 kills its process at its third event."""

    def train(self, report, stopped):
        events = iter(range(3))

        def deadly(work, status):
            if self.seed == 1 and next(events) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            report(work, status)

        return super().train(deadly, stopped)


def test_where_a_process_dies_the_others_go_on_and_its_training_has_failed(split, spec, tmp_path):
    store = Store(tmp_path)
    jobs = [job_of(spec, split, seed, kind=Doomed, store=store) for seed in range(3)]
    with pytest.warns(
        UserWarning, match="A training's process died, perhaps because memory ran out: going on, 1 at a time"
    ):
        runs = [run for run, _ in processes.train(jobs, lambda *_: None, workers=2)]
    outcomes = {run.seed: run.outcome for run in runs}
    assert len(runs) == 3
    assert outcomes == {0: "finished", 1: "failed", 2: "finished"}
    assert (
        next(run.cause for run in runs if run.seed == 1)
        == "ChildProcessError: its process died, perhaps because memory ran out"
    )
    assert [run.outcome for run in store.runs(seed=1)] == ["failed"]
    assert_same_numbers(next(run for run in runs if run.seed == 2), fit(spec, split, HOW, seed=2, progress=False))


def die(*_):
    os._exit(1)


def test_where_none_can_be_started_there_is_a_sentence(split, spec, monkeypatch):
    monkeypatch.setattr(processes, "_start_worker", die)
    sentence = r"processes for the trainings do not start here \(.+\); workers=1 trains in this one"
    with pytest.warns(UserWarning, match="going on, 1 at a time"), pytest.raises(RuntimeError, match=sentence):
        list(sweep([spec], split, HOW, seeds=(0, 1), workers=2, progress=False))


@pytest.mark.parametrize(
    "error", [OSError("no more of them"), AssertionError("daemonic processes"), NotImplementedError("semaphores")]
)
def test_where_none_may_be_started_there_is_the_same(split, spec, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(processes.ProcessPoolExecutor, "submit", refuse)
    with pytest.raises(RuntimeError, match=f"do not start here \\({error}\\); workers=1"):
        list(sweep([spec], split, HOW, seeds=(0, 1), workers=2, progress=False))


def test_a_bar_that_raises_does_not_stop_a_training():
    reader, writer = multiprocessing.Pipe(duplex=False)
    progress = processes._Progress(lambda *_: 1 / 0)
    for message in ((0, 5, "begun"), (1, 3, ""), (0, 9, "")):
        writer.send(message)
    writer.close()
    progress.listen(reader)  # until the last writer is gone
    reader.close()
    assert progress.work_done == {0: 9, 1: 3}


UNGUARDED = """
import signal
# A program that a shell started in the background would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begun", flush=True)
from reslab import NetSpec, Store, TrainSpec, digits, processes
from reslab.job import Job
split = digits().subset(200, 60)
specs, how = [NetSpec(depth=depth, width=4, **split.shape) for depth in (8, 14)], TrainSpec(batch_size=50, HOW)
options = {"split": split, "how": how, "seed": 0, "device": "cpu", "store": Store("store"), "save_every": 1000.0}
jobs = [Job(spec=spec, **options) for spec in specs]
"""
SUSPENDED = """
runs = processes.train(jobs, lambda *_: None, workers=2)
print(next(runs)[0].outcome)
"""
REPORTING = """
for run, _ in processes.train(jobs, lambda work, status: status and print(status.split()[0], flush=True), workers=2):
    print(run.outcome)
"""


# Where a generator is never closed, Python clears its temporary folder as it exits, and says so.
WARNINGS = ["-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning"]


@pytest.fixture
def script(tmp_path):
    """A program that sweeps, in a process group of its own, as a terminal has it."""
    started = []

    def start(text, **how):
        (tmp_path / "program.py").write_text(
            UNGUARDED.replace("HOW", ", ".join(f"{name}={value}" for name, value in how.items())) + text
        )
        options = {
            "cwd": tmp_path,
            "start_new_session": True,
            "text": True,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        (tmp_path / "temporary").mkdir()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TMPDIR": str(tmp_path / "temporary"),
        }
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
    said, complaints = script(SUSPENDED, epochs=2).communicate(timeout=600)
    assert (said.split(), complaints) == (["begun", "finished"], "")
    assert len(Store(tmp_path / "store").runs()) == 2


@pytest.mark.parametrize("how", ["Ctrl-C", "killed"])
def test_interrupted_or_killed_its_processes_save_and_exit(script, tmp_path, how):
    # events so far apart that each is told of
    process, store = script(REPORTING, epochs=20_000, log_every=50), Store(tmp_path / "store")
    told = set()
    while told != {"begun", "resnet-8", "resnet-14"}:
        told.add(process.stdout.readline().strip())
        assert process.poll() is None
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # the terminal's, to all of them
    else:
        process.kill()
    said, complaints = process.communicate(timeout=600)
    wait_until(lambda: group_is_gone(process), timeout=600)
    assert set(said.split()) <= told
    assert ("KeyboardInterrupt" in complaints) == (how == "Ctrl-C")
    assert complaints.count("Traceback") == (how == "Ctrl-C")
    assert [run.outcome for run in store.unfinished()] == ["stopped"] * 2
    assert list((tmp_path / "temporary").glob("reslab-*")) == []
