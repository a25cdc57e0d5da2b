"""A plotly chart in the page that takes new numbers without being created again."""

import re
from contextlib import nullcontext

import ipywidgets as widgets
import plotly.graph_objects as go

from reslab.figures import theme

# plotly subscribes each view of a chart to changes as if it was the model. A view that was removed from the page (its
# cell is run again) then still gets every change, fails, and keeps the change from the views that are left. Here a
# view subscribes as a view, and anywidget ends that when the view is removed.
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
    code, found = re.subn(exported, r"as FigureView}\nconst plotly = \1", str(go.FigureWidget._esm))
    return code + SUBSCRIBE_AS_VIEW if found else code


class Figure(go.FigureWidget):
    """Takes messages of the page only while no thread draws: else traitlets loses what is drawn meanwhile."""

    lock = nullcontext()  # its explorer's
    if hasattr(go.FigureWidget, "_esm"):  # since plotly 6; before, the code is in an extension of JupyterLab
        _esm = _page_code()

    def set_state(self, sync_data):
        with self.lock:
            super().set_state(sync_data)


class Chart:
    """A FigureWidget that `show` fills with the traces and layout of a chart: {"data": [...], "layout": {...}} as plain
    values.

    Traces are told apart by meta["key"]: where the keys are the same as before, only what differs is sent. Its height
    is that of its box, which the style sheet of `Page` sets, unless the chart's layout has one.
    """

    def __init__(self, chart, *, name=""):
        self.name = name  # on its tab
        self.closed = False
        self.figure = Figure(go.Figure(**chart))
        self.figure.layout.autosize = True
        self.figure._config = {"responsive": True, "displaylogo": False}  # fills its box
        layout = widgets.Layout(flex="1 1 420px", min_width="360px")
        self.widget = widgets.Box([self.figure], layout=layout)
        self.widget.add_class("reslab-chart")

    @property
    def keys(self):
        return [trace.meta["key"] for trace in self.figure.data]

    def trace(self, key):
        """The trace of a key, for tests and for people who restyle; KeyError if it is not there."""
        return dict(zip(self.keys, self.figure.data, strict=True))[key]

    def show(self, chart):
        """Take over a chart's traces and layout; once closed, do nothing."""
        with self.figure.lock:
            if not self.closed:
                self._send(chart)

    def close(self):
        """Send nothing any more: the page has removed the chart, and plotly.js can change only one that is there."""
        with self.figure.lock:
            self.closed = True

    def _send(self, chart):
        figure, keys = self.figure, [trace["meta"]["key"] for trace in chart["data"]]
        # Axes with square pixels: plotly.js keeps a domain that it has shrunk until it is set by this name.
        axes = {name: axis for name, axis in chart["layout"].items() if "axis" in name and name in set(figure.layout)}
        figure.update_layout({f"{name}_domain": axis["domain"] for name, axis in axes.items() if "domain" in axis})
        with figure.batch_update():
            layout = {name: value for name, value in chart["layout"].items() if name != "template"}
            figure.layout.update(layout, overwrite=True)
            if keys == self.keys:
                for trace, new in zip(figure.data, chart["data"], strict=True):
                    trace.update({name: value for name, value in new.items() if name != "type"}, overwrite=True)
                return
        with figure.batch_update():
            figure.data = ()
            figure.add_traces([go.Figure(data=[trace]).data[0] for trace in chart["data"]])

    def still(self):
        """The chart as it stands, as a plain Figure."""
        figure = go.Figure(self.figure)
        return figure.update_layout(height=figure.layout.height or theme.HEIGHT)
