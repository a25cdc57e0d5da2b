"""Whether this machine is ready for the lessons: what `reslab doctor` finds, as a line of check marks."""

import threading
from html import escape

import ipywidgets as widgets

from reslab.cli.doctor import examine

MARKS = {"ok": "✓", "note": "·", "problem": "✗"}
STYLE = "display: inline-block; margin: 0 1.1em 0.3em 0; font-size: 16px; line-height: 1.4"


class Ready:
    """Runs the checks in the background and shows each result; a problem comes with advice.

    findings: the results so far, dicts of check, level ("ok", "note" or "problem"), found and advice.
    """

    def __init__(self):
        self.findings, self.widget = [], widgets.HTML()
        self._thread = threading.Thread(target=self._examine, name="reslab-ready", daemon=True)
        self._draw("Checking this machine; it takes a few seconds.")
        self._thread.start()

    def join(self, timeout=None):
        """Wait until everything is checked; True if it is."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _examine(self):
        for finding in examine():
            self.findings.append(finding)
            self._draw("Still checking.")
        problems = [finding["check"] for finding in self.findings if finding["level"] == "problem"]
        self._draw(f"Not ready: see {', '.join(problems)}." if problems else "This machine is ready.")

    def _draw(self, verdict):
        ticks = "".join(map(_tick, self.findings))
        self.widget.value = (
            f'<p role="status" style="font-size: 17px; margin: 0 0 6px"><b>{escape(verdict)}</b></p><div>{ticks}</div>'
        )

    def _ipython_display_(self):
        from IPython.display import display

        display(self.widget)


def _tick(finding):
    advice = f"<br>{escape(finding['advice'])}" if finding["advice"] else ""
    title = escape(finding["found"], quote=True)
    words = f"<b>{MARKS[finding['level']]} {escape(finding['check'])}</b>"
    is_shown = finding["level"] != "ok" or "lesson_seconds" in finding  # every learner wants to know how long
    shown = f": {escape(finding['found'])}{advice}" if is_shown else ""
    return f'<span style="{STYLE}" title="{title}">{words}{shown}</span>'
