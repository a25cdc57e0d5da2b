"""A plotly chart in the page: new numbers replace the old ones, and the chart is not created again."""

import pickle
import re
from contextlib import nullcontext

import ipywidgets as widgets
import plotly.graph_objects as go

from reslab.explorers.figure_widget import FigureWidget
from reslab.figures import theme

# plotly subscribes each view of a chart to the changes of the model, and never unsubscribes. A view that was removed
# from the page (its cell was run again) then fails at the next change, and the other views do not get that change. Here
# the view itself subscribes, so anywidget unsubscribes it when it is removed.
SUBSCRIBE_AS_VIEW = """
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
    exported = r"as FigureView, *([\w$]+) as default *}"
    code, found = re.subn(exported, r"as FigureView}\nconst plotly = \1", str(FigureWidget._esm))
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
    """

    def __init__(self, chart, *, name=""):
        self.name = name  # on its tab
        self.closed = False
        self.figure = Figure(go.Figure(**chart))
        self._shown = {}  # part of the chart → {property: its value, pickled}, as `show` had them last
        self.figure.layout.autosize = True
        self.figure._config = {"responsive": True, "displaylogo": False}  # fills its box
        layout = widgets.Layout(flex="1 1 420px", min_width="360px")
        self.widget = widgets.Box([self.figure], layout=layout)
        self.widget.add_class("reslab-chart")

    @property
    def keys(self):
        return [trace.meta["key"] for trace in self.figure.data]

    def trace(self, key):
        """The trace with this key, for tests and for changes of style; KeyError if there is none."""
        return dict(zip(self.keys, self.figure.data, strict=True))[key]

    def show(self, chart):
        """Show a chart's traces and layout; after `close`, do nothing."""
        with self.figure.lock:
            if not self.closed:
                self._send(chart)

    def close(self):
        """Send nothing from now on: plotly.js cannot change a chart that the page has removed."""
        with self.figure.lock:
            self.closed = True

    def _send(self, chart):
        figure, keys = self.figure, [trace["meta"]["key"] for trace in chart["data"]]
        layout = self._changes("layout", chart["layout"], but="template")
        if keys != self.keys:
            self._shown = {"layout": self._shown["layout"]}
        traces = [self._changes(i, trace, but="type") for i, trace in enumerate(chart["data"])]
        # Axes with square pixels: plotly.js shrinks their domain, and keeps it until the domain itself is set.
        axes = {name: axis for name, axis in layout.items() if "axis" in name and name in set(figure.layout)}
        if domains := {f"{name}_domain": axis["domain"] for name, axis in axes.items() if "domain" in axis}:
            figure.update_layout(domains)
        with figure.batch_update():
            figure.layout.update(layout, overwrite=True)
            if keys == self.keys:
                for trace, changes in zip(figure.data, traces, strict=True):
                    trace.update(changes, overwrite=True)
                return
        with figure.batch_update():
            figure.data = ()
            figure.add_traces([go.Figure(data=[trace]).data[0] for trace in chart["data"]])

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
