"""What every explorer shares: its place on the page, the sentence, the state to hand on, and the code to take home."""

import threading
import traceback
from html import escape

import anywidget
import ipywidgets as widgets
import plotly.io as pio
from IPython.display import display

from reslab.explorers.chart import Chart
from reslab.explorers.controls import Controls

HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"  # for screen readers alone


class Page(anywidget.AnyWidget):
    """What an explorer needs of the page: its style, word to plotly's charts when their boxes change size, and patience with them.

    Inside a notebook a chart hears of the browser's window alone, and so would keep the width that it had before it was shown. And
    anywidget gives a widget two seconds to load: a chart, which loads all of plotly.js, that came later would take no number any more.
    """

    _css = """
        .reslab .js-plotly-plot { width: 100%; }
        .reslab .reslab-toggle { font-weight: 600; height: 36px; }
        .reslab .reslab-off { background: #B84F00; color: white; }
        .reslab .reslab-on { background: #0072B2; color: white; }
        .reslab .reslab-sentence { font-size: 17px; min-height: 48px; }
        .reslab .reslab-message { min-height: 20px; }
        .reslab :is(.reslab-sentence, .reslab-message) .widget-html-content { line-height: 1.3; }
        .reslab .reslab-source pre { white-space: pre-wrap; margin: 0; }
    """
    _esm = """
        const timeout = AbortSignal.timeout
        AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, milliseconds === 2000 ? 60000 : milliseconds)

        export default {
            render({ el }) {
                const tell = () => requestAnimationFrame(() => window.dispatchEvent(new Event("resize")))
                const observer = new ResizeObserver(tell)
                requestAnimationFrame(() => observer.observe(el.closest(".reslab") ?? el))
                return () => observer.disconnect()
            },
        }
    """


class Explorer:
    """A row of controls, two charts, one measured sentence, buttons with a progress bar, and two fold-outs.

    A subclass calls `control`, makes the charts and buttons, and calls `arrange`; it answers `state` (one line of text that says
    everything) and `code`. It holds no science: it calls plain functions of `experiments` and draws their frames with `figures`.
    """

    def __init__(self):
        self._page = Page()  # before any chart, for what it does about their loading
        self._lock = threading.RLock()  # over all that both the page's messages and a thread may set; never held while joining
        self._written = ""  # the line to share, as it was last written here
        self.sentence, self.message, self.source = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.progress = widgets.IntProgress(value=0, min=0, max=1, layout=widgets.Layout(flex="1 1 120px", width="auto"))
        self.progress_text = widgets.Label()
        self.share = widgets.Text(continuous_update=False, layout=widgets.Layout(flex="1 1 auto", width="auto"))
        for name in ("sentence", "message", "source", "progress_text", "share"):
            getattr(self, name).add_class(f"reslab-{name.replace('_', '-')}")
        self.share.observe(self._pasted, "value")

    def control(self, setting, on_change):
        """Make the controls of a setting; each is an attribute under its field's name. on_change(setting, said): see `Controls`."""
        self.setting = setting
        self.controls = Controls(setting, on_change, lambda refusal: self.say(refusal, error=True))
        for name, control in self.controls.by_field.items():
            setattr(self, name, control)
        self.depth_text = self.controls.depth_text

    def arrange(self, charts, buttons):
        """Put the parts on the page, the controls first; `widget` is the whole."""
        wrap = widgets.Layout(flex_flow="row wrap", align_items="center", grid_gap="2px 4px")
        help_text = widgets.HTML("Copy this line to hand on what you see; paste one here and press Enter to be set to it.")
        folds = [
            widgets.Accordion([content], selected_index=None, layout=widgets.Layout(flex="1 1 320px"))
            for content in (self.source, widgets.VBox([help_text, self.share]))
        ]
        folds[0].set_title(0, "Show the code")
        folds[1].set_title(0, "Share this state")
        self.widget = widgets.VBox(
            [
                self._page,
                widgets.HBox(self.controls.row, layout=wrap),
                widgets.HBox([chart.widget for chart in charts], layout=widgets.Layout(flex_flow="row wrap")),
                self.sentence,
                widgets.HBox([*buttons, self.progress, self.progress_text], layout=wrap),
                self.message,
                widgets.HBox(folds, layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start")),
            ]
        )
        self.widget.add_class("reslab")
        self._charts = [chart for chart in charts if isinstance(chart, Chart)]
        for chart in self._charts:
            chart.figure.lock = self._lock

    def tell(self, said, alternative=""):
        """Put the measured sentence under the charts, and behind it, for screen readers alone, what the charts show."""
        self.sentence.value = f'{escape(said, quote=False)}<span style="{HIDDEN}">{escape(alternative, quote=False)}</span>'

    def say(self, text, error=False):
        """Put one line under the buttons; errors stand out, and a screen reader hears both."""
        role = "alert" if error else "status"
        self.message.value = f'<span role="{role}">{"⚠ " if error else ""}{escape(text)}</span>'

    def report(self, error):
        """Show an exception from a thread: its sentence, and its traceback folded away."""
        self.say(str(error) or type(error).__name__, error=True)
        lines = "".join(traceback.format_exception(error))
        self.message.value += f"<details><summary>Details</summary><pre>{escape(lines)}</pre></details>"

    def refresh_texts(self):
        """Bring the code and the line to share up to date."""
        with self._lock:
            self.source.value = f"<pre>{escape(self.code)}</pre>"
            self._written = self.state
            self.share.value = self._written

    def _pasted(self, change):
        if change.new == self._written:
            return
        if change.new.strip() == self.state:
            self.refresh_texts()
            return
        try:
            self.state = change.new
        except ValueError as error:
            self.refresh_texts()
            self.say(str(error), error=True)

    def rehearse(self):
        """What a page without a kernel should show of this explorer; called before its charts are made into pictures."""

    def _ipython_display_(self):
        if pio.renderers.default == "png":  # the lessons are being made into pictures, for readers with no kernel
            self.rehearse()
            for chart in self._charts:
                chart.still().show()
        else:
            display(self.widget)
