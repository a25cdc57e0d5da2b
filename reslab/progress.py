"""The progress bar of all that takes over two seconds: in the cell, in the terminal, or in a widget.

with progress.shown_by(listener):  # a widget's: listener(done, total, words)
    experiment()                   # calls progress_bar(...) somewhere inside
"""

import io
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from tqdm.auto import tqdm
from tqdm.std import tqdm as plain_tqdm

IN_A_NOTEBOOK = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)  # where tqdm.auto found widgets
_listener = ContextVar("listener", default=None)  # each thread has its own


@contextmanager
def shown_by(listener):
    """Within the block, bars made in this thread call listener(done, total, words) and draw nothing themselves.

    total is None where it is not known; words: the text beside the bar. It may be called from any thread. An exception
    that it raises comes out of the bar, and ends the experiment.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def progress_bar(iterable=None, **options):
    """tqdm(iterable, **options), a bar that is removed at its end; if a widget listens, the widget gets the numbers."""
    listener = _listener.get()
    if listener is not None:
        return _ReportingBar(iterable, leave=False, listener=listener, **options)
    return (_CellBar if IN_A_NOTEBOOK else tqdm)(iterable, leave=False, **options)


class _CellBar(tqdm):
    """A bar in a notebook, which takes its output out of the cell at its end.

    tqdm closes the widget alone. A page that is drawn from the outputs later, as Voila's is, then shows "Error
    displaying widget" in its place.
    """

    def __init__(self, iterable=None, **options):
        super().__init__(iterable, display=False, **options)
        if not self.disable and self.delay <= 0:
            self._show()

    def _show(self):
        from IPython.display import display

        # Raw, as a widget of ipywidgets 7 displays itself without the id by which it is found again.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.container.model_id}
        bundle = {"text/plain": str(self), "application/vnd.jupyter.widget-view+json": view}
        self._output = display(bundle, raw=True, display_id=True)
        self.displayed = True

    def display(self, *arguments, close=False, check_delay=True, **options):
        super().display(*arguments, close=close, check_delay=False, **options)
        if check_delay and not self.displayed:
            self._show()
        if close and self.displayed and self.container.comm is None:  # a bar that was stopped by an error stays
            self._output.update({"text/plain": ""}, raw=True)


class _ReportingBar(plain_tqdm):
    """A bar that calls a listener instead of drawing. tqdm expects other front ends to override `display`."""

    def __init__(self, iterable=None, *, listener, **options):
        self.listener = listener
        super().__init__(iterable, **options | {"file": io.StringIO()})

    def refresh(self, nolock=False, lock_args=None):
        """tqdm's own keeps its lock where `display` raises, as a listener may to end the experiment."""
        with nullcontext() if nolock else self._lock:
            self.display()
        return True

    def display(self, msg=None, pos=None):
        if msg is None:  # else the bar is being cleared
            words = " ".join(filter(None, [self.desc.removesuffix(": "), self.postfix]))
            self.listener(self.n, self.total, words)
