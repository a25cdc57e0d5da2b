"""Every figure in the browser at 700 pixels: no text too small, cut, over another or too pale, by itself and on a dark
page."""

from pathlib import Path

import drawn
import plotly
import pytest
from explorer_page import FAULTS

from reslab.figures import theme

pytestmark = pytest.mark.browser

ORIGIN = "recorded, H200, 3 seeds, 2026-11, and live, this machine, seed 0; the batch is the first that training sees; "
FIGURES = drawn.every() | {"long_origin": theme.figure([], title="T", x="x", y="y", origin=ORIGIN * 2, empty="None")}
DRAW = """async ([name, figure]) => {
    const box = document.createElement("div")
    box.id = name
    document.querySelector("main").append(box)
    figure = JSON.parse(figure)
    await Plotly.newPlot(box, figure.data, {...figure.layout, autosize: true}, {responsive: true})
}"""
SET = "([name, value]) => document.body.style.setProperty(name, value)"


@pytest.fixture(scope="module")
def page(browser):
    """A page of 700 pixels that holds every figure, by itself: near-black on white paper."""
    page = browser.new_page(viewport={"width": 700, "height": 900})
    page.set_content('<body style="margin: 0; background: white"><main style="width: 700px"></main></body>')
    page.add_script_tag(path=Path(plotly.__file__).parent / "package_data" / "plotly.min.js")
    for name, figure in FIGURES.items():
        page.evaluate(DRAW, [name, figure.to_json()])
    yield page
    page.close()


def faults(page):
    found = {chart.get_attribute("id"): chart.evaluate(FAULTS) for chart in page.locator(".js-plotly-plot").all()}
    assert len(found) == len(FIGURES)
    return {name: of_chart for name, of_chart in found.items() if of_chart}


def test_every_text_can_be_read_on_white_paper(page):
    assert faults(page) == {}


@pytest.mark.parametrize(
    ("background", "ink"), [("#FFFFFF", "rgba(0, 0, 0, 1)"), ("#111111", "rgba(255, 255, 255, 1)")]
)
def test_every_text_can_be_read_in_an_explorer_light_and_dark(page, background, ink):
    page.evaluate("() => document.querySelector('main').classList.add('reslab')")
    page.add_style_tag(content=theme.PAGE_CSS)
    page.evaluate(SET, ["background", background])
    page.evaluate(SET, ["--jp-ui-font-color0", ink])
    assert faults(page) == {}
