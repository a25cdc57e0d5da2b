"""The architecture map as an explorer: nets side by side; a click on a layer shows its numbers and its code."""

import inspect
from html import escape
from textwrap import dedent
from types import SimpleNamespace

import ipywidgets as widgets
import pandas as pd

from reslab import checks
from reslab.experiments import architecture as experiment
from reslab.explorers.chart import Chart
from reslab.explorers.explorer import Explorer
from reslab.explorers.setting import plain_text
from reslab.figures import architecture as figures
from reslab.figures import theme
from reslab.nets import FAMILY
from reslab.nets.skeleton import skeleton

NONE = "–"  # an empty column
MOST_LINES = 40  # of code that is shown of a layer
# The text colour of the page, light or dark; and no text smaller than the map's labels.
STYLE = """<style>
.reslab-map .js-plotly-plot text { fill: var(--jp-ui-font-color1, currentColor) !important; }
.reslab-map .js-plotly-plot .annotation-text { font-size: 14px !important; }
</style>"""


class Architecture(Explorer):
    """Nets side by side, one box a layer; a click on a box shows the numbers and the code of its layer or block.

    state: names of FAMILY and the cost that fills the boxes, "vgg-19 + plain-34 + resnet-34 | multiply_adds".
    nets, images: your own NetSpecs and modules, as `experiments.architecture.layers` takes them.
    """

    columns = 3

    def __init__(self, state="vgg-19 + plain-34 + resnet-34", *, nets=None, images=None):
        super().__init__()
        self.nets, self._images, self._counted = dict(nets or {}) | FAMILY, images or {}, {}
        box = widgets.Layout(width="210px")
        self.pickers = [
            widgets.Dropdown(
                options=[NONE, *self.nets], description=f"Net {i}", layout=box, style={"description_width": "auto"}
            )
            for i in range(1, self.columns + 1)
        ]
        self.cost = widgets.Dropdown(
            options=[(words, cost) for cost, words in figures.COSTS.items()], description="Boxes filled by"
        )
        self.cost.style.description_width = "auto"
        for picker in [*self.pickers, self.cost]:
            picker.add_class("reslab-picker")
            picker.observe(self._picked, "value")
        self.controls = SimpleNamespace(row=self.pickers, folded=[self.cost], also=widgets.HTML(), why=widgets.HTML())
        self.map = Chart(figures.architecture_map(experiment.layers({}), draw=theme.chart))
        self.map.on_click(self._clicked, "/box")
        self.map.widget.layout.flex = "1 1 100%"
        self.map.widget.add_class("reslab-map")
        self.opened = widgets.HTML(layout=widgets.Layout(max_height="470px", overflow="auto"))
        self.opened.add_class("reslab-opened")
        self.arrange([self.map], [])
        *parts, folds = self.body.children
        self.body.children = [*parts, self.opened, folds, widgets.HTML(STYLE)]
        self._silent = False
        self.state = state

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def chosen(self):
        """The names of the chosen nets, from left to right."""
        return [picker.value for picker in self.pickers if picker.value != NONE]

    @property
    def state(self):
        """The nets from left to right, and the cost, in one line."""
        return f"{' + '.join(self.chosen)} | {self.cost.value}"

    @state.setter
    def state(self, text):
        names, _, cost = plain_text(text).partition("|")
        names = [self._net_named(name.strip()) for name in names.split("+") if name.strip()]
        cost = cost.strip().lower().replace(" ", "_") or "multiply_adds"
        checks.choice("the cost", cost, figures.COSTS)
        if len(names) > self.columns:
            raise ValueError(f"{len(names)} nets are too many to stand side by side; the map takes {self.columns}.")
        self._silent = True
        for picker, name in zip(self.pickers, names + [NONE] * self.columns, strict=False):
            picker.value = name
        self.cost.value, self._silent = cost, False
        self._picked(None)

    def _net_named(self, text):
        """The net of a name in a state line; capitals and quotes do not matter. ValueError if there is none."""
        by_name = {plain_text(name).lower(): name for name in reversed(self.nets)}  # the first of equal names
        return by_name[checks.choice("a net", text.lower(), by_name)]

    @property
    def code(self):
        """The lines that draw the map without widgets."""
        lines = [
            "from reslab import experiments, figures",
            "",
            f"layers = experiments.architecture.layers({self.chosen})",
        ]
        return "\n".join([*lines, f"figures.architecture.architecture_map(layers, cost={self.cost.value!r})"])

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _picked(self, _change):
        if self._silent:
            return
        try:
            self.draw()
        except ValueError as error:  # a learner's own module may not accept the images
            self.show_message(str(error), error=True)
            return
        self.show_message("")
        self.refresh_texts()

    def layers(self):
        """The frame of the chosen nets: see `experiments.architecture.layers`."""
        for name in self.chosen:
            if name not in self._counted:
                self._counted[name] = experiment.layers({name: self.nets[name]}, images=self._images)
        return pd.concat(
            [self._counted[name] for name in dict.fromkeys(self.chosen)] or [experiment.layers({})], ignore_index=True
        )

    def draw(self):
        layers = self.layers()
        self.map.show(figures.architecture_map(layers, cost=self.cost.value, draw=theme.chart))
        if len(layers):
            self.show_sentence(figures.sentence(layers), figures.alt_text(layers))
        else:
            self.show_sentence("Choose a net.")
        self.opened.value = "<p>Click a layer to open it.</p>"

    def _clicked(self, trace, points, _state):
        if points.point_inds:
            module, block = trace.customdata[points.point_inds[0]]
            self.open(trace.name, module, block)

    def open(self, net, module, block=""):
        """Show the numbers of a layer and its `forward`, or of the whole block that it is in and all its code."""
        layers = self._counted[net]
        rows = layers[layers["block"] == block] if block else layers[layers["module"] == module]
        numbers = rows[["module", "output_shape", "parameters", "multiply_adds", "memory"]]
        numbers = numbers.rename(columns=lambda name: name.replace("_", " "))
        numbers["module"] = numbers["module"].str.removeprefix(f"{block}.")
        if module == experiment.INPUT:
            texts = ["The image that the net is shown, minus the mean of the training images."]
        else:
            whole = skeleton(self.nets[net])
            part = whole.get_submodule(block or module)
            if block or "parameters" not in set(rows["kind"]):
                texts = [repr(part), _source(part, whole=bool(block))]
            else:  # parameters are used by the forward of their module, or of its parent if it is a layer not called
                user = part if any(part.children()) or not module else whole.get_submodule(module.rpartition(".")[0])
                texts = [_own_parameters(part), _source(user, whole=False)]
        name = block or module or "the net's own operations"
        self.opened.value = f"<h4>{escape(net)}: {escape(name)}</h4>{numbers.to_html(index=False, border=0)}"
        self.opened.value += "".join(f"<pre>{escape(text)}</pre>" for text in texts)


def _own_parameters(module):
    """The parameters of a module that are in none of its layers, one a line: "class_token: 1×1×768"."""
    return "\n".join(
        f"{name}: {'×'.join(map(str, parameter.shape))}" for name, parameter in module.named_parameters(recurse=False)
    )


def _source(module, whole):
    """The code of a module's class, or only the start of its `forward`; a sentence if Python cannot find the code."""
    kind = type(module)
    try:
        lines = dedent(inspect.getsource(kind if whole else kind.forward)).splitlines()
    except (OSError, TypeError):  # the class is in a notebook cell; the class is not written in Python
        return f"# Python cannot find the code of {kind.__name__}; write the class in a .py file to see its code here."
    if not whole and (more := len(lines) - MOST_LINES) > 0:
        lines[MOST_LINES:] = [f"# … {more} more lines in {kind.__module__}"]
    return "\n".join(lines)
