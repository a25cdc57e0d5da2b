"""The explorer of lesson 06: the loss around trained nets, along lines that are measured at once, and in maps."""

import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.datasets import or_digits
from reslab.experiments import landscape as experiments
from reslab.experiments.landscape_files import recorded
from reslab.experiments.lesions import RECORDED, as_recorded
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import is_digits, split_line
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting
from reslab.explorers.worker import Worker
from reslab.figures import landscape as figures
from reslab.figures import theme
from reslab.nets import build, replace
from reslab.progress import shown_by
from reslab.results.frames import LIVE
from reslab.train import TrainSpec, train

REDRAW = 0.2  # seconds between updates of the progress
IMAGES = 128  # training images that the loss is of
POINTS = 15  # a side of a map that is measured here
UNMEASURED = "No map of this was recorded. Press Measure the map:<br>it takes half a minute."


@dataclass(frozen=True, kw_only=True)
class LandscapeSetting(Setting):
    """One trained net, and how its surroundings are looked at; written "plain-20" or "resnet-20,mode=train,lr=0.01"."""

    deepest: ClassVar = 56
    options: ClassVar = {
        "mode": experiments.MODES, "normalisation": experiments.NORMALISATIONS, "norms": experiments.NORMS,
        "directions": (0, 1, 2, 3, 4, 5),
    }  # fmt: skip
    always_shown: ClassVar = ("skip", "depth", "mode")

    skip: bool = True
    depth: int = 20
    mode: str = "eval"
    normalisation: str = "filter"
    norms: str = "kept"
    directions: int = 0  # which five: 0 the first, 1 the next ...
    lr: float = TrainSpec().lr
    seed: int = 0

    @property
    def looks(self):
        """The arguments of `experiments.landscape.bands` and `grid`: how the net is looked at."""
        first = self.directions * experiments.DIRECTIONS
        return {"mode": self.mode, "normalisation": self.normalisation, "norms": self.norms, "seed": first}

    @property
    def trained(self):
        """What the net and its training are, whatever is looked at."""
        return self.skip, self.depth, self.lr, self.seed

    @property
    def is_recorded(self):
        """Whether a map like this may be among the recorded ones."""
        usual = LandscapeSetting(skip=self.skip, depth=self.depth, mode=self.mode, seed=self.seed)
        return self == usual

    def as_code(self, base=None):
        """The arguments of `experiments.landscape.of_trained`."""
        looks = self.looks | {"first": self.looks["seed"]}
        arguments = [f"{name}={value!r}" for name, value in looks.items() if name != "seed"]
        return ", ".join([super().as_code(base or RECORDED), *arguments])


class Landscape(Instant):
    """The loss of trained nets around their weights: five random lines at once, a map recorded or with a bar.

    state: the controls, and behind a bar what is pinned: "resnet-20 | plain-20" or "plain-56,mode=train".
    """

    kind = LandscapeSetting
    kept = 12  # trained nets

    def __init__(self, state="resnet-20 | plain-20", *, split=None, how=None, device="auto"):
        super().__init__()
        self.split, self.how, self.device = or_digits(split), how or RECORDED, device
        self.maps, self._parts, self._nets = {}, {}, {}  # Setting → its map; rows so far; what was trained → net
        self._mapping = []  # the Settings whose maps are being measured
        self._known = _recorded_maps() if is_digits(self.split) and self.how == RECORDED else pd.DataFrame()
        self.worker = Worker(self._on_rows, self._on_end)
        self.control(self.kind(), self.chosen)
        self.lines = Chart(figures.bands(pd.DataFrame(), draw=theme.chart), name="Along lines")
        self.map = Chart(figures.contours(pd.DataFrame(), draw=theme.chart), name="Map")
        self.go = widgets.Button(layout=widgets.Layout(width="190px"))
        self.go.add_class("reslab-go")
        self.go.on_click(lambda _: self._on_go())
        self.arrange([self.lines, self.map], [self.go, self.pin], [self.clear])
        self.state = state

    def end_work(self):
        super().end_work()
        self.worker.stop()
        self.worker.join(2)  # so that it writes into no widget while that is closed

    # --- work, in the background --------------------------------------------------------------------------------------

    def measure(self, setting):
        """Its net, trained if its weights are not recorded, and the loss along five lines."""
        net = self._net(setting)
        if net is None:
            return  # another was chosen meanwhile
        with shown_by(self._listener(setting)):
            lines = experiments.bands(net, self.split, images=self._images, device=self.device, **setting.looks)
        self.show_progress()
        yield SimpleNamespace(net=net, lines=lines.assign(name=setting.label, origin=LIVE))

    @property
    def _images(self):
        return min(IMAGES, len(self.split.y_train))

    def _net(self, setting):
        """The trained net of a setting; None if it had to be trained and was given up."""
        if setting.trained not in self._nets:
            spec, how = setting.net(**self.split.shape), setting.how(self.how)
            net, drawn = as_recorded(spec, self.split, how, seed=setting.seed), 0.0
            if net is None:
                net = build(spec, seed=setting.seed)
                for event in train(net, self.split, replace(how, capture_every=0), device=self.device):
                    if self.closed or setting not in (self.setting, *self.pins):
                        self.show_progress()
                        return None
                    if time.monotonic() - drawn > REDRAW:
                        text = f"training {setting.name}: step {event.step} of {event.steps}"
                        self.show_progress(event.step, event.steps, text)
                        drawn = time.monotonic()
            self._nets[setting.trained] = net.eval()
            while len(self._nets) > max(self.kept, len(self.pins) + 1):
                self._nets.pop(next(iter(self._nets)))
        return self._nets[setting.trained]

    def _listener(self, setting):
        return lambda done, total, _: self.show_progress(done, total, f"{setting.name}: line {done} of {total}")

    # --- maps ---------------------------------------------------------------------------------------------------------

    def map_of(self, setting):
        """The map of a setting, recorded or measured here; None if there is none."""
        if setting not in self.maps and setting.is_recorded and len(self._known):
            rows = self._known
            rows = rows[
                (rows["name"] == setting.name) & (rows["seed"] == setting.seed) & (rows["mode"] == setting.mode)
            ]
            if len(rows):
                self.maps[setting] = rows.assign(name=setting.label)
        return self.maps.get(setting)

    def _to_map(self):
        return [(setting, found.net) for setting, found in self.shown if self.map_of(setting) is None]

    def _on_go(self):
        if self._mapping:
            self.worker.stop()
            return
        self.worker.join()  # one that was stopped may be in its last row
        self.front(self.map)
        with self._lock:
            wanted = self._to_map()
            self._mapping, self._parts = [setting for setting, _ in wanted], {}
            if wanted:
                self.worker.start(self._rows(wanted))
            self._buttons()

    def _rows(self, wanted):
        for setting, net in wanted:
            how = setting.looks | {"points": POINTS, "images": self._images, "device": self.device}
            for rows in experiments.grid_rows(net, self.split, **how):
                yield setting, rows.assign(name=setting.label, origin=LIVE)

    def _on_rows(self, item):
        setting, rows = item
        self._parts.setdefault(setting, []).append(rows)
        done = sum(map(len, self._parts.values()))
        of = len(self._mapping) * POINTS
        self.show_progress(done, of, f"map of {setting.name}: row {len(self._parts[setting])} of {POINTS}")
        if len(self._parts[setting]) == POINTS:
            self.maps[setting] = pd.concat(self._parts[setting], ignore_index=True)
            with self._lock:
                self.draw()

    def _on_end(self, error):
        if self.closed:
            return
        with self._lock:
            self._mapping = []
            self.show_progress()
            self.draw()
        if error is not None:
            self.report(error)

    # --- drawing ------------------------------------------------------------------------------------------------------

    def draw(self):
        """Bring charts, sentence and buttons up to date: plain at the left of residual, whichever is chosen."""
        shown = sorted(self.shown, key=lambda both: (both[0].skip, both[0] != self.setting))
        lines = _together([found.lines for _, found in shown])
        self.lines.show(figures.bands(lines, empty=self.measuring, draw=theme.chart))
        maps = [self.map_of(setting) for setting, _ in shown]
        maps = _together([made for made in maps if made is not None])
        self.map.show(figures.contours(maps, empty=UNMEASURED, draw=theme.chart))
        sentence = figures.rise_sentence(lines) if len(lines) else ""
        self.show_sentence(sentence, figures.alt_text(lines, "") if len(lines) else "")
        self._buttons()

    def _buttons(self):
        missing = bool(self._to_map())
        self.go.description, self.go.icon = ("Stop", "stop") if self._mapping else ("Measure the map", "th")
        self.go.disabled = not (self._mapping or missing)
        measure = "Measure a map of each net shown that has none" if missing else "All nets shown have their map"
        self.go.tooltip = "End this map" if self._mapping else measure

    @property
    def code(self):
        """The lines that measure and draw both charts without widgets."""
        lines = [
            "import pandas as pd",
            "from reslab import NetSpec, TrainSpec, digits, experiments, figures",
            "",
            split_line(self.split),
            "lesson, lines, maps = experiments.landscape, [], []",
        ]
        for setting in dict.fromkeys([*(pin for pin in self.pins if pin != self.setting), self.setting]):
            given = f"{setting.as_code(self.how)}, images={self._images}"
            lines.append(f"lines.append(lesson.of_trained({given}))")
            lines.append(f"maps.append(lesson.of_trained({given}, measure=lesson.grid, points={POINTS}))")
        drawn = [f"figures.landscape.{name}(pd.concat({rows})).show()"
                 for name, rows in (("bands", "lines"), ("contours", "maps"))]  # fmt: skip
        return "\n".join([*lines, *drawn])


def _recorded_maps():
    """The recorded maps of the digits; none where they are not installed: each is then measured on request."""
    try:
        return recorded()["grids"]
    except FileNotFoundError:
        return pd.DataFrame()


def _together(frames):
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
