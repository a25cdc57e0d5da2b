"""The lessons as they are committed: pictures for readers with no kernel, up to date, and nothing of the machine that
made them."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
COLAB = nbformat.read(LESSONS[0], as_version=4).cells[1].source  # the same in all lessons: see test_install.py
MACHINE_BOUND = re.compile(
    r"(?<![\w.])/(home|Users|root|tmp|work|opt|usr)/\w|[A-Z]:\\\\|0x[0-9a-f]{6,}|localhost|127\.0\.0\.1"
)

pytestmark = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_pictures_are_of_this_lesson(notebook, path):
    spec = importlib.util.spec_from_file_location("lessons", NOTEBOOKS.parent / ".ci" / "lessons.py")
    lessons = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lessons)
    assert notebook.metadata.reslab["pictures_of"] == lessons.fingerprint(notebook), (
        f"{path.name} is stale: run `make lessons`"
    )


def test_every_cell_was_run_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_figures_are_kept_as_pictures_and_numbers_as_text(notebook):
    kinds = [
        kind for cell in code_cells(notebook) for output in cell.outputs for kind in output.get("data", {"stream": ""})
    ]
    assert kinds.count("image/png") >= 3
    assert kinds.count("stream") >= 1
    assert set(kinds) <= {"image/png", "text/plain", "text/html", "stream"}


def test_nothing_of_the_machine_is_kept(notebook, path):
    assert "widgets" not in notebook.metadata
    assert all("execution" not in cell.metadata for cell in notebook.cells)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            shown = output.get("data", {"text": output.get("text")})
            text = json.dumps({kind: value for kind, value in shown.items() if kind != "image/png"})
            assert not MACHINE_BOUND.search(text), text[:300]
    assert path.stat().st_size < 400_000  # every refresh adds to what a clone downloads


def wrapped(lines):
    """How many lines the states to try of a cell take beyond one each."""
    source = "\n".join(lines)
    nodes = ast.walk(ast.parse(source)) if "try_states(" in source else []  # other cells may have IPython's own words
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    tried = [call.args[0] for call in calls if getattr(call.func, "attr", "") == "try_states"]
    entries = [entry for states in tried for entry in zip(states.keys, states.values, strict=True)]
    return sum(line.end_lineno - words.lineno for words, line in entries)


def test_cells_are_short_and_say_how_long_the_lesson_takes(notebook):
    for cell in code_cells(notebook):
        own = cell.source.removeprefix(COLAB).splitlines()
        lines = [line for line in own if line.strip() and not line.strip().startswith("#")]
        is_folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert len(lines) - wrapped(own) <= (9 if is_folded else 6), cell.source
        assert max(map(len, cell.source.splitlines()), default=0) <= 120
        assert "def " not in cell.source
        assert "NBVAL" not in cell.source  # a tag says it to nbval, and a learner does not see it
    assert re.search(r"minutes?|seconds?", notebook.cells[0].source)


def test_the_core_is_at_most_twelve_cells(notebook):
    titles = [cell.source.splitlines()[0] if cell.source else "# Your turn" for cell in notebook.cells]
    assert titles.index("# Further") <= 12 if "# Further" in titles else len(titles) <= 12
