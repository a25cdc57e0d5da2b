"""What axe-core finds in the lessons' own texts, tables and links, on a page without a kernel, light and dark; and
whether they can be read at 200 %. Explorers are in test_look.py, the stage in test_access.py.
"""

from pathlib import Path

import nbformat
import pytest
from access import violations
from nbconvert import HTMLExporter

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
# Of JupyterLab's own colours and links: the contrast of 7, asked for where the colours are ours, and links that are not
# underlined.
THEIRS = ("color-contrast-enhanced", "link-in-text-block")
THEMES = ("light", "dark")


@pytest.fixture(scope="module", params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return nbformat.read(request.param, 4)


@pytest.fixture(params=THEMES)
def page(request, lesson, browser, tmp_path):
    file = tmp_path / "lesson.html"
    exporter = HTMLExporter(theme=request.param, exclude_input=True, exclude_output_prompt=True)
    text, _ = exporter.from_notebook_node(lesson)
    file.write_text(text, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=request.param)
    context.route("http*://**", lambda route: route.abort())  # a font or a script of nbconvert's own
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


def test_axe_finds_nothing_serious_and_it_can_be_read_at_200_per_cent(page):
    found = violations(page, "main", impacts=("serious", "critical"))
    assert [fault for fault in found if not fault.startswith(THEIRS)] == []
    page.set_viewport_size({"width": 640, "height": 360})  # what 1280 × 720 leaves at 200 %
    wide = page.locator(".jp-RenderedMarkdown").evaluate_all(
        "all => all.filter(e => e.scrollWidth > innerWidth).map(e => e.textContent.trim().slice(0, 60))"
    )
    assert wide == []
