"""The explorer of lesson 04: the activations at every block of a net, and the feature maps of an image."""

import io
import time
from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pandas as pd

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments import activations as experiments
from reslab.explorers.activations_view import View, ViewControls
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import split_line
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting, code_of, parse_state, plain_text
from reslab.figures import activations as figures
from reslab.figures import feature_maps, histograms, theme
from reslab.nets import build, replace
from reslab.results.frames import LIVE
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between updates of the progress of a training


@dataclass(frozen=True, kw_only=True)
class ActivationsSetting(Setting):
    """One net, untrained or trained; written "plain-20" or "resnet-20,weights=trained"."""

    options: ClassVar = {"weights": ("untrained", "trained"), "init": ("kaiming", "xavier", "torch")}
    always_shown: ClassVar = ("skip", "depth", "weights")

    skip: bool = True
    depth: int = 20
    weights: str = "untrained"
    norm: str = "batch"
    init: str = "kaiming"
    activation: str = "relu"
    seed: int = 0

    @property
    def label(self):
        """The name in the lesson's frames: "resnet-20 · trained"."""
        return " · ".join([self.name, *self.words(but=("weights",)), self.weights])

    def as_code(self, base=None):
        """The arguments of `experiments.activations.trained`, or of `build`."""
        return super().as_code(base) if self.weights == "trained" else f"{code_of(self.net())}, seed={self.seed}"


class Activations(Instant):
    """The signal of plain and residual nets, untrained or trained, at every block, and the feature maps of one block.

    state: the controls, after a bar the pinned settings, and after another the view: "resnet-20,weights=trained |
    plain-20,weights=trained | show=ratio,block=5,image=3". The learner's own image is not part of it.
    """

    kind = ActivationsSetting
    trained_cache_size = 24  # nets

    def __init__(self, state="resnet-20 | plain-20", *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.how, self.device = or_digits(split), how or TrainSpec(), device
        self.view, self.own = View(), None  # own: an image of the learner's, as `experiments.picture` makes it
        self._trained = OrderedDict()  # ActivationsSetting → (net, Run)
        self.control(self.kind(), self.chosen)
        self.view_controls = ViewControls(self._looked, self._limits, self._uploaded)
        for name in ("show", "block", "image", "upload"):
            setattr(self, name, getattr(self.view_controls, name))
        self.profile = Chart(figures.profile(pd.DataFrame(), draw=theme.chart), name="All blocks")
        self.maps = Chart(feature_maps.block(pd.DataFrame(), 1, draw=theme.chart), name="The block's maps")
        self.profile.on_click(self._clicked, "/profile")
        self.arrange([self.profile, self.maps], [self.pin], [*self.view_controls.all, self.clear])
        self.state = state

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        """The controls, the pinned settings and the view. The learner's own image is not part of it."""
        nets = super().write_state()
        return f"{nets} | {self.view}" if self.view != View() else nets

    def take_state(self, text):
        nets, _, last = plain_text(text).rpartition("|")
        field, is_view, _ = last.partition("=")
        is_view = is_view and "," not in field and field.strip()[:1].isalpha()
        view = View.parse(last) if is_view else View()
        self._check_image(view)
        setting, pins = parse_state(self.kind, nets if is_view else text)
        self.own = self.own if view.image == self.view.image else None
        self.view, self.pins = view, list(dict.fromkeys(pins))
        self.changed(setting)

    def _check_image(self, view):
        """ValueError if there is no such test image."""
        checks.integer("image", view.image, *self._limits()["image"])

    def _limits(self):
        """field of the view → (lowest, highest) number allowed now."""
        blocks = max((setting.depth - 2) // 2 for setting in (self.setting, *self.pins))
        return {"block": (1, blocks), "image": (0, min(experiments.IMAGES, len(self.split.y_test)) - 1)}

    def changed(self, setting, notice=""):
        """Take a setting; the block of the view is limited to those that the nets have."""
        self.setting = setting
        self._look(replace(self.view, block=min(self.view.block, self._limits()["block"][1])))
        super().changed(setting, notice)

    def _look(self, view):
        """Take a view, and show it in the controls."""
        self.view = view
        self.view_controls.take(view)
        self.controls.show_changed(view.changes() if self.own is None else [*view.changes(), "your image"])

    def _looked(self, name, view, notice):
        """A control of the view was moved."""
        self._open(view, notice, own=self.own if name != "image" else None)

    def _open(self, view, notice="", own=None):
        """Draw a view, of a test image or of the image `own`; missing feature maps are measured in the background."""
        with self._lock:
            self.own, self._notice = own, notice
            self._show_notice(notice)
            self._look(view)
            self.refresh_texts()
        self._latest.ask(self.setting)

    def _clicked(self, trace, points, _state):
        """A block in the left-hand chart was clicked: open it."""
        if points.point_inds:
            block = trace.customdata[points.point_inds[0]][2]
            self._open(replace(self.view, block=int(block)), own=self.own)
            self.front(self.maps)

    def _uploaded(self, content):
        """Show an image file like a test image; if it cannot be read, give the reason and change nothing."""
        try:
            own, done = experiments.picture(io.BytesIO(content), self.split)
        except ValueError as error:
            self.show_message(str(error), error=True)
            return
        self._open(self.view, f"Your image: {done}.", own=own)

    @property
    def code(self):
        """The lines that measure and draw the left-hand chart without widgets."""
        measure = "histograms" if self.view.show == "histogram" else "signal"
        lines = [
            "import pandas as pd",
            "from reslab import NetSpec, TrainSpec, build, digits, experiments, figures",
            "",
            split_line(self.split),
            "lesson, frames = experiments.activations, []",
        ]
        for setting in dict.fromkeys([*(pin for pin in self.pins if pin != self.setting), self.setting]):
            arguments = setting.as_code(self.how)
            is_trained = setting.weights == "trained"
            lines.append(f"net, run = {f'lesson.trained({arguments})' if is_trained else f'build({arguments}), None'}")
            lines.append(f"frames.append(lesson.{measure}(net, split, run))")
        if self.view.show == "histogram":
            return "\n".join([*lines, f"figures.histograms.block(pd.concat(frames), {self.view.block})"])
        drawn = f"pd.concat(frames), {self.view.show!r}, opened={self.view.block}"
        return "\n".join([*lines, f"figures.activations.profile({drawn})"])

    # --- work, in the background --------------------------------------------------------------------------------------

    def _answer(self, setting):
        try:
            if self._train(setting):
                super()._answer(setting)
        except Exception as error:  # shown here: a thread's exception is not shown otherwise
            self._cancel_timer()
            self.report(error)

    def _train(self, setting):
        """Train the chosen and pinned nets that need it; False if a newer request arrived meanwhile."""
        for wanted in (setting, *self.pins):
            if wanted.weights != "trained" or wanted in self._trained:
                continue
            net, drawn = build(wanted.net(**self.split.shape), seed=wanted.seed), 0.0
            for event in train(net, self.split, wanted.how(self.how), device=self.device):
                if setting != self.setting or self.closed:
                    self.show_progress()
                    return False
                if time.monotonic() - drawn > REDRAW:
                    text = f"training {wanted.name}: step {event.step} of {event.steps}"
                    self.show_progress(event.step, event.steps, text)
                    drawn = time.monotonic()
            self._trained[wanted] = net, event.run()
            while len(self._trained) > max(self.trained_cache_size, len(self.pins) + 1):
                self._trained.popitem(last=False)
        self.show_progress()
        return True

    def measure(self, setting):
        """Yield the net, its Run (None if untrained) and its signal, what is shown of it first; then the feature maps.
        Histograms: when shown."""
        if setting.weights == "trained":
            if setting not in self._trained:
                return  # pinned while another net trained; the request that pinned it follows
            net, run = self._trained[setting]
        else:
            net, run = build(setting.net(**self.split.shape), seed=setting.seed), None
        measured = SimpleNamespace(net=net, run=run, signal=None, histograms=None, maps=None, mapped=None)
        for stage, signal in experiments.signal_stages(net, self.split, run):
            measured.signal = signal.assign(name=setting.label, origin=LIVE)
            if self.view.show != "cosine" or stage == "similarities":
                yield measured
        with self._lock:  # one forward pass of a net at a time: draw() may start another
            self._maps_of(setting, measured)
        yield measured

    def _maps_of(self, setting, measured):
        """The feature maps of the shown image; those of the image before are dropped."""
        image = self.view.image if self.own is None else self.own
        if measured.maps is None or measured.mapped is not image:
            maps = experiments.feature_maps(measured.net, self.split, image, measured.run)
            measured.maps = maps.assign(name=setting.label, origin=LIVE)
            measured.mapped = image
        return measured.maps

    def _histograms_of(self, setting, measured):
        if measured.histograms is None:
            bins = experiments.histograms(measured.net, self.split, measured.run)
            measured.histograms = bins.assign(name=setting.label, origin=LIVE)
        return measured.histograms

    def draw(self):
        """Update charts and sentence: the first chart has all pinned nets, the second the last two."""
        shown, view = self.shown, self.view
        if view.show == "histogram":
            bins = _together([self._histograms_of(setting, measured) for setting, measured in shown])
            self.profile.show(histograms.block(bins, view.block, empty=self.measuring, draw=theme.chart))
            self.show_sentence(histograms.alt_text(bins))
        else:
            signal = _together([measured.signal for _, measured in shown])
            room = _together([measured.signal for _, measured in self.shown_and_other])
            opened = {"opened": view.block, "room": room, "empty": self.measuring}
            self.profile.show(figures.profile(signal, view.show, **opened, draw=theme.chart))
            if len(signal):
                self.show_sentence(figures.sentence(signal, view.show), figures.alt_text(signal, view.show))
            else:
                self.show_sentence("")
        mapped = [both for both in shown[-2:] if both[0] != self._unfinished or both[1].maps is not None]
        maps = _together([self._maps_of(setting, measured) for setting, measured in mapped])
        self.maps.show(feature_maps.block(maps, view.block, empty=self.measuring, draw=theme.chart))


def _together(frames):
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
