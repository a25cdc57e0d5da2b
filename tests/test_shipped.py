"""The recorded files that come with reslab are found in this checkout; tests/test_store.py has the package's."""

import gzip

import pytest

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
