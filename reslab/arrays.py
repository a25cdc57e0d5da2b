"""Turns arrays of any kind into the tensors of a Split; errors say what is wrong."""

import math
import numbers
from collections.abc import Iterator, ValuesView

import numpy as np
import torch
from torch import Tensor

from reslab import checks

LARGEST = 4096  # pixels a side, of the images that a net takes


def images(x, what, channels=None):
    """An array of images, of any kind, as a tensor (N, C, H, W) uint8 or float32: a copy on the CPU."""
    checks.choice("channels", channels, (None, "first", "last"))
    if isinstance(x, Tensor):
        _check_is_dense(x, what)
        x = x.detach().cpu()
        x = x.float() if x.is_floating_point() else x  # numpy has no bfloat16
    _check_nothing_is_masked(x, what)
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise ValueError(
            f"{what} is no regular array; all images must have the same height, width and channels."
        ) from error
    whole = x.dtype.kind in "ui"
    if x.dtype.kind not in "buif" or (whole and x.size and not 0 <= x.min() <= x.max() <= 255):
        raise ValueError(f"{what} holds {x.dtype}; pixels must be whole numbers from 0 to 255, or floats.")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4:
        first, last = x.shape[2] == x.shape[3], x.shape[1] == x.shape[2]
        if channels is None and first and last:
            raise ValueError(
                f"{what} has shape {x.shape}, which can be read two ways; say channels='first' or channels='last'."
            )
        if channels == "last" or (channels is None and last):
            x = x.transpose(0, 3, 1, 2)
    else:
        side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
        hint = f", perhaps {what}.reshape(-1, {side}, {side})" if side and side**2 == x.shape[1] else ""
        raise ValueError(f"{what} has shape {x.shape}; it must be (N, S, S), (N, C, S, S) or (N, S, S, C){hint}.")
    with np.errstate(over="ignore"):  # `check_pair` says which became infinite
        return torch.from_numpy(np.array(x, dtype=np.uint8 if whole else np.float32, order="C"))


def labels(y, what):
    """An array of labels, of any kind (a pandas Series too), as a numpy array (N,) of whole numbers or strings."""
    _check_nothing_is_masked(y, what)
    if isinstance(y, Tensor):
        _check_is_dense(y, what)
        y = y.detach().cpu().tolist()  # numpy has no bfloat16
    elif isinstance(y, (list, tuple, ValuesView, Iterator)):
        y = _objects(list(y))  # beside a string, numpy turns all values into strings, NaN too
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"{what} has shape {y.shape}; it must be (N,), one label per image{_hint(y, what)}.")
    if y.dtype.kind in "OTS":  # objects, numpy's StringDType and bytes
        y = _of_one_type(y.tolist(), what)
    if y.dtype.kind == "f":
        if np.isinf(y).any():
            raise ValueError(f"{what} holds infinity at position {np.flatnonzero(np.isinf(y))[0]}, which is no label.")
        if np.isnan(y).any():
            where = np.flatnonzero(np.isnan(y))[0]
            raise ValueError(f"{what} has no label at position {where}; each image needs one.")
        if (broken := y != y.round()).any():
            where = np.flatnonzero(broken)[0]
            raise ValueError(f"{what} holds {y[where]:g} at position {where}; labels must be whole numbers or strings.")
        if (large := abs(y) >= 2.0**63).any():
            where = np.flatnonzero(large)[0]
            raise ValueError(f"{what} holds {y[where]:g} at position {where}, a number of more than 64 bits.")
        y = y.astype(np.int64)  # pandas makes floats of whole numbers where one was missing
    if y.size and y.dtype.kind not in "buiU":
        raise ValueError(f"{what} holds {y.dtype}; labels must be whole numbers or strings.")
    return y


def classes(y, y_test):
    """(the distinct labels, sorted; the number of the class of each label of y, and of y_test): arrays of `labels`.

    ValueError for labels of two kinds: numpy would make strings, or rounded floats, of both.
    """
    kinds = {"b": "True and False", "i": "whole numbers", "u": "whole numbers", "U": "strings"}
    of, of_test = (kinds[part.dtype.kind] for part in (y, y_test))
    if of != of_test:
        raise ValueError(f"y holds {of} and y_test {of_test}; labels of both parts must be of one kind.")
    if {y.dtype.kind, y_test.dtype.kind} == {"i", "u"}:
        y, y_test = y.astype(object), y_test.astype(object)  # there is no kind of integer that holds both
    values, found = np.unique(np.concatenate([y, y_test]), return_inverse=True)
    return values, found[: len(y)], found[len(y) :]


def _hint(y, what):
    """How labels in two dimensions become one: of a column, and of one-hot rows."""
    if y.ndim == 2 and 1 in y.shape:
        return f", perhaps numpy.ravel({what})"
    if y.ndim == 2 and y.dtype.kind in "buif" and ((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all():
        return f", perhaps numpy.argmax({what}, axis=1)"
    return ""


def _objects(values):
    """A list as a numpy array of objects: each value stays as it is (values that are sequences are not kept whole)."""
    if any(isinstance(value, (list, tuple, np.ndarray, Tensor)) for value in values):
        return values
    return np.array(values, dtype=object)


def _of_one_type(values, what):
    """Python's values as an array of strings or of numbers; ValueError for missing ones and for a mixture."""
    import pandas as pd  # here, not above: most labels never come here

    found = pd.api.types.infer_dtype(values, skipna=False)
    dtypes = {"string": str, "integer": np.int64, "boolean": bool, "empty": np.int64}
    dtypes |= {"floating": np.float64, "mixed-integer-float": np.float64}
    if found == "bytes":
        return np.array([value.decode(errors="backslashreplace") for value in values])
    if found in dtypes:
        try:
            return np.array(values, dtype=dtypes[found])
        except OverflowError as error:
            raise ValueError(f"{what} holds numbers of more than 64 bits; take strings, str(label).") from error
    if (missing := pd.isna(np.array(values, dtype=object))).any():
        raise ValueError(f"{what} has no label at position {np.flatnonzero(missing)[0]}; each image needs one.")
    types = ", ".join(sorted({type(value).__name__ for value in values}))
    raise ValueError(f"{what} holds {types}; labels must be all whole numbers or all strings.")


def _check_is_dense(x, what):
    """ValueError for a tensor whose numbers cannot be read one by one."""
    if x.is_meta or x.is_quantized or x.is_nested or x.layout != torch.strided:
        kind = "on the device meta, and holds no numbers" if x.is_meta else "quantized, nested or sparse"
        raise ValueError(f"{what} is a tensor that is {kind}; give a dense one of plain numbers.")


def _check_nothing_is_masked(array, what):
    """ValueError for a masked array of numpy with a value masked out, which numpy would take as if it were there."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):  # pandas' arrays have a mask too
        where = tuple(map(int, np.argwhere(np.ma.getmaskarray(array))[0]))
        raise ValueError(f"{what} is masked at {where}; fill what is masked, as {what}.filled(0), or leave it out.")


def check_pair(x, y, x_what, y_what):
    """Raises ValueError unless x is (N, C, S, S) uint8 or finite float32 and y (N,) int64, N at least 1."""
    for what, value in ((x_what, x), (y_what, y)):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{what} is a {type(value).__name__}; it must be a tensor (from_arrays() takes numpy too)."
            )
    if x.ndim != 4 or x.shape[2] != x.shape[3] or not math.prod(x.shape[1:]):
        last = x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] > 4  # (N, H, W, C), and not square
        side = min(x.shape[1:3] if last else x.shape[-2:]) if x.ndim == 4 else 0
        hint = f", perhaps cut to {side} × {side}" if side else ""
        raise ValueError(f"{x_what} has shape {tuple(x.shape)}; it must hold square images, (N, C, S, S){hint}.")
    if x.dtype not in (torch.uint8, torch.float32) or y.dtype != torch.int64:
        raise ValueError(
            f"{x_what} holds {x.dtype} and {y_what} {y.dtype}; they must be torch.uint8 or torch.float32, and"
            " torch.int64."
        )
    if not len(x) or y.shape != (len(x),):
        raise ValueError(
            f"{x_what} has {len(x)} images and {y_what} has shape {tuple(y.shape)}; give one image or more, and a label"
            " for each."
        )
    if x.is_floating_point() and not (finite := torch.isfinite(x)).all():
        raise ValueError(
            f"{x_what} has {(~finite).sum()} pixels that are NaN or infinite; replace them first, as numpy.nan_to_num"
            " does."
        )


def mean_std(x, scale):
    """Mean and standard deviation of x / scale, tuples of C; the deviation of a constant channel is taken as 1."""
    # One channel at a time: CIFAR-10 is large in float64.
    pairs = [torch.std_mean(x[:, c].cpu().double(), correction=0) for c in range(x.shape[1])]
    return tuple(float(mean) / scale for _, mean in pairs), tuple(float(std) / scale or 1.0 for std, _ in pairs)


def shuffled(n, seed):
    """0 to n-1 in an order that depends on the seed alone; torch's global generator is not used."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(checks.seed("seed", seed)))


def cut(n, test, seed):
    """(indices to train on, to test on): `test` of n, a fraction or a number; at least one image in each part."""
    checks.integer("the number of images, to be cut into a training and a test part,", n, 2)
    if isinstance(test, numbers.Real) and 0 < test < 1:
        test = min(max(round(test * n), 1), n - 1)
    test = checks.integer("test, the share (between 0 and 1) or the number of images held out,", test, 1, n - 1)
    order = shuffled(n, seed)
    return order[:-test], order[-test:]


def brief(x):
    return f"{' × '.join(map(str, x.shape[1:]))} {str(x.dtype).removeprefix('torch.')}"
