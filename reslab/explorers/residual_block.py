"""The explorer of lesson 03: take one block apart, and watch it learn to put out what it gets."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from reslab import checks
from reslab.datasets import digits
from reslab.experiments import residual_block as experiments
from reslab.explorers.chart import Chart
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting
from reslab.figures import residual_block as figures
from reslab.figures import theme
from reslab.nets import NetSpec, valid_depths


@dataclass(frozen=True, kw_only=True)
class OneBlock(Setting):
    """One block, or a stack of a few: "residual" or "plain,shape=halved"."""

    options: ClassVar = {
        "block": ("basic", "bottleneck"),
        "shape": ("kept", "halved"),
        "shortcut": ("A", "B", "C"),
        "blocks": (1, 2, 4, 8),
        "show": ("learning", "tensors"),
    }

    skip: bool = True
    block: str = "basic"
    shape: str = "kept"  # what the block does to it; "halved": stride 2, twice the channels
    shortcut: str = "A"
    norm: str = "batch"
    activation: str = "relu"
    blocks: int = 1
    lr: float = 0.1
    seed: int = 0
    show: str = "learning"  # in the right-hand chart

    def __post_init__(self):
        NetSpec(**self.net)
        checks.number("lr", self.lr, above=True)
        checks.integer("seed", self.seed, 0, 2**31 - 1)
        for name, allowed in self.options.items():
            checks.choice(name, getattr(self, name), allowed)

    @property
    def net(self):
        return super().net | {"depth": valid_depths(self.block)[0]}

    @property
    def name(self):
        return "residual" if self.skip else "plain"

    @property
    def label(self):
        said = f"{self.name} block" if self.blocks == 1 else f"{self.blocks} {self.name} blocks"
        told = {name: value for name, value in self.changed.items() if name not in ("blocks", "show")}
        return " · ".join([said, *(str(value) if name == "block" else f"{name} {value}" for name, value in told.items())])

    @classmethod
    def named(cls, name, hint):
        if name not in ("residual", "plain"):
            raise ValueError(f"{name!r} is no block of this lesson; write residual or plain, {hint}")
        return {"skip": name == "residual"}

    @property
    def halves(self):
        return self.shape == "halved"

    @property
    def learns(self):
        """Whether the right-hand chart shows it learning: a block that changes the shape cannot put out what it gets."""
        return self.show == "learning" and not self.halves

    @property
    def idle(self):
        why = {}
        if not self.skip:
            why["shortcut"] = "A plain block has no shortcut: turn skip connections on."
        if self.halves:
            why["show"] = "A block that changes the shape cannot put out what it gets: its tensors are shown."
        if not self.learns:
            why["lr"] = why["blocks"] = "Nothing is learned here: the tensors are those of a block before training."
        return why


class ResidualBlock(Instant):
    """The block as a diagram with shapes and costs on the left; on the right it learns the identity, live, or its tensors are shown.

    state: the controls, and behind a bar the blocks pinned: "residual" or "residual,norm=none | plain,norm=none". Pins are compared
    while they learn.
    """

    kind = OneBlock

    def __init__(self, state="residual", *, split=None, steps=100):
        super().__init__()
        self.split, self.steps = split or digits(), steps
        self.diagram = Chart(figures.diagram(pd.DataFrame(), draw=theme.chart))
        self.chart = Chart(figures.learning_curves(pd.DataFrame(), draw=theme.chart))
        self.control(OneBlock(), self.changed)
        self.arrange([self.diagram, self.chart], [self.pin, self.clear])
        self.state = state

    def measure(self, setting):
        """What the diagram and then the right-hand chart show of a setting: {"anatomy": frame}, with "learning" or "tensors" beside it."""
        spec = setting.spec(self.split)
        where = {"changes_shape": setting.halves, "seed": setting.seed, "split": self.split}
        measured = {"anatomy": experiments.anatomy(spec, **where)}
        yield measured
        if setting.learns:
            chosen = {"blocks": setting.blocks, "lr": setting.lr, "seed": setting.seed}
            frame = experiments.learn(spec, **chosen, steps=self.steps, split=self.split)
            yield measured | {"learning": frame.assign(name=setting.label)}
        else:
            yield measured | {"tensors": experiments.tensors(spec, **where)}

    def draw(self):
        """Bring charts and sentence up to date with `shown`."""
        shown = dict(self.shown)
        chosen = shown.get(self.setting, {})
        anatomy = chosen.get("anatomy", pd.DataFrame())
        self.diagram.show(figures.diagram(anatomy, draw=theme.chart))
        learning = [measured["learning"] for measured in shown.values() if "learning" in measured]
        frame = pd.concat(learning, ignore_index=True) if learning else pd.DataFrame()
        if "tensors" in chosen:
            self.chart.show(figures.tiles(chosen["tensors"], draw=theme.chart))
        else:
            self.chart.show(figures.learning_curves(frame, draw=theme.chart))
        if not chosen:
            self.tell("")
            return
        said = figures.cost_sentence(anatomy)
        if "learning" in chosen:
            said = f"{figures.sentence(frame)} {said if len(learning) == 1 else ''}"
        alternative = figures.block_text(anatomy) + (f" {figures.alt_text(frame)}" if "learning" in chosen else "")
        self.tell(said, alternative)

    @property
    def code(self):
        """The lines that reproduce both charts without widgets."""
        setting = self.setting
        spec = {"skip": setting.skip} | {name: value for name, value in setting.changed.items() if name in setting.net}
        if setting.block == "bottleneck":
            spec["depth"] = setting.net["depth"]
        fields = ", ".join(f"{name}={value!r}" for name, value in spec.items())
        where = f"changes_shape={setting.halves}, seed={setting.seed}"
        lines = [
            "from reslab import digits, figures, replace",
            "from reslab.experiments import residual_block",
            "",
            f"spec = replace(residual_block.one_block(digits()), {fields})",
            f"figures.residual_block.diagram(residual_block.anatomy(spec, {where}))",
        ]
        if setting.learns:
            how = f"blocks={setting.blocks}, lr={setting.lr!r}, steps={self.steps}, seed={setting.seed}"
            return "\n".join([*lines, f"figures.residual_block.learning_curves(residual_block.learn(spec, {how}))"])
        return "\n".join([*lines, f"figures.residual_block.tiles(residual_block.tensors(spec, {where}))"])
