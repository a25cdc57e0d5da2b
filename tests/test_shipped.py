"""The recorded files that come with reslab are found in this checkout; tests/test_store.py has the package's."""

import gzip

import pytest

from reslab import page
from reslab.cli.lesson_times import steps_of_lessons
from reslab.experiments import dynamics, super_resolution_files, variant_rates
from reslab.explorers import Stage
from reslab.shipped import PACKAGE, shipped, shipped_json


def test_the_checkout_comes_first():
    assert shipped("runs") == PACKAGE.parent / "data" / "runs"
    assert set(shipped_json("lesions/cifar10.json.gz")) == {"frames", "provenance"}


@pytest.mark.parametrize("damaged", ["half", "nothing", "text", "a flipped bit", "other JSON"])
def test_a_damaged_file_is_named_in_one_sentence(damaged, tmp_path, monkeypatch):
    whole = shipped("lesions/cifar10.json.gz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 8
    kinds = {"half": whole[: len(whole) // 2], "nothing": b"", "text": b"hello", "a flipped bit": bytes(flipped)}
    monkeypatch.setattr("reslab.shipped.PACKAGE", tmp_path / "reslab")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "maps.json.gz").write_bytes(kinds.get(damaged, gzip.compress(b"[1]")))
    with pytest.raises(ValueError, match=r"maps\.json\.gz is damaged \([^\n]+\): install reslab again"):
        shipped_json("maps.json.gz")


def test_what_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r"maps\.csv is not there: install reslab again"):
        shipped("maps.csv")


def in_a_copy(name, content, tmp_path, monkeypatch):
    """The data folder is one of its own, in which a file has this content."""
    monkeypatch.setattr("reslab.shipped.PACKAGE", tmp_path / "reslab")
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


READERS = {
    "rates.csv": variant_rates.rates,
    "dynamics.csv": dynamics.recorded,
    "lesson_times.csv": steps_of_lessons,
    "stage/digits.json.gz": lambda: page.gzipped(page.recorded()["digits"]),
    "super_resolution/weights.safetensors": super_resolution_files._weights.__wrapped__,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["half", "nothing", "zeros", "a byte less"])
def test_every_kind_of_shipped_file_is_named_when_it_is_damaged(name, damage, tmp_path, monkeypatch):
    content = shipped(name).read_bytes()
    kinds = {"half": content[: len(content) // 2], "nothing": b"", "zeros": bytes(1000), "a byte less": content[:-1]}
    in_a_copy(name, kinds[damage], tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"is damaged \([^\n]+\): install reslab again, it comes with it\.$") as caught:
        READERS[name]()
    assert str(tmp_path / "data" / name) in str(caught.value)


def test_rates_without_some_rows_are_damaged(tmp_path, monkeypatch):
    lines = shipped("rates.csv").read_bytes().splitlines(keepends=True)
    in_a_copy("rates.csv", b"".join(lines[:3] + lines[4:]), tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="not all rates of ResNet are there"):
        variant_rates.rates()


def test_a_training_without_some_steps_is_damaged(tmp_path, monkeypatch):
    lines = shipped("dynamics.csv").read_bytes().splitlines(keepends=True)
    in_a_copy("dynamics.csv", b"".join(lines[:3] + lines[4:]), tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="not all nets have the same steps"):
        dynamics.recorded()


def test_the_stage_names_a_damaged_state(tmp_path, monkeypatch):
    in_a_copy("stage/digits.json.gz", shipped("stage/digits.json.gz").read_bytes()[:5000], tmp_path, monkeypatch)
    (tmp_path / "data" / "stage" / "without-pictures").mkdir()
    with pytest.raises(ValueError, match=r"digits\.json\.gz is damaged"):
        Stage()
