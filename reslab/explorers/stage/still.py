"""A picture of the stage, taken by the browser on this machine: for readers with no kernel."""

import base64
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from reslab import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--virtual-time-budget=8000",
    "--run-all-compositor-stages-before-draw",  # else a picture may be taken in which a part is not yet drawn
)


def png(view, *, width=1120, height=640, note="A picture: run this cell"):
    """The stage in a view, as base64 of a PNG; RuntimeError without a browser (BROWSER_PATH names one).

    note: what stands where the stage invites to do something.
    """
    name = view["dataset"]
    text = page.page({name: page.gzipped(page.recorded()[name])}, view=dict(view))
    query = {"still": "", "theme": "light", "height": height, "note": note}
    return shot(text, width=width, height=height, query=query)


def shot(text, *, width, height, query=()):
    """A page, given as text, as base64 of a PNG; errors as of `png`. query: what its address says."""
    browser = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise RuntimeError(
            "A picture of an explorer is taken by Chromium, and there is none: install it, or set BROWSER_PATH."
        )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(text, encoding="utf-8")
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{height}",
            f"--screenshot={target}",
        ]
        address = f"{source.as_uri()}?{urlencode(query)}"
        subprocess.run([*command, address], capture_output=True, check=True, timeout=120)
        return base64.b64encode(target.read_bytes()).decode()


def words(view):
    """What such a picture shows, for those who do not see it."""
    skips = "on" if view["skip"] else "off"
    return f"The stage with skips {skips}, step {view['step']}: pictures, blocks, gradient and training error."
