"""The stage in a notebook: a widget that shows recorded states at once, and trains the same pair of nets on request."""

import gzip
import json
import os

import anywidget
import traitlets
from IPython.display import display

from reslab import checks, page
from reslab.explorers import cells
from reslab.explorers.stage import still
from reslab.explorers.stage.live import LiveFilm
from reslab.explorers.stage.photographs import Photographs

# What a page without a kernel shows: the switch off and on before any training, and both nets after it.
STILLS = ({"skip": False, "step": 0}, {"skip": True, "step": 0}, {"skip": True, "step": 60})


class Stage(anywidget.AnyWidget):
    """A plain net and its residual twin, block by block, while they train.

    view: a dict of what is shown, read and set: dataset, net ("20", "56", "110", ...), skip, picture, step, and
        live: whether a training on this machine is shown where there is one, or the recorded one.
    datasets: the names of the recorded states.
    recorded: a dict name → gzipped JSON of the states that the browser has asked for so far.
    needs: a dict name → status, words and share, of states whose pictures are not there yet; see `Photographs`.
    live: the LiveFilm behind "Train here, live".
    photographs: the Photographs that fetches such pictures.
    """

    _esm = page.module("widget")
    _css = page.style()
    view = traitlets.Dict().tag(sync=True)
    datasets = traitlets.List(traitlets.Unicode()).tag(sync=True)
    recorded = traitlets.Dict().tag(sync=True)
    needs = traitlets.Dict().tag(sync=True)

    def __init__(self, **view):
        """**view: what to show first, such as net="20", skip=True, step=60. ValueError for what is not there."""
        self.live = LiveFilm(self.send)  # before anything can fail, for `close`
        self._files = page.recorded()
        if not self._files:
            raise FileNotFoundError(
                "the recorded states of the stage are not there: install reslab again, they come with it."
            )
        view.setdefault("dataset", next(iter(self._files)))
        without = page.without_pictures()
        _check(view, self._files | without)
        super().__init__(view=view, datasets=[*self._files, *without], recorded={}, needs={})
        self.photographs = Photographs(without, self._take, self._show_status)
        self._load(next(iter(self._files)))  # there is something to see until photographs are there
        self._load(view["dataset"])
        self.on_msg(self._on_message)
        cells.register(self)

    def close(self):
        """End the live training, and remove the widget. Called when the cell is run again."""
        self.live.stop()
        if self.comm is not None:
            self.layout.close()
        super().close()
        cells.keep_display(self)

    @property
    def state(self):
        """The recorded state that is shown, as a dict."""
        return json.loads(gzip.decompress(self.recorded[self.view["dataset"]]))

    def _ipython_display_(self, **kwargs):
        if (
            os.environ.get("PLOTLY_RENDERER") == "png"
        ):  # the lessons are being made into pictures, for readers with no kernel
            for view in STILLS:
                display({"image/png": still.png(self.view | view), "text/plain": still.words(view)}, raw=True)
        elif cells.show_closed(self, "This stage"):
            return
        elif hasattr(super(), "_ipython_display_"):  # ipywidgets 7
            super()._ipython_display_(**kwargs)
        else:
            data, metadata = self._repr_mimebundle_(**kwargs)
            display(data, metadata=metadata, raw=True)

    def _load(self, name):
        if name in self._files and name not in self.recorded:
            self._take(name, page.gzipped(self._files[name]))
        elif name not in self.recorded:
            self.photographs.look(name)

    def _take(self, name, state):
        self.recorded = self.recorded | {name: state}

    def _show_status(self, name, status, words, share):
        self.needs = self.needs | {name: {"status": status, "words": words, "share": share}}

    def _on_message(self, _, message, __):
        match message:
            case {"do": "load", "dataset": dataset}:
                self._load(dataset)
            case {"do": "download", "dataset": dataset}:
                self.photographs.download(dataset)
            case {"do": "start", "dataset": dataset, "depth": depth, "variant": variant}:
                self.live.start(dataset, depth, variant)
            case {"do": "pause"}:
                self.live.pause()
            case {"do": "resume"}:
                self.live.resume()
            case {"do": "stop"}:
                self.live.stop()
            case {"do": "catch up"}:
                self.live.catch_up()


def _check(view, files):
    """ValueError for a view of something that the states do not have."""
    for part, value in view.items():
        checks.choice("a part of the view", part, ("dataset", "net", "skip", "picture", "step", "live"))
        if part in ("skip", "live"):
            checks.flag(part, value)
        elif part in ("picture", "step"):
            checks.integer(part, value, 0)
    checks.choice("dataset", view["dataset"], files)
    if "net" in view:
        state = json.loads(gzip.decompress(files[view["dataset"]].read_bytes()))
        checks.choice("net", view["net"], [net["key"] for net in state["nets"]])
