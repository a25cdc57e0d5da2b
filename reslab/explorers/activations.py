"""The explorer of lesson 04: what travels through a net, block by block, and what its blocks make of one image, yours if you like."""

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
from reslab.explorers.instant import LIVE, Instant
from reslab.explorers.setting import Setting
from reslab.figures import activations as figures
from reslab.figures import feature_maps, histograms, theme
from reslab.nets import build, replace
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between two words on a training's progress
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
        changed = [f"{name} {value}" for name, value in self.changed.items() if name != "weights"]
        return " · ".join([self.name, *changed, self.weights])


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at: a statistic, a block (from 1) and a test image; written "show=ratio,block=5,image=3"."""

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
        values = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            checks.choice("what is looked at", name, [field.name for field in dataclasses.fields(cls)])
            if name != "show" and not value.isdecimal():
                raise ValueError(f"{name} is {value!r}; it must be a whole number.")
            values[name] = value if name == "show" else int(value)
        return cls(**values)


class Activations(Instant):
    """Look at the signal of plain and residual nets, untrained or trained, at every block, and at the feature maps of one block.

    state: the controls, behind a bar the settings pinned, and behind another the view:
    "resnet-20,weights=trained | plain-20,weights=trained | show=ratio,block=5,image=3". An image of one's own is not part of it.
    """

    kind = Signal
    kept = 24  # trained nets

    def __init__(self, state="resnet-20 | plain-20", *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.how, self.device = split or digits(), how or TrainSpec(), device
        self.view, self.own = View(), None  # own: an image of the learner's, as `experiments.picture` makes it
        self._trained = OrderedDict()  # Signal → (net, Run)
        self._silent = False
        self.control(Signal(), self.changed)
        self._make_view_controls()
        self.profile = Chart(figures.profile(pd.DataFrame(), draw=theme.chart))
        self.maps = Chart(feature_maps.block(pd.DataFrame(), 1, draw=theme.chart))
        self.arrange([self.profile, self.maps], [self.pin, self.clear])
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
        self.controls.row += [self.show, self.block, self.image, self.upload]

    # --- state ----------------------------------------------------------------------------------------------------------

    @property
    def state(self):
        """Everything but an image of one's own, in one line: the controls; what is pinned; what is looked at."""
        nets = Instant.state.fget(self)
        return f"{nets} | {self.view}" if self.view != View() else nets

    @state.setter
    def state(self, text):
        nets, _, last = text.rpartition("|")
        is_view = last.strip().startswith(tuple(f"{field.name}=" for field in dataclasses.fields(View)))
        view = View.parse(last) if is_view else View()
        self._there(view)
        before = self.view, self.own
        self.view, self.own = view, self.own if view.image == self.view.image else None
        try:
            Instant.state.fset(self, nets if is_view else text)
        except ValueError:
            self.view, self.own = before
            raise

    def _there(self, view):
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
        """Take a view: in the controls, and in the line to share."""
        self.view, self._silent = view, True
        for name, value in dataclasses.asdict(view).items():
            getattr(self, name).value = value
        self._silent = False
        self.refresh_texts()

    def _looked(self, change):
        """A control of the view has moved: numbers are snapped to what is there, aloud."""
        if self._silent:
            return
        name = next(name for name in ("show", "block", "image") if getattr(self, name) is change.owner)
        low, high = {"show": (None, None), "block": (1, self._blocks), "image": (0, self._images - 1)}[name]
        value = change.new if name == "show" else min(max(change.new, low), high)
        said = "" if value == change.new else f"There is no {name} {change.new}: they go from {low} to {high}; the nearest is {value}."
        self._open(replace(self.view, **{name: value}), said, own=self.own if name != "image" else None)

    def _open(self, view, said="", own=None):
        """Draw what a view shows, of a test image or of one's own; its feature maps may have to be measured, in the background."""
        with self._lock:
            self.own, self._said = own, said
            self._remark(said)
            self._look(view)
        self._latest.ask(self.setting)

    def _clicked(self, trace, points, _state):
        """A block in the left-hand chart was clicked: open it."""
        if points.point_inds:
            block = trace.customdata[points.point_inds[0]][2]
            self._open(replace(self.view, block=int(block)), own=self.own)

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
        lines = ["import pandas as pd", "from reslab import NetSpec, build, digits, experiments, figures", ""]
        lines.append("split, frames = digits(), []")
        measure = "histograms" if self.view.show == "histogram" else "signal"
        for setting in dict.fromkeys([*(pin for pin in self.pins if pin != self.setting), self.setting]):
            changed = {name: value for name, value in setting.net.items() if name not in ("depth", "skip") and name in setting.changed}
            fields = {"depth": setting.depth, "skip": setting.skip, "width": 8} | changed
            spec = f"NetSpec({', '.join(f'{name}={value!r}' for name, value in fields.items())}, **split.shape)"
            if setting.weights == "trained":
                lines.append(f"net, run = experiments.activations.trained({spec}, split, seed={setting.seed})")
            else:
                lines.append(f"net, run = build({spec}, seed={setting.seed}), None")
            lines.append(f"frames.append(experiments.activations.{measure}(net, split, run))")
        if self.view.show == "histogram":
            return "\n".join([*lines, f"figures.histograms.block(pd.concat(frames), {self.view.block})"])
        return "\n".join([*lines, f"figures.activations.profile(pd.concat(frames), {self.view.show!r}, opened={self.view.block})"])

    # --- work, in the background ----------------------------------------------------------------------------------------------

    def _answer(self, setting):
        try:
            if self._train(setting):
                super()._answer(setting)
        except Exception as error:  # shown here: nothing else would, in a thread
            self._stop_waiting()
            self.report(error)

    def _train(self, setting):
        """Train those of the settings on the page that want it; False if a newer wish came meanwhile."""
        for wanted in (setting, *self.pins):
            if wanted.weights != "trained" or wanted in self._trained:
                continue
            net, drawn = build(wanted.spec(self.split), seed=wanted.seed), 0.0
            for event in train(net, self.split, self.how, device=self.device):
                if setting != self.setting:
                    self._progress()
                    return False
                if time.monotonic() - drawn > REDRAW:
                    self._progress(event, wanted)
                    drawn = time.monotonic()
            self._trained[wanted] = net, event.run()
            while len(self._trained) > max(self.kept, len(self.pins) + 1):
                self._trained.popitem(last=False)
        self._progress()
        return True

    def _progress(self, event=None, setting=None):
        self.progress.max, self.progress.value = (event.steps, event.step) if event else (1, 0)
        self.progress_text.value = f"training {setting.name}: step {event.step} of {event.steps}" if event else ""

    def measure(self, setting):
        """The net, its Run (None if untrained) and its signal; then with the feature maps. Histograms wait until they are looked at."""
        if setting.weights == "trained":
            if setting not in self._trained:
                return  # pinned while another was in training: the request that pinned it is yet to come
            net, run = self._trained[setting]
        else:
            net, run = build(setting.spec(self.split), seed=setting.seed), None
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
            measured.maps = experiments.feature_maps(measured.net, self.split, image, measured.run).assign(name=setting.label, origin=LIVE)
            measured.mapped = image
        return measured.maps

    def _histograms_of(self, setting, measured):
        if measured.histograms is None:
            bins = experiments.histograms(measured.net, self.split, measured.run)
            measured.histograms = bins.assign(name=setting.label, origin=LIVE)
        return measured.histograms

    def draw(self):
        """Bring both charts and the sentence up to date: all that is pinned at the left, the last two nets at the right."""
        shown, view = self.shown, self.view
        if view.show == "histogram":
            bins = _together([self._histograms_of(setting, measured) for setting, measured in shown])
            self.profile.show(histograms.block(bins, view.block, draw=theme.chart))
            self.tell(histograms.alt_text(bins))
        else:
            signal = _together([measured.signal for _, measured in shown])
            self.profile.show(figures.profile(signal, view.show, opened=view.block, draw=theme.chart))
            self.tell(figures.sentence(signal, view.show), figures.alt_text(signal, view.show) if len(signal) else "")
            for trace in self.profile.figure.data:
                if trace.meta["key"].endswith("/profile"):
                    trace.on_click(self._clicked)
        there = [(setting, measured) for setting, measured in shown[-2:] if setting != self._unfinished or measured.maps is not None]
        maps = _together([self._maps_of(setting, measured) for setting, measured in there])
        self.maps.show(feature_maps.block(maps, view.block, draw=theme.chart))


def _together(frames):
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
