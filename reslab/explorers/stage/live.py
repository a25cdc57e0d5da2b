"""Training the pair that the stage shows, in the background; what is new goes to the browser a few times a second."""

import threading
import time

from reslab import checks
from reslab.explorers.worker import Worker

INTERVAL = 0.25  # seconds between messages to the browser: smooth enough, and little of the training's time


class LiveFilm:
    """The film of a training on this machine.

    send(message): called with dicts of plain values, from any thread: state (whole) or patches (what is new),
        status and words; again: True, where the state is one that was sent before.
    status: "" before the first start, "starting", "running", "paused", "stopped", "finished" or "failed".
    state: the JSON state of the film so far, or None.
    """

    def __init__(self, send):
        self.state, self.status, self._words = None, "", ""
        self._send, self._patches, self._sent = send, [], 0.0
        self._lock = threading.RLock()  # over state, status and patches, and the order of messages
        self._worker = Worker(self._on_patch, self._on_end)

    def start(self, dataset, depth, variant="", seed=0):
        """Train plain and residual together; nothing while a training runs."""
        with self._lock:
            if self._worker.running:
                return
            self.state, self._patches = None, []
            self._send_status("starting", "Live: the two nets are being built")
            self._worker.start(self._film(dataset, depth, variant, seed))

    def pause(self):
        """Halt before the next step."""
        with self._lock:
            if self.status == "running":
                self._worker.pause()
                self._send_status("paused", "Paused")

    def resume(self):
        """Go on after a pause."""
        with self._lock:
            if self.status == "paused":
                self._send_status("running")
                self._worker.pause(False)

    def stop(self):
        """End the training before its next step; what was measured stays."""
        with self._lock:
            if self.status in ("starting", "running", "paused"):
                self._send_status("stopping", "Stopping")
                self._worker.stop()

    def join(self, timeout=None):
        """Wait until the training has ended; True if it has."""
        return self._worker.join(timeout)

    def catch_up(self):
        """Send everything so far: a page was opened, or loaded again."""
        with self._lock:
            if self.status:
                self._patches = []
                self._send({"again": True, "state": self.state, "status": self.status, "words": self._words})

    # --- in the worker's thread ---

    def _film(self, dataset, depth, variant, seed):
        from reslab.datasets import load  # here, and not above: torch takes seconds to import
        from reslab.experiments import film
        from reslab.experiments.degradation import small_net
        from reslab.nets import replace

        split, variants = load(dataset), {"": {}} | film.VARIANTS
        spec = replace(small_net(split), depth=depth, **variants[checks.choice("the variant", variant, variants)])
        state = film.begin(spec, split, seed=seed, variant=variant)
        with self._lock:
            self.state = state
            if self.status == "starting":
                self._send_status("running", state=state)
        for patch in film.film(spec, split, seed=seed, variant=variant):
            with self._lock:
                film.apply(state, patch)
                self._patches.append(patch)
            yield patch

    def _on_patch(self, patch):
        with self._lock:
            if time.monotonic() - self._sent > INTERVAL:
                self._flush()

    def _on_end(self, error):
        with self._lock:
            self._flush()
            if error is not None:
                self._send_status("failed", f"The training failed: {error}")
            elif self.status == "stopping":
                self._send_status("stopped", "Stopped")
            else:
                self._send_status("finished")

    def _flush(self):
        if self._patches:
            self._send({"patches": self._patches})
            self._patches, self._sent = [], time.monotonic()

    def _send_status(self, status, words="", **more):
        self.status, self._words = status, words
        self._send({**more, "status": status, "words": words})
