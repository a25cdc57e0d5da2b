"""The explorer of lesson 03: the parts of one block, and how it learns the identity."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from reslab.datasets import or_digits
from reslab.experiments import residual_block as experiments
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import split_line
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting, code_of
from reslab.figures import residual_block as figures
from reslab.figures import theme
from reslab.nets import valid_depths
from reslab.train import TrainSpec


@dataclass(frozen=True, kw_only=True)
class ResidualBlockSetting(Setting):
    """One block, or a stack of a few: "residual" or "plain,shape=halved"."""

    options: ClassVar = {
        "block": ("basic", "bottleneck"),
        "shape": ("kept", "halved"),
        "shortcut": ("A", "B", "C"),
        "blocks": (1, 2, 4, 8),
        "show": ("learning", "tensors"),
    }
    always_shown: ClassVar = ("skip", "shape", "shortcut")

    skip: bool = True
    block: str = "basic"
    shape: str = "kept"  # of the tensor; "halved": stride 2, twice the channels
    shortcut: str = "A"
    norm: str = "batch"
    activation: str = "relu"
    blocks: int = 1
    lr: float = 0.1
    seed: int = 0
    show: str = "learning"  # in the second chart

    @property
    def layers(self):
        return valid_depths(self.block)[0]

    @property
    def name(self):
        return "residual" if self.skip else "plain"

    @property
    def label(self):
        blocks = 1 if "blocks" in self.idle else self.blocks
        first = f"{self.name} block" if blocks == 1 else f"{blocks} {self.name} blocks"
        words = [word.removeprefix("block ") for word in self.words(but=("blocks", "show"))]
        return " · ".join([first, *words])

    def as_code(self, steps=None):
        """The arguments of the function for the second chart: `learn`, with a number of steps, or `tensors`."""
        if not self.learns:
            return self.parts_as_code()
        options = {"blocks": self.blocks} | self.of(TrainSpec) | {"steps": steps, "seed": self.seed}
        written = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"{code_of(self.net())}, {written}, split=split"

    def parts_as_code(self):
        """The arguments of `block_parts` and of `tensors`."""
        return f"{code_of(self.net())}, changes_shape={self.halves}, seed={self.seed}, split=split"

    @classmethod
    def parse_name(cls, name, hint):
        if name not in ("residual", "plain"):
            raise ValueError(f"{name!r} is no block of this lesson; write residual or plain, {hint}")
        return {"skip": name == "residual"}

    @property
    def halves(self):
        return self.shape == "halved"

    @property
    def learns(self):
        """Whether the second chart shows learning curves: a block that changes the shape cannot be the identity."""
        return self.show == "learning" and not self.halves

    @property
    def idle(self):
        why = {}
        if not self.skip:
            why["shortcut"] = "A plain block has no shortcut: turn skip connections on."
        if self.halves:
            why["show"] = "A block that changes the shape cannot be the identity: its tensors are shown instead."
        if not self.learns:
            why["lr"] = why["blocks"] = "Nothing is trained here: the tensors are those of an untrained block."
        return why


class ResidualBlock(Instant):
    """A block as a diagram with shapes and costs; and how it learns the identity, live, or its tensors.

    state: the controls, and after a bar the pinned blocks: "residual" or "residual,norm=none | plain,norm=none". The
    learning curves of pinned blocks are compared.
    """

    kind = ResidualBlockSetting

    def __init__(self, state="residual", *, split=None, steps=100):
        super().__init__()
        self.split, self.steps = or_digits(split), steps
        self.diagram = Chart(figures.diagram(pd.DataFrame(), draw=theme.chart), name="The block")
        self.chart = Chart(figures.learning_curves(pd.DataFrame(), draw=theme.chart), name="Learning, or tensors")
        self.control(self.kind(), self.chosen)
        self.arrange([self.diagram, self.chart], [self.pin], [self.clear])
        self.state = state

    def measure(self, setting):
        """Yield {"parts": frame} for the diagram; then again with "learning" or "tensors" for the second chart."""
        spec = setting.net(**self.split.shape)
        where = {"changes_shape": setting.halves, "seed": setting.seed, "split": self.split}
        measured = {"parts": experiments.block_parts(spec, **where)}
        yield measured
        if setting.learns:
            chosen = {"blocks": setting.blocks, "seed": setting.seed} | setting.of(TrainSpec)
            frame = experiments.learn(spec, **chosen, steps=self.steps, split=self.split)
            yield measured | {"learning": frame.assign(name=setting.label)}
        else:
            yield measured | {"tensors": experiments.tensors(spec, **where)}

    def draw(self):
        """Update charts and sentence from `shown`."""
        shown = dict(self.shown)
        chosen = shown.get(self.setting, {})
        parts = chosen.get("parts", pd.DataFrame())
        self.diagram.show(figures.diagram(parts, draw=theme.chart))
        learning = [measured["learning"] for measured in shown.values() if "learning" in measured]
        frame = pd.concat(learning, ignore_index=True) if learning else pd.DataFrame()
        room = [measured["learning"] for _, measured in self.shown_and_other if "learning" in measured]
        room = pd.concat(room, ignore_index=True) if room else None
        if "tensors" in chosen:
            self.chart.show(figures.tiles(chosen["tensors"], draw=theme.chart))
        else:
            self.chart.show(figures.learning_curves(frame, room=room, draw=theme.chart))
        if not chosen:
            self.show_sentence("")
            return
        sentence = figures.cost_sentence(parts)
        if "learning" in chosen:
            sentence = f"{figures.sentence(frame)} {sentence if len(learning) == 1 else ''}"
        alternative = figures.block_text(parts) + (f" {figures.alt_text(frame)}" if "learning" in chosen else "")
        self.show_sentence(sentence, alternative)

    @property
    def code(self):
        """The lines that reproduce both charts without widgets."""
        setting = self.setting
        lines = [
            "from reslab import NetSpec, digits, figures",
            "from reslab.experiments import residual_block",
            "",
            split_line(self.split),
            f"figures.residual_block.diagram(residual_block.block_parts({setting.parts_as_code()}))",
        ]
        drawn = "learning_curves(residual_block.learn" if setting.learns else "tiles(residual_block.tensors"
        return "\n".join([*lines, f"figures.residual_block.{drawn}({setting.as_code(self.steps)}))"])
