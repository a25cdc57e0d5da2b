"""Provenance names the kind of machine and no person; frames are tidy and have an origin."""

import dataclasses
import getpass
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from made_runs import make_run, provenance

from reslab.figures import theme
from reslab.runs import Provenance, Run
from reslab.runs import provenance as module

# Provenance


def test_provenance_says_what_ran_and_names_no_person_machine_or_place(monkeypatch):
    monkeypatch.setenv("USER", "ada-lovelace")
    monkeypatch.setenv("LOGNAME", "ada-lovelace")
    here = Provenance.here("cpu", threads=5)
    assert (here.device, here.threads) == ("cpu", 5)
    assert Provenance.here().threads == torch.get_num_threads()
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert here.torch == torch.__version__
    assert type(here.torch) is str
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", here.date)  # the day, and no time of day
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", here.reslab)
    assert here.commit is None or re.fullmatch(r"[0-9a-f]{12}(-dirty)?", here.commit)
    assert here.machine
    text = make_run(provenance=here, name="").to_json()
    private = {
        socket.gethostname(),
        getpass.getuser(),
        str(Path.home()),
        str(Path.cwd()),
        str(Path(__file__).parents[1]),
    }
    for secret in private:
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text), secret


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout that provenance.py takes for its own: a function that runs git there; None without git."""
    file = tmp_path / "reslab" / "runs" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("first", encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(file))
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    yield git if shutil.which("git") else None
    module._commit.cache_clear()


def commit_now():
    module._commit.cache_clear()
    return Provenance.here().commit


def test_the_commit_is_that_of_the_checkout_and_says_when_it_was_changed(checkout, tmp_path):
    assert commit_now() is None  # an installed package
    if checkout is None:
        (tmp_path / ".git").mkdir()
        assert commit_now() is None  # a checkout, and no git to ask
        return
    checkout("init")
    assert commit_now() is None  # nothing was committed yet
    checkout("add", ".")
    checkout("commit", "-m", "first")
    head = checkout("rev-parse", "HEAD")[:12]
    assert commit_now() == head
    (tmp_path / "notes.txt").write_text("not of the checkout", encoding="utf-8")
    assert commit_now() == head
    (tmp_path / "reslab" / "runs" / "provenance.py").write_text("second", encoding="utf-8")
    assert commit_now() == f"{head}-dirty"
    checkout("commit", "-am", "second")
    checkout("tag", "v1.0")  # a tag's name would say nothing to who has not fetched it
    assert commit_now() == checkout("rev-parse", "HEAD")[:12] != head


def test_what_comes_with_reslab_is_recorded_from_committed_code():
    clean = provenance()
    assert clean.committed() is clean
    for commit in ("0123456789ab-dirty", None):
        with pytest.raises(ValueError, match="commit, and record in a clean copy"):
            dataclasses.replace(clean, commit=commit).committed()


def test_without_git_there_is_no_commit(checkout, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_now() is None


def test_a_training_that_went_on_elsewhere_says_where_it_was_before():
    here, there = provenance(torch="2.15.0"), provenance(torch="2.14.0", threads=8, commit=None)
    assert here.after(provenance()) == provenance()
    assert here.after(there) == provenance(
        torch="2.14.0, then 2.15.0"
    )  # the commit that was not known stays so; threads are the last
    again = provenance(torch="2.15.0", date="1941-05-13").after(here.after(there))
    assert (again.torch, again.date) == ("2.14.0, then 2.15.0", "1941-05-12, then 1941-05-13")
    assert provenance(torch="2.14.0").after(again).torch == "2.14.0, then 2.15.0, then 2.14.0"


# Frames


LABELS = ["name", "skip", "depth", "seed", "parameters", "outcome", "final_train_error", "origin"]


def test_frames_are_tidy_labelled_and_concatenate():
    run = make_run()
    frame = run.frame()
    assert frame.columns.tolist() == [*LABELS, "step", "epoch", "lr", "loss", "train_error", "test_error", "seconds"]
    pd.testing.assert_frame_equal(frame[run.history.columns], run.history)
    labels = frame[LABELS].drop_duplicates()
    assert labels.to_dict("records") == [
        {
            "name": run.name,
            "skip": False,
            "depth": 56,
            "seed": 3,
            "parameters": 214_402,
            "outcome": "finished",
            "final_train_error": 0.1 + 0.2,
            "origin": "Zuse Z3 · 5 Hz, 1941-05",
        }
    ]
    layers = run.layers_frame()
    assert layers.columns.tolist() == [*LABELS, *run.layers.columns]
    pd.testing.assert_frame_equal(layers[run.layers.columns], run.layers)
    both = pd.concat([frame, make_run(spec=None, seed=None).frame()], ignore_index=True)
    assert both.shape == (2 * len(frame), frame.shape[1])
    assert both.groupby("skip", dropna=False).size().tolist() == [len(frame)] * 2
    assert "name" not in run.history  # the run's own frame is as it was


def test_a_run_without_captures_or_steps_has_empty_frames():
    empty = make_run(layers=pd.DataFrame(), history=make_run().history.iloc[:0])
    assert len(empty.layers_frame()) == len(empty.frame()) == 0
    assert empty.frame().columns.tolist() == make_run().frame().columns.tolist()
    assert empty.layers_frame().columns.tolist() == LABELS


def test_a_frame_can_be_changed_without_changing_the_run():
    run = make_run()
    frame = run.frame()
    frame.loc[0, "loss"] = 7.0
    frame["name"] = "mine"
    assert run.history["loss"][0] == 0.1
    assert run.frame()["loss"][0] == 0.1


def test_a_run_read_from_a_file_says_that_it_was_recorded(tmp_path):
    run = make_run()
    run.save(tmp_path / "run.json")
    read = Run.load(tmp_path / "run.json")
    assert run.origin == "Zuse Z3 · 5 Hz, 1941-05"
    assert read.origin == "recorded, Zuse Z3 · 5 Hz, 1941-05"
    assert set(read.frame()["origin"]) == set(read.layers_frame()["origin"]) == {read.origin}
    assert theme.recorded(read.origin)
    assert not theme.recorded(run.origin)
    read.save(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == (tmp_path / "run.json").read_bytes()


def test_the_summary_is_one_row_of_plain_values():
    history = pd.DataFrame({"step": [5, 10, 12], "test_error": [0.5, 0.25, math.nan], "seconds": [1.0, 2.0, 2.5]})
    summary = make_run(history=history).summary()
    labels = ("name", "dataset", "seed", "skip", "depth", "width", "outcome", "cause")
    assert {name: summary[name] for name in labels} == {
        "name": make_run().name, "dataset": "digits", "seed": 3, "skip": False, "depth": 56, "width": 8,
        "outcome": "finished", "cause": "",
    }  # fmt: skip
    assert (summary["steps"], summary["test_error"], summary["seconds"], summary["commit"]) == (
        12,
        0.25,
        2.5,
        "0123456789ab",
    )
    assert all(value is None or type(value) in (str, int, float, bool) for value in summary.values())
    nothing = make_run(
        spec=None, seed=None, history=make_run().history.iloc[:0], outcome="failed", cause="Broken: why"
    ).summary()
    assert (nothing["steps"], nothing["seconds"], nothing["depth"], nothing["cause"]) == (0, 0.0, None, "Broken: why")
    assert math.isnan(nothing["test_error"])
