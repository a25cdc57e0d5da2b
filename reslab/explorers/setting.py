"""What the controls of an explorer say of one net, and the short text that it is handed on as."""

import dataclasses
from typing import ClassVar

from reslab import checks
from reslab.experiments.degradation import small_net
from reslab.nets import CHOICES, NetSpec, replace


class Setting:
    """One net of an explorer; written "plain-56" or "resnet-56,norm=none,seed=1". Raises ValueError like the specs.

    Each explorer has its own: a frozen, keyword-only dataclass whose fields begin with skip and depth. Fields that NetSpec has go
    into the net; seed draws its weights; the rest says what is done with it.
    """

    deepest: ClassVar = 110  # deeper nets take longer than a learner waits
    options: ClassVar = {}  # name → values, for the fields that are neither NetSpec's nor numbers

    def __post_init__(self):
        NetSpec(**self.net)
        checks.integer("depth", self.depth, 8, self.deepest)
        checks.integer("seed", self.seed, 0, 2**31 - 1)
        for name, allowed in self.options.items():
            checks.choice(name, getattr(self, name), allowed)

    @property
    def net(self):
        """The fields that are NetSpec's, as a dict."""
        known = {field.name for field in dataclasses.fields(NetSpec)}
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name in known}

    def spec(self, split):
        """The net: width 8, of the split's images."""
        return replace(small_net(split), **self.net)

    @property
    def name(self):
        return f"{'resnet' if self.skip else 'plain'}-{self.depth}"

    @property
    def changed(self):
        """The fields that differ from their defaults, but for skip and depth, which the name says."""
        fields = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, usual) in fields.items() if name not in ("skip", "depth") and value != usual}

    @property
    def idle(self):
        """name → why: the fields that change nothing as the others stand, for the controls to grey out."""
        return {}

    @property
    def label(self):
        """What the chart calls the run: "plain-56 · lr 0.01"."""
        return " · ".join([self.name, *(f"{name.replace('_', ' ')} {value}" for name, value in self.changed.items())])

    def __str__(self):
        return ",".join([self.name, *(f"{name}={value}" for name, value in self.changed.items())])

    @classmethod
    def choices(cls):
        """name → values that a menu can offer, for every field that takes a name."""
        return {field.name: (CHOICES | cls.options).get(field.name) for field in dataclasses.fields(cls)}

    @classmethod
    def named(cls, name, hint):
        """The fields that the name says; ValueError for one that is no net's, with the end of the sentence."""
        kind, _, depth = name.partition("-")
        if kind not in ("plain", "resnet") or not depth.isdecimal():
            raise ValueError(f"{name!r} is no net of this lesson; write plain-56 or resnet-56, {hint}")
        return {"skip": kind == "resnet", "depth": int(depth)}

    @classmethod
    def parse(cls, text):
        """The Setting that `str` wrote; ValueError in one sentence for anything else."""
        types = {field.name: type(field.default) for field in dataclasses.fields(cls) if field.name not in ("skip", "depth")}
        example = next((f"{name}={values[1]}" for name, values in cls.choices().items() if values), "seed=1")
        name, *parts = (part.strip() for part in text.split(","))
        values = cls.named(name, f"and perhaps ,{example} or ,seed=1 behind it.")
        for part in parts:
            field, _, value = part.partition("=")
            checks.choice("a setting", field, types)
            try:
                values[field] = types[field](value)
            except ValueError:
                raise ValueError(f"{field} is {value!r}; it must be a number.") from None
        return cls(**values)


def parse_state(kind, text):
    """(the chosen Setting, the others) of "resnet-56 | plain-20 + plain-56", each of them a `kind`; ValueError as `Setting.parse`."""
    chosen, _, others = text.partition("|")
    return kind.parse(chosen), [kind.parse(other) for other in others.split("+") if other.strip()]


def write_state(chosen, others):
    """The text that `parse_state` reads."""
    return f"{chosen} | {' + '.join(map(str, others))}" if others else str(chosen)
