"""A question before an experiment: an answer starts the experiment, and its result is drawn."""

import threading
import time
from html import escape

import ipywidgets as widgets
import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import HTML, display

from reslab import checks
from reslab.explorers import cells
from reslab.explorers.explorer import HIDDEN
from reslab.explorers.figure_widget import FigureWidget
from reslab.explorers.page import Page, show
from reslab.figures import theme
from reslab.progress import shown_by

UPDATE = 0.1  # seconds between two updates of the bar
ANSWER_PIXELS = 34  # pixels above the chart for the learner's answer and the measured one


class _Closed(Exception):
    """Ends the measurement of a question that was closed."""


class Question:
    """A question with answers to choose from. Answer or skip it: the experiment runs, and its figure shows the answer.

    text, answers: the question, and the answers to choose from.
    measure: a function without arguments that returns what was measured (a frame, or what draw and verdict take). It is
    called once: in a thread, when the learner answers or skips; or at once, when a later cell reads `measured`.
    verdict: measured → the correct answer. draw: measured → a plotly Figure; None if there is nothing to draw.
    takes: how long measuring takes, in words, for the learner to read before.

    measured: what `measure` returned. figure: the Figure. answer: the learner's, None if skipped. sentence: the answer
    and the measured one. An exception in `measure` is shown in the widget, and raised again when `measured` is read.
    """

    def __init__(self, text, answers, *, measure, verdict, draw=None, takes="a few seconds"):
        self.text, self.takes, self.answer = text, takes, None
        self.answers = list(*checks.several(answers=answers))  # of a dict, its keys
        self._measure, self._draw, self._verdict = measure, draw, verdict
        self._lock = threading.RLock()  # so that only one thread measures; reentrant: drawing reads `measured`
        self._found = self._error = self._thread = None
        self._done = False
        self.closed = False
        page = Page(presents=False)  # before any chart, because it gives charts more time to load
        wide = widgets.Layout(width="auto")
        self.choice = widgets.RadioButtons(options=self.answers, value=None, layout=wide)
        self.go = widgets.Button(description="Answer, and measure", icon="play", disabled=True, layout=wide)
        self.skip = widgets.Button(description="Measure without an answer", layout=wide)
        self.progress = widgets.FloatProgress(
            value=0, min=0, max=1, layout=widgets.Layout(flex="1 1 120px", width="auto")
        )
        self.status = widgets.HTML(escape(f"Measuring takes {takes}."))
        self.figure_box = widgets.VBox([])
        self.choice.observe(self._chosen, "value")
        self.go.on_click(lambda _: self._begin(self.choice.value))
        self.skip.on_click(lambda _: self._begin(None))
        row = widgets.HBox(
            [self.go, self.skip, self.progress], layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px 8px")
        )
        heading = widgets.HTML(
            f'<div style="font-size: 18px; line-height: 1.35; font-weight: 600">{escape(text)}</div>'
        )
        self.widget = widgets.VBox([page, heading, self.choice, row, self.status, self.figure_box])
        for name in ("choice", "go", "skip", "status", "figure_box"):
            getattr(self, name).add_class(f"reslab-question-{name.replace('_', '-')}")
        self.widget.add_class("reslab-question")
        cells.register(self)

    def close(self):
        """End the measurement that a click started, at the next move of its bar, and remove the widgets. Called when
        the cell is run again."""
        self.closed = True
        cells.close_widgets(self.widget)

    # --- what was measured -----------------------------------------------------------------------------------------

    @property
    def measured(self):
        """What `measure` returned; measures now if that was not done, and waits if it is being done."""
        with self._lock:
            if not self._done:
                self._run()
        if self._error is not None:
            raise self._error
        return self._found

    @property
    def figure(self):
        """The Figure of what was measured, with the learner's answer above it. Without an answer, a title that says
        what was measured is enough."""
        figure = go.Figure(self._draw(self.measured))
        if self.answer is None and (figure.layout.meta or {}).get("statement"):
            return figure
        top = figure.layout.margin.t or theme.template.layout.margin.t
        figure.update_layout(margin_t=top + ANSWER_PIXELS)
        return figure.add_annotation(
            text=escape(self.sentence, quote=False), x=0, xref="paper", xanchor="left", y=1, yref="paper",
            yanchor="bottom", yshift=top, showarrow=False, align="left", font_size=16,
        )  # fmt: skip

    @property
    def sentence(self):
        """The learner's answer, if there is one, and the measured one."""
        right = self._verdict(self.measured)
        if self.answer is None:
            return f"Measured: {right}."
        return f"You said: {self.answer}. Measured: {right}. {'✓' if self.answer == right else '✗'}"

    # --- answering ----------------------------------------------------------------------------------------------------

    def _chosen(self, change):
        self.go.disabled = change.new is None or self._thread is not None

    def _begin(self, answer):
        if self._thread is None:  # a second click changes nothing
            self.answer = answer
            self.choice.disabled = self.go.disabled = self.skip.disabled = True
            self._thread = threading.Thread(target=self._in_background, name="reslab-question", daemon=True)
            self._thread.start()

    def join(self, timeout=None):
        """Wait until the measurement that a click started has ended; True if it has."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _in_background(self):
        with self._lock:
            if not self._done:
                self._run()

    def _run(self):
        self.choice.disabled = self.go.disabled = self.skip.disabled = True
        self.status.value = escape(f"Measuring; this takes {self.takes}.")
        try:
            with shown_by(self._listener()):
                self._found = self._measure()
            self._done = True
            self._show_figure()
            style = "font-size: 18px" if self._draw is None else HIDDEN  # a figure shows the sentence itself
            self.status.value = f'<span role="status" style="{style}">{escape(self.sentence)}</span>'
        except _Closed:
            return  # nobody sees it any more
        except Exception as error:  # shown here, and raised again when `measured` is read
            self._error, self._done = _with_what_to_run(error), True
            words = escape(str(self._error) or type(error).__name__)
            self.status.value = f'<span role="alert">⚠ {words}</span>'
        self.progress.value = 1

    def _listener(self):
        """The listener of the experiment's progress bar: it updates the bar of this widget."""
        last = 0.0

        def listener(done, total, words):
            nonlocal last
            if self.closed and threading.current_thread() is self._thread:
                raise _Closed
            if time.monotonic() - last > UPDATE:
                last = time.monotonic()
                self.progress.value = done / total if total else 0
                self.status.value = escape(words)

        return listener

    def _show_figure(self):
        if self._draw is None or self.closed:
            return
        figure = FigureWidget(self.figure)
        figure.update_layout(autosize=True)
        figure._config = {"responsive": True, "displaylogo": False}
        self.figure_box.children = [figure]

    # --- in the page --------------------------------------------------------------------------------------------------

    def _ipython_display_(self):
        if pio.renderers.default == "png":  # the lessons are being made into pictures, for readers with no kernel
            answers = "".join(f"<li>{escape(answer)}</li>" for answer in self.answers)
            display(HTML(f"<b>{escape(self.text)}</b><ul>{answers}</ul>"))
            if self._draw is not None:
                self.figure.show()
        else:
            show(self.widget, "This question")


def _with_what_to_run(error):
    """The error itself; for a name that a cell above gives, and that was not run, one that says so."""
    if type(error) is not NameError:
        return error
    said = f"{error.name} comes from a cell further up: run that one, and then this one again."
    return NameError(said, name=error.name).with_traceback(error.__traceback__)
