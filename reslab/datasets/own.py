"""A `Split` of your own arrays, or of an .npz file with them."""

import inspect
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from reslab import arrays, checks
from reslab.datasets.split import Split, mention_copies, mention_unseen_classes


def from_arrays(
    x,
    y,
    *,
    name="mine",
    test=0.2,
    x_test=None,
    y_test=None,
    class_names=None,
    scale=None,
    seed=0,
    channels=None,
    source="the reader's own",
):
    """A Split, on the CPU, of your own square images, numpy or torch. Raises ValueError for what does not fit.

    x: (N, S, S), (N, C, S, S) or (N, S, S, C). The two equal sizes show which of the last two it is; if all three are
       equal, say channels="first" or "last". Whole numbers from 0 to 255 are kept as uint8, others as float32.
    y: (N,) whole numbers (1.0 is one) or strings, whose sorted distinct values become 0 to K-1. class_names: K, in that
       order.
    test: the fraction or the number of test images, drawn with `seed` from all classes; not used if x_test is given.
    scale: the value of white; by default 255 for uint8 and 1 for floats.
    A warning names test images that are, pixel by pixel, in the training part too.
    """
    how = {"name": name, "test": test, "x_test": x_test, "y_test": y_test, "class_names": class_names, "scale": scale}
    split = split_of(x, y, **how, seed=seed, channels=channels, source=source)
    if x_test is x:  # a person who gives the same images twice knows it
        return split
    there = len(split.x_train), len(split.x_test)
    drawn, given = x_test is None, "x" if x_test is None else "x_test"
    places = arrays.cut(sum(there), test, seed) if drawn else map(range, there)
    train, tested = ([f"{what}[{i}]" for i in part] for what, part in zip(("x", given), places, strict=True))
    return mention_copies(split, train, tested)


def split_of(
    x, y, *, name, test=0.2, x_test=None, y_test=None, class_names=None, scale=None, seed=0, channels=None, source
):
    """`from_arrays` of images that are no one's own, or whose copies are mentioned elsewhere."""
    if (x_test is None) != (y_test is None):
        raise ValueError(
            "Only one of x_test and y_test was given; give both, or neither to have a test part drawn from x."
        )
    own_test = x_test is not None
    x, y = arrays.images(x, "x", channels), arrays.labels(y, "y")
    x_test, y_test = (
        (arrays.images(x_test, "x_test", channels), arrays.labels(y_test, "y_test")) if own_test else (x[:0], y[:0])
    )
    values, *classes = arrays.classes(y, y_test)
    y, y_test = (torch.from_numpy(numbers).long() for numbers in classes)
    arrays.check_pair(x, y, "x", "y")
    class_names = tuple(map(str, values if class_names is None else class_names))
    if len(class_names) != len(values):
        raise ValueError(
            f"There are {len(class_names)} class_names for {len(values)} distinct labels; give one for each, in sorted"
            " order."
        )
    if not own_test:
        train, held_out = arrays.cut(len(x), test, seed)
        x, y, x_test, y_test = x[train], y[train], x[held_out], y[held_out]
        source = checks.text("source", source) + f"; {len(x_test)} test images drawn with seed {seed}"
    if scale is None:
        scale = 255.0 if x.dtype == torch.uint8 else 1.0
    parts = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    return mention_unseen_classes(Split(name=name, **parts, class_names=class_names, scale=scale, source=source))


def from_file(path):
    """A Split of an .npz file. Its arrays are the arguments of `from_arrays`: numpy.savez("mine.npz", x=x, y=y).

    It has the name of the file, unless the file has a `name`. Raises FileNotFoundError, ValueError for what does not
    fit.
    """
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}; numpy.savez makes one.")
    try:
        with path.open("rb") as file, np.load(file) as stored:  # refuses pickled objects
            fields = {"name": path.stem} | {
                name: array if array.ndim else array.item() for name, array in stored.items()
            }
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no file of numpy.savez, or holds Python objects; save labels as y.astype(int) or y.astype(str)."
        ) from error
    for name in fields:
        checks.choice(f"an array in {path}", name, inspect.signature(from_arrays).parameters)
    if not {"x", "y"} <= set(fields):
        raise ValueError(f"{path} holds {', '.join(fields)}; it must hold images x and labels y.")
    return from_arrays(**fields)
