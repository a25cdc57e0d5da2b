"""The explorer of lesson 01: choose a net, press Start, and compare its training with those before."""

from dataclasses import dataclass

import pandas as pd

from reslab.experiments.gradient_flow import at_initialisation
from reslab.explorers.chart import Chart
from reslab.explorers.live import LABELS, Live
from reslab.explorers.setting import Setting
from reslab.figures import degradation as figures
from reslab.figures import gradient_flow, theme
from reslab.results.frames import LIVE
from reslab.train import TrainSpec


@dataclass(frozen=True, kw_only=True)
class DegradationSetting(Setting):
    """One net of lesson 01, and how it is trained."""

    skip: bool = False
    depth: int = 20
    norm: str = "batch"
    init: str = "kaiming"
    lr: float = 0.05
    seed: int = 0


class Degradation(Live):
    """Train plain and residual nets on the digits, live, and compare them.

    state: the controls, and after a bar the runs on the chart: "plain-56" or "plain-56 | plain-20 + resnet-56". Runs
    in a pasted line are trained when Start is pressed.
    """

    kind = DegradationSetting

    def __init__(self, state="plain-20", *, split=None, how=None, device="auto"):
        super().__init__(split=split, how=how or TrainSpec(capture_every=5), device=device)
        self.curves = Chart(figures.training_curves(self.frame(), draw=theme.chart), name="Training error")
        self.gradients = Chart(gradient_flow.gradient_profile(self.layers(), draw=theme.chart), name="Gradients")
        self.control(self.kind(), self.chosen)
        self.arrange([self.curves, self.gradients], self.buttons, self.more_buttons)
        self.state = state

    def measure(self, setting):
        """The gradients in an untrained net, one row a block: the columns of `Trace.frame`."""
        frame = at_initialisation(setting.net(**self.split.shape), self.split, seed=setting.seed)
        return frame.assign(name=f"{setting.label} · untrained", origin=LIVE)

    @property
    def code(self):
        """The lines that reproduce the training curves without widgets; of the chosen net, if the chart is empty."""
        lines = ["import pandas as pd", "from reslab import NetSpec, TrainSpec, digits, figures, fit", ""]
        lines += self.code_of_runs(self._all_settings() or [self.setting])
        return "\n".join([*lines, "figures.degradation.training_curves(pd.concat(run.frame() for run in runs))"])

    # --- frames and drawing -------------------------------------------------------------------------------------------

    def layers(self):
        """The captured blocks of the runs on the chart, and of the chosen net before training, one tidy frame."""
        captured = [(setting, run) for setting, run in list(self.runs.items()) if len(run.layers)]
        frames = [run.layers_frame().assign(name=setting.label, origin=LIVE) for setting, run in captured]
        frames += [self.preview] if self.preview is not None and self.setting not in self.runs else []
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=LAYERS)

    def draw(self):
        """Update charts and sentence from the runs."""
        with self._lock:
            frame = self.frame()
            empty = f"Press Start to train {self.setting.label}"
            curves = figures.training_curves(frame, until=self.last_step, empty=empty, draw=theme.chart)
            self.curves.show(curves)
            layers = self.layers()
            # The axis has room for what was captured first: it does not jump when an exploding gradient shrinks.
            first = layers[layers["step"] == layers.groupby(["name", "seed"])["step"].transform("min")]
            self.gradients.show(gradient_flow.gradient_profile(layers, room=first, draw=theme.chart))
            if len(frame):
                self.show_sentence(figures.sentence(frame), figures.alt_text(frame))
            else:
                self.show_sentence("Pick a net, and press Start to watch it train on real digits.")

    def prepare(self):
        """Train the lesson's three nets for the stored picture."""
        self.state = "resnet-56 | plain-20 + plain-56 + resnet-56"
        self._on_start()
        self.worker.join()


LAYERS = [*LABELS, "module", "index", "shape", "gradient_rms"]
