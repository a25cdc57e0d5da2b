"""How a picture is drawn, as one percentage: a slider, a number field and a place in the state line."""

import ipywidgets as widgets

from reslab import checks
from reslab.explorers.setting import plain_text, read_fields


class Percentage:
    """The controls of one number from 0 to 100 that changes a drawing and no measurement; written "opacity=70".

    name: in the state line. usual: what a state line without it means. words: in front of the slider. width: of the
    slider, in pixels. on_change(): the number was changed.
    """

    def __init__(self, name, usual, words, on_change, *, width, step=1):
        self.name, self.usual = name, usual
        self.slider = widgets.IntSlider(
            usual, 0, 100, step, description=words, readout=False, style={"description_width": "auto"},
            layout=widgets.Layout(width=f"{width}px"),
        )  # fmt: skip
        self.box = widgets.BoundedIntText(usual, 0, 100, layout=widgets.Layout(width="60px"))
        widgets.link((self.slider, "value"), (self.box, "value"))  # a slider has no name for screen readers
        self.slider.add_class(f"reslab-{name}")
        self.slider.observe(lambda _: on_change(), "value")

    @property
    def value(self):
        return self.slider.value

    @value.setter
    def value(self, value):
        self.slider.value = value

    @property
    def widgets(self):
        return [self.slider, self.box]

    def write_state(self, setting):
        """The line "resnet-20 | opacity=70"; the setting alone for the usual number."""
        return str(setting) if self.value == self.usual else f"{setting} | {self.name}={self.value}"

    def read_state(self, text):
        """(what is before the bar, the number) of a line that `write_state` wrote; ValueError in one sentence."""
        setting, _, shown = plain_text(text).partition("|")
        value = read_fields(shown, {self.name: self.usual}).get(self.name, self.usual)
        return setting, checks.integer(self.name, value, 0, 100)
