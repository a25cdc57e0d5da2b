"""A run is saved whole or not at all, and replaces another one only if asked."""

import dataclasses
import math
import os
import stat
from pathlib import Path

import pytest
from made_runs import assert_one_sentence, make_checkpoint, make_run

from reslab.runs import Checkpoint, Run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.json"


def saved(kind):
    """A way to save something over something older, and to load it."""
    if kind == "run":
        return lambda path, name: make_run(name=name).save(path, overwrite=True), lambda path: Run.load(path).name
    checkpoint = make_checkpoint()
    return (
        lambda path, name: dataclasses.replace(checkpoint, run=make_run(name=name)).save(path),
        lambda path: Checkpoint.load(path).run.name,
    )


def half_written(path, *_args, **_kwargs):
    with open(path, "wb") as file:
        file.write(b'{"format": "resl')
    raise OSError("No space left on device")


def disconnected(*_, **__):
    raise OSError("Input/output error")


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "failure", "error"),
    [
        ((os, "replace"), disconnected, OSError),
        ((os, "replace"), interrupted, KeyboardInterrupt),
        ((os, "fsync"), disconnected, OSError),
        ((os, "fsync"), interrupted, KeyboardInterrupt),
        ("write", half_written, OSError),
        ("write", interrupted, KeyboardInterrupt),
        ((Run, "to_json"), disconnected, OSError),
    ],
)
@pytest.mark.parametrize("kind", ["run", "checkpoint"])
def test_a_failure_while_saving_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, kind, place, failure, error
):
    path = tmp_path / "folder" / "kept"
    save, load = saved(kind)
    save(path, "old")
    before = path.read_bytes()
    with monkeypatch.context() as broken:
        writer = (Path, "write_text" if kind == "run" else "write_bytes")
        broken.setattr(*(writer if place == "write" else place), failure)
        with pytest.raises(error):
            save(path, "new")
        with pytest.raises(error):
            save(tmp_path / "folder" / "never", "new")
    assert os.listdir(path.parent) == ["kept"]
    assert path.read_bytes() == before
    assert load(path) == "old"
    save(path, "new")
    assert load(path) == "new"
    assert os.listdir(path.parent) == ["kept"]


def test_what_cannot_be_json_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        make_run(how={"lr": object()}).save(tmp_path / "run.json")
    with pytest.raises(ValueError, match="JSON"):
        make_run(how={"lr": math.nan}).save(tmp_path / "run.json")
    assert os.listdir(tmp_path) == []


def test_the_move_is_the_last_thing_and_within_one_folder(file, monkeypatch):
    moves, replace = [], os.replace

    def watched(source, target):
        whole = Run.from_json(Path(source).read_text(encoding="utf-8"))
        moves.append((Path(source).parent, Path(target), whole.seed))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    make_run().save(file)
    assert moves == [(file.parent, file, 3)]


def test_a_run_is_overwritten_only_with_overwrite(file):
    make_run(seed=1).save(file)
    with pytest.raises(FileExistsError, match="is there already; pass overwrite=True to replace it") as error:
        make_run(seed=2).save(file)
    assert_one_sentence(error, file)
    assert Run.load(file).seed == 1
    make_run(seed=2).save(file, overwrite=True)
    assert Run.load(file).seed == 2


def test_folders_are_made_and_the_file_is_as_readable_as_any_other(tmp_path):
    path = tmp_path / "new" / "folder" / "run.json"
    make_run().save(path)
    (tmp_path / "other").write_text("", encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)
