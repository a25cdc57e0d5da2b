"""The explorer of lesson 09: compose a net from the variants, see its block and its cost, and race it against a base."""

from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.experiments import variants as experiments
from reslab.explorers.chart import Chart
from reslab.explorers.live import Live
from reslab.explorers.setting import Setting, parse_state
from reslab.figures import degradation, residual_block, theme
from reslab.figures import variants as figures
from reslab.nets import NetSpec, nearest_depth, replace
from reslab.train import TrainSpec


@dataclass(frozen=True, kw_only=True)
class Composed(Setting):
    """One net, put together from the variants, and how it is trained: "resnet-56" or "resnet-56,order=preact,lr=0.1".

    depth is that of basic blocks, 6n+2; wide nets are counted 6n+4 and bottlenecks make 9n+2, so `net` has the nearest of theirs.
    """

    options: ClassVar = {
        "block": ("basic", "bottleneck"),
        "widen": (1, 2, 4),
        "groups": (1, 2, 4, 8),
        "init": ("kaiming", "fixup"),
        "stochastic_depth": (0.0, 0.25, 0.5),
    }

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
        TrainSpec(lr=self.lr)

    @property
    def net(self):
        usual = {name: getattr(NetSpec(), name) for name in self.idle}
        return super().net | usual | {"depth": nearest_depth(self.depth, self.block, widen=self.widen)}

    @property
    def idle(self):
        why = {}
        if self.block == "basic":
            why["groups"] = "Only the 3×3 convolution of a bottleneck is split into groups: choose block bottleneck."
        if not self.skip:
            for name in ("shortcut", "residual_scale", "stochastic_depth"):
                why[name] = "A plain net has no shortcut: turn skip connections on."
        if not self.skip or self.norm != "none":
            why["init"] = "Fixup stands in for a norm in residual nets: choose norm none, with skip connections."
        elif self.init == "fixup":
            why["residual_scale"] = "Fixup scales the branches itself."
        return why

    @property
    def label(self):
        """What the chart calls it, with the depth as it is built and what has an effect: "resnet-58 · widen 2 · lr 0.1"."""
        return self.told(self.changed)

    def told(self, fields):
        """Its label with some of the changed fields."""
        told = {name: value for name, value in self.changed.items() if name in fields and name not in self.idle}
        words = [value if name in ("order", "block", "init") else f"{name.replace('_', ' ')} {value}" for name, value in told.items()]
        return " · ".join([f"{'resnet' if self.skip else 'plain'}-{self.net['depth']}", *words])


class Variants(Live):
    """Compose a net: its block is drawn and its cost counted at once, and Start races it against the base, a step of each in turn.

    state: the controls, and behind a bar the base and other nets on the chart: "resnet-56,order=preact | resnet-56". The base follows
    the controls' learning rate and seed, so that a race is fair.
    """

    kind = Composed

    def __init__(self, state="resnet-56,order=preact | resnet-56", *, split=None, how=None, device="auto"):
        super().__init__(split=split, how=how, device=device)
        self.base = Composed()
        self.set_base = widgets.Button(description="Set as base", icon="flag", layout=widgets.Layout(width="120px"))
        self.set_base.add_class("reslab-set-base")
        self.set_base.on_click(lambda _: self._on_set_base())
        self.diagram = Chart(figures.diagram(pd.DataFrame(), draw=theme.chart), height=290)  # three rows of controls leave no more
        self.curves = Chart(figures.race(self.frame(), draw=theme.chart), height=290)
        self.control(Composed(), self.chosen)
        self.arrange([self.diagram, self.curves], [*self.buttons, self.set_base])
        self.state = state

    # --- the base -----------------------------------------------------------------------------------------------------------

    @property
    def state(self):
        """Everything, in one line: the controls, and behind a bar the base and the other nets."""
        return super().state

    @state.setter
    def state(self, text):
        setting, others = parse_state(Composed, text)
        self.base = others[0] if others else Composed(lr=setting.lr, seed=setting.seed)
        Live.state.fset(self, text)
        self._waiting = [waiting for waiting in self._waiting if waiting != self.base]  # which `queue` names, whichever it is by then

    def _named(self):
        return list(dict.fromkeys([self.base, *super()._named()]))

    def chosen(self, setting, said):
        self.base = replace(self.base, lr=setting.lr, seed=setting.seed)
        super().chosen(setting, said)

    def _on_set_base(self):
        self.base = self.setting
        self._take(self.setting)

    def _take(self, setting):
        super()._take(setting)
        self.set_base.disabled = setting == self.base
        self.set_base.tooltip = "It is the base" if setting == self.base else f"Race against {setting.label} from now on"
        if self._training:
            self._previews.ask(setting)

    # --- the race -----------------------------------------------------------------------------------------------------------

    def queue(self):
        """The base, what waits, and the chosen net; what has been measured to its end is there already, but for the chosen one."""
        ended = {setting for setting, run in self.runs.items() if run.ended}
        return list(dict.fromkeys([*(s for s in [self.base, *self._waiting] if s not in ended), self.setting]))

    def _train(self, settings):
        racing = [self._steps(setting) for setting in settings]
        while racing:
            for steps in list(racing):
                item = next(steps, None)
                if item is None:
                    racing.remove(steps)
                else:
                    yield item

    # --- frames and drawing -------------------------------------------------------------------------------------------------

    def measure(self, setting):
        """What it is, what its block looks like, and what it and the base cost, counted."""
        specs = [chosen.spec(self.split) for chosen in (setting, self.base)]
        return {"setting": setting, "base": self.base, "block": experiments.block(specs[0]), "costs": list(map(experiments.cost, specs))}

    def draw(self):
        """Bring charts and sentence up to date with the runs and the chosen net."""
        with self._lock:
            frame, counted = self.frame(), self.preview
            empty = f"Press Start to race<br>{theme.wrap(self.setting.label, 40)}<br>against {theme.wrap(self.base.label, 40)}"
            self.curves.show(figures.race(frame, base=self.base.label, empty=empty, draw=theme.chart))
            if counted is None:
                return
            self.diagram.show(figures.diagram(counted["block"], draw=theme.chart))
            net, base = (counted[which].told(counted[which].net) for which in ("setting", "base"))
            said = [f"{net} costs {figures.ratio(*counted['costs'])} of {base}."]
            alternative = [residual_block.block_text(counted["block"])]
            if len(frame):
                said.append(degradation.sentence(frame))
                alternative.append(degradation.alt_text(frame))
            self.tell(" ".join(said), " ".join(alternative))

    @property
    def code(self):
        """The lines that reproduce both charts without widgets."""
        lines = ["import pandas as pd", "from reslab import NetSpec, TrainSpec, digits, experiments, figures, fit", "", "split = digits()"]
        lines += [f"spec = {_written(self.setting)}", "figures.variants.diagram(experiments.variants.block(spec))", "runs = ["]
        for setting in dict.fromkeys([*self._named(), self.setting]):
            how = f"TrainSpec(lr={setting.lr!r}), seed={setting.seed}"
            lines.append(f"    fit({_written(setting)}, split, {how}).frame().assign(name={setting.label!r}),")
        return "\n".join([*lines, "]", f"figures.variants.race(pd.concat(runs), base={self.base.label!r})"])

    def rehearse(self):
        """Run the race that the lesson begins with, so that the picture shows it."""
        self.state = "resnet-110,order=preact,lr=0.1 | resnet-110,lr=0.1"
        self._on_start()
        self.worker.join()
        self._previews.join()


def _written(setting):
    """Its spec, as it is written."""
    usual = NetSpec()
    fields = {name: value for name, value in setting.net.items() if name == "depth" or value != getattr(usual, name)}
    return f"NetSpec({', '.join(f'{name}={value!r}' for name, value in fields.items())}, width=8, **split.shape)"
