"""`reslab.store`: a folder of runs that several processes share; nothing is lost, and other files do no harm."""

import os
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from made_runs import files

from reslab.datasets import digits
from reslab.runs import Run
from reslab.specs import NetSpec, TrainSpec, setting
from reslab.store import Store, recorded
from reslab.train import fit

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = TrainSpec(epochs=1, batch_size=50, capture_every=2)  # on 200 images: 4 steps


@pytest.fixture(scope="module")
def run(split):
    return kept(split, NetSpec(depth=8, width=4, **split.shape))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def kept(split, spec, how=HOW, seed=0, **changes):
    """A run as a sweep puts it into a store."""
    return replace(fit(spec, split, how, seed=seed, progress=False), **changes)


# Runs


def test_a_run_comes_back_and_its_file_is_named_so_that_a_person_can_tell(store, run):
    path = store.add(run)
    (file,) = files(store)
    assert path == store.path / file
    assert file.startswith("digits/resnet-8.width4.seed0.")
    assert file.endswith(".json")
    (back,) = store.runs()
    assert back.recorded
    assert back.to_json() == run.to_json()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "digits/resnet-8.width4.seed0."),
        ({"seed": 12}, "digits/resnet-8.width4.seed12."),
        ({"spec": NetSpec(depth=8, skip=False), "name": "plain-8"}, "digits/plain-8.seed0."),
        (
            {"spec": NetSpec(depth=8, norm="none", activation="leaky_relu")},
            "digits/resnet-8.normnone.activationleaky_relu.seed0.",
        ),
        ({"spec": None, "seed": None, "name": "MyNet"}, "digits/MyNet."),
        ({"dataset": "../../etc/my cats: \\ ☃"}, "etc-my-cats/resnet-8.width4.seed0."),
        ({"dataset": "..", "name": "/"}, "unnamed/unnamed.width4.seed0."),
        ({"dataset": "x" * 500}, "x" * 60 + "/resnet-8.width4.seed0."),
    ],
)
def test_names_of_files(store, run, changes, name):
    store.add(replace(run, **changes))
    assert files(store)[0].startswith(name)
    assert len(store.runs()) == 1


def test_trainings_that_differ_in_anything_do_not_share_a_file(store, run):
    others = [
        {"seed": 1},
        {"how": run.how | {"lr": 0.01}},
        {"spec": NetSpec(depth=8)},
        {"data": "0" * 16},
        {"dataset": "cifar10"},
    ]
    for changes in [{}, *others]:
        store.add(replace(run, **changes))
    assert len(files(store)) == 6


def test_a_new_field_renames_no_file_while_it_is_what_it_was_before_it_existed(store, run, monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Net(NetSpec):
        wormholes: int = setting(2, "through space", low=0, before=0)

    @dataclass(frozen=True, kw_only=True)
    class Training(TrainSpec):
        warp: float = setting(1.0, "of time", low=0, before=1.0)

    old = store.path_of(run)
    monkeypatch.setattr("reslab.store.names.TrainSpec", Training)
    assert store.path_of(run) == old
    nets = [
        replace(run, spec=Net.from_dict(run.spec.to_dict() | more)) for more in ({}, {"wormholes": 0}, {"wormholes": 2})
    ]
    assert [each.spec.wormholes for each in nets] == [0, 0, 2]
    assert [store.path_of(each) == old for each in nets] == [True, True, False]
    trainings = [replace(run, how=Training.from_dict(run.how | more).to_dict()) for more in ({}, {"warp": 2})]
    assert [store.path_of(each) == old for each in trainings] == [True, False]


def test_find_takes_what_fit_takes_and_nothing_like_it(store, split, run):
    store.add(run)
    assert store.find(run.spec, split, HOW, 0).to_json() == run.to_json()
    assert store.find(run.spec, digits().subset(200, 60), HOW).seed == 0  # the same images, another object
    assert store.find(run.spec, split, HOW, 1) is None
    assert store.find(replace(run.spec, width=5), split, HOW) is None
    assert store.find(replace(run.spec, skip=False), split, HOW) is None
    assert store.find(run.spec, split, replace(HOW, capture_every=0)) is None
    assert store.find(run.spec, digits().subset(199, 60), HOW) is None
    assert store.find(run.spec, replace(split, name="mine"), HOW) is None


def test_a_run_recorded_before_a_field_was_added_is_found_as_one_with_the_default(store, split, run):
    old_how = {name: value for name, value in run.how.items() if name != "label_noise"}
    store.add(replace(run, how=old_how))
    assert store.find(run.spec, split, HOW) is not None
    assert store.find(run.spec, split, replace(HOW, label_noise=0.5)) is None
    store.add(replace(run, how=run.how | {"warp": 9}, seed=1))
    with pytest.warns(UserWarning, match="was written by a newer reslab"):
        assert store.find(run.spec, split, HOW, 1) is None


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


# What is there already


def test_a_run_that_ended_stays_and_one_that_did_not_gives_way(store, run):
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


@pytest.mark.parametrize(
    "content", [b"", b"{", b"hello", b"[]", b"\x80\x02}q\x00.", b'{"format": "reslab run 1"}', b'{"a": 1}']
)
def test_a_file_that_is_no_run_is_named_and_passed_over(store, split, run, content):
    path = store.add(run)
    (path.parent / "aaa.json").write_bytes(content)
    (path.parent / f"{path.name.split('.')[0]}.width4.seed0.000.json").write_bytes(content)
    with pytest.warns(UserWarning, match="is not a whole reslab run: ") as warned:
        assert [r.name for r in store.runs()] == ["resnet-8"]
    assert len(warned) == 2
    assert "passed over: " in str(warned[0].message)
    assert "aaa.json" in str(warned[0].message)
    with pytest.warns(UserWarning, match=r"passed over: .*seed0.000.json"):
        assert store.find(run.spec, split, HOW) is not None
    (path.parent / "notes.txt").write_text("of no concern", encoding="utf-8")
    (store.path / "README.md").write_text("of no concern either", encoding="utf-8")


def test_a_folder_in_place_of_a_run_or_a_checkpoint_is_named(store, run, split):
    path = store.path_of(run)
    path.mkdir(parents=True)
    path.with_suffix(".safetensors").mkdir()
    with pytest.warns(UserWarning, match=r"passed over: .*seed0.* is a folder, and no run"):
        assert store.runs() == []
    with pytest.raises(IsADirectoryError, match=r"seed0"):
        store.add(run)
    with pytest.raises(IsADirectoryError, match=r"seed0"):
        store.checkpoint(run.spec, split, HOW)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(NotADirectoryError, match=r"notes\.txt is a file; a store is a folder of runs"):
        Store(tmp_path / "notes.txt")


def test_a_mark_that_editors_write_in_front_does_no_harm(store, run):
    path = store.add(run)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [found.to_json() for found in store.runs()] == [run.to_json()]


def test_a_file_of_a_million_brackets_is_named_and_passed_over(store, run):
    path = store.add(run)
    path.write_text("[" * 1_000_000, encoding="utf-8")
    with pytest.warns(UserWarning, match=r"passed over: .* is not a whole reslab run: maximum recursion depth"):
        assert store.runs() == []


def test_a_damaged_run_is_moved_aside_when_it_comes_again(store, run):
    path = store.add(run)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=r"is not a whole reslab run: .* It is now .*\.json\.corrupt"):
        store.add(run)
    assert [Path(name).suffix for name in files(store)] == [".json", ".corrupt"]
    assert len(store.runs()) == 1


def test_what_a_killed_process_left_half_written_is_invisible_and_swept_up_after_a_day(store, run):
    path = store.add(run)
    fresh, old = (path.with_name(f".{path.name}.{digit * 16}") for digit in "ab")
    theirs = path.with_name(".gitignore")
    for file in (fresh, old, theirs):
        file.write_text("{", encoding="utf-8")
        os.utime(file, (0, 0) if file != fresh else None)
    assert len(store.runs()) == 1
    store.add(replace(run, seed=1))
    assert [file.exists() for file in (fresh, old, theirs)] == [True, False, True]


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
