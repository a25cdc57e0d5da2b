"""`Split`: the training and the test images of a data set, in memory, ready for a net."""

import hashlib
import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from reslab import arrays, checks


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Training and test images in memory, as stored; `batch` returns them normalised.

    Raises ValueError, in one sentence, for parts that do not fit together.
    """

    name: str
    x_train: Tensor  # (N, C, S, S) uint8 or float32
    y_train: Tensor  # (N,) int64, 0 to K-1
    x_test: Tensor
    y_test: Tensor
    class_names: tuple[str, ...]  # K
    scale: float  # the stored value of white: 16 for digits, 255 for bytes, 1 for floats
    mean: tuple[float, ...] = ()  # C, of x_train / scale; measured when left out, and so is std
    std: tuple[float, ...] = ()
    source: str  # one line for provenance: what, who, licence or citation

    def __post_init__(self):
        arrays.check_pair(self.x_train, self.y_train, "x_train", "y_train")
        arrays.check_pair(self.x_test, self.y_test, "x_test", "y_test")
        checks.text("name", self.name)
        checks.text("source", self.source)
        object.__setattr__(self, "scale", checks.number("scale", self.scale, above=True))
        classes = checks.integer("the number of class names", len(self.class_names), 2)
        if (self.x_train.shape[1:], self.x_train.dtype) != (self.x_test.shape[1:], self.x_test.dtype):
            raise ValueError(
                f"x_train is {arrays.brief(self.x_train)} and x_test is {arrays.brief(self.x_test)}; they must be"
                " alike."
            )
        for what, y in (("y_train", self.y_train), ("y_test", self.y_test)):
            if y.min() < 0 or y.max() >= classes:
                raise ValueError(
                    f"{what} runs from {y.min()} to {y.max()}; with {classes} class names it must be from 0 to"
                    f" {classes - 1}."
                )
        if not self.mean and not self.std:
            for field, value in zip(("mean", "std"), arrays.mean_std(self.x_train, self.scale), strict=True):
                object.__setattr__(self, field, value)
        channels, numbers_given = self.x_train.shape[1], (*self.mean, *self.std)
        if not (
            len(self.mean) == len(self.std) == channels and all(map(math.isfinite, numbers_given)) and min(self.std) > 0
        ):
            raise ValueError(
                f"mean is {self.mean} and std {self.std}; give {channels} finite numbers of each, std above 0, or"
                " neither."
            )

    @property
    def shape(self):
        """What a net must know about the images: `NetSpec(depth=56, **split.shape)`."""
        return {
            "in_channels": self.x_train.shape[1],
            "image_size": self.x_train.shape[-1],
            "classes": len(self.class_names),
        }

    def to(self, device):
        """The same Split with its tensors on `device`."""
        return replace(
            self, **{part: getattr(self, part).to(device) for part in ("x_train", "y_train", "x_test", "y_test")}
        )

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
        mean, std = (
            torch.tensor(per_channel, dtype=torch.float64).view(-1, 1, 1) for per_channel in (self.mean, self.std)
        )
        return [term.float().to(self.x_train.device) for term in (1 / (self.scale * std), -mean / std)]

    @cached_property
    def fingerprint(self):
        """16 hexadecimal digits, a checksum of the images and labels, the same on every device."""
        digest = hashlib.sha256()
        for tensor in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy())
        # The mean and std may have been measured by another machine, whose last digits differ.
        digest.update(" ".join(f"{number:.4g}" for number in (self.scale, *self.mean, *self.std)).encode())
        return digest.hexdigest()[:16]

    def subset(self, n_train=None, n_test=None, seed=0):
        """A smaller Split, drawn from all classes together, so only roughly balanced; None keeps all of a part.

        With the same seed, a larger subset contains a smaller one. mean and std stay those of the whole set, so a net
        gets each image as before. Raises ValueError for a count below 1 or above what there is.
        """
        kept = {}
        for part, n, x, y in (
            ("train", n_train, self.x_train, self.y_train),
            ("test", n_test, self.x_test, self.y_test),
        ):
            n = checks.integer(f"n_{part}", len(x) if n is None else n, 1, len(x))
            index = arrays.shuffled(len(x), seed)[:n].to(x.device) if n < len(x) else slice(None)
            kept |= {f"x_{part}": x[index], f"y_{part}": y[index]}
        drawn = f"{len(kept['x_train'])} train and {len(kept['x_test'])} test images of it drawn with seed {seed}"
        return mention_unseen_classes(replace(self, **kept, source=f"{self.source}; {drawn}"))

    def resized(self, size):
        """The same Split with its images at `size` × `size` pixels, bilinear (antialiased where they become smaller).

        They show no more detail than before. mean and std stay, as in `subset`. Raises ValueError for a size below 1 or
        above 4,096, which no net takes.
        """
        size = checks.integer("size", size, 1, arrays.LARGEST)

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
        return (
            f"<Split {self.name}: {sizes}, {arrays.brief(self.x_train)}, {len(self.class_names)} classes, on"
            f" {self.x_train.device}>"
        )


def mention_unseen_classes(split):
    """The same Split, with a warning if there are classes of which it has no training image."""
    images = torch.bincount(split.y_train, minlength=len(split.class_names)).tolist()
    if unseen := [name for name, number in zip(split.class_names, images, strict=True) if not number]:
        some = f"{', '.join(unseen[:5])}{' ...' if len(unseen) > 5 else ''}"
        warnings.warn(
            f"{len(unseen)} of the {len(images)} classes of {split.name} have no training image ({some}), so a net"
            " cannot learn them. Take more images, another seed, or a smaller test part.",
            stacklevel=3,
        )
    return split


def check_split(split):
    """The Split that was given; TypeError for anything else."""
    if not isinstance(split, Split):
        makes = f"load({split!r})" if isinstance(split, str) else "from_arrays(x, y)"
        raise TypeError(f"split must be a Split, as digits() and {makes} make one, not {type(split).__name__}.")
    return split


def mention_copies(split, train, test):
    """The same Split, with a warning if test images are, pixel by pixel, in the training part too.

    train, test: what the images of a part are called, in their order. Images of one colour are not compared.
    """
    known = {pixels: train[i] for i, pixels in _drawn(split.x_train)}
    if copies := [f"{test[i]} is {known[pixels]}" for i, pixels in _drawn(split.x_test) if pixels in known]:
        some = f"{', '.join(copies[:3])}{' ...' if len(copies) > 3 else ''}"
        warnings.warn(
            f"{len(copies)} of the {len(test)} test images of {split.name} are in the training part too ({some}): a net"
            " may know them by heart, and the test error is too low. Leave one of each out.",
            stacklevel=3,
        )
    return split


def _drawn(x):
    """(place, pixels as bytes) of every image of more than one colour."""
    pixels = x.flatten(2)
    for i in (pixels.amin(2) < pixels.amax(2)).any(1).nonzero()[:, 0].tolist():
        yield i, x[i].cpu().numpy().tobytes()
