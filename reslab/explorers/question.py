"""A question before an experiment: the learner answers it, which runs the experiment and draws what came out."""

import threading
import time
from contextlib import nullcontext
from html import escape

import ipywidgets as widgets
import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import HTML, display

from reslab.explorers.explorer import HIDDEN
from reslab.explorers.page import Page, show
from reslab.figures import theme
from reslab.progress import shown_by

UPDATE = 0.1  # seconds between two updates of the bar
MARK = 34  # pixels over the chart for the learner's answer and what was measured


class Question:
    """A question with its answers; giving one, or passing it over, measures, and draws the figure with the answer
    marked on it.

    text, answers: what is asked, and the answers to choose from.
    measure: a function of no arguments that returns what was measured (a frame, or whatever draw and verdict take). It
    is called once: when the learner answers, or presses Skip, in a thread; or at once, when a later cell asks for
    `measured`.
    verdict: measured → the one of the answers that is right. draw: measured → a plotly Figure; None where there is
    nothing to draw.
    takes: how long measuring takes, in words, for the learner to read beforehand.

    measured: what `measure` returned. figure: the Figure. answer: the learner's, None if passed over. sentence: the
    answer, beside what was measured. An exception in `measure` is shown in the widget and raised where `measured` is
    asked for.
    """

    def __init__(self, text, answers, *, measure, verdict, draw=None, takes="a few seconds"):
        self.text, self.answers, self.takes, self.answer = text, list(answers), takes, None
        self._measure, self._draw, self._verdict = measure, draw, verdict
        self._lock = threading.RLock()  # of two who ask at once, one measures; drawing asks again
        self._found = self._error = self._thread = None
        page = Page(presents=False)  # before any chart, because it gives charts more time to load
        wide = widgets.Layout(width="auto")
        self.choice = widgets.RadioButtons(options=self.answers, value=None, layout=wide)
        self.go = widgets.Button(description="Answer, and measure", icon="play", disabled=True, layout=wide)
        self.skip = widgets.Button(description="Measure without an answer", layout=wide)
        self.progress = widgets.FloatProgress(
            value=0, min=0, max=1, layout=widgets.Layout(flex="1 1 120px", width="auto")
        )
        self.said = widgets.HTML(escape(f"Measuring takes {takes}."))
        self.place = widgets.VBox([])  # of the figure
        self.choice.observe(self._chosen, "value")
        self.go.on_click(lambda _: self._begin(self.choice.value))
        self.skip.on_click(lambda _: self._begin(None))
        row = widgets.HBox(
            [self.go, self.skip, self.progress], layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px 8px")
        )
        heading = widgets.HTML(
            f'<div style="font-size: 18px; line-height: 1.35; font-weight: 600">{escape(text)}</div>'
        )
        self.widget = widgets.VBox([page, heading, self.choice, row, self.said, self.place])
        for name in ("choice", "go", "skip", "said", "place"):
            getattr(self, name).add_class(f"reslab-question-{name}")
        self.widget.add_class("reslab-question")

    # --- what was measured -----------------------------------------------------------------------------------------

    @property
    def measured(self):
        """What `measure` returned; measures first if nobody has, and waits if it is being measured."""
        with self._lock:
            if not self._done:
                self._run(nullcontext())  # the bar is the asking cell's own
        if self._error is not None:
            raise self._error
        return self._found

    @property
    def figure(self):
        """The Figure of what was measured, with the learner's answer on it."""
        figure = go.Figure(self._draw(self.measured))
        top = figure.layout.margin.t or theme.template.layout.margin.t
        figure.update_layout(margin_t=top + MARK)
        return figure.add_annotation(
            text=escape(self.sentence, quote=False), x=0, xref="paper", xanchor="left", y=1, yref="paper",
            yanchor="bottom", yshift=top, showarrow=False, align="left", font_size=16,
        )  # fmt: skip

    @property
    def sentence(self):
        """The learner's answer, if there is one, and the one that was measured."""
        right = self._verdict(self.measured)
        if self.answer is None:
            return f"Measured: {right}."
        return f"You said: {self.answer}. Measured: {right}. {'✓' if self.answer == right else '✗'}"

    # --- answering ----------------------------------------------------------------------------------------------------

    def _chosen(self, change):
        self.go.disabled = change.new is None or self._thread is not None

    def _begin(self, answer):
        if self._thread is None:  # a second click, while the first is being answered, changes nothing
            self.answer = answer
            self.choice.disabled = self.go.disabled = self.skip.disabled = True
            self._thread = threading.Thread(target=self._in_background, name="reslab-question", daemon=True)
            self._thread.start()

    def join(self, timeout=None):
        """Wait until an answer that was given has been measured; True if it has."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _in_background(self):
        with self._lock:
            if not self._done:
                self._run(shown_by(self._listener()))

    @property
    def _done(self):
        return self._found is not None or self._error is not None

    def _run(self, bar):
        self.choice.disabled = self.go.disabled = self.skip.disabled = True
        self.said.value = escape(f"Measuring; this takes {self.takes}.")
        try:
            with bar:
                self._found = self._measure()
            self._show_figure()
            seen = "font-size: 18px" if self._draw is None else HIDDEN  # the figure says it already
            self.said.value = f'<span role="status" style="{seen}">{escape(self.sentence)}</span>'
        except Exception as error:  # shown here, and raised again where `measured` is asked for
            self._error = error
            self.said.value = f'<span role="alert">⚠ {escape(str(error) or type(error).__name__)}</span>'
        self.progress.value = 1

    def _listener(self):
        """The listener of the experiment's bar: moves this widget's."""
        last = 0.0

        def listener(done, total, words):
            nonlocal last
            if time.monotonic() - last > UPDATE:
                last = time.monotonic()
                self.progress.value = done / total if total else 0
                self.said.value = escape(words)

        return listener

    def _show_figure(self):
        if self._draw is None:
            return
        figure = go.FigureWidget(self.figure)
        figure.update_layout(autosize=True)
        figure._config = {"responsive": True, "displaylogo": False}
        self.place.children = [figure]

    # --- in the page --------------------------------------------------------------------------------------------------

    def _ipython_display_(self):
        if pio.renderers.default == "png":  # the lessons are being made into pictures, for readers with no kernel
            answers = "".join(f"<li>{escape(answer)}</li>" for answer in self.answers)
            display(HTML(f"<b>{escape(self.text)}</b><ul>{answers}</ul>"))
            if self._draw is not None:
                self.figure.show()
        else:
            show(self.widget, "This question")
