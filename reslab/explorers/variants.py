"""The explorer of lesson 09: combine variants into a net, see its block and cost, and train it beside a base net."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.experiments import variants as experiments
from reslab.explorers.chart import Chart
from reslab.explorers.live import Live
from reslab.explorers.setting import SPECS, Setting, code_of, parse_state
from reslab.figures import degradation, residual_block, theme
from reslab.figures import variants as figures
from reslab.nets import NetSpec, nearest_depth, replace


@dataclass(frozen=True, kw_only=True)
class VariantsSetting(Setting):
    """One net, combined from the variants, and its training: "resnet-56" or "resnet-56,order=preact,lr=0.1".

    depth is that of basic blocks, 6n+2. Wide nets have depth 6n+4 and bottleneck nets 9n+2, so `layers` is the nearest
    depth of that kind.
    """

    options: ClassVar = {
        "block": ("basic", "bottleneck"),
        "widen": (1, 2, 4),
        "groups": (1, 2, 4, 8),
        "init": ("kaiming", "fixup"),
        "stochastic_depth": (0.0, 0.25, 0.5),
    }
    always_shown: ClassVar = ("skip", "depth", "order")

    skip: bool = True
    depth: int = 56
    order: str = "original"
    block: str = "basic"
    shortcut: str = "A"
    widen: int = 1
    groups: int = 1
    norm: str = "batch"
    residual_scale: str = "one"
    init: str = "kaiming"
    stochastic_depth: float = 0.0
    lr: float = 0.05
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        NetSpec(depth=self.depth)

    @property
    def layers(self):
        return nearest_depth(self.depth, self.block, widen=self.widen)

    @property
    def idle(self):
        why = {}
        if self.block == "basic":
            why["groups"] = "Only the 3×3 convolution of a bottleneck is split into groups: choose block bottleneck."
        if not self.skip:
            for name in ("shortcut", "residual_scale", "stochastic_depth"):
                why[name] = "A plain net has no shortcut: turn skip connections on."
        if not self.skip or self.norm != "none":
            why["init"] = "Fixup replaces the norm in residual nets: choose norm none, with skip connections."
        elif self.init == "fixup":
            why["residual_scale"] = "Fixup scales the branches itself."
        return why

    def words(self, *, but=()):
        """The changed fields; order, block and init by their values alone: ["preact", "widen 2"]."""
        words = super().words(but=but)
        return [word.removeprefix("order ").removeprefix("block ").removeprefix("initial weights ") for word in words]

    @property
    def label(self):
        """The name on the chart, with the depth that is built: "resnet-58 · widen 2 · lr 0.1"."""
        return " · ".join([self.built, *self.words()])

    @property
    def net_label(self):
        """The label without training and seed: "resnet-58 · widen 2"."""
        of_the_run = [field.name for field in dataclasses.fields(self) if field.name not in SPECS[NetSpec]]
        return " · ".join([self.built, *self.words(but=of_the_run)])

    @property
    def built(self):
        return f"{'resnet' if self.skip else 'plain'}-{self.layers}"

    def against(self, base):
        """`base` with this setting's training and seed, so that the two can be compared."""
        followed = [field.name for field in dataclasses.fields(self) if field.name not in SPECS[NetSpec]]
        return replace(base, **{name: getattr(self, name) for name in followed})


class Variants(Live):
    """Combine a net: its block is drawn and its cost counted at once. Start trains it and the base in turn.

    state: the controls, and after a bar the base and other nets on the chart: "resnet-56,order=preact | resnet-56".
    The base has the training and the seed of the chosen net, so that the two can be compared.
    """

    kind = VariantsSetting

    def __init__(self, state="resnet-56,order=preact | resnet-56", *, split=None, how=None, device="auto"):
        super().__init__(split=split, how=how, device=device)
        self.base = self.kind()
        self.set_base = widgets.Button(description="Set as base", icon="flag", layout=widgets.Layout(width="120px"))
        self.set_base.add_class("reslab-set-base")
        self.set_base.on_click(lambda _: self._on_set_base())
        self.diagram = Chart(figures.diagram(pd.DataFrame(), draw=theme.chart), name="The block")
        self.curves = Chart(figures.race(self.frame(), draw=theme.chart), name="The race")
        self.control(self.kind(), self.chosen)
        self.arrange([self.diagram, self.curves], self.buttons, [*self.more_buttons, self.set_base])
        self.state = state

    # --- the base -----------------------------------------------------------------------------------------------------

    def take_state(self, text):
        setting, others = parse_state(self.kind, text)
        self.base = others[0] if others else setting.against(self.kind())
        super().take_state(text)
        self._waiting = [waiting for waiting in self._waiting if waiting != self.base]  # `queue` adds the base itself

    def _all_settings(self):
        return list(dict.fromkeys([self.base, *super()._all_settings()]))

    def chosen(self, setting, notice):
        self.base = setting.against(self.base)
        super().chosen(setting, notice)

    def _on_set_base(self):
        self.base = self.setting
        self._take(self.setting)

    def _take(self, setting):
        super()._take(setting)
        self.set_base.disabled = setting == self.base
        is_base = setting == self.base
        self.set_base.tooltip = "It is the base" if is_base else f"Race against {setting.label} from now on"
        if self._training:
            self._previews.ask(setting)

    # --- the race -----------------------------------------------------------------------------------------------------

    def queue(self):
        """The base, the waiting nets, and the chosen net; those with a complete run only if chosen."""
        ended = {setting for setting, run in self.runs.items() if run.ended}
        others = [setting for setting in (self.base, *self._waiting) if setting not in ended]
        return list(dict.fromkeys([*others, self.setting]))

    def _train(self, settings):
        racing = [self._steps(setting) for setting in settings]
        while racing:
            for steps in list(racing):
                item = next(steps, None)
                if item is None:
                    racing.remove(steps)
                else:
                    yield item

    # --- frames and drawing -------------------------------------------------------------------------------------------

    def measure(self, setting):
        """Its setting and the base's, the frame of its block, and the costs of both nets."""
        specs = [chosen.net(**self.split.shape) for chosen in (setting, self.base)]
        counted = {"block": experiments.block(specs[0]), "costs": list(map(experiments.cost, specs))}
        return {"setting": setting, "base": self.base} | counted

    def draw(self):
        """Update charts and sentence from the runs and the chosen net."""
        with self._lock:
            frame, counted = self.frame(), self.preview
            chosen, base = (theme.wrap(setting.label, 40) for setting in (self.setting, self.base))
            empty = f"Press Start to race<br>{chosen}<br>against {base}"
            base_label, until = self.base.label, self.last_step
            self.curves.show(figures.race(frame, base=base_label, until=until, empty=empty, draw=theme.chart))
            if counted is None:
                return
            self.diagram.show(figures.diagram(counted["block"], draw=theme.chart))
            net, base = counted["setting"].net_label, counted["base"].net_label
            sentences = [f"{net} costs {figures.ratio(*counted['costs'])} of {base}."]
            alternative = [residual_block.block_text(counted["block"])]
            if len(frame):
                sentences.append(degradation.sentence(frame))
                alternative.append(degradation.alt_text(frame))
            self.show_sentence(" ".join(sentences), " ".join(alternative))

    @property
    def code(self):
        """The lines that reproduce both charts without widgets."""
        lines = ["import pandas as pd", "from reslab import NetSpec, TrainSpec, digits, experiments, figures, fit", ""]
        lines += self.code_of_runs(dict.fromkeys([*self._all_settings(), self.setting]), ".frame().assign(name={!r})")
        lines += [f"spec = {code_of(self.setting.net())}", "figures.variants.diagram(experiments.variants.block(spec))"]
        return "\n".join([*lines, f"figures.variants.race(pd.concat(runs), base={self.base.label!r})"])

    def prepare(self):
        """Train the lesson's first pair of nets for the stored picture."""
        self.state = "resnet-110,order=preact,lr=0.1 | resnet-110,lr=0.1"
        self._on_start()
        self.worker.join()
        self._previews.join()
