"""The real JupyterLab in headless Chromium, as a learner meets it.

with lab.open("01_degradation.ipynb", theme="dark") as notebook:
    notebook.run_all()
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: len(notebook.figure_data()[0]["y"]) > 3)
    notebook.screenshot("training")
    assert notebook.errors == []
"""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from notebook_page import ARTIFACTS, Notebook
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]

# Without these, Lab asks for news, saves by itself, and leaves cells outside the window out of the page.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}

CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium_path() -> str:
    """Return the system's Chromium, or say how to install it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        "The browser tests drive the system's Chromium, and there is none. On Debian: apt-get install -y chromium"
    )


@contextmanager
def serve(home: Path) -> Iterator["Lab"]:
    """JupyterLab on a copy of the lessons in the folder `home`, with a browser, for the `with` block."""
    ARTIFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        server = Lab(ROOT / "notebooks", home, browser)
        server.start()
        yield server
        server.stop()
        browser.close()


class Lab:
    """A JupyterLab server of its own, untouched by the user's settings, on a copy of the notebooks."""

    def __init__(self, notebooks: Path, home: Path, browser: Browser):
        self.root = home / "notebooks"
        self.browser = browser
        self.token = secrets.token_hex(16)
        self._home = home
        self._log = home / "jupyter.log"
        shutil.copytree(notebooks, self.root, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))

    def start(self, timeout: float = 60) -> None:
        """Start the server and wait until it answers."""
        overrides = self._home / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps(SETTINGS))
        deadline = time.monotonic() + timeout
        self._launch()
        while not self._answers():
            ended = self._server.poll() is not None
            if time.monotonic() > deadline or (ended and not self._port_was_taken()):
                self.stop()
                raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-3000:]}")
            if ended:
                self._launch()
            time.sleep(0.1)

    def _launch(self) -> None:
        """Start the server's process at a port that is free now."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
            *(
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={self.token}",
                f"--ServerApp.root_dir={self.root}",
            ),
            *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
        ]
        with self._log.open("w") as log:
            self._server = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _port_was_taken(self) -> bool:
        """Whether another program, a kernel of another test for example, took the port before the server did."""
        return "is already in use" in self._log.read_text()

    def stop(self) -> None:
        """Stop the server, and with it every kernel."""
        self._server.terminate()
        try:
            self._server.wait(15)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    @contextmanager
    def open(self, name: str, *, theme: str = "light", viewport: tuple[int, int] = (1280, 720)) -> Iterator[Notebook]:
        """Open a notebook in a fresh browser, kernel running and idle; on failure keep a screenshot; close both at the
        end."""
        width, height = viewport
        context = self.browser.new_context(color_scheme=theme, viewport={"width": width, "height": height})
        context.set_default_timeout(120_000)  # ms; a page on a busy machine may take long to answer at all
        notebook = Notebook(self, name, context.new_page())
        try:
            notebook._load()
            yield notebook
        except BaseException:
            with suppress(Exception):
                notebook.screenshot(f"failed-{Path(name).stem}")
            raise
        finally:
            context.close()
            self.shut_down(name)

    def sessions(self, name: str) -> list[dict]:
        """Return the server's sessions of this notebook (at most one)."""
        return [session for session in self._request("/api/sessions") if session["path"] == name]

    def shut_down(self, name: str) -> None:
        """Shut this notebook's kernel down."""
        for session in self.sessions(name):
            self._request(f"/api/sessions/{session['id']}", method="DELETE")

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "IPYTHON", "PYTEST"))}
        python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "RESLAB_CACHE": "cache",  # nothing was downloaded yet
        }
        return kept | {"PYTHONPATH": python_path} | {key: str(self._home / folder) for key, folder in own.items()}

    def _answers(self) -> bool:
        try:
            return bool(self._request("/api"))
        except (urllib.error.URLError, ConnectionError, http.client.HTTPException):  # the last: no server of pages
            return False

    def _request(self, path: str, method: str = "GET"):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")
