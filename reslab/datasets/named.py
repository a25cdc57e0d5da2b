"""Data sets by name: `DATASETS` and `load`. A data set that torchvision has is one function here, and one entry.

This file imports no torch, so that the command line can list the names at once.
"""

import os
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from reslab import checks, downloads
from reslab.downloads import DatasetUnavailable, cache_root  # noqa: F401 (offered by this module too)

KRIZHEVSKY = (
    "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images (no licence stated; cite the report)"
)


def digits(seed=0, test=397):
    """Scikit-learn's 1,797 handwritten digits, (N, 1, 8, 8) uint8 from 0 to 16; no network is needed.

    `test` of them, drawn with `seed`, are the test part; the others train. Raises ValueError for an impossible `test`.
    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI, CC BY 4.0.
    """
    import numpy as np

    from reslab.datasets.own import split_of

    source = (
        "scikit-learn's digits: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI, CC BY 4.0"
    )
    # Its file is read without importing scikit-learn, which takes a second, and 50 MB of each kernel.
    file = Path(find_spec("sklearn").origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, dtype=np.int64, delimiter=",")  # (1797, 65): 64 pixels, then the class
    return split_of(
        table[:, :-1].reshape(-1, 8, 8).astype("uint8"), table[:, -1], name="digits", test=test, scale=16, seed=seed,
        source=source,
    )  # fmt: skip


def cifar10(root=None, *, download=True):
    """CIFAR-10: 50,000 + 10,000 photos of 10 things, (N, 3, 32, 32) uint8; a 170 MB download, once.

    root: the folder to keep it in, else `cache_root()`. download: whether to download it if it is not there.
    Raises DatasetUnavailable.
    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images" (no licence stated; cite the
    report).
    """
    return _from_torchvision("cifar10", "CIFAR10", root, f"CIFAR-10: {KRIZHEVSKY}", download)


def cifar100(root=None, *, download=True):
    """CIFAR-100: 50,000 + 10,000 photos of 100 things, (N, 3, 32, 32) uint8; otherwise as `cifar10`."""
    return _from_torchvision("cifar100", "CIFAR100", root, f"CIFAR-100: {KRIZHEVSKY}", download)


def fashion_mnist(root=None, *, download=True):
    """Fashion-MNIST: 60,000 + 10,000 grey pictures of 10 kinds of clothing, (N, 1, 28, 28) uint8; a 31 MB download,
    once.

    root, download: as `cifar10`. Raises DatasetUnavailable.
    Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747, MIT licence.
    """
    source = "Fashion-MNIST: Xiao et al. 2017, arXiv:1708.07747, MIT licence"
    return _from_torchvision("fashion_mnist", "FashionMNIST", root, source, download)


DATASETS = {"digits": digits, "cifar10": cifar10, "cifar100": cifar100, "fashion_mnist": fashion_mnist}


def or_digits(split):
    """The Split that was given, or `digits()` for None; TypeError for anything else."""
    from reslab.datasets.split import check_split

    return digits() if split is None else check_split(split)


def load(name):
    """The Split of a name in `DATASETS`, of an .npz file, or of a folder with a sub-folder of pictures for each class.

    "cifar10-5000+1000" is a `subset`: 5,000 training and 1,000 test images, drawn with seed 0; "...@7": with seed 7.
    "cifar10-64px" is `resized` to 64 × 64 pixels. They can be combined and are done from left to right: to enlarge a
    subset takes less memory than to take a subset of the enlarged set.
    A `Path`, a name that ends in .npz, or one with a / in it is a path. Raises ValueError naming the nearest name,
    FileNotFoundError, DatasetUnavailable.
    """
    from reslab.datasets.folder import from_folder
    from reslab.datasets.own import from_file

    is_path = isinstance(name, os.PathLike)
    text = os.fspath(name) if is_path else str(name)
    is_path = is_path or "/" in text or os.sep in text  # Windows takes both separators
    if is_path and os.path.isdir(os.path.expanduser(text)):  # whatever it is called: "pets-64px/" is a folder
        return from_folder(text)
    if drawn := re.fullmatch(r"(.+)-([0-9]+)\+([0-9]+)(@[0-9]+)?", text):
        split = load(drawn[1])
        part = split.subset(int(drawn[2]), int(drawn[3]), seed=int((drawn[4] or "@0")[1:]))
        return replace(part, name=split.name + text.removeprefix(drawn[1]))
    if sized := re.fullmatch(r"(.+)-([0-9]+)px", text):
        split = load(sized[1])
        return replace(split.resized(int(sized[2])), name=split.name + text.removeprefix(sized[1]))
    if text.lower().endswith(".npz"):
        return from_file(text)
    if is_path:
        return from_folder(text)
    if text.lower() not in DATASETS and text and os.path.isdir(os.path.expanduser(text)):
        reads = f"load({f'{text}/'!r}) reads it"
        raise ValueError(f"dataset is {text!r}, which names a folder here and no data set; {reads}.")
    return DATASETS[checks.choice("dataset", text.lower(), DATASETS)]()


def _from_torchvision(name, kind, root, source, download=True):
    """A Split of the torchvision class called `kind`. Classes without names get their numbers as names."""
    from reslab.datasets.own import split_of

    train, test = downloads.fetch(name, kind, root, download)
    y, y_test = (part.targets if hasattr(part, "targets") else part.labels for part in (train, test))
    names = getattr(train, "classes", None)
    return split_of(train.data, y, x_test=test.data, y_test=y_test, class_names=names, name=name, source=source)
