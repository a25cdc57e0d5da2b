"""Work in the background of a widget: a daemon thread that iterates a generator, and methods that only set its state.

A loop in a button's handler, or in a cell, would block the kernel and so every other control.
"""

import sys
import threading

# GIL switch interval in seconds; shorter while training, so clicks are answered.
TRAINING, USUAL = 0.001, sys.getswitchinterval()


class Worker:
    """Iterates one generator after another in the background; pause, step and stop return at once.

    on_item(item) and on_end(error) are called in the worker's thread; error is the exception that ended the work, or
    None.
    """

    def __init__(self, on_item, on_end):
        self._on_item, self._on_end = on_item, on_end
        self._state = threading.Condition()
        self._thread = None
        self._paused = self._stopping = False
        self._steps = 0  # single steps to take while paused
        self.waiting = False  # paused, with no step to take

    @property
    def running(self):
        """True from `start` until the work has ended, paused or not."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def paused(self):
        return self._paused

    def start(self, items, *, paused=False):
        """Begin to iterate `items`; RuntimeError while other work is running."""
        if self.running:
            raise RuntimeError("the worker is busy; stop it first.")
        self._paused, self._stopping, self._steps = paused, False, 0
        self._thread = threading.Thread(target=self._work, args=(items,), name="reslab-explorer", daemon=True)
        self._thread.start()

    def pause(self, paused=True):
        """Halt before the next item, or go on."""
        self._set(_paused=paused)

    def step(self):
        """Take one item, and halt again."""
        self._set(_paused=True, _steps=self._steps + 1)

    def stop(self):
        """End the work before the next item."""
        self._set(_stopping=True)

    def join(self, timeout=None):
        """Wait until the work has ended; True if it has."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self.running

    def _set(self, **state):
        with self._state:
            for name, value in state.items():
                setattr(self, name, value)
            self._state.notify_all()

    def _may_go_on(self):
        with self._state:
            self.waiting = self._paused and not self._steps
            self._state.wait_for(lambda: self._stopping or not self._paused or self._steps)
            self.waiting = False
            self._steps = max(0, self._steps - 1) if self._paused else 0
            return not self._stopping

    def _work(self, items):
        error = None
        sys.setswitchinterval(TRAINING)
        try:
            while self._may_go_on():
                try:
                    item = next(items)
                except StopIteration:
                    break
                self._on_item(item)
        except Exception as caught:  # passed to on_end: a thread's exception is not shown otherwise
            error = caught
        finally:
            sys.setswitchinterval(USUAL)
            items.close()
            self._on_end(error)


class Latest:
    """Answers requests in the background; of those that arrive meanwhile, only the newest."""

    def __init__(self, answer):
        self._answer = answer  # called with a request, in a thread of its own; must not raise
        self._lock = threading.Lock()
        self._wanted = []
        self._thread = None
        self._stopped = False

    def ask(self, request):
        """Answer this request next; older requests that wait are dropped."""
        with self._lock:
            if self._stopped:
                return
            self._wanted = [request]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reslab-preview", daemon=True)
                self._thread.start()

    def stop(self):
        """Answer no more requests."""
        with self._lock:
            self._stopped, self._wanted = True, []

    def join(self, timeout=None):
        """Wait until no request is left; True if so."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return self._thread is None

    def _work(self):
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                request = self._wanted.pop()
            try:
                self._answer(request)
            except BaseException:  # a bug in `answer`; the next request gets a new thread
                with self._lock:
                    self._thread = None
                raise
