"""What the explorer of lesson 04 looks at in a net: a statistic, a block and an image, and the controls for them."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets

from reslab import checks
from reslab.explorers.setting import Setting, nearest_allowed, parse_fields
from reslab.explorers.upload import Upload
from reslab.nets import replace

SHOWS = {  # what the left-hand chart can show → its name in the menu
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
class View:
    """A statistic, a block (from 1) and a test image (from 0); written "show=ratio,block=5,image=3"."""

    options: ClassVar = {"show": tuple(SHOWS)}

    show: str = "ratio"
    block: int = 1
    image: int = 0

    def __post_init__(self):
        checks.choice("show", self.show, SHOWS)
        checks.integer("block", self.block, 1, (Setting.deepest - 2) // 2)
        checks.integer("image", self.image, 0)

    def __str__(self):
        return ",".join(f"{name}={value}" for name, value in dataclasses.asdict(self).items())

    @classmethod
    def parse(cls, text):
        """The View that `str` wrote, or a part of it; ValueError in one sentence for anything else."""
        return parse_fields(cls, text)

    def changes(self):
        """The fields that are not at their default, for a label: ["block 3", "test image 2"]."""
        texts = {"show": SHOWS[self.show], "block": f"block {self.block}", "image": f"test image {self.image}"}
        return [text for name, text in texts.items() if getattr(self, name) != getattr(View(), name)]


class ViewControls:
    """The widgets of a View, and the button for an image of the learner's own.

    on_change(name, view, notice): a control was moved; notice: how a number was changed to the nearest allowed one.
    limits: called without arguments, it returns the lowest and the highest number of each field that is one:
    {"block": (1, 27), "image": (0, 359)}.
    on_upload(bytes): a file was chosen.
    """

    def __init__(self, on_change, limits, on_upload):
        self.view, self._on_change, self._limits = View(), on_change, limits
        self._taking = False  # True while `take` changes the controls
        described, width = {"style": {"description_width": "auto"}}, widgets.Layout
        menu = [(text, name) for name, text in SHOWS.items()]
        self.show = widgets.Dropdown(options=menu, description="Show", layout=width(width="214px"), **described)
        self.block = widgets.IntText(description="Block", layout=width(width="92px"), **described)
        self.image = widgets.IntText(description="Test image", layout=width(width="128px"), **described)
        for name in dataclasses.asdict(self.view):
            getattr(self, name).add_class(f"reslab-{name}")
            getattr(self, name).observe(self._changed, "value")
        self.upload = Upload("Your image", on_upload)
        self.all = [self.show, self.block, self.image, self.upload]

    def take(self, view):
        """Show a view in the controls; `on_change` is not called."""
        self.view, self._taking = view, True
        for name, value in dataclasses.asdict(view).items():
            getattr(self, name).value = value
        self._taking = False

    def _changed(self, change):
        if self._taking:
            return
        name = next(name for name in ("show", "block", "image") if getattr(self, name) is change.owner)
        value, notice = change.new, ""
        if name != "show":
            value, notice = nearest_allowed(name, value, *self._limits()[name])
        self._on_change(name, replace(self.view, **{name: value}), notice)
