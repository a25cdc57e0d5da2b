"""The explorer of lesson 01: pick a net, press Start, and watch it learn or fail beside the ones before it."""

import dataclasses
import threading
import time
from dataclasses import dataclass

import ipywidgets as widgets
import pandas as pd

from reslab.datasets import digits
from reslab.experiments.gradient_flow import at_initialisation
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import Explorer
from reslab.explorers.setting import Setting, parse_state, write_state
from reslab.explorers.worker import Latest, Worker
from reslab.figures import degradation as figures
from reslab.figures import gradient_flow, theme
from reslab.nets import build, replace
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between drawings while training: quick to the eye, and little of the processor's time
LIVE = "live, this machine"


@dataclass(frozen=True, kw_only=True)
class Training(Setting):
    """One net of lesson 01, and the learning rate that it is trained at."""

    skip: bool = False
    depth: int = 20
    norm: str = "batch"
    init: str = "kaiming"
    lr: float = 0.05
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        TrainSpec(lr=self.lr)


class Degradation(Explorer):
    """Train plain and residual nets on the digits, live, and compare them.

    state: the controls, and behind a bar the runs on the chart: "plain-56" or "plain-56 | plain-20 + resnet-56". Runs named
    there are trained when Start is pressed.
    runs: the runs on the chart, a dict Training → reslab.Run.
    """

    def __init__(self, state="plain-20", *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.device = split or digits(), device
        self.how = how or TrainSpec(capture_every=5)
        self.runs, self._waiting, self._queue = {}, [], []  # measured; named, for the next Start; of this Start
        self._current = self._event = None  # the setting and the last event of the run in training
        self._lock = threading.RLock()  # over the charts and the buttons' faces, which both threads set; never held while joining
        self._training = False  # from Start until the worker's last word
        self._drawn = 0.0
        self.preview = None  # the layers frame of the chosen net before any training
        self.worker = Worker(self._on_event, self._on_end)
        self._previews = Latest(self._on_preview)
        self.curves = Chart(figures.training_curves(self.frame(), draw=theme.chart))
        self.gradients = Chart(gradient_flow.gradient_profile(self.layers(), draw=theme.chart))
        self.control(Training(), self._changed)
        self._make_buttons()
        self.arrange(
            [self.curves, self.gradients],
            [self.start, self.pause, self.step, self.stop, self.reset],
        )
        self.state = state

    # --- controls -------------------------------------------------------------------------------------------------------

    def _make_buttons(self):
        self.start, self.pause, self.step, self.stop, self.reset = (
            widgets.Button(description=text, icon=icon, tooltip=tip, layout=widgets.Layout(width="86px"))
            for text, icon, tip in (
                ("Start", "play", "Train the chosen net"),
                ("Pause", "pause", "Halt after this step, and go on later"),
                ("Step", "step-forward", "Take one step of training, and halt"),
                ("Stop", "stop", "End this run; its curve stays"),
                ("Reset", "trash", "Stop, and clear the charts"),
            )
        )
        for name in ("start", "pause", "step", "stop", "reset"):
            getattr(self, name).add_class(f"reslab-{name}")
        self.start.on_click(lambda _: self._on_start())
        self.pause.on_click(lambda _: self._on_pause())
        self.step.on_click(lambda _: self._on_step())
        self.stop.on_click(lambda _: self._on_stop())
        self.reset.on_click(lambda _: self._on_reset())

    def _changed(self, setting, said):
        self._take(setting)
        if said:
            self.say(said)
        elif self._training:
            self.say(f"{self._current.label} is training; {setting.label} is next, when you press Start.")

    def _take(self, setting):
        """Make a setting the chosen one: in the controls, in the line to share, in the code, and in the right-hand chart."""
        self.setting = setting
        self.controls.take(setting)
        self.refresh_texts()
        if not self._training:
            self.say("")
            self._previews.ask(setting)

    # --- state ----------------------------------------------------------------------------------------------------------

    @property
    def state(self):
        """Everything, in one line: the controls, and behind a bar the runs on the chart and those that wait for Start."""
        return write_state(self.setting, self._named())

    @state.setter
    def state(self, text):
        setting, waiting = parse_state(Training, text)
        self.worker.stop()
        self.worker.join()
        self.runs = {run: self.runs[run] for run in waiting if run in self.runs and self.runs[run].outcome != "stopped"}
        self._waiting = [run for run in waiting if run not in self.runs]
        self._take(setting)
        self._buttons()
        self.draw()
        if self._waiting:
            self.say(f"Press Start to train {', '.join(run.label for run in self._waiting)}.")

    def _named(self):
        """The settings on the chart, in training, and waiting."""
        return list(dict.fromkeys([*self.runs, *self._queue, *self._waiting]))

    @property
    def code(self):
        """The lines that reproduce the left-hand chart without widgets; for an empty chart, the chosen net's."""
        lines = ["import pandas as pd", "from reslab import NetSpec, TrainSpec, digits, figures, fit", "", "split = digits()", "runs = ["]
        for setting in self._named() or [self.setting]:
            spec = {"depth": setting.depth, "skip": setting.skip, "width": 8}
            spec |= {name: value for name, value in setting.changed.items() if name in ("norm", "init")}
            arguments = ", ".join(f"{name}={value!r}" for name, value in spec.items())
            how = f"lr={setting.lr!r}" if "lr" in setting.changed else ""
            lines.append(f"    fit(NetSpec({arguments}, **split.shape), split, TrainSpec({how}), seed={setting.seed}),")
        return "\n".join([*lines, "]", "figures.degradation.training_curves(pd.concat(run.frame() for run in runs))"])

    # --- buttons: they set the worker's state and their own faces, and return ---------------------------------------------

    def _on_start(self, paused=False):
        if self._training:
            return
        self._queue, self._waiting = self._waiting or [self.setting], []
        for setting in self._queue:
            self.runs.pop(setting, None)  # trained again, it takes its place at the end
        self.refresh_texts()
        self.say("")
        self.worker.join()  # the last run has been drawn; its thread may need another moment
        with self._lock:
            self._training = True
            self.worker.start(self._train(self._queue), paused=paused)
            self._buttons()

    def _on_pause(self):
        self.worker.pause(not self.worker.paused)
        self._buttons()

    def _on_step(self):
        if self._training:
            self.worker.step()
        else:
            self._on_start(paused=True)
            self.worker.step()
        self._buttons()

    def _on_stop(self):
        self.worker.stop()
        with self._lock:
            if self._training:
                self.progress_text.value = "stopping ..."
                self.stop.disabled = self.pause.disabled = self.step.disabled = True

    def _on_reset(self):
        self.worker.stop()
        self.worker.join()
        self.runs, self._waiting = {}, []
        self._current = self._event = None
        self.progress.value, self.progress_text.value = 0, ""
        self._take(self.setting)
        self._buttons()
        self.draw()

    def _buttons(self):
        """Grey out what cannot apply now, and say why."""
        with self._lock:
            training, paused = self._training, self._training and self.worker.paused
            self.start.disabled = training
            self.start.tooltip = "Stop the run first" if training else "Train the chosen net"
            self.pause.disabled = self.stop.disabled = not training
            self.pause.description, self.pause.icon = ("Resume", "play") if paused else ("Pause", "pause")
            self.pause.tooltip = "Nothing is training" if not training else "Go on" if paused else "Halt after this step, and go on later"
            self.stop.tooltip = "End this run; its curve stays" if training else "Nothing is training"
            self.step.disabled = False
            self.reset.disabled = not (training or self.runs or self._waiting)

    # --- work, in the worker's thread ---------------------------------------------------------------------------------------

    def _train(self, settings):
        for setting in settings:
            self._current = setting
            net = build(setting.spec(self.split), seed=setting.seed)
            yield from train(net, self.split, replace(self.how, lr=setting.lr), device=self.device)

    def _on_event(self, event):
        self._event = event
        if event.state != "running" or self.worker.paused or time.monotonic() - self._drawn > REDRAW:
            self._keep(event)
            self.progress.max, self.progress.value = event.steps, event.step
            left = (event.steps - event.step) * event.seconds / event.step
            state = f"about {left:.0f} s left" if event.state == "running" else event.state
            self.progress_text.value = f"{self._current.label}: step {event.step} of {event.steps}, {state}"
            self.draw()
            self._drawn = time.monotonic()

    def _keep(self, event):
        run = event.run()
        if event.state == "running" and self._training:
            run = dataclasses.replace(run, outcome="running")
        self.runs[self._current] = run

    def _on_end(self, error):
        event = self._event
        if event is not None and event.state == "running" and self._current in self.runs:
            self.runs[self._current] = event.run()  # "stopped"
            self.progress_text.value = f"{self._current.label}: stopped at step {event.step} of {event.steps}"
        self._event = None
        with self._lock:
            self._training, self._queue = False, []
            self._buttons()
        self.refresh_texts()
        self.draw()
        if error is not None:
            self.report(error)

    def _on_preview(self, setting):
        try:
            frame = at_initialisation(setting.spec(self.split), self.split, seed=setting.seed)
        except Exception as error:  # shown here: nothing else would, in a thread
            self.report(error)
            return
        if setting == self.setting:  # else a newer wish is on its way
            self.preview = frame.assign(name=f"{setting.label} · untrained", origin=LIVE)
            self.draw()

    # --- frames and drawing -------------------------------------------------------------------------------------------------

    def frame(self):
        """The histories of the runs on the chart, one tidy frame."""
        frames = [run.frame().assign(name=setting.label, origin=LIVE) for setting, run in list(self.runs.items())]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=HISTORY)

    def layers(self):
        """The captured blocks of the runs on the chart, and of the chosen net before training, one tidy frame."""
        frames = [run.layers_frame().assign(name=setting.label, origin=LIVE) for setting, run in list(self.runs.items()) if len(run.layers)]
        frames += [self.preview] if self.preview is not None and self.setting not in self.runs else []
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=LAYERS)

    def draw(self):
        """Bring charts and sentence up to date with the runs."""
        with self._lock:
            frame = self.frame()
            empty = f"Press Start to train {self.setting.label}"
            self.curves.show(figures.training_curves(frame, empty=empty, draw=theme.chart))
            self.gradients.show(gradient_flow.gradient_profile(self.layers(), draw=theme.chart))
            self.sentence.value = figures.sentence(frame) if len(frame) else "Pick a net, and press Start to watch it train on real digits."

    def rehearse(self):
        """Train the three nets of the lesson, so that the picture shows them."""
        self.state = "resnet-56 | plain-20 + plain-56 + resnet-56"
        self._on_start()
        self.worker.join()


LABELS = ["name", "skip", "depth", "seed", "parameters", "outcome", "final_train_error", "origin", "step"]
HISTORY = [*LABELS, "epoch", "lr", "loss", "train_error", "test_error", "seconds"]
LAYERS = [*LABELS, "module", "index", "shape", "gradient_rms"]
