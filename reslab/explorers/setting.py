"""What the controls of lesson 01 say of one run, and the short text that it is handed on as."""

import dataclasses
from dataclasses import dataclass

from reslab import checks
from reslab.experiments.degradation import small_net
from reslab.nets import NetSpec, replace
from reslab.train import TrainSpec

DEEPEST = 110  # deeper nets take longer than a learner waits


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the controls say of one run; written "plain-56" or "resnet-56,lr=0.01,seed=1". Raises ValueError like the specs."""

    skip: bool = False
    depth: int = 20
    norm: str = "batch"
    init: str = "kaiming"
    lr: float = 0.1
    seed: int = 0

    def __post_init__(self):
        NetSpec(depth=self.depth, skip=self.skip, norm=self.norm, init=self.init)
        TrainSpec(lr=self.lr)
        checks.integer("depth", self.depth, 8, DEEPEST)
        checks.integer("seed", self.seed, 0, 2**31 - 1)

    def spec(self, split):
        return replace(small_net(split), depth=self.depth, skip=self.skip, norm=self.norm, init=self.init)

    @property
    def name(self):
        return f"{'resnet' if self.skip else 'plain'}-{self.depth}"

    @property
    def changed(self):
        """The fields that differ from their defaults, but for skip and depth, which the name says."""
        fields = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, usual) in fields.items() if name not in ("skip", "depth") and value != usual}

    @property
    def label(self):
        """What the chart calls the run: "plain-56 · lr 0.01"."""
        return " · ".join([self.name, *(f"{name} {value}" for name, value in self.changed.items())])

    def __str__(self):
        return ",".join([self.name, *(f"{name}={value}" for name, value in self.changed.items())])

    @classmethod
    def parse(cls, text):
        """The Setting that `str` wrote; ValueError in one sentence for anything else."""
        name, *parts = (part.strip() for part in text.split(","))
        kind, _, depth = name.partition("-")
        if kind not in ("plain", "resnet") or not depth.isdecimal():
            raise ValueError(f"{name!r} is no net of this lesson; write plain-56 or resnet-56, and perhaps ,lr=0.01 or ,seed=1 behind it.")
        values = {"skip": kind == "resnet", "depth": int(depth)}
        for part in parts:
            field, _, value = part.partition("=")
            checks.choice("a setting", field, ("norm", "init", "lr", "seed"))
            try:
                values[field] = {"lr": float, "seed": int}.get(field, str)(value)
            except ValueError:
                raise ValueError(f"{field} is {value!r}; it must be a number.") from None
        return cls(**values)
