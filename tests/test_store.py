"""`reslab.store`: a folder of runs that several processes share; nothing is lost."""

import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace

import pandas as pd
import pytest
from made_runs import HOW, files

from reslab.runs import Run
from reslab.store import Store, recorded

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_comes_back_and_its_file_is_named_so_that_a_person_can_tell(store, run):
    path = store.add(run)
    (file,) = files(store)
    assert path == store.path / file
    assert file.startswith("digits/resnet-8.width4.seed0.")
    assert file.endswith(".json")
    (back,) = store.runs()
    assert back.recorded
    assert back.to_json() == run.to_json()


def test_filters(store, run):
    deeper, elsewhere = (
        {"spec": replace(run.spec, depth=14), "name": "resnet-14"},
        {"dataset": "cifar10", "outcome": "diverged"},
    )
    for changes in ({}, {"seed": 1}, deeper, elsewhere):
        store.add(replace(run, **changes))
    assert [(r.dataset, r.name, r.seed) for r in store.runs()] == [
        ("cifar10", "resnet-8", 0), ("digits", "resnet-8", 0), ("digits", "resnet-8", 1), ("digits", "resnet-14", 0),
    ]  # fmt: skip
    assert len(store.runs(dataset="digits")) == 3
    assert len(store.runs(dataset="digits", depth=8)) == 2
    assert len(store.runs(depth=(8, 14), seed=range(1))) == 3
    assert len(store.runs(skip=False)) == 0
    assert len(store.runs(lr=HOW.lr, epochs=1.0, outcome="diverged")) == 1
    with pytest.raises(ValueError, match=r"a filter is 'dept'; it can be .* Did you mean 'depth'\?"):
        store.runs(dept=8)


def test_of_a_dataset_only_its_folder_is_read(store, run, monkeypatch):
    for dataset in ("digits", "cifar10", "my birds"):
        store.add(replace(run, dataset=dataset))
    read, load = [], Run.load
    monkeypatch.setattr(Run, "load", lambda path: read.append(path.parent.name) or load(path))
    assert [r.dataset for r in store.runs(dataset=iter(["my birds", "digits"]))] == ["digits", "my birds"]
    assert read == ["digits", "my-birds"]


def test_a_file_is_read_again_when_it_has_changed_and_nobody_can_change_what_was_read(store, run):
    path = store.add(run)
    (first,) = store.runs()
    first.history["loss"] = 0.0
    first.how["lr"] = 7.0
    assert store.runs()[0].to_json() == run.to_json()
    store.add(replace(run, final_train_error=0.75), overwrite=True)
    assert store.runs()[0].final_train_error == 0.75
    path.unlink()
    assert store.runs() == []


def test_frames_are_tidy_and_their_origin_says_recorded(store, run):
    assert [len(frame()) for frame in (store.frame, store.history, store.layers)] == [
        0,
        0,
        0,
    ]  # an empty store, not even a folder
    for seed in (0, 1):
        store.add(replace(run, seed=seed))
    store.add(
        replace(run, seed=2, layers=pd.DataFrame(), history=run.history.iloc[:0], outcome="failed", cause="Broken: why")
    )
    summary = store.frame()
    assert summary["seed"].tolist() == [0, 1, 2]
    assert summary["cause"].tolist() == ["", "", "Broken: why"]
    assert list(summary.columns) == list(run.summary())
    history, layers = store.history(seed=(0, 1)), store.layers()
    assert len(history) == 2 * len(run.history)
    assert len(layers) == 2 * len(run.layers)
    assert list(history.columns) == list(run.frame().columns)
    for frame in (history, layers):
        assert frame["origin"].str.startswith("recorded, ").all()


def test_the_folder_is_that_of_the_environment_or_of_the_person(monkeypatch, tmp_path):
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "mine"))
    assert Store().path == tmp_path / "mine"
    assert Store(tmp_path / "other").path == tmp_path / "other"
    monkeypatch.delenv("RESLAB_RUNS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store().path == tmp_path / ".reslab" / "runs"
    assert Store("~/x").path == tmp_path / "x"
    assert not (tmp_path / ".reslab").exists()  # looking makes no folder


def test_the_recorded_store_is_that_of_the_checkout_or_of_the_package(monkeypatch, tmp_path):
    package = tmp_path / "reslab"
    (package / "data" / "runs").mkdir(parents=True)
    monkeypatch.setattr("reslab.shipped.PACKAGE", package)
    assert recorded().path == package / "data" / "runs"
    (tmp_path / "data" / "runs").mkdir(parents=True)
    assert recorded().path == tmp_path / "data" / "runs"


def test_a_run_that_ended_stays_and_one_that_did_not_is_replaced(store, run):
    store.add(replace(run, outcome="failed", cause="Broken: a first time"))
    store.add(replace(run, outcome="failed", cause="Broken: again"))
    assert store.runs()[0].cause == "Broken: again"
    store.add(run)
    assert store.runs()[0].outcome == "finished"
    store.add(replace(run, outcome="failed", cause="Broken: too late"))
    store.add(replace(run, final_train_error=0.75))
    assert store.runs()[0].to_json() == run.to_json()
    store.add(replace(run, final_train_error=0.75), overwrite=True)
    assert store.runs()[0].final_train_error == 0.75
    assert len(files(store)) == 1


def test_two_threads_and_many_failures_do_not_lose_the_run_that_finished(store, run):
    def fail():
        for n in range(30):
            store.add(replace(run, outcome="failed", cause=f"Broken: {n}"))

    threads = [threading.Thread(target=fail) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    store.add(run)
    for thread in threads:
        thread.join()
    assert store.runs()[0].outcome == "finished"


# Several processes

RECORD = """
import sys
from dataclasses import dataclass, replace
from reslab.runs import Run
from reslab.store import Store
store, run = Store(sys.argv[1]), Run.load(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for seed in range(40):
    store.add(replace(run, seed=int(sys.argv[3]) * 40 + seed))
    store.add(replace(run, seed=1000 + seed, outcome="finished" if (seed + int(sys.argv[3])) % 2 else "failed"))
    store.runs(seed=seed)
"""


def test_two_processes_record_into_one_store_and_no_run_is_lost(store, run, tmp_path):
    run.save(tmp_path / "run.json")
    command = [sys.executable, "-W", "error", "-c", RECORD, str(store.path), str(tmp_path / "run.json")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "0"], **pipes) as one, subprocess.Popen([*command, "1"], **pipes) as other:
        said = [recorder.stdout.readline() for recorder in (one, other)]
        for recorder in (one, other):
            recorder.stdin.close()  # both at once
        errors = [recorder.stderr.read() for recorder in (one, other)]
    assert (said, errors) == (["ready\n"] * 2, [""] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = store.runs()
    assert {r.seed for r in runs} == {*range(80), *range(1000, 1040)}
    assert len(files(store)) == 120
    assert all(r.outcome == "finished" for r in runs)
