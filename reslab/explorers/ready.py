"""Whether this machine is ready for the lessons: what `reslab doctor` finds, as a line of check marks."""

import threading
from html import escape

import ipywidgets as widgets
from IPython.display import display

from reslab.cli.doctor import examine
from reslab.explorers import cells

MARKS = {"ok": "✓", "note": "·", "problem": "✗"}  # from best to worst
STYLE = "display: inline-block; margin: 0 1.1em 0.3em 0; font-size: 16px; line-height: 1.4"


class Ready:
    """Runs the checks in the background and shows each result; a problem comes with advice.

    findings: the results so far, dicts of check, level ("ok", "note" or "problem"), found and advice.
    """

    def __init__(self):
        self.findings, self.widget, self.closed = [], widgets.HTML(), False
        self._thread = threading.Thread(target=self._examine, name="reslab-ready", daemon=True)
        self._draw("Checking this machine; it takes a few seconds.")
        self._thread.start()
        cells.register(self)

    def close(self):
        """End the checks after the one that runs, and remove the widget. Called when the cell is run again."""
        self.closed = True
        cells.close_widgets(self.widget)

    def join(self, timeout=None):
        """Wait until everything is checked; True if it is."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _examine(self):
        for finding in examine():
            if self.closed:
                return
            self.findings.append(finding)
            self._draw("Still checking.")
        problems = [finding["check"] for finding in self.findings if finding["level"] == "problem"]
        self._draw(f"Not ready: see {', '.join(problems)}." if problems else "This machine is ready.")

    def _draw(self, verdict):
        checks = {}  # one tick each, however much a check has found
        for finding in self.findings:
            checks.setdefault(finding["check"], []).append(finding)
        ticks = "".join(_tick(check, found) for check, found in checks.items())
        self.widget.value = (
            f'<p role="status" style="font-size: 17px; margin: 0 0 6px"><b>{escape(verdict)}</b></p><div>{ticks}</div>'
        )

    def _ipython_display_(self):
        if not cells.show_closed(self.widget, "The check of this machine"):
            display(self.widget)


def _tick(check, findings):
    level = max((finding["level"] for finding in findings), key=list(MARKS).index)
    title = escape("; ".join(finding["found"] for finding in findings), quote=True)
    words = f"<b>{MARKS[level]} {escape(check)}</b>"
    shown = "<br>".join(filter(None, map(_visible_text, findings)))
    return f'<span style="{STYLE}" title="{title}">{words}{": " + shown if shown else ""}</span>'


def _visible_text(finding):
    """The text of a finding that is always visible: a problem with its advice, or the lessons' times."""
    if finding["level"] == "ok" and "lesson_seconds" not in finding:
        return ""
    return "<br>".join(escape(part) for part in (finding["found"], finding["advice"]) if part)
