"""The explorer of lesson 08: a photograph, enlarged by bicubic interpolation and by two nets, recorded and live."""

import time
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab.experiments import super_resolution as lesson
from reslab.experiments import super_resolution_files as files
from reslab.explorers.chart import Chart
from reslab.explorers.instant import Instant
from reslab.explorers.percentage import Percentage
from reslab.explorers.setting import Setting
from reslab.explorers.worker import Worker
from reslab.figures import super_resolution as figures
from reslab.figures import super_resolution_pictures as pictures
from reslab.figures import theme
from reslab.nets import SRSpec, replace
from reslab.results import super_resolution as results
from reslab.results.frames import LIVE

REDRAW = 1.0  # seconds between drawings of a live training
FRONTS = ("direct", "residual")
MEASURED = 10  # steps between two measurements of it


@dataclass(frozen=True, kw_only=True)
class SuperResolutionSetting(Setting):
    """One net and one picture; written "residual-10" or "direct-20,picture=flower,block_skips=true"."""

    shallowest: ClassVar = min(lesson.DEPTHS)
    deepest: ClassVar = max(lesson.DEPTHS)
    options: ClassVar = {
        "depth": lesson.DEPTHS, "picture": tuple(lesson.HELD_OUT), "block_skips": (False, True),
        "last": ("usual", "zero", "He"), "seed": lesson.SEEDS,
    }  # fmt: skip
    always_shown: ClassVar = ("skip", "depth", "picture")
    kinds: ClassVar = ("direct", "residual")
    skip_words: ClassVar = ("Global skip", "Let the net add its output to the enlarged picture, or put out the picture")

    skip: bool = True
    depth: int = 10
    picture: str = "camera"
    block_skips: bool = False
    last: str = "usual"  # weights of the last layer before training; usual: zero with a global skip, He without
    seed: int = 0

    def net(self, **shape):
        """The SRSpec; there is nothing in it that depends on the images."""
        last = files.usual_last(self.skip) if self.last == "usual" or "last" in self.idle else self.last
        return SRSpec(depth=self.depth, skip=self.skip, block_skips=self.block_skips, last=last)

    @property
    def idle(self):
        return {"last": "With block skips, only the usual start was recorded."} if self.block_skips else {}

    @property
    def pair(self):
        """The SRSpecs without and with a global skip."""
        return [replace(self, skip=skip).net() for skip in (False, True)]

    @classmethod
    def help(cls, name):
        words = {"depth": "convolutions", "picture": "none of them was learned from", "seed": "of weights and patches"}
        fields = SRSpec.__dataclass_fields__
        return words.get(name) or fields[name].metadata["help"]

    def as_code(self, base=None):
        """The nets of the shown code, as `super_resolution_files.trained` takes them."""
        return ", ".join(f"files.trained({spec}, seed={self.seed})" for spec in self.pair)


class SuperResolution(Instant):
    """A picture that no net learned from, at half its size, enlarged by bicubic interpolation, and by a net with and
    without a global skip. All answers are recorded; a button trains the first steps here.

    state: the controls, and behind a bar where the wipe is: "residual-10,picture=flower | wipe=30".
    """

    kind = SuperResolutionSetting

    def __init__(self, state="residual-10"):
        super().__init__()
        self.recorded = files.recorded()
        self.live = {}  # pair and seed → frame of the steps that were trained here
        self._here = None  # (step, nets) of a training here, until another net is chosen
        self._panes = {}  # what panes are of → their frame, of the last few
        self._ready = {}  # chart → (what it is of, the chart for each position of the switch)
        self._training, self._drawn, self._added_of = False, 0.0, None
        self.worker = Worker(self._on_step, self._on_end)
        self.control(self.kind(), self.chosen)
        self.wipe = Percentage("wipe", 50, "Bicubic | net", self._wiped, width=240)
        self.go = widgets.Button(layout=widgets.Layout(width="190px"))
        self.go.add_class("reslab-go")
        self.go.on_click(lambda _: self._on_go())
        empty = pd.DataFrame()
        self.picture_chart = Chart(pictures.wipe(empty, draw=theme.chart), name="The picture")
        self.curves = Chart(figures.curves(empty, draw=theme.chart), name="While learning")
        self.added = Chart(pictures.differences(empty, draw=theme.chart), name="What was learned")
        usual = results.learned(self.recorded["steps"])
        self.depths = Chart(figures.depths(usual, draw=theme.chart), name="By depth")
        charts = [self.picture_chart, self.curves, self.added, self.depths]
        self.arrange(charts, [*self.wipe.widgets, self.go])
        self.state = state

    def end_work(self):
        super().end_work()
        self.worker.stop()
        self.worker.join(2)  # so that it writes into no widget while that is closed

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        return self.wipe.write_state(self.setting)

    def take_state(self, text):
        net, wipe = self.wipe.read_state(text)
        setting = self.kind.parse(net)
        self.wipe.value = wipe
        self.changed(setting)

    def changed(self, setting, notice=""):
        if self._key(setting) != self._key(self.setting):
            self.worker.stop()
            self._here = None
        super().changed(setting, notice)

    def _refresh(self):
        self.refresh_texts()  # nothing is pinned here

    def _wiped(self):
        with self._lock:
            self.refresh_texts()
            self._draw_picture(self._frame())

    @property
    def code(self):
        """The lines that draw the picture without widgets."""
        index = list(lesson.HELD_OUT).index(self.setting.picture)
        return "\n".join([
            "from reslab import experiments, figures",
            "from reslab.nets import SRSpec",
            "",
            "lesson, files = experiments.super_resolution, experiments.super_resolution_files",
            f"nets = [{self.setting.as_code()}]",
            f'frame = lesson.compared(nets, lesson.pieces()[{index}], origin="recorded")',
            f'figures.super_resolution_pictures.wipe(frame, {self.wipe.value}, "{self._front}")',
        ])  # fmt: skip

    # --- work, in the background --------------------------------------------------------------------------------------

    @staticmethod
    def _key(setting):
        """What a training here is of: both nets of the switch, and the seed."""
        return (*setting.pair, setting.seed)

    def measure(self, setting):
        """What both recorded nets make of the picture; the same for both positions of the switch."""
        nets = [files.trained(spec, setting.seed) for spec in setting.pair]
        yield self._compared(nets, setting, self.recorded["steps"]["origin"].iloc[0])

    def _compared(self, nets, setting, origin):
        key = self._key(setting), setting.picture, origin
        with self._lock:
            if key not in self._panes:
                (piece,) = lesson.pieces({setting.picture: lesson.HELD_OUT[setting.picture]})
                self._panes[key] = lesson.compared(nets, piece, origin=origin)
            while len(self._panes) > self.cache_size:
                self._panes.pop(next(iter(self._panes)))
            return self._panes[key]

    def _steps_shown(self, live):
        """The recorded rows of both nets on the held-out pictures, at the best rate of each, and what was trained here
        (a frame, or None)."""
        rows = self.recorded["steps"]
        rows = rows[(rows["part"] == "held out") & rows["best"]]
        wanted = [(rows["name"] == spec.name) & (rows["last"] == spec.last) for spec in self.setting.pair]
        here = [] if live is None else [live.assign(name=live["name"] + ", live", origin=LIVE)]
        return pd.concat([*(rows[which] for which in wanted), *here], ignore_index=True)

    # --- the first steps, live ----------------------------------------------------------------------------------------

    def _on_go(self):
        if self._training:
            self.worker.stop()
            return
        self.worker.join()
        with self._lock:
            self._training = True
            self.front(self.curves)
            self.worker.start(self._steps(self.setting))
            self._buttons()

    def _steps(self, setting):
        """(setting, step, nets, rows) every few steps; the two nets learn in turn from the same patches."""
        photographs, held_out = lesson.training_pictures(), lesson.pieces()
        rates = [files.rate_of(spec) for spec in setting.pair]
        made = [lesson.learn(spec, photographs, rate, seed=setting.seed)
                for spec, rate in zip(setting.pair, rates, strict=True)]  # fmt: skip
        rows = []
        for both in zip(*made, strict=True):
            step, nets = both[0][0], [net for _, net in both]
            if step % MEASURED == 0:
                rows += [lesson.measured(net, held_out, step=step, lr=lr)
                         for net, lr in zip(nets, rates, strict=True)]  # fmt: skip
            yield setting, step, nets, rows
            if step == lesson.QUICK:
                return

    def _on_step(self, item):
        setting, step, nets, rows = item
        self.show_progress(step, lesson.QUICK, f"both nets: step {step} of {lesson.QUICK}")
        done = step == lesson.QUICK
        if rows and (done or time.monotonic() - self._drawn > REDRAW):
            self._drawn = time.monotonic()
            with self._lock:
                self.live[self._key(setting)] = pd.concat(rows, ignore_index=True)
                if self._key(setting) == self._key(self.setting):
                    self._here = step, nets
                    self.draw()

    def _on_end(self, error):
        if self.closed:
            return
        with self._lock:
            self._training = False
            self.show_progress()
            self._buttons()
        if error is not None:
            self.report(error)

    # --- drawing ------------------------------------------------------------------------------------------------------

    @property
    def _front(self):
        return FRONTS[self.setting.skip]

    def draw(self):
        """Bring charts, sentence and buttons up to date."""
        frame = self._frame()
        self._draw_picture(frame)
        if frame is not self._added_of:  # the switch leaves it as it is
            self._added_of = frame
            self.added.show(pictures.differences(frame, empty=self.measuring, draw=theme.chart))
        live = self.live.get(self._key(self.setting))
        names = dict(zip(FRONTS, (spec.name for spec in self.setting.pair), strict=True))
        drawn_of = self._key(self.setting), 0 if live is None else len(live)
        self._show(self.curves, drawn_of, lambda front: self._curves(names[front], live))
        sentence = figures.picture_sentence(frame, self._front) if len(frame) else ""
        self.show_sentence(sentence, figures.alt_text(frame, sentence) if len(frame) else "")
        self._buttons()

    def _curves(self, front, live):
        return figures.curves(self._steps_shown(live), front, draw=theme.chart)

    def _draw_picture(self, frame):
        step, wipe = self._here and self._here[0], self.wipe.value
        drawn_of = self._key(self.setting), self.setting.picture, step, len(frame), wipe
        look = {"empty": self.measuring, "draw": theme.chart}
        self._show(self.picture_chart, drawn_of, lambda front: pictures.wipe(frame, wipe, front, **look))

    def _show(self, chart, drawn_of, draw):
        """Show a chart for the net in front; both are drawn when `drawn_of` changes, so the switch has to draw none."""
        if self._ready.get(chart, (None,))[0] != drawn_of:
            self._ready[chart] = drawn_of, {front: draw(front) for front in FRONTS}
        chart.show(self._ready[chart][1][self._front])

    def _frame(self):
        """The panes: of nets in training here, else the recorded ones; empty if not measured yet."""
        if self._here is not None:
            step, nets = self._here
            return self._compared(nets, self.setting, f"{LIVE}, after {step} steps")
        return self._measured.get(self.setting, pd.DataFrame())

    def _buttons(self):
        words = f"Train {lesson.QUICK} steps here"
        self.go.description, self.go.icon = ("Stop", "stop") if self._training else (words, "play")
        self.go.tooltip = "End this training" if self._training else "Both nets, from the start, on this machine"
