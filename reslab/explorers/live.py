"""Explorers that train live: Start, Pause, Step, Stop, Reset, and all runs on one chart."""

import dataclasses
import time

import ipywidgets as widgets
import pandas as pd

from reslab.datasets import or_digits
from reslab.explorers.explorer import Explorer, is_digits, split_line
from reslab.explorers.setting import parse_state, write_state
from reslab.explorers.worker import Latest, Worker
from reslab.nets import build
from reslab.results.frames import LIVE
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between drawings while training, so that drawing takes little of the processor's time


class Live(Explorer):
    """Trains the nets of its settings in the background, and measures the chosen one before any training.

    A subclass has `kind` (its Setting), `measure(setting)`, which returns what is shown of a net before it is trained
    (called in a thread), `draw()`, which updates charts and sentence, and `code`. It makes its charts, calls
    `control(self.kind(), self.chosen)` and `arrange(charts, self.buttons, self.more_buttons)`; then it sets `state`.

    state: the controls, and after a bar the runs on the chart: "plain-56" or "plain-56 | plain-20 + resnet-56". Runs
    in a pasted line are trained when Start is pressed. runs: the runs on the chart, a dict Setting → reslab.Run.
    """

    kind = None

    def __init__(self, *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.how, self.device = or_digits(split), how or TrainSpec(), device
        self.runs = {}  # Setting → Run, of nets that have been trained
        self._waiting, self._queue = [], []  # settings for the next Start; settings of this Start
        self._current = self._event = None  # the setting of the net that took the last step, and the event of that step
        self._last = {}  # setting → its last event, of the nets in training
        self._training = False  # True from Start until the training has ended and is drawn
        self._drawn = 0.0
        self.preview = self._previewed = None  # the last answer of `measure`, and its setting
        self._next = ""  # the message about which net is next
        self._last_text = ""  # the progress text of the last step; replaces "stopping ..."
        self.worker = Worker(self._on_event, self._on_end)
        self._previews = Latest(self._on_preview)
        self._make_buttons()

    def end_work(self):
        self.worker.stop()
        self._previews.stop()
        self.worker.join(2)  # so that it does not write into a widget that is being closed

    # --- controls -----------------------------------------------------------------------------------------------------

    def _make_buttons(self):
        self.start, self.pause, self.step, self.stop, self.reset = [
            widgets.Button(description=text, icon=icon, tooltip=tip, layout=widgets.Layout(width="96px"))
            for text, icon, tip in (
                ("Start", "play", "Train the chosen net"),
                ("Pause", "pause", "Halt after this step, and go on later"),
                ("Step", "step-forward", "Take one step of training, and halt"),
                ("Stop", "stop", "End this run; its curve stays"),
                ("Reset", "trash", "Stop, and clear the charts"),
            )
        ]
        self.buttons, self.more_buttons = [self.start, self.pause, self.stop], [self.step, self.reset]
        for name in ("start", "pause", "step", "stop", "reset"):
            getattr(self, name).add_class(f"reslab-{name}")
        self.start.on_click(lambda _: self._on_start())
        self.pause.on_click(lambda _: self._on_pause())
        self.step.on_click(lambda _: self._on_step())
        self.stop.on_click(lambda _: self._on_stop())
        self.reset.on_click(lambda _: self._on_reset())

    def chosen(self, setting, notice):
        """Take a setting that a control was moved to."""
        self._take(setting)
        if notice:
            self.show_message(notice)
        elif self._training:
            self.show_message(f"{self._current.label} is training; {setting.label} is next, when you press Start.")
            self._next = self.message.value

    def _take(self, setting):
        """Make this the chosen setting: in the controls, the line to share, the code and the preview."""
        self.setting = setting
        self.controls.take(setting)
        self.refresh_texts()
        if not self._training:
            self.show_message("")
            self._previews.ask(setting)

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        """The controls, and after a bar the runs on the chart and those that wait for Start."""
        return write_state(self.setting, self._all_settings())

    def take_state(self, text):
        """Show a state line; of its runs, those already trained stay on the chart, the others wait for Start."""
        setting, waiting = parse_state(self.kind, text)
        self.worker.stop()
        self.worker.join()
        self.runs = {run: self.runs[run] for run in waiting if run in self.runs and self.runs[run].outcome != "stopped"}
        self._waiting = [run for run in waiting if run not in self.runs]
        self._clear_progress()
        self._take(setting)
        self._buttons()
        self.draw()
        if self._waiting:
            self.show_message(f"Press Start to train {', '.join(run.label for run in self.queue())}.")

    def _all_settings(self):
        """The settings on the chart, in training, and waiting."""
        return list(dict.fromkeys([*self.runs, *self._queue, *self._waiting]))

    # --- buttons: they set the worker's state and their own labels, and return at once --------------------------------

    def _on_start(self, paused=False):
        if self._training or self.closed:
            return
        self._queue, self._waiting = self.queue(), []
        for setting in self._queue:
            self.runs.pop(setting, None)  # a net that is trained again goes to the end
        self.refresh_texts()
        self.show_message("")
        self.front(self.curves)
        self._clear_progress()
        self.worker.join()  # the last run is drawn, but its thread may not have ended yet
        with self._lock:
            self._training, self._current = True, self._queue[0]
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
        self._clear_progress()
        self._take(self.setting)
        self._buttons()
        self.draw()

    def _clear_progress(self):
        self._last_text = ""
        self.show_progress()

    def _buttons(self):
        """Disable the buttons that have no effect now, with the reason in their tooltips."""
        with self._lock:
            training, paused = self._training, self._training and self.worker.paused
            self.start.disabled = training
            self.start.tooltip = "Stop the run first" if training else "Train the chosen net"
            self.pause.disabled = self.stop.disabled = not training
            self.pause.description, self.pause.icon = ("Resume", "play") if paused else ("Pause", "pause")
            halt = "Go on" if paused else "Halt after this step, and go on later"
            self.pause.tooltip = halt if training else "Nothing is training"
            self.stop.tooltip = "End this run; its curve stays" if training else "Nothing is training"
            self.step.disabled = False
            self.reset.disabled = not (training or self.runs or self._waiting)

    @property
    def last_step(self):
        """The last step of a training of the chosen net; the step axis has this length from the start."""
        return self.setting.how(self.how).steps(len(self.split.y_train))[1]

    # --- work, in the worker's thread ---------------------------------------------------------------------------------

    def _train(self, settings):
        """(setting, event) of every step, one net after another."""
        for setting in settings:
            yield from self._steps(setting)

    def _steps(self, setting):
        self._current = setting
        net = build(setting.net(**self.split.shape), seed=setting.seed)
        for event in train(net, self.split, setting.how(self.how), device=self.device):
            yield setting, event

    def _on_event(self, item):
        self._current, event = item
        self._event = self._last[self._current] = event
        if event.state != "running" or self.worker.paused or time.monotonic() - self._drawn > REDRAW:
            for setting, last in self._last.items():
                self._keep(setting, last)
            if event.state != "running":
                del self._last[self._current]
            left = len(self._last) * (event.steps - event.step) * event.seconds / event.step
            state = f"about {left:.0f} s left" if event.state == "running" else event.state
            self._last_text = f"{self._current.label}: step {event.step} of {event.steps}, {state}"
            self.show_progress(event.step, event.steps, self._last_text)
            self.draw()
            self._drawn = time.monotonic()

    def _keep(self, setting, event):
        run = event.run()
        if event.state == "running" and self._training:
            run = dataclasses.replace(run, outcome="running")
        self.runs[setting] = run

    def _on_end(self, error):
        if self.closed:
            return
        with self._lock:  # so that a click on Stop at this moment does not replace the text below
            for setting, event in self._last.items():
                if event.state == "running":
                    self.runs[setting] = event.run()  # "stopped"
                    self._last_text = f"{setting.label}: stopped at step {event.step} of {event.steps}"
            self.progress_text.value = self._last_text
            self._event, self._last = None, {}
            self._training, self._queue = False, []
            self._buttons()
            if self.message.value == self._next:
                self.show_message("")
            if self._previewed != self.setting:
                self._previews.ask(self.setting)
        if error is not None:
            self.report(error)
        self.refresh_texts()
        self.draw()

    def _on_preview(self, setting):
        try:
            measured = self.measure(setting)
            if setting == self.setting and not self.closed:  # otherwise a newer request follows
                self.preview, self._previewed = measured, setting
                self.draw()
        except Exception as error:  # shown here: a thread's exception is not shown otherwise
            self.report(error)

    # --- for subclasses to override, and to use -----------------------------------------------------------------------

    def measure(self, setting):
        """What is shown of a net before it is trained; called in a thread."""
        raise NotImplementedError

    def draw(self):
        """Update charts and sentence from the runs and the preview."""
        raise NotImplementedError

    def queue(self):
        """The settings that Start trains."""
        return self._waiting or [self.setting]

    def frame(self):
        """The histories of the runs on the chart, one tidy frame."""
        frames = [run.frame().assign(name=setting.label, origin=LIVE) for setting, run in list(self.runs.items())]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=HISTORY)

    def code_of_runs(self, settings, ending=""):
        """The lines of the shown code that train these settings; ending: text after each `fit(...)`, {} is the label.

        For the digits, the commands for a terminal follow as comments: they can name that dataset.
        """
        fits = [f"    fit({setting.as_code(self.how)}){ending.format(setting.label)}," for setting in settings]
        commands = [f"#   {setting.as_command(self.how)}" for setting in settings] if is_digits(self.split) else []
        heading = ["# In a terminal, where `reslab runs list` then shows them:"] * bool(commands)
        return [split_line(self.split), "runs = [", *fits, "]", *heading, *commands]


LABELS = ["name", "skip", "depth", "seed", "parameters", "outcome", "final_train_error", "origin", "step"]
HISTORY = [*LABELS, "epoch", "lr", "loss", "train_error", "test_error", "seconds"]
