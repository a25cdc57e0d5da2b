"""The explorer of lesson 02: the gradient in a net of your choice, and how twenty steps of training change it."""

import time
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.datasets import or_digits
from reslab.experiments.gradient_factors import factors
from reslab.experiments.gradient_flow import MODES, SETTINGS, at_initialisation, first_steps_spec, label
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import split_line
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting, code_of
from reslab.explorers.worker import Worker
from reslab.figures import gradient_factors, gradient_flow, theme
from reslab.nets import build
from reslab.results.frames import LIVE
from reslab.specs import replace
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between drawings while training
STEPS = 20
DEEPEST_WITH_FACTORS = 110  # layers; the factors of deeper nets, in float64, take longer than a learner waits


@dataclass(frozen=True, kw_only=True)
class GradientFlowSetting(Setting):
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
        """The name in the lesson's frames: "plain-56 · no norm · eval mode"."""
        return " · ".join([label(self.net(), self.mode), *self.words(but=(*SETTINGS, "mode", "seed"))])

    @property
    def idle(self):
        why = {}
        if not self.skip:
            why["residual_scale"] = "A plain net has no branch to scale: turn the skip connections on."
        if self.norm != "batch":
            why["mode"] = "Without BatchNorm a net does the same in both modes."
        return why

    def as_code(self, base=None):
        """The arguments of `at_initialisation` and of `factors`."""
        return f"{code_of(self.net())}, split, seed={self.seed}, mode={self.mode!r}"

    def steps_as_code(self):
        """The arguments of `first_steps`."""
        how = "".join(f", {name}={value!r}" for name, value in self.of(TrainSpec).items())
        return f"{code_of(self.net())}, split, seed={self.seed}, steps={STEPS}{how}"


class GradientFlow(Instant):
    """The gradient at every block of an untrained net, the factors that multiply it, and its first twenty steps.

    state: the controls, and after a bar what is pinned: "plain-56,norm=none" or "resnet-56 | plain-56".
    The second chart shows the factors of the chosen net, or its first twenty steps after it was trained.
    """

    kind = GradientFlowSetting

    def __init__(self, state="plain-56", *, split=None, device="auto"):
        super().__init__()
        self.split, self.device = or_digits(split), device
        self.steps = {}  # GradientFlowSetting → the frame of its first steps so far
        self.show_factors = False  # show the factors even if there are steps to show
        self._progress = {}  # GradientFlowSetting → the arguments of `show_progress` for its training
        self._training = self._event = None  # the GradientFlowSetting in training, and its last event
        self._drawn = 0.0
        self.worker = Worker(self._on_event, self._on_end)
        self.control(self.kind(), self.chosen)
        self.profile = Chart(gradient_flow.gradient_profile(pd.DataFrame(), draw=theme.chart), name="Gradients")
        self.right = Chart(gradient_factors.product(pd.DataFrame(), draw=theme.chart), name="Causes, or first steps")
        self.go = widgets.Button(layout=widgets.Layout(width="150px"))
        self.switch = widgets.Button(icon="exchange", layout=widgets.Layout(width="132px"))
        self.go.add_class("reslab-go")
        self.switch.add_class("reslab-switch")
        self.go.on_click(lambda _: self._on_go())
        self.switch.on_click(lambda _: self._on_switch())
        self.arrange([self.profile, self.right], [self.go, self.switch, self.pin], [self.clear])
        self.state = state

    def measure(self, setting):
        """Yield the gradient by block as {"layers": frame}; then again with {"factors": frame}."""
        spec, options = setting.net(**self.split.shape), {"seed": setting.seed, "mode": setting.mode}
        labels = {"name": setting.label, "origin": LIVE}
        found = {"layers": at_initialisation(spec, self.split, **options).assign(**labels)}
        yield found
        if setting.depth <= DEEPEST_WITH_FACTORS:
            yield found | {"factors": factors(spec, self.split, **options).assign(**labels)}

    def changed(self, setting, notice=""):
        if setting != self._training:
            self.worker.stop()  # only the chosen net is trained
        self.show_factors = False
        if setting != self.setting:
            self.show_progress(*self._progress.get(setting, ()))
        super().changed(setting, notice)

    def end_work(self):
        super().end_work()
        self.worker.stop()
        self.worker.join(2)  # so that it does not write into a widget that is being closed

    # --- drawing ------------------------------------------------------------------------------------------------------

    def draw(self):
        """Update charts, sentence and buttons."""
        with self._lock:
            # Two settings of the same net are drawn once.
            found = {(setting.label, setting.seed): frames for setting, frames in self.shown}
            layers = pd.concat([pd.DataFrame(), *(frames["layers"] for frames in found.values())])
            behind = dict(self.shown_and_other)
            room = pd.concat([pd.DataFrame(), *(frames["layers"] for frames in behind.values())])
            explained = found.get((self.setting.label, self.setting.seed), {}).get("factors", pd.DataFrame())
            self.profile.show(gradient_flow.gradient_profile(layers, room=room, empty=self.measuring, draw=theme.chart))
            if self.setting in self.steps and not self.show_factors:
                sentence = gradient_flow.steps_sentence(self.steps[self.setting])
                self.right.show(gradient_flow.first_steps(self.steps[self.setting], steps=STEPS, draw=theme.chart))
            else:
                factors_text = gradient_factors.factors_sentence(explained) if len(explained) else ""
                sentence = f"{gradient_flow.sentence(layers)} {factors_text}"
                deep = f"The factors are measured for nets of up to {DEEPEST_WITH_FACTORS} layers."
                empty = deep if self.setting.depth > DEEPEST_WITH_FACTORS else self.measuring
                other = behind.get(replace(self.setting, skip=not self.setting.skip), {}).get("factors")
                self.right.show(gradient_factors.product(explained, room=other, empty=empty, draw=theme.chart))
            self.show_sentence(sentence, gradient_flow.alt_text(layers)) if len(layers) else self.show_sentence("")
            self._buttons()

    def _buttons(self):
        training, known = self._training is not None, self.setting in self.steps
        self.go.description, self.go.icon = ("Stop", "stop") if training else (f"Train {STEPS} steps", "play")
        train = f"Train {self.setting.label} for {STEPS} steps"
        self.go.tooltip = "End this training; its steps so far stay" if training else train
        self.switch.description = "Show factors" if known and not self.show_factors else "Show steps"
        self.switch.disabled = not known
        self.switch.tooltip = "Change what the second chart shows" if known else f"Train {self.setting.label} first"

    def _on_switch(self):
        self.show_factors = not self.show_factors
        self.refresh_texts()
        self.draw()

    # --- twenty steps of training, in the worker's thread -------------------------------------------------------------

    def _on_go(self):
        if self._training is not None:
            self.worker.stop()
            return
        self.worker.join()  # a stopped training may be in its last step
        self.front(self.right)
        with self._lock:
            net = build(self.setting.net(**self.split.shape), seed=self.setting.seed)
            how = self.setting.how(first_steps_spec(self.split, STEPS))
            self._training, self.show_factors = self.setting, False
            self.worker.start(train(net, self.split, how, device=self.device))
            self._buttons()

    def _on_event(self, event):
        self._event = event
        if event.state == "running" and time.monotonic() - self._drawn > REDRAW:
            self._keep(event, "running")
            self._drawn = time.monotonic()

    def _on_end(self, error):
        if self.closed:
            return
        with self._lock:
            setting, event, self._training, self._event = self._training, self._event, None, None
            if event is not None and (event.state != "running" or setting == self.setting):
                self._keep(event, "stopped" if event.state == "running" else event.state, setting)
            else:
                self.steps.pop(setting, None)  # another net was chosen in the meantime
            self.refresh_texts()
            self._buttons()
        if error is not None:
            self.report(error)

    def _keep(self, event, outcome, setting=None):
        with self._lock:
            setting = setting or self._training
            frame = event.run().layers_frame().assign(name=setting.label, origin=LIVE, mode="train", outcome=outcome)
            self.steps[setting] = frame
            self._progress[setting] = event.step, STEPS, f"{setting.label}: step {event.step} of {STEPS}, {outcome}"
            if setting == self.setting:
                self.show_progress(*self._progress[setting])
                self.draw()

    # --- the shown code -----------------------------------------------------------------------------------------------

    @property
    def code(self):
        """The lines that reproduce the charts without widgets."""
        settings = dict.fromkeys([*self.pins, self.setting])
        lines = [
            "import pandas as pd",
            "from reslab import NetSpec, digits, experiments, figures",
            "",
            split_line(self.split),
            "lesson = experiments.gradient_flow",
            "layers = pd.concat([",
            *(f"    lesson.at_initialisation({setting.as_code()})," for setting in settings),
            "])",
            "figures.gradient_flow.gradient_profile(layers).show()",
        ]
        if self.setting in self.steps and not self.show_factors:
            shown = f"figures.gradient_flow.first_steps(lesson.first_steps({self.setting.steps_as_code()}))"
        else:
            shown = f"figures.gradient_factors.product(experiments.gradient_factors.factors({self.setting.as_code()}))"
        return "\n".join([*lines, shown])
