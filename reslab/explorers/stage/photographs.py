"""Photographs for a recorded state that may not be shipped with them: the learner's own copies."""

import gzip
import json
import threading

from reslab import page

MEGABYTES = {"cifar10": 170}  # of the download
KINDS = {"cifar10": "CIFAR10"}  # as torchvision calls it
INTERVAL = 0.3  # seconds between two looks at how much has arrived


class Photographs:
    """Puts pictures into recorded states, in the background: from the disk, or from a download that was asked for.

    files: dict name → path of a state without pictures. ready(name, state): called with the gzipped JSON, pictures in
    it. report(name, status, words, share): what happens: "looking", "missing", "loading" (share of the bytes that are
    here), "failed" or "here". Both are called from a thread.
    """

    def __init__(self, files, ready, report):
        self._files, self._ready, self._report = files, ready, report
        self._thread = None

    def look(self, name):
        """Take the pictures if they are on the disk; if not, say what a download would be. Nothing while one runs."""
        self._begin(self._from_disk, name)

    def download(self, name):
        """Download the pictures, and take them. Nothing while it runs."""
        self._begin(self._from_network, name)

    def join(self, timeout=None):
        """Wait until nothing runs; True if so."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _begin(self, work, name):
        if name in self._files and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._guarded, args=(work, name), name="reslab-photographs")
            self._thread.daemon = True
            self._thread.start()

    def _guarded(self, work, name):
        from reslab.downloads import DatasetUnavailable

        try:
            work(name)
        except DatasetUnavailable as error:
            self._report(name, "failed", str(error), 0)
        except Exception as error:  # a thread's exception is not shown otherwise
            self._report(name, "failed", f"The photographs could not be read: {error}", 0)

    def _from_disk(self, name):
        from reslab.datasets import DATASETS  # here, and not above: torch takes seconds to import
        from reslab.downloads import DatasetUnavailable

        self._report(name, "looking", "Looking for the photographs on this machine", 0)
        try:
            split = DATASETS[name](download=False)
        except DatasetUnavailable:
            words = (
                f"These photographs may not be handed on with reslab. They come from their own source: one download of"
                f" {MEGABYTES[name]} MB, kept for the next time. Nothing is trained."
            )
            self._report(name, "missing", words, 0)
        else:
            self._put_in(name, split)

    def _from_network(self, name):
        from reslab.datasets import DATASETS
        from reslab.downloads import bytes_here

        over = threading.Event()

        def watch():
            while not over.wait(INTERVAL):
                arrived = bytes_here(KINDS[name]) / 1e6
                words = f"{arrived:.0f} of {MEGABYTES[name]} MB have arrived"
                self._report(name, "loading", words, min(1, arrived / MEGABYTES[name]))

        self._report(name, "loading", "Asking for the photographs", 0)
        watcher = threading.Thread(target=watch, name="reslab-photographs-watch", daemon=True)
        watcher.start()
        try:
            split = DATASETS[name]()
        finally:
            over.set()
            watcher.join()
        self._put_in(name, split)

    def _put_in(self, name, split):
        from reslab.experiments.film import with_pictures

        state = with_pictures(json.loads(gzip.decompress(page.gzipped(self._files[name]))), split)
        self._ready(name, gzip.compress(json.dumps(state, separators=(",", ":")).encode()))
        self._report(name, "here", "", 1)
