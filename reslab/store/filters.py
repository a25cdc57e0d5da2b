"""Choosing among runs by the fields of Run, NetSpec and TrainSpec."""

import dataclasses
import math
from typing import get_args

from reslab import checks
from reslab.runs import Run
from reslab.runs.run import OUTCOMES
from reslab.specs import NetSpec, TrainSpec

NO_FILTERS = ("spec", "how", "history", "layers", "provenance")  # fields of Run that are no plain values
FIELDS = {
    field.name: field
    for kind in (TrainSpec, NetSpec, Run)
    for field in dataclasses.fields(kind)
    if field.name not in NO_FILTERS
}


def type_of(name):
    """The type of the values of a filter: str, bool, int, float or tuple. ValueError for a filter that is no field."""
    kind = FIELDS[checks.choice("a filter", name, sorted(FIELDS))].type
    return get_args(kind)[0] if get_args(kind) else kind  # str of "str | None"


def allowed_values(filters):
    """field → the list of values that it may have, of filters with one value or any collection of values each.

    Raises ValueError for a filter that is no field, or a value that no run can have in it.
    """
    allowed = {name: _values(value) for name, value in filters.items()}
    for name, values in allowed.items():
        kind = type_of(name)
        choices = OUTCOMES if name == "outcome" else FIELDS[name].metadata.get("choices")
        for value in values[:1] if isinstance(values, range) else values:
            if value is not None:  # as fields of NetSpec are for an own model
                _check(name, value, kind, choices)
    return allowed


def passes(run, allowed):
    """Whether every field of `allowed_values` has one of its values in a run."""
    return all(_is_one_of(_field(run, name), values) for name, values in allowed.items())


def in_order(runs):
    """The runs by dataset, plain nets before residual ones, shallowest first."""

    def place(run):
        return (run.dataset, *((run.spec.skip, run.spec.depth) if run.spec else (False, 0)), run.seed or 0)

    return sorted(runs, key=place)


def _values(value):
    """A filter's value as a list of values: what can be iterated, and is no text, is a collection."""
    if isinstance(value, (str, bytes)):
        return [value]
    if isinstance(value, range):
        return value  # it may be too long for a list, and knows by itself what is in it
    try:
        return list(value)
    except TypeError:  # a number, None, or an array without dimensions
        return [value]


def _check(name, value, kind, choices):
    """ValueError for a value that no run can have in a field of this type."""
    if choices:
        checks.choice(name, value, choices)
    elif kind is bool and not any(bool(value == possible) for possible in (True, False)):
        checks.flag(name, value)
    elif kind in (int, float) and isinstance(value, (str, bytes)):
        raise ValueError(f"{name} is {value!r}; it must be a number, without quotes in Python.")
    elif kind in (int, float) and not _is_number(value):
        raise ValueError(f"{name} is {value!r}; it must be a number, or a collection of numbers.")
    elif kind is str and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; it must be a text, as {str(value)!r}.")
    elif kind is tuple and isinstance(value, (str, bytes)):
        raise ValueError(f"{name} is {value!r}; it must be numbers, such as 0.5,0.75.")


def _is_number(value):
    """Whether a value is one number, of Python, NumPy or PyTorch."""
    try:
        math.isfinite(value)
        return True
    except OverflowError:  # an int larger than any float
        return True
    except (TypeError, ValueError, RuntimeError):  # of pandas.NA, of a list, of arrays of several numbers
        return False


def _is_one_of(value, allowed):
    if isinstance(value, list):  # milestones: one value, which is a sequence itself
        return value == allowed or any(value == _values(other) for other in allowed)
    return value in allowed if isinstance(allowed, range) else any(bool(value == other) for other in allowed)


def _field(run, name):
    """The value that a run has for a filter; None for a field of NetSpec in a run of an own model."""
    for part in (run, run.spec):
        if hasattr(part, name):
            return getattr(part, name)
    return TrainSpec.from_dict(run.how).to_dict().get(name)  # older runs lack newer fields
