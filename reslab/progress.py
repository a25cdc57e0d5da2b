"""The progress bar of all that takes over two seconds: in the cell, in the terminal, or in a widget.

with progress.shown_by(listener):  # a widget's: listener(done, total, words)
    experiment()                   # calls progress_bar(...) somewhere inside
"""

import io
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm.auto import tqdm
from tqdm.std import tqdm as plain_tqdm

_listener = ContextVar("listener", default=None)  # each thread has its own


@contextmanager
def shown_by(listener):
    """Within the block, bars made in this thread call listener(done, total, words) and draw nothing themselves.

    total is None where it is not known; words: the text beside the bar. It may be called from any thread.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def progress_bar(iterable=None, **options):
    """tqdm(iterable, **options), a bar that is removed at its end; if a widget listens, the widget gets the numbers."""
    listener = _listener.get()
    if listener is None:
        return tqdm(iterable, leave=False, **options)
    return _ReportingBar(iterable, leave=False, listener=listener, **options)


class _ReportingBar(plain_tqdm):
    """A bar that calls a listener instead of drawing. tqdm expects other front ends to override `display`."""

    def __init__(self, iterable=None, *, listener, **options):
        self.listener = listener
        super().__init__(iterable, **options | {"file": io.StringIO()})

    def display(self, msg=None, pos=None):
        if msg is None:  # else the bar is being cleared
            words = " ".join(filter(None, [self.desc.removesuffix(": "), self.postfix]))
            self.listener(self.n, self.total, words)
