"""A plotly chart in the page: new numbers replace the old ones, and the chart is not created again."""

import math
import pickle
import re
import threading
from contextlib import nullcontext

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from reslab.explorers.figure_widget import FigureWidget
from reslab.figures import theme

BEHIND = 0.4  # seconds without anything new, after which a chart that is behind another is drawn

# plotly subscribes each view of a chart to the changes of the model, and never unsubscribes. A view that was removed
# from the page (its cell was run again) then fails at the next change, and the other views do not get that change. Here
# the view itself subscribes, so anywidget unsubscribes it when it is removed.
# After every change, plotly compares all properties of the chart, defaults included, and sends them to the kernel and
# back: a quarter of the browser's time for a change, and tens of kilobytes. Nothing here asks for plotly's defaults.
SUBSCRIBE_AS_VIEW = """
View.prototype._sendTraceDeltas = View.prototype._sendLayoutDelta = () => {}

export default () => {
    const chart = plotly()
    let subscriber
    return {
        initialize({ model }) {
            subscriber = model
            chart.initialize({ model: { ...model, on: (...event) => subscriber.on(...event) } })
        },
        render(view) {
            subscriber = view.model
            return chart.render(view)
        },
    }
}
"""


def _page_code():
    """The JavaScript of plotly's FigureWidget, with SUBSCRIBE_AS_VIEW around what it exports."""
    exported = r"([\w$]+) as FigureView, *([\w$]+) as default *}"
    code, found = re.subn(exported, r"\1 as FigureView}\nconst View = \1, plotly = \2", str(FigureWidget._esm))
    return code + SUBSCRIBE_AS_VIEW if found else code


class Figure(FigureWidget):
    """Takes messages from the page only while no thread draws: otherwise traitlets loses what is drawn meanwhile."""

    lock = nullcontext()  # its explorer's
    if hasattr(FigureWidget, "_esm"):  # since plotly 6; before, the code is in an extension of JupyterLab
        _esm = _page_code()

    def set_state(self, sync_data):
        with self.lock:
            super().set_state(sync_data)

    def get_state(self, key=None, drop_defaults=False):
        """All of the state (key=None) goes to a page that comes after the chart was made: Voila's, or one that is
        loaded again. Since plotly 6 it holds the traces and the layout that the figure was made with, not those of now;
        the page would then draw an old chart, and fail at the next change."""
        with self.lock:
            state = super().get_state(key, drop_defaults)
            if key is None and self.has_trait("_widget_data") and hasattr(self, "_layout_obj"):
                for name, now in (("_widget_data", self._data), ("_widget_layout", self._layout_obj._props)):
                    state[name] = self.trait_metadata(name, "to_json")(now, self)
            return state


class Chart:
    """A FigureWidget whose traces and layout `show` replaces.

    A chart is a dict of plain values, {"data": [...], "layout": {...}}; each trace has a meta["key"]. If the keys are
    the same as before, only the differences are sent. The height is that of its box, which the style sheet of `Page`
    sets, unless the chart's layout has a height.

    A chart behind another waits: what is shown meanwhile is sent when it comes to the front, when its figure is read,
    or when nothing new came for a moment. So the browser draws the chart in front first.
    """

    def __init__(self, chart, *, name=""):
        self.name = name  # on its tab
        self.closed = self._behind = False
        self._waiting = self._timer = None  # what is to be sent, and when
        self._clicked, self._clickable = None, ""
        self._figure = Figure(go.Figure(**_without_nan(chart)))
        self._shown = {}  # part of the chart → {property: its value, pickled}, as `show` had them last
        self._figure.layout.autosize = True
        self._figure._config = {"responsive": True, "displaylogo": False}  # fills its box
        layout = widgets.Layout(flex="1 1 420px", min_width="580px")
        self.widget = widgets.Box([self._figure], layout=layout)
        self.widget.add_class("reslab-chart")

    @property
    def figure(self):
        """The FigureWidget, with what was shown last."""
        self._catch_up()
        return self._figure

    @property
    def keys(self):
        return [trace.meta["key"] for trace in self.figure.data]

    def trace(self, key):
        """The trace with this key, for tests and for changes of style; KeyError if there is none."""
        return dict(zip(self.keys, self.figure.data, strict=True))[key]

    def lock(self, lock):
        """Draw, and take messages from the page, only with this lock."""
        self._figure.lock = lock

    def on_click(self, clicked, of=""):
        """Call clicked(trace, points, state) for clicks on traces that have customdata, and a key that ends so."""
        self._clicked, self._clickable = clicked, of
        self._listen()

    def _listen(self):
        for trace in self._figure.data if self._clicked else ():
            if trace.customdata is not None and trace.meta["key"].endswith(self._clickable):
                trace.on_click(self._clicked)

    def show(self, chart):
        """Show a chart's traces and layout; after `close`, do nothing."""
        with self._figure.lock:
            self._waiting = chart
            self._cancel_timer()
            if not self._behind:
                self._catch_up()
            elif not self.closed:
                self._timer = threading.Timer(BEHIND, self._catch_up)
                self._timer.daemon = True
                self._timer.start()

    def put(self, *, behind):
        """Put it behind the other charts of its explorer, or in front of them. Behind, it is hidden and not removed:
        it keeps its width, so it is shown at once."""
        with self._figure.lock:
            self._behind = behind
            if not behind:
                self._catch_up()
        (self.widget.add_class if behind else self.widget.remove_class)("reslab-behind")

    def close(self):
        """Send nothing from now on: plotly.js cannot change a chart that the page has removed."""
        with self._figure.lock:
            self.closed = True
            self._cancel_timer()

    def _catch_up(self):
        with self._figure.lock:
            waiting, self._waiting = self._waiting, None
            self._cancel_timer()
            if waiting is not None and not self.closed:
                self._send(waiting)

    def _cancel_timer(self):
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, chart):
        chart = _without_nan(chart)
        figure, keys = self._figure, [trace["meta"]["key"] for trace in chart["data"]]
        layout = self._changes("layout", chart["layout"], but="template")
        same = keys == [trace.meta["key"] for trace in figure.data]
        if not same:
            self._shown = {"layout": self._shown["layout"]}
        traces = [self._changes(i, trace, but="type") for i, trace in enumerate(chart["data"])]
        # Axes with square pixels: plotly.js shrinks their domain, and keeps it until the domain itself is set.
        axes = {name: axis for name, axis in layout.items() if "axis" in name and name in set(figure.layout)}
        if domains := {f"{name}_domain": axis["domain"] for name, axis in axes.items() if "domain" in axis}:
            figure.update_layout(domains)
        with figure.batch_update():
            figure.layout.update(layout, overwrite=True)
            if same:
                for trace, changes in zip(figure.data, traces, strict=True):
                    trace.update(changes, overwrite=True)
                return
        with figure.batch_update():
            figure.data = ()
            figure.add_traces([go.Figure(data=[trace]).data[0] for trace in chart["data"]])
        self._listen()

    def _changes(self, part, properties, but):
        """What is not as it was shown last, of the layout or of a trace; but: a property that never changes. plotly
        takes milliseconds to compare what is equal."""
        before = self._shown.get(part, {})
        self._shown[part] = {name: pickle.dumps(value) for name, value in properties.items() if name != but}
        return {name: properties[name] for name, value in self._shown[part].items() if value != before.get(name)}

    def still(self):
        """The chart as it is now, as a plain Figure."""
        figure = go.Figure(self.figure)
        return figure.update_layout(height=figure.layout.height or theme.HEIGHT)


def _without_nan(chart):
    """The chart with None for NaN and ∞ in its traces' lists, and in arrays of two dimensions: plotly sends these as
    JSON, which has no such numbers, and JupyterLab writes a warning below the chart."""
    traces = [{name: _to_json(value) for name, value in trace.items()} for trace in chart["data"]]
    return chart | {"data": traces}


def _to_json(value):
    numbers = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind != "O"  # plotly sends their bytes
    if numbers or not isinstance(value, np.ndarray | list | tuple):
        return value
    array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else object)
    if array.dtype.kind == "f":
        lost = ~np.isfinite(array)
    elif array.dtype.kind == "O":
        lost = np.vectorize(lambda each: isinstance(each, float) and not math.isfinite(each), otypes=[bool])(array)
    else:
        return value
    return np.where(lost, None, array.astype(object)).tolist() if lost.any() else value
