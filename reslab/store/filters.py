"""Choosing among runs by the fields of Run, NetSpec and TrainSpec."""

import dataclasses

from reslab import checks
from reslab.runs import Run
from reslab.specs import NetSpec, TrainSpec

NO_FILTERS = ("spec", "how", "history", "layers", "provenance")  # fields of Run that are no plain values


def allowed_values(filters):
    """field → the list of values that it may have, of filters with one value or any collection of values each.

    Raises ValueError for a filter that is no field.
    """
    names = {field.name for kind in (Run, NetSpec, TrainSpec) for field in dataclasses.fields(kind)} - {*NO_FILTERS}
    for name in filters:
        checks.choice("a filter", name, sorted(names))
    return {name: _values(value) for name, value in filters.items()}


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
    try:
        return list(value)
    except TypeError:  # a number, None, or an array without dimensions
        return [value]


def _is_one_of(value, allowed):
    if isinstance(value, list):  # milestones: one value, which is a sequence itself
        return value == allowed or any(value == _values(other) for other in allowed)
    return any(bool(value == other) for other in allowed)


def _field(run, name):
    """The value that a run has for a filter; None for a field of NetSpec in a run of an own model."""
    for part in (run, run.spec):
        if hasattr(part, name):
            return getattr(part, name)
    return TrainSpec.from_dict(run.how).to_dict().get(name)  # older runs lack newer fields
