"""A store in which something else lies: damaged runs, other files, what a killed process left. Each is named."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import HOW, files

from reslab.store import Store

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_a_link_that_leads_nowhere_is_named_as_a_damaged_run_is(store, run, split):
    path = store.add(run)
    gone = store.path.parent / "gone.json"
    path.rename(gone)
    path.symlink_to(gone)
    assert [found.name for found in store.runs()] == ["resnet-8"]  # a link that leads somewhere is followed
    gone.unlink()
    (store.path / "mnist").symlink_to("nowhere")
    path.with_suffix(".safetensors").symlink_to("nowhere")
    weights = path.parent / "weights" / path.with_suffix(".safetensors").name
    weights.parent.mkdir()
    weights.symlink_to("nowhere")
    said = "passed over: {} is a link to {}, which is not there, and no {}."
    of_run, of_folder, of_checkpoint = (
        said.format(path, gone, "run"),
        said.format(store.path / "mnist", "nowhere", "folder of runs"),
        said.format(path.with_suffix(".safetensors"), "nowhere", "checkpoint"),
    )
    for look, found, warnings in (
        (store.runs, [], [of_run, of_folder]),
        (lambda: store.runs(dataset="mnist"), [], [of_folder]),
        (lambda: store.find(run.spec, split, HOW), None, [of_run]),
        (store.unfinished, [], [of_folder, of_run, of_checkpoint]),
    ):
        with pytest.warns(UserWarning, match="passed over") as warned:
            assert look() == found
        assert sorted(str(warning.message) for warning in warned) == sorted(warnings)
    with pytest.raises(OSError, match="is a link to nowhere, which is not there, and no checkpoint"):
        store.checkpoint(run.spec, split, HOW)
    assert store.has_weights(run)
    with pytest.raises(OSError, match="is a link to nowhere, which is not there, and no weights"):
        store.weights(run)
    (store.path / "mnist").unlink()
    store.add(run)  # it takes the link's place
    assert not path.is_symlink()
    assert len(store.runs()) == 1


def test_a_link_that_leads_nowhere_is_no_store(tmp_path):
    (tmp_path / "runs").symlink_to("nowhere")
    with pytest.raises(OSError, match="runs is a link to nowhere, which is not there, and no store"):
        Store(tmp_path / "runs")


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


def test_half_written_files_of_a_killed_process_are_ignored_and_removed_after_a_day(store, run):
    path = store.add(run)
    fresh, old = (path.with_name(f".{path.name}.{digit * 16}") for digit in "ab")
    theirs = path.with_name(".gitignore")
    for file in (fresh, old, theirs):
        file.write_text("{", encoding="utf-8")
        os.utime(file, (0, 0) if file != fresh else None)
    assert len(store.runs()) == 1
    store.add(replace(run, seed=1))
    assert [file.exists() for file in (fresh, old, theirs)] == [True, False, True]
