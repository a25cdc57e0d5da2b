"""States to try: buttons under an explorer that set it, in the lessons and by themselves."""

import ast
from pathlib import Path

import nbformat
import plotly.io as pio
import pytest

from reslab import explorers
from reslab.explorers.try_states import names_tab
from reslab.explorers.worker import Latest

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
STATES = {
    "Is it the norm?": "plain-8,norm=none | plain-8",
    "With <skip>": "resnet-8",
    "No such net": "plain-57",
}


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(Latest, "ask", lambda *_: None)


@pytest.fixture
def explorer(split):
    made = explorers.GradientFlow("plain-14", split=split)
    assert made.try_states(STATES) is made
    yield made
    made.close()


def rows(explorer):
    """(button, the line beside it) of every state."""
    return [row.children for row in explorer.body.children[-1].children[1:]]


def test_a_button_sets_the_explorer_to_its_line(explorer):
    for (button, line), (look_at, state) in zip(rows(explorer), list(STATES.items())[:2], strict=False):
        assert button.description == look_at
        assert line.value == f"<code>{state}</code>"
        button.click()
        assert explorer.state == explorer.share.value == state


def test_a_button_scrolls_the_charts_into_the_window(explorer):
    sent = []
    explorer._page.send = sent.append
    rows(explorer)[0][0].click()
    assert sent == [{"show": True}]


def test_a_button_brings_the_chart_that_its_text_names_to_the_front(split):
    explorer = explorers.GradientFlow("plain-14", split=split)
    first, second = explorer._charts
    explorer.try_states({
        f"Why? See the tab {second.name}.": "plain-8", "And here?": "resnet-8",
        f"In the tab “{second.name.upper()}”?": "plain-8",
    })  # fmt: skip
    for (button, _), front in zip(rows(explorer), (second, first, second), strict=True):
        button.click()
        assert explorer.tabs.value is front
    explorer.close()


def test_a_state_that_does_not_exist_is_refused_like_a_pasted_one(explorer):
    rows(explorer)[2][0].click()
    assert explorer.state == explorer.share.value == "plain-14"
    assert "56 or 62" in explorer.message.value


def test_a_reader_with_no_kernel_sees_them_as_a_table(explorer, monkeypatch):
    shown = []
    monkeypatch.setattr(pio.renderers, "default", "png")
    monkeypatch.setattr(explorer, "prepare", lambda: None)
    monkeypatch.setattr(explorer, "_charts", [])
    monkeypatch.setattr("reslab.explorers.explorer.display", lambda html: shown.append(html.data))
    explorer._ipython_display_()
    (table,) = shown
    assert "<td>With &lt;skip&gt;</td><td><code>resnet-8</code></td>" in table


def lessons_states():
    """(kind of explorer, text, state line) of every `explorers.Kind(...)` and `try_states({...})` of a cell."""
    for path in LESSONS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and ".try_states(" in cell.source:
                calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
                called = {call.func.attr: call.args for call in calls if isinstance(call.func, ast.Attribute)}
                (kind,) = called.keys() & set(explorers.__all__)
                for look_at, line in ast.literal_eval(called["try_states"][0]).items():
                    yield pytest.param(kind, look_at, line, id=f"{path.stem}-{line}")


@pytest.mark.parametrize(("kind", "look_at", "line"), list(lessons_states()))
def test_an_explorer_takes_every_state_of_its_lesson(kind, look_at, line):
    explorer = getattr(explorers, kind)()
    explorer.state = line
    assert explorer.state.startswith(line)  # what a line does not name of the view is written behind it
    if "tab " in look_at.lower():
        assert any(names_tab(look_at, chart.name) for chart in explorer._charts)
    explorer.close()
