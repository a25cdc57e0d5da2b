"""What explorers and questions need from their page: a style, a larger view, and a message when the kernel is gone."""

from pathlib import Path

import anywidget
import traitlets
from IPython.display import display

from reslab import page
from reslab.explorers import cells
from reslab.figures import theme

HERE = Path(__file__).parent


def show(widget, what):
    """Display a widget, and a text for pages that cannot show widgets. what: the text's subject, "The explorer X"."""
    if cells.show_closed(widget, what):
        return
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    text = f"{what} needs a running kernel. Run this cell again."
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": text}, raw=True)


class Page(anywidget.AnyWidget):
    """The style sheet of an explorer or a question, its button "Present", and what only JavaScript can do.

    It makes the explorer fill the screen, resizes plotly's charts with their box, gives them time to load, and shows a
    message when the kernel was restarted or is busy. presents: whether the button is there.
    """

    presents = traitlets.Bool().tag(sync=True)
    _css = theme.PAGE_CSS + (HERE / "page.css").read_text(encoding="utf-8")
    _esm = page.joined((page.SOURCE / "kernel.js", page.SOURCE / "keys.js", HERE / "page.js"))

    def __init__(self, presents=True):
        super().__init__(presents=presents)
        self.on_msg(lambda _widget, _content, _buffers: self.send({}))

    def show_charts(self):
        """Scroll until the charts of this explorer are visible."""
        self.send({"show": True})
