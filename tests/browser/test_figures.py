"""Every figure in the browser at 700 pixels: no text too small, cut, over another or too pale, by itself and on a dark
page."""

from pathlib import Path

import drawn
import numpy as np
import plotly
import pytest
import test_figures_attribution as seven
import test_figures_backbones as ten
import test_figures_landscape as six
import test_figures_lesions as five
import test_figures_representations as four
import test_figures_super_resolution as eight
from explorer_page import FAULTS

from reslab.figures import (
    attribution,
    attribution_maps,
    backbones,
    landscape,
    lesions,
    paths,
    receptive_field,
    representations,
    super_resolution,
    super_resolution_pictures,
    theme,
)

pytestmark = pytest.mark.browser

# The figures that drawn.every() does not have, from the frames of their own tests.
NETS = four.together(four.SEEDS, four.net("resnet-20", (1, 0.9, 0.8)))
INSIDE = six.PATH.assign(x=[-0.4, 0.5, 0.0])
OTHERS = {
    "by_block": representations.by_block(NETS),
    "chaos": representations.chaos(NETS),
    "in_training": representations.in_training(NETS),
    "one_out": lesions.one_out(five.FRAME),
    "several_out": lesions.several_out(five.FRAME),
    "swapped": lesions.swapped(five.FRAME),
    "paths": paths.by_length(five.PATHS),
    "bands": landscape.bands(six.FRAME),
    "pairs": landscape.pairs(six.FRAME),
    "contours": landscape.contours(six.MAPS),
    "between": landscape.between(six.LINE),
    "path": landscape.path(six.bowl("resnet-20", 5.0), INSIDE),
    "falls": attribution.falls(seven.FALL),
    "holes": attribution.holes(seven.FALL.query("name == 'resnet-20' and method in ('Grad-CAM', '')")),
    "deletion": attribution.curves(seven.CURVES, method="occlusion"),
    "randomised": attribution.randomised(seven.LEFT),
    "gaps": attribution.completeness_gaps(seven.GAPS),
    "branches": attribution.branches(seven.BRANCHES),
    "picture": attribution_maps.picture(seven.looked()),
    "picture_curve": attribution_maps.picture_curve(seven.looked()),
    "wipe": super_resolution_pictures.wipe(eight.panes()),
    "differences": super_resolution_pictures.differences(eight.panes()),
    "gains": super_resolution.depths(eight.STEPS),
    "super_resolution": super_resolution.curves(eight.STEPS[~eight.STEPS["block_skips"]]),
    "shares": backbones.shares(ten.LAYERS),
    "ribbon": backbones.ribbon(ten.LAYERS),
    "sizes": receptive_field.sizes(ten.FIELDS),
    "probe": receptive_field.probe(ten.PROBES),
    "segmenters": receptive_field.segmenters(ten.SEGMENTS[ten.SEGMENTS["seed"] == 0]),
    "fields": receptive_field.maps(ten.MAPS, np.zeros((21, 21, 3), dtype=np.uint8)),
    "photo": receptive_field.photo(np.zeros((3, 5, 3), dtype=np.uint8)),
}
ORIGIN = "recorded, H200, 3 seeds, 2026-11, and live, this machine, seed 0; the batch is the first that training sees; "
LONG = theme.figure([], title="T", x="x", y="y", origin=ORIGIN * 2, empty="None")
FIGURES = drawn.every() | OTHERS | {"long_origin": LONG}
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
    page, errors = browser.new_page(viewport={"width": 700, "height": 900}), []
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content('<body style="margin: 0; background: white"><main style="width: 700px"></main></body>')
    page.add_script_tag(path=Path(plotly.__file__).parent / "package_data" / "plotly.min.js")
    for name, figure in FIGURES.items():
        page.evaluate(DRAW, [name, figure.to_json()])
    yield page
    page.close()
    assert errors == []


def faults(page):
    found = {chart.get_attribute("id"): chart.evaluate(FAULTS) for chart in page.locator(".js-plotly-plot").all()}
    assert len(found) == len(FIGURES)
    return {name: of_chart for name, of_chart in found.items() if of_chart}


def test_no_button_sends_a_chart_to_a_server(page):
    """plotly's own would send it, a learner's picture too."""
    charts = page.locator(".js-plotly-plot")
    assert page.locator('.modebar-btn[data-title^="Download plot"]').count() == charts.count()
    assert page.locator('.modebar-btn[data-title^="Share"]').count() == 0


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
