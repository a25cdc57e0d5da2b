"""Image sets in memory: a `Split` is a training and a test part that fit in memory, ready for a net.

`digits()` works with no network; `cifar10()`, `cifar100()` and `fashion_mnist()` are downloaded once, by torchvision;
`from_arrays()`, `from_file()` and `from_folder()` make a Split of a person's own images. `load()` takes the name of any.
"""

import hashlib
import inspect
import math
import os
import re
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reslab import arrays, checks, downloads
from reslab.downloads import DatasetUnavailable, cache_root  # noqa: F401 (part of this module's face)

KRIZHEVSKY = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images (no licence stated; cite the report)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Training and test images in memory, as stored; `batch` hands them out normalised.

    Raises ValueError, in one sentence, for parts that do not fit together.
    """

    name: str
    x_train: Tensor  # (N, C, S, S) uint8 or float32
    y_train: Tensor  # (N,) int64, 0 to K-1
    x_test: Tensor
    y_test: Tensor
    class_names: tuple[str, ...]  # K
    scale: float  # the stored value that means white: 16 for digits, 255 for bytes, 1 for floats
    mean: tuple[float, ...] = ()  # C, of x_train / scale; measured when left out, and so is std
    std: tuple[float, ...] = ()
    source: str  # one line for provenance: what, who, licence or citation

    def __post_init__(self):
        arrays.check_pair(self.x_train, self.y_train, "x_train", "y_train")
        arrays.check_pair(self.x_test, self.y_test, "x_test", "y_test")
        object.__setattr__(self, "scale", checks.number("scale", self.scale, above=True))
        classes = checks.integer("the number of class names", len(self.class_names), 2)
        if (self.x_train.shape[1:], self.x_train.dtype) != (self.x_test.shape[1:], self.x_test.dtype):
            raise ValueError(f"x_train is {arrays.brief(self.x_train)} and x_test is {arrays.brief(self.x_test)}; they must be alike.")
        for what, y in (("y_train", self.y_train), ("y_test", self.y_test)):
            if y.min() < 0 or y.max() >= classes:
                raise ValueError(f"{what} runs from {y.min()} to {y.max()}; with {classes} class names it must be from 0 to {classes - 1}.")
        if not self.mean and not self.std:
            for field, value in zip(("mean", "std"), arrays.mean_std(self.x_train, self.scale), strict=True):
                object.__setattr__(self, field, value)
        channels, numbers_given = self.x_train.shape[1], (*self.mean, *self.std)
        if not (len(self.mean) == len(self.std) == channels and all(map(math.isfinite, numbers_given)) and min(self.std) > 0):
            raise ValueError(f"mean is {self.mean} and std {self.std}; give {channels} finite numbers of each, std above 0, or neither.")

    @property
    def shape(self):
        """What a net must know about the images: `NetSpec(depth=56, **split.shape)`."""
        return {"in_channels": self.x_train.shape[1], "image_size": self.x_train.shape[-1], "classes": len(self.class_names)}

    def to(self, device):
        """The same Split with its tensors on `device`."""
        return replace(self, **{part: getattr(self, part).to(device) for part in ("x_train", "y_train", "x_test", "y_test")})

    def batch(self, index, part="train"):
        """Images x (B, C, S, S) float32, normalised by the training part's mean and std, and labels y (B,) int64.

        index: (B,) int64, each from 0 to N-1, or a slice. Raises ValueError for a part other than "train" and "test".
        """
        checks.choice("part", part, ("train", "test"))
        x, y = (self.x_train, self.y_train) if part == "train" else (self.x_test, self.y_test)
        if isinstance(index, slice):
            x, y = x[index], y[index]
        else:
            index = index.to(x.device)
            x, y = x.index_select(0, index), y.index_select(0, index)  # in half the time of x[index], on a CPU
        factor, offset = self._affine
        return x.mul(factor).add_(offset), y  # mul makes a new float tensor: the stored images are never written to

    @cached_property
    def _affine(self):
        """factor and offset, (C, 1, 1) float32: (x / scale - mean) / std = x * factor + offset."""
        mean, std = (torch.tensor(per_channel, dtype=torch.float64).view(-1, 1, 1) for per_channel in (self.mean, self.std))
        return [term.float().to(self.x_train.device) for term in (1 / (self.scale * std), -mean / std)]

    @cached_property
    def fingerprint(self):
        """16 hexadecimal digits that tell these images and labels from any others, wherever they are."""
        digest = hashlib.sha256()
        for tensor in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy())
        # The mean and std may have been measured by another machine, whose last digits differ.
        digest.update(" ".join(f"{number:.4g}" for number in (self.scale, *self.mean, *self.std)).encode())
        return digest.hexdigest()[:16]

    def subset(self, n_train=None, n_test=None, seed=0):
        """A smaller Split, drawn without regard to class, so classes are only roughly balanced; None keeps a whole part.

        With one seed a smaller subset lies inside a larger one. mean and std stay those of the whole, so that a net sees
        an image as before. Raises ValueError for a count below 1 or above what there is.
        """
        kept = {}
        for part, n, x, y in (("train", n_train, self.x_train, self.y_train), ("test", n_test, self.x_test, self.y_test)):
            n = checks.integer(f"n_{part}", len(x) if n is None else n, 1, len(x))
            index = arrays.shuffled(len(x), seed)[:n].to(x.device) if n < len(x) else slice(None)
            kept |= {f"x_{part}": x[index], f"y_{part}": y[index]}
        drawn = f"{len(kept['x_train'])} train and {len(kept['x_test'])} test images of it drawn with seed {seed}"
        return replace(self, **kept, source=f"{self.source}; {drawn}")

    def resized(self, size):
        """The same Split with its images at `size` × `size` pixels, bilinear (antialiased where they become smaller).

        What is on them is no more than before. mean and std stay, as in `subset`. Raises ValueError for a size below 1.
        """
        size = checks.integer("size", size, 1)

        def resize(x):
            resized = x.new_empty((*x.shape[:2], size, size))
            for some, there in zip(x.split(1024), resized.split(1024), strict=True):  # so few at a time are floats
                images = F.interpolate(some.float(), (size, size), mode="bilinear", antialias=True)
                there.copy_(images if x.is_floating_point() else images.round())
            return resized

        old = self.x_train.shape[-1]
        source = f"{self.source}; resized from {old} × {old} to {size} × {size} pixels, bilinear"
        return replace(self, x_train=resize(self.x_train), x_test=resize(self.x_test), source=source)

    def __repr__(self):
        sizes = f"{len(self.x_train):,} train + {len(self.x_test):,} test images"
        return f"<Split {self.name}: {sizes}, {arrays.brief(self.x_train)}, {len(self.class_names)} classes, on {self.x_train.device}>"


def digits(seed=0, test=397):
    """Scikit-learn's 1,797 handwritten digits, (N, 1, 8, 8) uint8 up to 16, bundled with it: no network is needed.

    `test` of them, drawn with `seed`, are the test part; the others train. Raises ValueError for an impossible `test`.
    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI, CC BY 4.0.
    """
    from sklearn.datasets import load_digits  # here, not above: it takes longer to import than this function to run

    source = "scikit-learn's digits: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI, CC BY 4.0"
    stored = load_digits()
    return from_arrays(stored.images.astype(np.uint8), stored.target, name="digits", test=test, scale=16, seed=seed, source=source)


def cifar10(root=None):
    """CIFAR-10: 50,000 + 10,000 photos of 10 things, (N, 3, 32, 32) uint8; a 170 MB download, once.

    root: the folder to keep it in, else `cache_root()`. Raises DatasetUnavailable.
    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images" (no licence stated; cite the report).
    """
    return _from_torchvision("cifar10", "CIFAR10", root, f"CIFAR-10: {KRIZHEVSKY}")


def cifar100(root=None):
    """CIFAR-100: 50,000 + 10,000 photos of 100 things, (N, 3, 32, 32) uint8; all else as `cifar10`."""
    return _from_torchvision("cifar100", "CIFAR100", root, f"CIFAR-100: {KRIZHEVSKY}")


def fashion_mnist(root=None):
    """Fashion-MNIST: 60,000 + 10,000 grey pictures of 10 kinds of clothing, (N, 1, 28, 28) uint8; a 31 MB download, once.

    root: as `cifar10`. Raises DatasetUnavailable. Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747, MIT licence.
    """
    return _from_torchvision("fashion_mnist", "FashionMNIST", root, "Fashion-MNIST: Xiao et al. 2017, arXiv:1708.07747, MIT licence")


DATASETS = {"digits": digits, "cifar10": cifar10, "cifar100": cifar100, "fashion_mnist": fashion_mnist}


def load(name):
    """The Split of a name in `DATASETS`, of an .npz file, or of a folder with a sub-folder of pictures for each class.

    "cifar10-5000+1000" is a `subset` of that name, of so many training and test images, drawn with seed 0; "...@7" with seed 7.
    "cifar10-64px" is that name `resized` to 64 × 64 pixels; of both, the last is done last, and enlarging a part takes less memory.
    Raises ValueError naming the nearest one, FileNotFoundError, DatasetUnavailable.
    """
    if os.sep in str(name) and Path(name).expanduser().is_dir():  # whatever it is called
        return from_folder(name)
    if drawn := re.fullmatch(r"(.+)-(\d+)\+(\d+)(@\d+)?", str(name)):
        split = load(drawn[1])
        part = split.subset(int(drawn[2]), int(drawn[3]), seed=int((drawn[4] or "@0")[1:]))
        return replace(part, name=split.name + str(name).removeprefix(drawn[1]))
    if sized := re.fullmatch(r"(.+)-(\d+)px", str(name)):
        split = load(sized[1])
        return replace(split.resized(int(sized[2])), name=split.name + str(name).removeprefix(sized[1]))
    if str(name).endswith(".npz"):
        return from_file(name)
    if os.sep in str(name):
        return from_folder(name)
    return DATASETS[checks.choice("dataset", str(name).lower(), DATASETS)]()


def from_arrays(
    x, y, *, name="mine", test=0.2, x_test=None, y_test=None, class_names=None, scale=None, seed=0, channels=None, source="the reader's own"
):
    """A Split, on the CPU, of one's own square images, numpy or torch. Raises ValueError for whatever does not fit.

    x: (N, S, S), (N, C, S, S) or (N, S, S, C). The two equal sides tell the last two apart; where all three are equal,
       channels="first" or "last" does. Whole numbers 0 to 255 are kept as uint8, all else as float32.
    y: (N,) whole numbers or strings, whose sorted distinct values become 0 to K-1. class_names: K, in that order.
    test: the share or the number of images held out, drawn with `seed`, without regard to class; unless x_test is given.
    scale: the value that means white, else 255 for uint8 and 1 for floats.
    """
    if (x_test is None) != (y_test is None):
        raise ValueError("Only one of x_test and y_test was given; give both, or neither to have a test part drawn from x.")
    own_test = x_test is not None
    x, y = arrays.images(x, "x", channels), arrays.labels(y, "y")
    x_test, y_test = (arrays.images(x_test, "x_test", channels), arrays.labels(y_test, "y_test")) if own_test else (x[:0], y[:0])
    values, classes = np.unique(np.concatenate([y, y_test]), return_inverse=True)
    y, y_test = torch.from_numpy(classes).long().split([len(y), len(y_test)])
    arrays.check_pair(x, y, "x", "y")
    class_names = tuple(map(str, values if class_names is None else class_names))
    if len(class_names) != len(values):
        raise ValueError(f"There are {len(class_names)} class_names for {len(values)} distinct labels; give one for each, in sorted order.")
    if not own_test:
        train, held_out = arrays.cut(len(x), test, seed)
        x, y, x_test, y_test = x[train], y[train], x[held_out], y[held_out]
        source += f"; {len(x_test)} test images drawn with seed {seed}"
    if scale is None:
        scale = 255.0 if x.dtype == torch.uint8 else 1.0
    return Split(name=name, x_train=x, y_train=y, x_test=x_test, y_test=y_test, class_names=class_names, scale=scale, source=source)


def from_file(path):
    """A Split of an .npz file, whose arrays are the arguments of `from_arrays`: numpy.savez("mine.npz", x=x, y=y, source="my camera").

    Its name is the file's, unless the file has one. Raises FileNotFoundError, and ValueError for whatever does not fit.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}; numpy.savez makes one.")
    try:
        with path.open("rb") as file, np.load(file) as stored:  # which refuses what would have to be unpickled
            fields = {"name": path.stem} | {name: array if array.ndim else array.item() for name, array in stored.items()}
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no file of numpy.savez, or holds Python objects.") from error
    for name in fields:
        checks.choice(f"an array in {path}", name, inspect.signature(from_arrays).parameters)
    if not {"x", "y"} <= set(fields):
        raise ValueError(f"{path} holds {', '.join(fields)}; it must hold images x and labels y.")
    return from_arrays(**fields)


def from_folder(path, *, image_size=32, test=0.2, seed=0):
    """A Split of the pictures in a folder that has one sub-folder a class: (N, 3, S, S) uint8 RGB, S = `image_size` pixels.

    Each picture's shorter side is resized to S and the middle cut out. Hidden sub-folders are no class. test and seed: as
    `from_arrays`. Raises FileNotFoundError for a missing or an empty folder, ValueError for a damaged picture or a bad value.
    """
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

    class Pictures(ImageFolder):
        def find_classes(self, directory):  # torchvision's, less .ipynb_checkpoints and its like
            names = sorted(p.name for p in Path(directory).iterdir() if p.is_dir() and not p.name.startswith("."))
            return names, {name: i for i, name in enumerate(names)}

    path = Path(path).expanduser()
    checks.integer("image_size", image_size, 1)
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}; give one that has a sub-folder of pictures for each class.")
    try:
        folder = Pictures(path, transform=Compose([Resize(image_size), CenterCrop(image_size), PILToTensor()]))
    except (FileNotFoundError, ValueError) as error:  # ImageFolder's ways to say that one class, or every class, is empty
        raise FileNotFoundError(f"{path} must have a sub-folder of pictures for each class ({str(error).rstrip('. ')}).") from error
    x = torch.empty(len(folder), 3, image_size, image_size, dtype=torch.uint8)
    for i, (file, _) in enumerate(folder.samples):
        try:
            x[i] = folder[i][0]
        except (OSError, SyntaxError) as error:  # Pillow raises either for a damaged file
            raise ValueError(f"{file} cannot be read as a picture; repair it or take it out of the folder.") from error
    labels = np.array(folder.classes)[folder.targets]
    return from_arrays(x, labels, name=path.resolve().name, test=test, seed=seed, channels="first")


def _from_torchvision(name, kind, root, source):
    train, test = downloads.fetch(name, kind, root)
    x, y, names = train.data, train.targets, train.classes
    return from_arrays(x, y, x_test=test.data, y_test=test.targets, class_names=names, name=name, source=source)
