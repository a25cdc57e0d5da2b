"""The explorer of lesson 02: toggle a net together, see at once how its gradient flows, and watch twenty steps of training change it."""

import time
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.datasets import digits
from reslab.experiments.gradient_flow import MODES, at_initialisation, early, factors, label
from reslab.explorers.chart import Chart
from reslab.explorers.instant import LIVE, Instant
from reslab.explorers.setting import Setting
from reslab.explorers.worker import Worker
from reslab.figures import gradient_factors, gradient_flow, theme
from reslab.nets import NetSpec, build
from reslab.train import train

REDRAW = 0.2  # seconds between drawings while training
STEPS = 20
EXPLAINED = 110  # layers: the factors of deeper nets, in float64, take longer than a learner waits


@dataclass(frozen=True, kw_only=True)
class Flow(Setting):
    """One net of lesson 02, and the mode that its gradient is measured in."""

    deepest: ClassVar = 1202
    options: ClassVar = {"mode": MODES}

    skip: bool = False
    depth: int = 56
    norm: str = "batch"
    init: str = "kaiming"
    activation: str = "relu"
    residual_scale: str = "one"
    mode: str = "train"
    seed: int = 0

    @property
    def label(self):
        return label(NetSpec(**self.net), self.mode)

    @property
    def idle(self):
        reasons = {} if self.skip else {"residual_scale": "A plain net has no branch to scale: turn the skip connections on."}
        return reasons if self.norm == "batch" else reasons | {"mode": "Without BatchNorm a net does the same in both modes."}


class GradientFlow(Instant):
    """The gradient at every block of a net before training, what multiplies it, and how the first twenty steps change it.

    state: the controls, and behind a bar what is pinned: "plain-56,norm=none" or "resnet-56 | plain-56".
    The right-hand chart shows the factors of the chosen net; once it has been trained for its twenty steps, these.
    """

    kind = Flow

    def __init__(self, state="plain-56", *, split=None, device="auto"):
        super().__init__()
        self.split, self.device = split or digits(), device
        self.steps = {}  # Flow → the captured blocks of its first steps, as far as they have come
        self.explaining = False  # show the factors, though there are steps to show
        self._training = self._event = None  # the Flow in training, and the last event of it
        self._drawn = 0.0
        self.worker = Worker(self._on_event, self._on_end)
        self.control(Flow(), self.changed)
        self.profile = Chart(gradient_flow.gradient_profile(pd.DataFrame(), draw=theme.chart))
        self.right = Chart(gradient_factors.product(pd.DataFrame(), draw=theme.chart))
        self.go = widgets.Button(layout=widgets.Layout(width="150px"))
        self.turn = widgets.Button(icon="exchange", layout=widgets.Layout(width="132px"))
        self.go.add_class("reslab-go")
        self.turn.add_class("reslab-turn")
        self.go.on_click(lambda _: self._on_go())
        self.turn.on_click(lambda _: self._on_turn())
        self.arrange([self.profile, self.right], [self.pin, self.clear, self.go, self.turn])
        self.state = state

    def measure(self, setting):
        """Its profile as {"layers": frame}, and then its factors with it."""
        spec, options = setting.spec(self.split), {"seed": setting.seed, "mode": setting.mode}
        labels = {"name": setting.label, "origin": LIVE}
        found = {"layers": at_initialisation(spec, self.split, **options).assign(**labels)}
        yield found
        if setting.depth <= EXPLAINED:
            yield found | {"factors": factors(spec, self.split, **options).assign(**labels)}

    def changed(self, setting, said=""):
        self.worker.stop()  # what was chosen last is what is wanted
        self.explaining = False
        super().changed(setting, said)

    # --- drawing ----------------------------------------------------------------------------------------------------------------

    def draw(self):
        """Bring charts, sentence and buttons up to date with what is shown."""
        with self._lock:
            found = {(setting.label, setting.seed): frames for setting, frames in self.shown}  # what looks alike is drawn once
            layers = pd.concat([pd.DataFrame(), *(frames["layers"] for frames in found.values())])
            explained = found.get((self.setting.label, self.setting.seed), {}).get("factors", pd.DataFrame())
            self.profile.show(gradient_flow.gradient_profile(layers, empty=f"Measuring {self.setting.label} ...", draw=theme.chart))
            if self.setting in self.steps and not self.explaining:
                said = gradient_flow.steps_sentence(self.steps[self.setting])
                self.right.show(gradient_flow.first_steps(self.steps[self.setting], steps=STEPS, draw=theme.chart))
            else:
                said = f"{gradient_flow.sentence(layers)} {gradient_factors.factors_sentence(explained) if len(explained) else ''}"
                deep = f"The factors are measured for nets of up to {EXPLAINED} layers."
                empty = deep if self.setting.depth > EXPLAINED else f"Measuring {self.setting.label} ..."
                self.right.show(gradient_factors.product(explained, empty=empty, draw=theme.chart))
            self.tell(said, gradient_flow.alt_text(layers)) if len(layers) else self.tell("")
            self._faces()

    def _faces(self):
        training, known = self._training is not None, self.setting in self.steps
        self.go.description, self.go.icon = ("Stop", "stop") if training else (f"Train {STEPS} steps", "play")
        self.go.tooltip = "End this training; its steps so far stay" if training else f"Train {self.setting.label} for its first steps"
        self.turn.description = "Show factors" if known and not self.explaining else "Show steps"
        self.turn.disabled = not known
        self.turn.tooltip = "Turn the right-hand chart" if known else f"Train {self.setting.label} first"

    def _on_turn(self):
        self.explaining = not self.explaining
        self.refresh_texts()
        self.draw()

    # --- twenty steps of training, in the worker's thread ---------------------------------------------------------------------------

    def _on_go(self):
        if self._training is not None:
            self.worker.stop()
            return
        self.worker.join()  # one that was stopped may be in its last step
        with self._lock:
            net = build(self.setting.spec(self.split), seed=self.setting.seed)
            self._training, self.explaining = self.setting, False
            self.worker.start(train(net, self.split, early(self.split, STEPS), device=self.device))
            self._faces()

    def _on_event(self, event):
        self._event = event
        if event.state == "running" and time.monotonic() - self._drawn > REDRAW:
            self._keep(event, "running")
            self._drawn = time.monotonic()

    def _on_end(self, error):
        with self._lock:
            setting, event, self._training, self._event = self._training, self._event, None, None
            if event is not None and (event.state != "running" or setting == self.setting):
                self._keep(event, "stopped" if event.state == "running" else event.state, setting)
            else:
                self.steps.pop(setting, None)  # another net was chosen meanwhile
                self.progress.value, self.progress_text.value = 0, ""
            self.refresh_texts()
            self._faces()
        if error is not None:
            self.report(error)

    def _keep(self, event, outcome, setting=None):
        with self._lock:
            setting = setting or self._training
            self.steps[setting] = event.run().layers_frame().assign(name=setting.label, origin=LIVE, mode="train", outcome=outcome)
            self.progress.max, self.progress.value = STEPS, event.step
            self.progress_text.value = f"{setting.label}: step {event.step} of {STEPS}, {outcome}"
            if setting == self.setting:
                self.draw()

    # --- to take home ------------------------------------------------------------------------------------------------------------------

    @property
    def code(self):
        """The lines that reproduce the charts without widgets."""
        lines = ["import pandas as pd", "from reslab import NetSpec, digits, experiments, figures", "", "split = digits()", "nets = ["]
        for setting in dict.fromkeys([*self.pins, self.setting]):
            spec = {"depth": setting.depth, "skip": setting.skip, "width": 8}
            spec |= {name: value for name, value in setting.changed.items() if name not in ("mode", "seed")}
            arguments = ", ".join(f"{name}={value!r}" for name, value in spec.items())
            lines.append(f"    (NetSpec({arguments}, **split.shape), {{'mode': {setting.mode!r}, 'seed': {setting.seed}}}),")
        lines += [
            "]",
            "layers = pd.concat(experiments.gradient_flow.at_initialisation(spec, split, **options) for spec, options in nets)",
            "figures.gradient_flow.gradient_profile(layers).show()",
            "spec, options = nets[-1]",
        ]
        if self.setting in self.steps and not self.explaining:
            steps = f"experiments.gradient_flow.first_steps(spec, split, seed={self.setting.seed}, steps={STEPS})"
            return "\n".join([*lines, f"figures.gradient_flow.first_steps({steps})"])
        return "\n".join([*lines, "figures.gradient_factors.product(experiments.gradient_flow.factors(spec, split, **options))"])
