"""The explorer of lesson 07: a map over its picture, and what is left of the answer when a quarter is deleted."""

import io
import time
from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pandas as pd

from reslab.datasets import or_digits
from reslab.experiments import activations, attribution, deletion, lesions
from reslab.experiments.photographs import photographs
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import is_digits
from reslab.explorers.instant import Instant
from reslab.explorers.percentage import Percentage
from reslab.explorers.setting import Setting, code_of
from reslab.explorers.upload import Upload
from reslab.figures import attribution as figures
from reslab.figures import attribution_maps, theme
from reslab.nets import replace
from reslab.results.frames import LIVE

REDRAW = 0.2  # seconds between updates of the progress of a training
DEPTHS = (20, 56)  # of the recorded nets of photographs
SHOWN = 20  # pictures to choose from


@dataclass(frozen=True, kw_only=True)
class AttributionSetting(Setting):
    """One trained net, one picture and one kind of map; written "resnet-20" or "plain-20,method=saliency,image=7"."""

    options: ClassVar = {
        "method": attribution.METHODS,
        "image": tuple(range(SHOWN)),
        "pictures": deletion.PICTURES,
        "smooth": (0, 8, 24),
    }
    always_shown: ClassVar = ("skip", "depth", "method")

    skip: bool = True
    depth: int = 20
    method: str = "integrated gradients"
    image: int = 0
    pictures: str = "digits"
    smooth: int = 0  # noisy copies whose maps are averaged
    seed: int = 0

    @property
    def layers(self):
        """Of photographs there are nets of 20 and 56 layers: the nearer one."""
        if self.pictures == "photographs":
            return min(DEPTHS, key=lambda depth: abs(depth - self.depth))
        return self.depth

    def net(self, **shape):
        return replace(super().net(**shape), width=16 if self.pictures == "photographs" else self.width)

    @property
    def idle(self):
        why = {}
        if self.pictures == "photographs":
            why["seed"] = "One seed of the nets of photographs was recorded."
        return why

    def as_code(self, base=None):
        """The arguments of `experiments.deletion.of_trained`."""
        names = ("pictures", "image", "method", "smooth", "seed")
        written = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{code_of(self.net())}, split, {written}"


class Attribution(Instant):
    """A map over its picture, and how the probability falls without the quarter that it marks, and without others; the
    curve of deletion; how much of the answer each block carries. The switch answers at once.

    state: the controls, and behind a bar how the map is shown: "resnet-20,method=saliency | opacity=40". A picture of
    one's own is not part of it.
    """

    kind = AttributionSetting

    def __init__(self, state="resnet-20", *, split=None):
        super().__init__()
        self.split = or_digits(split)
        self.own = None  # a picture of the learner's, as `activations.picture` makes it
        self._nets = OrderedDict()  # (pictures, layers, skip, seed) → (net, untrained net)
        self._photographs = None  # a Split, when it is first asked for
        self._passed = None  # the frames that the last chart shows
        self.control(self.kind(), self.chosen)
        self.opacity = Percentage("opacity", 70, "Opacity of the map (%)", self._dimmed, width=290, step=5)
        self.upload = Upload("Your picture", self._uploaded)
        empty = pd.DataFrame()
        self.picture = Chart(attribution_maps.picture(empty, draw=theme.chart), name="The map")
        self.curve = Chart(attribution_maps.picture_curve(empty, draw=theme.chart), name="More and more deleted")
        self.blocks = Chart(figures.branches(empty, draw=theme.chart), name="Through the blocks")
        self.arrange([self.picture, self.curve, self.blocks], [], [*self.opacity.widgets, self.upload])
        self.state = state

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        return self.opacity.write_state(self.setting)

    def take_state(self, text):
        net, opacity = self.opacity.read_state(text)
        setting = self.kind.parse(net)
        self.own = self.own if setting.image == self.setting.image else None
        self.opacity.value = opacity
        self.changed(setting)

    def chosen(self, setting, notice=""):
        if setting.image != self.setting.image or setting.pictures != self.setting.pictures:
            self._forget(None)
        self.changed(setting, notice)

    def changed(self, setting, notice=""):
        super().changed(setting, notice)
        self.controls.show_changed(["your picture"] if self.own is not None else [])

    def _refresh(self):
        self.refresh_texts()  # nothing is pinned here

    def _forget(self, own):
        """Take a picture of the learner's, or none; what was measured of the one before is dropped."""
        with self._lock:
            if own is not None or self.own is not None:
                self.own = own
                self._measured.clear()

    def _dimmed(self):
        with self._lock:
            self.refresh_texts()
            if not self._missing(self.setting):
                self._draw_picture()

    def _uploaded(self, content):
        """A file of the learner's: make it a picture like the others, or say why not and leave all as it was."""
        try:
            own, done = activations.picture(io.BytesIO(content), self._split(self.setting))
        except ValueError as error:
            self.show_message(str(error), error=True)
            return
        self._forget(own)
        self.changed(self.setting, f"Your picture: {done}.")

    def _split(self, setting):
        if setting.pictures == "digits":
            return self.split
        if self._photographs is None:
            self._photographs = photographs()
        return self._photographs

    @property
    def code(self):
        """The lines that measure and draw the map without widgets."""
        loaded = {"digits": "split = digits()", "photographs": "split = experiments.photographs.photographs()"}
        line = loaded[self.setting.pictures]
        if self.setting.pictures == "digits" and not is_digits(self.split):
            line = f"# split: what you gave to this explorer ({self.split.name})"
        return "\n".join([
            "from reslab import NetSpec, digits, experiments, figures",
            "",
            line,
            f"frame = experiments.deletion.of_trained({self.setting.as_code()})",
            f"figures.attribution_maps.picture(frame, opacity={self.opacity.value / 100})",
        ])  # fmt: skip

    # --- work, in the background --------------------------------------------------------------------------------------

    def measure(self, setting):
        """The map and its holes; then what passes through each block. Nothing, if another setting came meanwhile."""
        nets = self._net(setting)
        if nets is None:
            return
        (net, other), split, own = nets, self._split(setting), self.own
        image = setting.image if own is None else own
        frame = deletion.of_picture(net, split, image, setting.method, other=other, smooth=setting.smooth)
        measured = SimpleNamespace(looked=frame.assign(origin=LIVE), blocks=None)
        yield measured
        x, _ = deletion.one(split, image)
        passed = attribution.conductance(net, x, progress=False)
        yield SimpleNamespace(looked=measured.looked, blocks=passed.assign(origin=LIVE))

    def _net(self, setting):
        """(the trained net, an untrained one) of a setting; None if another was chosen while it was in training."""
        key = setting.pictures, setting.layers, setting.skip, setting.seed
        if key not in self._nets:
            split, drawn = self._split(setting), 0.0

            def stop(event):
                nonlocal drawn
                if time.monotonic() - drawn > REDRAW:
                    drawn = time.monotonic()
                    self.show_progress(event.step, event.steps, f"training {setting.name}: step {event.step}")
                same = replace(self.setting, skip=setting.skip) == setting
                return self.closed or not same

            spec = setting.net(**split.shape)
            net = deletion.net_of(spec, split, setting.pictures, seed=setting.seed, stop=stop)
            self.show_progress()
            if net is None:
                return None
            statistics = split.batch(slice(lesions.CALIBRATION), "train")[0]
            self._nets[key] = net, attribution.untrained(net, statistics)
            while len(self._nets) > 12:
                self._nets.popitem(last=False)
        return self._nets[key]

    # --- drawing ------------------------------------------------------------------------------------------------------

    def draw(self):
        """Bring charts and sentence up to date: the chosen net, and in the last chart both nets of the switch."""
        chosen = self._measured.get(self.setting)
        looked = chosen.looked if chosen else pd.DataFrame()
        self._draw_picture()
        self.curve.show(attribution_maps.picture_curve(looked, empty=self.measuring, draw=theme.chart))
        both = [self._measured.get(replace(self.setting, skip=skip)) for skip in (False, True)]
        passed = [each.blocks for each in both if each and each.blocks is not None]
        # the switch leaves this chart as it is
        if self._passed is None or [*map(id, passed)] != [*map(id, self._passed)]:
            self._passed = passed
            frame = pd.concat(passed, ignore_index=True) if passed else pd.DataFrame()
            self.blocks.show(figures.branches(frame, empty=self.measuring, draw=theme.chart))
        sentence = attribution_maps.picture_sentence(looked) if chosen else ""
        self.show_sentence(sentence, figures.alt_text(looked, sentence) if chosen else "")

    def _draw_picture(self):
        chosen = self._measured.get(self.setting)
        looked = chosen.looked if chosen else pd.DataFrame()
        opacity = self.opacity.value / 100
        self.picture.show(attribution_maps.picture(looked, opacity, empty=self.measuring, draw=theme.chart))
