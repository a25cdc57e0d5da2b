"""The stage as text: its JavaScript and style joined, and one HTML file that needs no Python and no network.

The recorded states are files, data/stage/NAME.json.gz. Nothing here imports torch, so that a notebook's first picture
comes at once.
"""

import base64
import gzip
import html
import json
import re
from functools import cache
from pathlib import Path

from reslab.shipped import shipped, whole

SOURCE = Path(__file__).parent / "explorers" / "stage"
FILES = (  # a file is after those that it imports
    *("elements", "words", "pictures", "net", "curve", "block", "explore", "player", "layout", "notice", "present"),
    *("parts", "scene", "screen", "kernel", "keys", "live", "stage", "unzip"),
)
STYLES = ("stage", "net", "block", "room")  # of two rules that both apply, the later one wins
FIRST = "digits"  # the recorded state that is shown first
TITLE = "What a skip connection does"


@cache
def module(last):
    """The stage's JavaScript as one ES module; `last` is the file that opens it: "widget" or "page"."""
    return joined(SOURCE / f"{name}.js" for name in (*FILES, last))


def joined(paths):
    """The JavaScript of some files as one ES module; a file is after those that it imports."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    text = "\n".join(re.sub(r'^import [^"]*"[^"]*"\n', "", text, flags=re.MULTILINE) for text in texts)
    return re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)


@cache
def style():
    """The stage's CSS."""
    return "\n".join((SOURCE / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)


def recorded():
    """The recorded states: a dict name → path of its gzipped JSON, the one to show first in front."""
    files = _states(shipped("stage"))
    return {name: files[name] for name in sorted(files, key=lambda name: (name != FIRST, name))}


def without_pictures():
    """The same for states whose pictures may not be shipped; `experiments.film.with_pictures` adds them."""
    return _states(shipped("stage/without-pictures"))


def gzipped(file):
    """A recorded state as it is stored, bytes; ValueError, in one sentence, for a file that is damaged."""
    state = file.read_bytes()
    with whole(file):
        if not gzip.decompress(state):  # which compares its checksum
            raise ValueError("it is empty")
    return state


def _states(folder):
    return {file.name.removesuffix(".json.gz"): file for file in sorted(folder.glob("*.json.gz"))}


def page(states, *, view=None, title=TITLE):
    """The stage in one HTML file, as text.

    states: a dict name → the gzipped JSON of a state, bytes.
    view: what to show first, such as {"skip": True, "step": 60}.
    The address of the page may say so too: page.html?skips=on&step=60&net=20.
    """
    films = {name: base64.b64encode(state).decode() for name, state in states.items()}
    return PAGE.format(
        title=html.escape(title),
        style=style(),
        module=module("page"),
        films=json.dumps(films),
        view=json.dumps(view or {}),
    )


def with_widget(style, module, values):
    """One HTML file, as text, with an anywidget as it stands: its style, its ES module, and its traits' values."""
    shown = module.replace("export default", "const widget =") + FIXED_MODEL.format(values=json.dumps(values))
    return WIDGET.format(style=style, module=shown)


FIXED_MODEL = """
const values = {values}
const model = {{ get: name => values[name], set() {{}}, save_changes() {{}}, on() {{}}, off() {{}}, send() {{}} }}
widget.render({{ model, el: document.querySelector("main") }})
"""
WIDGET = """<!doctype html>
<html lang="en" theme="light">
<meta charset="utf-8">
<style>body {{ margin: 0; }}
{style}
</style>
<main></main>
<script type="module">
{module}
</script>
</html>
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; background: light-dark(#ffffff, #111417); }}
body {{ margin: 0; }}
{style}
</style>
<main></main>
<script type="module">
{module}
open({films}, {view})
</script>
</html>
"""
