"""The explorer of lesson 05 as a widget: a row of blocks for each of two nets; the kernel measures after each click."""

import os
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets
from IPython.display import HTML, display

from reslab import page
from reslab.checks import replace
from reslab.explorers import cells, try_states
from reslab.explorers.lesions.view import BLOCKS, View
from reslab.explorers.stage import still
from reslab.explorers.worker import Latest

HERE = Path(__file__).parent
FILES = (
    *(page.SOURCE / f"{name}.js" for name in ("elements", "present", "kernel", "keys")),
    *(HERE / f"{name}.js" for name in ("ribbon", "lesions")),
)


def style():
    """The stage's look, what is this explorer's own, and that of the states to try."""
    sheets = (HERE / "lesions.css", HERE.parent / "page.css")
    return page.style() + "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


class Lesions(anywidget.AnyWidget):
    """Click blocks out of a plain net and its residual twin, and back in: the error of both, and three pictures.

    line: the state in one line of text, "layers=56 out=5,7 statistics=anew seed=1"; setting it changes what is shown.
    wrong: the reason why a line was refused. answer: what was measured, as a dict. alone: the error without each block,
    as far as measured: {"plain": [...], "residual": [...]}. words: the current work. pictures: the available data sets.
    """

    _esm = page.joined(FILES)
    _css = style()
    line = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    alone = traitlets.Dict().tag(sync=True)
    words = traitlets.Unicode("The two nets are being loaded").tag(sync=True)
    wrong = traitlets.Unicode().tag(sync=True)
    pictures = traitlets.List(["digits"]).tag(sync=True)

    def __init__(self, line="layers=20"):
        self.view, self.closed, self._states, self._alone = View.parse(line), False, {}, {}
        super().__init__(line=str(self.view))
        self._latest = Latest(self._measure)
        self.on_msg(self._on_message)
        self.observe(lambda change: self._take(change.new), "line")
        cells.register(self)
        self._latest.ask((self.view, False))

    def join(self, timeout=None):
        """Wait until everything asked for is measured; True if so."""
        return self._latest.join(timeout)

    def measure_all(self):
        """Take out every block, one at a time, in the background, and show the errors in the ribbon."""
        self._latest.ask((self.view, True))

    def close(self):
        """End the work in the background, and remove the widget."""
        self.closed = True
        self._latest.stop()
        super().close()
        cells.keep_display(self)

    def try_states(self, lines):
        """Put buttons under the explorer that set it to states: dict what to look at → line. Returns the explorer."""
        self._states = dict(lines)
        return self

    # --- what the page and the learner do ---------------------------------------------------------------------------

    def _on_message(self, _, message, __):
        self.send({})  # the page knows by it that the kernel is not busy
        match message:
            case {"do": "toggle", "block": int(block)}:
                out = set(self.view.out) ^ {block}
                self._show(replace(self.view, out=tuple(out)))
            case {"do": "all"}:
                self.measure_all()
            case {"do": "line", "line": str(line)}:
                self._take(line)

    def _take(self, line):
        """Show the state of a line, or set `wrong`."""
        try:
            view = View.parse(line)
        except ValueError as error:
            self.wrong = str(error)
            self.line = str(self.view)
            return
        self._show(view)

    def _show(self, view):
        if view == self.view:
            self.line = str(view)
            return
        self.wrong, self.view = "", view
        self.line = str(view)
        self._latest.ask((view, False))

    # --- in the background ------------------------------------------------------------------------------------------

    def _measure(self, request):
        view, is_all = request
        try:
            self._answer(view)
            for block in range(1, BLOCKS[view.layers] + 1) if is_all else ():
                if self.closed or view != self.view:
                    return
                self.words = f"Block {block} of {BLOCKS[view.layers]}, alone"
                self._keep_alone(view, block)
            self.words = ""
        except Exception as error:  # shown here: a thread's exception is not shown otherwise
            self.words, self.wrong = "", str(error) or type(error).__name__

    def _answer(self, view):
        from reslab.explorers.lesions import answers  # here, and not above: torch takes seconds to import

        made = answers.answer(view)
        if len(view.out) == 1:
            self._keep_alone(view, view.out[0])
        if not self.closed and view == self.view:
            self.alone = self._alone.get(_nets(view), {})
            self.answer, self.words = made, ""
            self.pictures = answers.available()

    def _keep_alone(self, view, block):
        from reslab.explorers.lesions import answers

        empty = [None] * BLOCKS[view.layers]
        known = self._alone.setdefault(_nets(view), {"plain": empty, "residual": empty})
        errors = zip(("plain", "residual"), answers.alone(view, block), strict=True)
        made = {kind: [*known[kind][: block - 1], error, *known[kind][block:]] for kind, error in errors}
        self._alone[_nets(view)] = made
        if not self.closed and _nets(view) == _nets(self.view):
            self.alone = made

    # --- in the notebook --------------------------------------------------------------------------------------------

    def _ipython_display_(self, **kwargs):
        if os.environ.get("PLOTLY_RENDERER") == "png":  # pictures of the lessons, for readers with no kernel
            self.measure_all()
            self.join()
            data = {name: getattr(self, name) for name in ("line", "answer", "alone", "words", "wrong", "pictures")}
            text = page.with_widget(style(), page.joined(FILES), data)
            sentence = self.answer.get("sentence", self.wrong)
            display({"image/png": still.shot(text, width=1120, height=510), "text/plain": sentence}, raw=True)
            display(HTML(try_states.table(self._states)))
        elif not cells.show_closed(self, "The explorer Lesions"):
            # In a box, which every version of ipywidgets shows alike.
            states = [try_states.buttons(self._states, lambda line, _: self._take(line))] if self._states else []
            display(widgets.VBox([self, *states]))


def _nets(view):
    """The parts of a View on which the errors without one block depend."""
    return view.data, view.layers, view.seed, view.statistics
