"""What all explorers share: the parts on the page, the sentence, the state line, the shown code, and closing."""

import threading
import traceback
from functools import cache
from html import escape

import ipywidgets as widgets
import plotly.io as pio
from IPython.display import HTML, display

from reslab.explorers import cells, try_states
from reslab.explorers.chart import Chart
from reslab.explorers.controls import Controls
from reslab.explorers.page import Page, show

# The style of text for screen readers only.
HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"


class Explorer:
    """Three controls, one chart in front, one measured sentence, buttons with a progress bar; all else is folded.

    A subclass calls `control`, makes the charts and buttons, and calls `arrange`. It has `write_state` and `take_state`
    (the whole state in one line of text) and `code`. It measures nothing itself: it calls functions of `experiments`
    and draws their frames with `figures`. When its cell is run again, it is closed.
    """

    def __init__(self):
        self.closed = False
        self._page = Page()  # before any chart, because it gives charts more time to load
        self._lock = threading.RLock()  # for what page messages and threads both set; never held during a join
        self._written = ""  # the last state line that this explorer wrote itself
        self._states = {}  # of `try_states`: what to look at → state line
        self.sentence, self.message, self.source = widgets.HTML(), widgets.HTML(), widgets.HTML()
        bar = widgets.Layout(flex="1 1 40px", width="auto", visibility="hidden")
        self.progress = widgets.IntProgress(value=0, min=0, max=1, layout=bar)
        self.progress_text = widgets.Label()
        self.share = widgets.Text(continuous_update=False, layout=widgets.Layout(flex="1 1 auto", width="auto"))
        for name in ("sentence", "message", "source", "progress_text", "share"):
            getattr(self, name).add_class(f"reslab-{name.replace('_', '-')}")
        self.share.observe(self._pasted, "value")

    def control(self, setting, on_change):
        """Make the controls of a setting, each an attribute with the name of its field. on_change: see `Controls`."""
        self.setting = setting
        self.controls = Controls(setting, on_change, lambda refusal: self.show_message(refusal, error=True))
        for name, control in self.controls.by_field.items():
            setattr(self, name, control)
        self.depth_text = self.controls.depth_text

    def arrange(self, charts, buttons, folded=()):
        """Put the parts into `widget`, the controls first. Of several charts, one is in front.

        buttons: under the chart. folded: controls and buttons under "More", after those of the setting.
        """
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 4px"}
        self.more = widgets.ToggleButton(description="More", icon="chevron-down", tooltip="Show all other controls")
        self.folded = widgets.HBox([*self.controls.folded, *folded, self.controls.why], layout=widgets.Layout(**wrap))
        self.folded.layout.display = "none"
        self.more.observe(self._unfold, "value")
        self._charts = [chart for chart in charts if isinstance(chart, Chart)]
        self.tabs = widgets.ToggleButtons(options=[(chart.name, chart) for chart in self._charts])
        self.tabs.style.button_width = "auto"
        self.tabs.observe(lambda change: self._bring_to_front(change.new), "value")
        tabs = [self.tabs] * (len(self._charts) > 1)
        done = widgets.HBox([self.progress, self.progress_text], layout=widgets.Layout(flex="1 1 300px", min_width="0"))
        parts = {
            "controls": widgets.HBox([*self.controls.row, self.more, self._page], layout=widgets.Layout(**wrap)),
            "folded": self.folded,
            "views": widgets.HBox([*tabs, self.controls.also], layout=widgets.Layout(**wrap)),
            "charts": widgets.HBox([chart.widget for chart in charts], layout=widgets.Layout(flex_flow="row wrap")),
            "sentence": self.sentence,
            "buttons": widgets.HBox([*buttons, done], layout=widgets.Layout(**wrap)),
            "message": self.message,
            "folds": widgets.HBox(self._folds(), layout=widgets.Layout(**wrap | {"align_items": "flex-start"})),
        }
        if not buttons:  # nothing is trained or pinned, so nothing makes progress
            del parts["buttons"]
        self.body = widgets.VBox(list(parts.values()))
        self.widget = widgets.VBox([self.body])
        named = parts | {"more": self.more, "tabs": self.tabs, "body": self.body}
        for name, part in named.items():
            part.add_class(f"reslab-{name}")
        self.widget.add_class("reslab")
        self._bring_to_front(next(iter(self._charts), None))
        for chart in self._charts:
            chart.lock(self._lock)
        cells.register(self)

    def _folds(self):
        """The code, and the line to share, each folded under its title."""
        help_text = widgets.HTML("Copy this line to share what you see, or paste one here and press Enter.")
        contents = {"Show the code": self.source, "Share this state": widgets.VBox([help_text, self.share])}
        layout = {"selected_index": None, "layout": widgets.Layout(flex="1 1 320px")}
        folds = [widgets.Accordion([content], **layout) for content in contents.values()]
        for fold, title in zip(folds, contents, strict=True):
            fold.set_title(0, title)
        return folds

    def _unfold(self, change):
        self.folded.layout.display = "" if change.new else "none"
        self.more.description, self.more.icon = ("Less", "chevron-up") if change.new else ("More", "chevron-down")

    def try_states(self, lines):
        """Put a button for each state under the explorer; return the explorer, so that a cell can end with this call.

        lines: dict what to look at → state line. A button does the same as pasting its line, and brings a chart to the
        front: the one that the text names, "See the tab “Map”", or else the first.
        """
        self._states = dict(lines)
        self.body.children += (try_states.buttons(self._states, self._try),)
        return self

    def _try(self, line, look_at):
        self.share.value = line
        named = [chart for chart in self._charts if try_states.names_tab(look_at, chart.name)]
        self.front([*named, self._charts[0]][0])
        self._page.show_charts()

    def front(self, chart):
        """Bring one of the charts to the front, as a click on its tab does."""
        self.tabs.value = chart

    def _bring_to_front(self, front):
        for chart in self._charts:
            chart.put(behind=chart is not front)

    def close(self):
        """End all work in the background and remove the widgets; nothing is drawn after the call begins."""
        with self._lock:
            self.closed = True
            for chart in self._charts:
                chart.close()
        self.end_work()
        cells.close_widgets(self.widget)

    def end_work(self):
        """Stop the threads. Called by `close`; overridden by subclasses that have threads."""

    # --- the state line -----------------------------------------------------------------------------------------------

    @property
    def state(self):
        """Everything that the explorer shows, as one line of text; setting it changes what is shown."""
        return self.write_state()

    @state.setter
    def state(self, text):
        self.take_state(text)

    def refresh_texts(self):
        """Update the shown code and the state line."""
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
            self.show_message(str(error), error=True)

    # --- sentence, messages, progress ---------------------------------------------------------------------------------

    def show_sentence(self, sentence, alternative=""):
        """Put the measured sentence under the charts; alternative: what the charts show, for screen readers only."""
        hidden = f'<span style="{HIDDEN}">{escape(alternative, quote=False)}</span>'
        self.sentence.value = f"{escape(sentence, quote=False)}{hidden}"

    def show_message(self, text, error=False):
        """Put one line under the buttons; errors are marked, and screen readers read both."""
        role = "alert" if error else "status"
        self.message.value = f'<span role="{role}">{"⚠ " if error else ""}{escape(text)}</span>'

    def report(self, error):
        """Show an exception from a thread: its message, and its traceback, folded."""
        self.show_message(str(error) or type(error).__name__, error=True)
        lines = "".join(traceback.format_exception(error))
        self.message.value += f"<details><summary>Details</summary><pre>{escape(lines)}</pre></details>"

    def show_progress(self, step=0, steps=1, text=""):
        """Set the bar to `step` of `steps`, with a text beside it; without arguments, empty it."""
        self.progress.max, self.progress.value, self.progress_text.value = steps, step, text
        self.progress.layout.visibility = "visible" if text else "hidden"  # the layout does not move

    # --- on the page --------------------------------------------------------------------------------------------------

    def prepare(self):
        """Set it to the state that its stored picture shows; called when the lessons are refreshed."""

    def _ipython_display_(self):
        if pio.renderers.default == "png":  # the lessons are being refreshed: pictures instead of widgets
            self.prepare()
            for chart in self._charts:
                chart.still().show()
            if self._states:
                display(HTML(try_states.table(self._states)))
            return
        show(self.widget, f"The explorer {type(self).__name__}")


def is_digits(split):
    """Whether a split is the whole digits dataset, which the shown code can load by name."""
    return split.fingerprint == _fingerprint_of_digits()


@cache
def _fingerprint_of_digits():
    """Once: reading the digits takes longer than all else that a switch does."""
    from reslab.datasets import digits

    return digits().fingerprint


def split_line(split):
    """The line of the shown code that loads a split: "split = digits()", or a comment for a split of the learner's."""
    if is_digits(split):
        return "split = digits()"
    return f"# split: what you gave to this explorer ({split.name}, {len(split.y_train)} training images)"
