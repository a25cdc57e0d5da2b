"""The explorer of lesson 10: what detectors and segmenters are made of; the body can be swapped."""

from dataclasses import dataclass, fields
from html import escape
from types import SimpleNamespace
from typing import ClassVar

import ipywidgets as widgets
import pandas as pd

from reslab import checks
from reslab.experiments import backbones as experiment
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import Explorer
from reslab.explorers.setting import parse_fields, plain_text
from reslab.explorers.worker import Latest
from reslab.figures import backbones as figures
from reslab.figures import theme
from reslab.figures.text.backbones import COSTS
from reslab.figures.text.phrases import amount
from reslab.specs import replace

MAX_PROPOSALS = 10_000  # proposals


@dataclass(frozen=True, kw_only=True)
class BackbonesSetting:
    """A model and its body; written "Faster R-CNN" or "Mask R-CNN,body=resnet-101,cost=multiply_adds"."""

    options: ClassVar = {
        "model": tuple(experiment.MODELS),
        "body": experiment.BODIES,
        "side": (224, 320, 520, 800, 1333),
        "cost": tuple(COSTS),
    }

    model: str = "Faster R-CNN"
    body: str = "resnet-50"
    side: int = experiment.SIDE  # pixels
    cost: str = "parameters"
    proposals: int = experiment.PROPOSALS

    def __post_init__(self):
        for name, allowed in self.options.items():
            checks.choice(name, getattr(self, name), allowed)
        checks.integer("proposals", self.proposals, 1, MAX_PROPOSALS)

    def __str__(self):
        rest = [(field.name, getattr(self, field.name), field.default) for field in fields(self)[1:]]
        return ",".join([self.model, *(f"{name}={value}" for name, value, usual in rest if value != usual)])

    @classmethod
    def parse(cls, text):
        """The setting that `str` wrote; capitals, quotes and spaces do not matter. ValueError in one sentence."""
        first, _, rest = plain_text(text).partition(",")
        by_name = {name.lower(): name for name in cls.options["model"]}
        model = by_name[checks.choice("a model", first.strip().lower(), by_name)]
        return replace(parse_fields(cls, rest), model=model)

    @property
    def counted(self):
        """What a count depends on."""
        return self.body, self.side, self.proposals


class Backbones(Explorer):
    """torchvision's models as bars of 100 %: body, neck and heads; and one of them block by block. The body, the size
    of the picture and the number of proposals can be changed. A click on a bar shows the numbers in it.

    state: "Faster R-CNN", or "FCN,body=resnet-18,side=520,cost=multiply_adds,proposals=300".
    """

    def __init__(self, state="Faster R-CNN"):
        super().__init__()
        self.chosen, self._counted = BackbonesSetting(), {}  # counted: (body, side, proposals) → frame
        self._latest, self._silent = Latest(self._count), False
        self.model = self._menu("model", "Model", 190)
        self.body_menu = self._menu("body", "Body", 170)
        sides = [(f"{side} × {side}", side) for side in BackbonesSetting.options["side"]]
        self.side = self._menu("side", "Picture (pixels)", 240, sides)
        self.cost = self._menu("cost", "Shares of", 220, [(words, cost) for cost, words in COSTS.items()])
        self.proposals = widgets.BoundedIntText(
            min=1, max=MAX_PROPOSALS, description="Proposals", style={"description_width": "auto"},
            layout=widgets.Layout(width="170px"),
        )  # fmt: skip
        self.proposals.observe(self._picked, "value")
        self.proposals.add_class("reslab-proposals")
        row, folded = [self.model, self.body_menu, self.side], [self.cost, self.proposals]
        self.controls = SimpleNamespace(row=row, folded=folded, also=widgets.HTML(), why=widgets.HTML())
        empty = pd.DataFrame()
        self.bars = Chart(figures.shares(empty, draw=theme.chart), name="All models")
        self.ribbon = Chart(figures.ribbon(empty, draw=theme.chart), name="Block by block")
        self.bars.on_click(self._clicked)
        self.ribbon.on_click(self._clicked)
        self.opened = widgets.HTML(layout=widgets.Layout(max_height="300px", overflow="auto"))
        self.opened.add_class("reslab-opened")
        self.arrange([self.bars, self.ribbon], [])
        *parts, folds = self.body.children
        self.body.children = [*parts, self.opened, folds]
        self.state = state

    def _menu(self, name, words, width, options=None):
        menu = widgets.Dropdown(
            options=options or BackbonesSetting.options[name], value=getattr(self.chosen, name), description=words,
            style={"description_width": "auto"}, layout=widgets.Layout(width=f"{width}px"),
        )  # fmt: skip
        menu.add_class(f"reslab-{name}-menu")
        menu.observe(self._picked, "value")
        return menu

    def end_work(self):
        self._latest.stop()

    def join(self, timeout=None):
        """Wait until what was chosen is counted and drawn; True if so."""
        return self._latest.join(timeout)

    def prepare(self):
        self.join()

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        return str(self.chosen)

    def take_state(self, text):
        self._take(BackbonesSetting.parse(text))

    def _picked(self, _change):
        if not self._silent:
            menus = {"body": self.body_menu} | {name: getattr(self, name) for name in ("model", "side", "cost")}
            values = {name: menu.value for name, menu in menus.items()}
            self._take(BackbonesSetting(**values, proposals=self.proposals.value))

    def _take(self, chosen):
        with self._lock:
            self.chosen, self._silent = chosen, True
            self.model.value, self.body_menu.value, self.side.value = chosen.model, chosen.body, chosen.side
            self.cost.value, self.proposals.value = chosen.cost, chosen.proposals
            self._silent = False
            idle = "R-CNN" not in chosen.model and chosen.cost == "parameters"
            self.proposals.disabled = idle  # the bars and the sentence do not depend on it
            self.controls.why.value = "Proposals: only multiply-adds of detectors depend on them." if idle else ""
            self.refresh_texts()
            is_here = chosen.counted in self._counted
            self.show_message("" if is_here else f"Counting with {chosen.body} ...")
            if is_here:
                self.draw()
        if not is_here:
            self._latest.ask(chosen.counted)

    @property
    def code(self):
        """The lines that draw the charts without widgets."""
        body, side, proposals = self.chosen.counted
        return "\n".join([
            "from reslab import experiments, figures",
            "",
            f"frame = experiments.backbones.layers(body={body!r}, side={side}, proposals={proposals})",
            f"figures.backbones.ribbon(frame, {self.chosen.model!r}, {self.chosen.cost!r})",
            f"figures.backbones.shares(frame, {self.chosen.cost!r})",
        ])  # fmt: skip

    # --- work, in the background --------------------------------------------------------------------------------------

    def _count(self, asked):
        body, side, proposals = asked
        try:
            frame = experiment.layers(body=body, side=side, proposals=proposals)
        except Exception as error:  # shown here: a thread's exception is not shown otherwise
            self.report(error)
            return
        with self._lock:
            self._counted[asked] = frame
            if asked == self.chosen.counted and not self.closed:
                self.show_message("")
                self.draw()

    def draw(self):
        """Bring charts and sentence up to date."""
        frame, model, cost = self._counted[self.chosen.counted], self.chosen.model, self.chosen.cost
        self.bars.show(figures.shares(frame, cost, draw=theme.chart))
        self.ribbon.show(figures.ribbon(frame, model, cost, draw=theme.chart))
        self.opened.value = "<p>Click a bar to open it.</p>"
        sentence = figures.sentence(frame, model)
        self.show_sentence(sentence, figures.alt_text(frame, figures.models_sentence(frame, cost)))

    def _clicked(self, trace, points, _state):
        if points.point_inds:
            self.open(*trace.customdata[0])

    def open(self, model, unit):
        """Show the numbers in a bar: of the body one row per block, of the heads or the neck one row each, of one of
        these or of a block one row per layer."""
        frame = self._counted[self.chosen.counted]
        rows = frame[frame["model"] == model]
        if unit in figures.PARTS:
            rows = rows[rows["part"] == unit]
            by = rows["block"].where(rows["block"] != "", rows["name"])
        else:
            rows = rows[(rows["block"] == unit) | ((rows["block"] == "") & (rows["name"] == unit))]
            by = rows["module"]
        numbers = rows.groupby(by.rename(""), sort=False)[["parameters", "multiply_adds"]].sum()
        numbers.loc["all"] = numbers.sum()
        numbers = numbers.map(amount).rename(columns=lambda name: name.replace("_", "-"))
        title = f"{model}: {self.chosen.body if unit == 'body' else figures.PARTS.get(unit, unit)}"
        self.opened.value = f"<h4>{escape(title)}</h4>{numbers.to_html(border=0)}"
