"""The recorded files that come with reslab are found in this checkout; tests/test_store.py has the package's."""

import pytest

from reslab.shipped import PACKAGE, shipped, shipped_json


def test_the_checkout_comes_first():
    assert shipped("runs") == PACKAGE.parent / "data" / "runs"
    assert set(shipped_json("lesions/cifar10.json.gz")) == {"frames", "provenance"}


def test_what_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r"maps\.csv is not there: install reslab again"):
        shipped("maps.csv")
