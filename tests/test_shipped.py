"""The recorded files that come with reslab are found in this checkout; tests/test_wheel.py looks into a package."""

import pytest

from reslab.shipped import PACKAGE, shipped, shipped_json


def test_the_checkout_comes_first():
    assert shipped("runs") == PACKAGE.parent / "data" / "runs"
    assert set(shipped_json("lesions/cifar10.json.gz")) == {"frames", "provenance"}


def test_a_package_alone_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("reslab.shipped.PACKAGE", tmp_path / "site-packages" / "reslab")
    own = tmp_path / "site-packages" / "reslab" / "data" / "rates.csv"
    own.parent.mkdir(parents=True)
    own.touch()
    assert shipped("rates.csv") == own


def test_what_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r"maps\.csv is not there: install reslab again"):
        shipped("maps.csv")
