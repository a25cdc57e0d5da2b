"""`reslab lab` opens the lessons of a checkout, copies those of a package, and opens a folder of one's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from reslab import cli

pytestmark = pytest.mark.usefixtures("one_thread")


def test_lab_opens_the_lessons_of_the_checkout(reslab, monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "call", lambda command: commands.append(command) or 5)
    reslab("lab --no-browser --port 8899", 5)
    lessons = Path(cli.__file__).parents[2] / "notebooks"
    assert commands == [[sys.executable, "-m", "jupyterlab", str(lessons), "--no-browser", "--port", "8899"]]
    assert list(lessons.glob("01_*.ipynb"))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with two lessons in it and no checkout around it, and what `reslab lab` calls: (package, commands)."""
    package, commands = tmp_path / "site-packages" / "reslab", []
    (package / "notebooks").mkdir(parents=True)
    for name in ("00_a.ipynb", "01_b.ipynb", "teaching.md"):
        (package / "notebooks" / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr("reslab.lessons.PACKAGE", package)
    monkeypatch.setattr(subprocess, "call", lambda command: commands.append(command) or 0)
    monkeypatch.chdir(tmp_path)
    return package, commands


def test_lab_of_an_installed_package_copies_the_lessons_and_keeps_what_is_there(reslab, installed, tmp_path):
    _, commands = installed
    copy = tmp_path / "reslab-lessons"
    copy.mkdir()
    (copy / "01_b.ipynb").write_text("my answers", encoding="utf-8")
    assert f"2 files were copied to {copy}" in reslab("lab").stdout
    assert {file.name for file in copy.iterdir()} == {"00_a.ipynb", "01_b.ipynb", "teaching.md"}
    assert (copy / "01_b.ipynb").read_text(encoding="utf-8") == "my answers"
    assert reslab("lab").stdout == ""
    assert commands == [[sys.executable, "-m", "jupyterlab", str(copy)]] * 2


def test_lab_opens_a_folder_of_ones_own_as_it_is(reslab, installed, tmp_path):
    _, commands = installed
    own = tmp_path / "own"
    own.mkdir()
    (own / "05_mine.ipynb").touch()
    reslab("lab --lessons own")
    assert [file.name for file in own.iterdir()] == ["05_mine.ipynb"]
    reslab("lab --lessons new")
    assert (tmp_path / "new" / "00_a.ipynb").is_file()
    assert [command[3] for command in commands] == ["own", "new"]


def test_lab_of_a_package_without_lessons_says_so(reslab, installed):
    package, _ = installed
    for file in (package / "notebooks").iterdir():
        file.unlink()
    assert "the lessons are not there: install reslab again, they come with it." in reslab("lab", 1).stderr
