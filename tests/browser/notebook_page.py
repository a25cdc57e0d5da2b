"""A notebook in JupyterLab's page: what it shows, and what a learner does with it."""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import nbformat
from playwright.sync_api import Locator, Page

if TYPE_CHECKING:
    from lab import Lab

ARTIFACTS = Path(__file__).parents[1] / "artifacts"

# Messages on the browser's console that are not the lesson's fault.
HARMLESS = (
    # a two-second timer that a slow machine runs out; the figure still comes
    re.compile(r"\[anywidget\] Failed to initialize model\."),
)


class Notebook:
    """One notebook in the browser. Every `css` is looked up in its visible panel only."""

    def __init__(self, lab: "Lab", name: str, page: Page):
        self.lab = lab
        self.name = name
        self.page = page
        self.messages: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))

    # Look

    @property
    def panel(self) -> Locator:
        """The visible notebook panel."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def find(self, css: str) -> Locator:
        """Locate elements in the panel."""
        return self.panel.locator(css)

    def text(self, css: str) -> str:
        """Return the text of the first match, as it reads on the page."""
        return self.find(css).first.inner_text()

    def figure_data(self, css: str = ".js-plotly-plot") -> list[dict]:
        """Return the traces of a Plotly chart (the first match): name, visible, and x, y, z as plain lists; [] before
        it has drawn."""
        return self.find(css).first.evaluate("""chart => (chart._fullData ?? []).map(trace => {
                const list = v => ArrayBuffer.isView(v) ? Array.from(v) : v
                const plain = values => values == null ? null : Array.from(values, list)
                const {name, visible, x, y, z} = trace
                return {name, visible, x: plain(x), y: plain(y), z: plain(z)}
            })""")

    def curve(self, css: str = ".js-plotly-plot", trace: int = 0) -> str | None:
        """Return the drawn path of one line, to compare before and after; None while it is not drawn."""
        lines = self.find(f"{css} .scatterlayer .trace path.js-line")
        return lines.nth(trace).get_attribute("d") if lines.count() > trace else None

    def failures(self) -> list[str]:
        """Return the tracebacks that the page shows, those of threads included."""
        # Lab marks a traceback as it does any other line on stderr.
        stderr = self.find('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
        return stderr.filter(has_text=re.compile(r"Traceback \(most recent call last\)|SyntaxError:")).all_inner_texts()

    @property
    def errors(self) -> list[str]:
        """What the browser's console reported as errors, less what is known to be harmless."""
        return [message for message in self.messages if not any(known.search(message) for known in HARMLESS)]

    def screenshot(self, name: str, css: str | None = None) -> Path:
        """Save a picture of the page, or of one element, as tests/artifacts/NAME.png."""
        path = ARTIFACTS / f"{name}.png"
        (self.find(css).first if css else self.page).screenshot(path=path)
        return path

    # Act

    def run_all(self, timeout: float = 120) -> float:
        """Run all cells to the end and return the seconds it took; a cell that raises fails at once, with its
        traceback."""
        return self._run(self.start_all, range(len(self._sources())), timeout)

    def run_to(self, text: str, *, first: int = 0, without: tuple[str, ...] = (), timeout: float = 120) -> float:
        """Run the cells from number `first` to the one that holds `text`, as run_all does with all of them.

        without: cells that hold one of these texts are passed over.
        """
        sources = self._sources()
        last = next(i for i, source in enumerate(sources) if text in source)
        chosen = [i for i in range(first, last + 1) if not any(words in sources[i] for words in without)]
        return self._run(lambda: self.page.evaluate(RUN_CELLS, chosen), chosen, timeout)

    def _run(self, start: Callable[[], None], cells: Iterable[int], timeout: float) -> float:
        self.panel.evaluate(WATCH_CELLS)
        began = time.monotonic()
        start()
        self.wait_until(lambda: self.failures() or self.panel.evaluate(CELLS_RAN, list(cells)), timeout)
        if failures := self.failures():
            raise AssertionError(f"{self.name} raised:\n" + "\n".join(failures))
        self._wait_for_kernel(timeout)
        return time.monotonic() - began

    def _sources(self) -> list[str]:
        return [cell["source"] for cell in nbformat.read(self.lab.root / self.name, 4).cells]

    def start_all(self) -> None:
        """Ask for all cells to be run, and do not wait."""
        self._menu("Run", "runmenu:run-all")

    def wait_until(self, condition: Callable[[], object], timeout: float = 30) -> float:
        """Wait until the condition holds and return the seconds it took."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            if waited > timeout:
                raise TimeoutError(f"{self.name}: not within {timeout} s")
            # Rarer and rarer: each question takes time from the kernel. time.sleep would hold the browser's events up.
            self.page.wait_for_timeout(min(20 + 100 * waited, 500))
        return time.monotonic() - began

    def click(self, css: str) -> None:
        """Click the first match: a button, a checkbox."""
        self.find(css).first.click()

    def press(self, css: str, key: str, times: int = 1) -> None:
        """Focus the first match and press a key: `press(".depth .noUi-handle", "ArrowRight")` moves a slider."""
        self.find(css).first.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def fill(self, css: str, value: str) -> None:
        """Type a value into the first match, and leave it with Enter."""
        field = self.find(css).first
        field.fill(value)
        field.press("Enter")

    def show(self, css: str) -> None:
        """Scroll the first match to the middle of the window."""
        self.find(css).first.evaluate("element => element.scrollIntoView({block: 'center'})")

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.page.set_viewport_size({"width": width, "height": height})

    def _load(self) -> None:
        # A workspace of its own: Lab remembers the widths of its panels as shares of the last window, however narrow.
        workspace = f"{self.lab.url}/lab/workspaces/{secrets.token_hex(4)}"
        self.page.goto(f"{workspace}/tree/{quote(self.name)}?token={self.lab.token}", timeout=60_000)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
        self.find(".jp-Notebook").wait_for(timeout=60_000)
        self._wait_for_kernel()

    def _wait_for_kernel(self, timeout: float = 60) -> None:
        # The page may say idle before it has a kernel at all, and Run All then loses cells; the server knows. Idle for
        # a second is idle.
        idle_since = None
        deadline = time.monotonic() + timeout
        while idle_since is None or time.monotonic() - idle_since < 1:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: no idle kernel within {timeout} s")
            kernels = [session["kernel"] for session in self.lab.sessions(self.name)]
            idle = any(kernel["execution_state"] == "idle" and kernel["connections"] > 0 for kernel in kernels)
            idle_since = (idle_since or time.monotonic()) if idle else None
            self.page.wait_for_timeout(100)

    def _menu(self, title: str, command: str) -> None:
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(title, exact=True).click()
        self.page.locator(f".lm-Menu [data-command='{command}']").click()


# The keys do not do: arrow keys pass over cells whose code is folded.
RUN_CELLS = """places => {
    const { commands, shell } = window.jupyterapp
    for (const place of places) {
        shell.currentWidget.content.activeCellIndex = place
        commands.execute('notebook:run-cell')
    }
}"""
# A committed notebook's prompts already read [1], [2], ...: what tells that a cell ran is that its prompt changed.
WATCH_CELLS = """panel => {
    for (const prompt of panel.querySelectorAll('.jp-CodeCell .jp-InputPrompt')) {
        delete prompt.dataset.ran
        const watcher = new MutationObserver(() => prompt.dataset.ran = 'yes')
        watcher.observe(prompt, {childList: true, characterData: true, subtree: true})
    }
}"""
CELLS_RAN = r"""(panel, places) => {
    const cells = panel.querySelectorAll('.jp-Cell')
    return places.map(place => cells[place]).filter(cell => cell.matches('.jp-CodeCell')).every(cell => {
        const prompt = cell.querySelector('.jp-InputPrompt')
        const source = cell.querySelector('.cm-content')  // a hidden solution has none in the page, and no number
        return !source?.textContent.trim() || (prompt.dataset.ran && /\[\d+\]/.test(prompt.textContent))
    })
}"""
