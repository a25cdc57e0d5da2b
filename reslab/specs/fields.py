"""The parts of a spec: `setting` describes one field completely; `Spec` checks, writes and reads the fields.

The CLI's options, the explorers' menus, the names of a store's files and the printed commands come from these fields.
"""

import dataclasses
import inspect
from dataclasses import MISSING, dataclass

from reslab import checks


def setting(default, help, *, choices=None, low=None, above=None, high=None, before=MISSING):
    """A field of a spec, complete in one place. Its type is its annotation: bool, int, float, str or tuple.

    help: one line, for the CLI. choices: the names that the field can have. low, high: the smallest and largest number.
    above: a number that the value must exceed.
    before: the value that means what was done until the field existed; every field that is newer than the first release
    needs it. A run's file is named by its fields' values. This value is left out, so older runs are still found.
    """
    metadata = {"help": help, "choices": choices, "low": low, "above": above, "high": high, "before": before}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A frozen dataclass whose fields are made by `setting`.

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value; and TypeError,
    when the class is defined, for a field without a `setting`, or a new field without `before`.
    """

    FIRST_FIELDS = ()  # the fields of the first release: they were always there

    def __init_subclass__(cls):
        for name in inspect.get_annotations(cls):
            field = cls.__dict__.get(name)
            if not isinstance(field, dataclasses.Field) or "before" not in field.metadata:
                raise TypeError(
                    f"{cls.__name__}.{name} must be made by setting(default, help); see reslab/specs/fields.py."
                )
            if name not in cls.FIRST_FIELDS and field.metadata["before"] is MISSING:
                raise TypeError(
                    f"{cls.__name__}.{name} is a new field and does not say what it was before it existed, so no "
                    "recorded run would be found again: add before=VALUE to its setting(...), the value that means "
                    "what was done until now."
                )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            self._set(field.name, _checked(field, getattr(self, field.name)))

    def _set(self, name, value):
        object.__setattr__(self, name, value)  # a frozen dataclass refuses self.name = value

    @classmethod
    def choices(cls):
        """field → the names that it can have, for every field that takes a name."""
        return {field.name: field.metadata["choices"] for field in dataclasses.fields(cls) if field.metadata["choices"]}

    def to_dict(self):
        """A dict of plain values, for JSON; `from_dict` reads it back."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, values):
        """The spec that `to_dict` wrote, now or before some fields existed; ValueError for an unknown field.

        An absent field is what it was before it existed; one of the first release has its default.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            checks.choice(f"a field of {cls.__name__}", name, names)
        return cls(**cls._before() | values)

    @classmethod
    def identifying(cls, values):
        """The plain values that name a run's file: all but those of new fields that are still what they were before."""
        before = {name: _plain(value) for name, value in cls._before().items()}
        return {name: value for name, value in values.items() if name not in before or value != before[name]}

    @classmethod
    def _before(cls):
        """field → what it was before it existed, for the fields that are newer than the first release."""
        before = {field.name: field.metadata["before"] for field in dataclasses.fields(cls)}
        return {name: value for name, value in before.items() if value is not MISSING}


def _checked(field, value):
    """The value of a field as a plain Python value; ValueError unless its setting allows it."""
    choices, low, above, high = (field.metadata[name] for name in ("choices", "low", "above", "high"))
    if choices:
        return checks.choice(field.name, value, choices)
    if field.type is bool:
        return checks.flag(field.name, value)
    if low is None and above is None:
        return value  # the spec checks it itself
    if field.type is int:
        return checks.integer(field.name, value, low, high)
    limits = {"low": low if above is None else above, "above": above is not None}
    return checks.number(field.name, value, **limits, **({} if high is None else {"high": high}))


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
