"""Errors for people: one sentence that says what was wrong, what is allowed, and the nearest thing that works."""

import dataclasses
import difflib
import math
import numbers
import sys
from collections.abc import Mapping


def choice(what, value, allowed):
    """Return `value` if it is one of `allowed`; else a ValueError names the allowed ones and the nearest of them."""
    allowed = list(allowed)
    if value in allowed:
        return value
    names = {str(name).lower(): name for name in allowed}
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {names[near[0]]!r}?" if near else ""
    raise ValueError(f"{what} is {value!r}; it can be {', '.join(map(repr, allowed))}.{hint}")


def several(**collections):
    """A list of the values of each collection, or of the names of a dict; ValueError for an empty one, and for none."""
    made = []
    for what, values in collections.items():
        values = values.tolist() if hasattr(values, "tolist") else values  # of NumPy, pandas and torch
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            raise ValueError(f"{what} is {values!r}; it must be several values, or one in a list, as [{values!r}].")
        if hasattr(values, "keys") and not all(isinstance(key, str) for key in values):  # a DataFrame's, too
            raise ValueError(f"{what} is a {type(values).__name__}; it must be a list of its values, or of its keys.")
        made.append(_not_empty(what, list(values)))
    return made


def named(what, values, value, *, empty=False):
    """Return `values` if it is a dict; else a ValueError, which says what the `value` of a name is. empty: allowed."""
    if not isinstance(values, Mapping):
        given = repr(values) if isinstance(values, (str, numbers.Number, type(None))) else f"a {type(values).__name__}"
        raise ValueError(f"{what} is {given}; it must be a dict, {{name: {value}}}.")
    return values if empty else _not_empty(what, values)


def _not_empty(what, values):
    if not len(values):
        raise ValueError(f"{what} is empty; give at least one value, or leave it out for the usual ones.")
    return values


def integer(what, value, low, high=None):
    """Return `value` as an int within [low, high]; else a ValueError names the range."""
    limits = f"at least {low}" if high is None else f"from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{what} is {value!r}; it must be a whole number, {limits}.")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{what} is {value}; it must be {limits}.")
    return int(value)


def seed(what, value):
    """Return `value` as an int that every generator of random numbers takes as a seed; else a ValueError."""
    return integer(what, value, 0, 2**63 - 1)


def number(what, value, low=0.0, high=math.inf, *, above=False):
    """Return `value` as a finite float in [low, high], or (low, high] with `above`; else ValueError names the range.

    low: -inf for any finite number.
    """
    least = f" {'above' if above else 'at least'} {low:g}" if low > -math.inf else ""
    limits = least + (f" and at most {high:g}" if high < math.inf else "")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{what} is {value!r}; it must be a number{limits}.")
    value = value.item() if hasattr(value, "item") else value  # NumPy's float32 overflows where Python's floats compare
    largest = sys.float_info.max  # an int may be larger, and NaN is not within any range
    if not max(low, -largest) <= value <= min(high, largest) or (above and value == low):
        raise ValueError(f"{what} is {value}; it must be a finite number{limits}.")
    return float(value)


def text(what, value):
    """Return `value` if it is a str; else a ValueError says so."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is {value!r}; it must be a text.")
    return value


def flag(what, value):
    """Return `value` if it is True or False; else a ValueError says so."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} is {value!r}; it must be True or False.")
    return value


def replace(spec, /, **changes):
    """`dataclasses.replace` for specs; an unknown field raises a ValueError that names the nearest field.

    TypeError for what is no spec.
    """
    if not dataclasses.is_dataclass(spec) or isinstance(spec, type):
        raise TypeError(f"replace changes a spec, such as FAMILY['resnet-20'], and not a {type(spec).__name__}.")
    names = [field.name for field in dataclasses.fields(spec)]
    for name in changes:
        choice(f"a field of {type(spec).__name__}", name, names)
    return dataclasses.replace(spec, **changes)
