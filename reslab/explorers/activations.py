"""The explorer of lesson 04: what travels through a net, block by block, and the feature maps of an image."""

import dataclasses
import io
import time
from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab import checks
from reslab.datasets import digits
from reslab.experiments import activations as experiments
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import split_line
from reslab.explorers.instant import LIVE, Instant
from reslab.explorers.setting import Setting, code_of, parse_fields, parse_state, plain_text, snapped
from reslab.figures import activations as figures
from reslab.figures import feature_maps, histograms, theme
from reslab.nets import build, replace
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between updates of the progress of a training
SHOWS = {  # what the left-hand chart can show, and what the menu calls it
    "ratio": "|F(x)| against |x|",
    "cosine": "output against input",
    "activation_rms": "RMS",
    "activation_mean": "mean",
    "activation_std": "standard deviation",
    "activation_dead": "dead channels",
    "inner_dead": "dead inside branch",
    "histogram": "histogram of the block",
}


@dataclass(frozen=True, kw_only=True)
class Signal(Setting):
    """One net, untrained or trained; written "plain-20" or "resnet-20,weights=trained"."""

    options: ClassVar = {"weights": ("untrained", "trained"), "init": ("kaiming", "xavier", "torch")}
    in_sight: ClassVar = ("skip", "depth", "weights")

    skip: bool = True
    depth: int = 20
    weights: str = "untrained"
    norm: str = "batch"
    init: str = "kaiming"
    activation: str = "relu"
    seed: int = 0

    @property
    def label(self):
        """As the lesson's frames call it: "resnet-20 · trained"."""
        return " · ".join([self.name, *self.words(but=("weights",)), self.weights])

    def as_code(self, base=None):
        """The arguments of `experiments.activations.trained`, or of `build`."""
        return super().as_code(base) if self.weights == "trained" else f"{code_of(self.net())}, seed={self.seed}"


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at: a statistic, a block (from 1) and a test image; written "show=ratio,block=5,image=3"."""

    options: ClassVar = {"show": tuple(SHOWS)}

    show: str = "ratio"
    block: int = 1
    image: int = 0

    def __post_init__(self):
        checks.choice("show", self.show, SHOWS)
        checks.integer("block", self.block, 1, (Signal.deepest - 2) // 2)
        checks.integer("image", self.image, 0)

    def __str__(self):
        return ",".join(f"{name}={value}" for name, value in dataclasses.asdict(self).items())

    @classmethod
    def parse(cls, text):
        """The View that `str` wrote, or a part of it; ValueError in one sentence for anything else."""
        return parse_fields(cls, text)


class Activations(Instant):
    """The signal of plain and residual nets, untrained or trained, at every block, and the feature maps of one block.

    state: the controls, behind a bar the settings pinned, and behind another the view: "resnet-20,weights=trained |
    plain-20,weights=trained | show=ratio,block=5,image=3". An image of one's own is not part of it.
    """

    kind = Signal
    kept = 24  # trained nets

    def __init__(self, state="resnet-20 | plain-20", *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.how, self.device = split or digits(), how or TrainSpec(), device
        self.view, self.own = View(), None  # own: an image of the learner's, as `experiments.picture` makes it
        self._trained = OrderedDict()  # Signal → (net, Run)
        self._taking = False  # whether the view's controls are changed by `_look`
        self.control(self.kind(), self.chosen)
        self._make_view_controls()
        self.profile = Chart(figures.profile(pd.DataFrame(), draw=theme.chart), name="All blocks")
        self.maps = Chart(feature_maps.block(pd.DataFrame(), 1, draw=theme.chart), name="The block's maps")
        view = [self.show, self.block, self.image, self.upload]
        self.arrange([self.profile, self.maps], [self.pin], [*view, self.clear])
        self.state = state

    def _make_view_controls(self):
        described, width = {"style": {"description_width": "auto"}}, widgets.Layout
        menu = [(said, name) for name, said in SHOWS.items()]
        self.show = widgets.Dropdown(options=menu, description="Show", layout=width(width="214px"), **described)
        self.block = widgets.IntText(description="Block", layout=width(width="92px"), **described)
        self.image = widgets.IntText(description="Test image", layout=width(width="128px"), **described)
        self.upload = widgets.FileUpload(description="Your image", multiple=False, layout=width(width="142px"))
        self.upload.tooltip = "A PNG or a JPEG from your computer; it stays there"
        for name in ("show", "block", "image", "upload"):
            getattr(self, name).add_class(f"reslab-{name}")
            getattr(self, name).observe(self._uploaded if name == "upload" else self._looked, "value")

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        """The controls; what is pinned; what is looked at. An image of one's own is not part of it."""
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
        """ValueError if the test part has no such image."""
        checks.integer("image", view.image, 0, self._images - 1)

    @property
    def _images(self):
        return min(experiments.IMAGES, len(self.split.y_test))

    @property
    def _blocks(self):
        return max((setting.depth - 2) // 2 for setting in (self.setting, *self.pins))

    def changed(self, setting, said=""):
        """Take a setting, as every instant explorer does; the block that is looked at stays one that a net has."""
        self.setting = setting
        self._look(replace(self.view, block=min(self.view.block, self._blocks)))
        super().changed(setting, said)

    def _look(self, view):
        """Take a view, and show it in the controls."""
        self.view, self._taking = view, True
        for name, value in dataclasses.asdict(view).items():
            getattr(self, name).value = value
        self._taking = False
        self.controls.tell(self._view_words())

    def _view_words(self):
        """What is looked at, where it is not as usual: ["block 3", "your image"]."""
        usual, words = View(), {"show": SHOWS[self.view.show], "block": f"block {self.view.block}"}
        words["image"] = f"test image {self.view.image}"
        changed = [said for name, said in words.items() if getattr(self.view, name) != getattr(usual, name)]
        return changed if self.own is None else [*changed, "your image"]

    def _looked(self, change):
        """A control of the view was moved: numbers are changed to the nearest that there is, and that is said."""
        if self._taking:
            return
        name = next(name for name in ("show", "block", "image") if getattr(self, name) is change.owner)
        value, said = change.new, ""
        if name != "show":
            value, said = snapped(name, value, *{"block": (1, self._blocks), "image": (0, self._images - 1)}[name])
        self._open(replace(self.view, **{name: value}), said, own=self.own if name != "image" else None)

    def _open(self, view, said="", own=None):
        """Draw a view, of a test image or of one's own; missing feature maps are measured in the background."""
        with self._lock:
            self.own, self._said = own, said
            self._remark(said)
            self._look(view)
            self.refresh_texts()
        self._latest.ask(self.setting)

    def _clicked(self, trace, points, _state):
        """A block in the left-hand chart was clicked: open it."""
        if points.point_inds:
            block = trace.customdata[points.point_inds[0]][2]
            self._open(replace(self.view, block=int(block)), own=self.own)
            self.front(self.maps)

    def _uploaded(self, change):
        """A file of the learner's: make it an image like the others, or say why not and leave all as it was."""
        files = list(change.new.values() if isinstance(change.new, dict) else change.new)  # ipywidgets 7 has a dict
        if not files:
            return
        self.upload.set_trait("value", type(self.upload.value)())  # so that the same file can be taken again
        try:
            own, done = experiments.picture(io.BytesIO(bytes(files[-1]["content"])), self.split)
        except ValueError as error:
            self.say(str(error), error=True)
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
        except Exception as error:  # shown here: nothing else would, in a thread
            self._stop_waiting()
            self.report(error)

    def _train(self, setting):
        """Train those of the settings on the page that are to be trained; False if a newer request came meanwhile."""
        for wanted in (setting, *self.pins):
            if wanted.weights != "trained" or wanted in self._trained:
                continue
            net, drawn = build(wanted.net(**self.split.shape), seed=wanted.seed), 0.0
            for event in train(net, self.split, wanted.how(self.how), device=self.device):
                if setting != self.setting or self.closed:
                    self.show_progress()
                    return False
                if time.monotonic() - drawn > REDRAW:
                    said = f"training {wanted.name}: step {event.step} of {event.steps}"
                    self.show_progress(event.step, event.steps, said)
                    drawn = time.monotonic()
            self._trained[wanted] = net, event.run()
            while len(self._trained) > max(self.kept, len(self.pins) + 1):
                self._trained.popitem(last=False)
        self.show_progress()
        return True

    def measure(self, setting):
        """The net, its Run (None if untrained) and its signal; then the feature maps. Histograms: when shown."""
        if setting.weights == "trained":
            if setting not in self._trained:
                return  # pinned while another was in training; the request that pinned it comes next
            net, run = self._trained[setting]
        else:
            net, run = build(setting.net(**self.split.shape), seed=setting.seed), None
        signal = experiments.signal(net, self.split, run).assign(name=setting.label, origin=LIVE)
        measured = SimpleNamespace(net=net, run=run, signal=signal, histograms=None, maps=None, mapped=None)
        yield measured
        with self._lock:  # one pass through a net at a time: draw() may want another of it
            self._maps_of(setting, measured)
        yield measured

    def _maps_of(self, setting, measured):
        """The feature maps of the image that is looked at; those of the image before are forgotten."""
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
        """Bring charts and sentence up to date: all that is pinned at the left, the last two nets at the right."""
        shown, view = self.shown, self.view
        if view.show == "histogram":
            bins = _together([self._histograms_of(setting, measured) for setting, measured in shown])
            self.profile.show(histograms.block(bins, view.block, draw=theme.chart))
            self.tell(histograms.alt_text(bins))
        else:
            signal = _together([measured.signal for _, measured in shown])
            room = _together([measured.signal for _, measured in self.shown_and_other])
            self.profile.show(figures.profile(signal, view.show, opened=view.block, room=room, draw=theme.chart))
            self.tell(figures.sentence(signal, view.show), figures.alt_text(signal, view.show) if len(signal) else "")
            for trace in self.profile.figure.data:
                if trace.meta["key"].endswith("/profile"):
                    trace.on_click(self._clicked)
        mapped = [both for both in shown[-2:] if both[0] != self._unfinished or both[1].maps is not None]
        maps = _together([self._maps_of(setting, measured) for setting, measured in mapped])
        self.maps.show(feature_maps.block(maps, view.block, draw=theme.chart))


def _together(frames):
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
