"""Lesson 10 in the real JupyterLab: a question, then bodies swapped under every model."""

import pytest
from explorer_page import answer, hand_out

from reslab.results.backbones import ANSWERS

LESSON = "10_backbones.ipynb"
EXPLORER = ".reslab"
SENTENCE = f"{EXPLORER} .reslab-sentence"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, all of it run."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("10_backbones-question", ".reslab-question")
        notebook.run_all(timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "are its resnet-50" in notebook.text(SENTENCE), 120)
        yield notebook


def line(notebook):
    return notebook.find(f"{EXPLORER} .reslab-share input").first.input_value()


def changes(notebook, act, timeout=120):
    """Do something, and wait for another sentence."""
    before = notebook.text(SENTENCE)
    act()
    notebook.wait_until(lambda: notebook.text(SENTENCE).strip() not in ("", before), timeout)


def test_a_model_and_a_body_are_chosen(notebook):
    notebook.screenshot("10_backbones-bars", EXPLORER)
    model = notebook.find(f"{EXPLORER} .reslab-model-menu select").first
    changes(notebook, lambda: model.select_option("Mask R-CNN"))
    assert line(notebook) == "Mask R-CNN"
    body = notebook.find(f"{EXPLORER} .reslab-body-menu select").first
    changes(notebook, lambda: body.select_option("resnet-18"))
    assert line(notebook) == "Mask R-CNN,body=resnet-18"
    assert "resnet-18" in notebook.text(SENTENCE)


def test_every_tab_has_its_chart(notebook):
    for tab in range(2):
        notebook.find(f"{EXPLORER} .reslab-tabs button").nth(tab).click()
        chart = f"{EXPLORER} .reslab-chart:not(.reslab-behind) .js-plotly-plot"
        notebook.wait_until(lambda chart=chart: notebook.find(f"{chart} .main-svg").count())
        notebook.screenshot(f"10_backbones-tab-{tab + 1}", EXPLORER)
    notebook.find(f"{EXPLORER} .reslab-tabs button").first.click()


def test_a_line_that_was_handed_out_shows_the_same(notebook):
    changes(notebook, lambda: hand_out(notebook, "Faster R-CNN,cost=multiply_adds,proposals=100"))
    assert "100 proposals" in notebook.text(SENTENCE)


def test_it_fits_a_narrow_window(notebook):
    notebook.resize(700, 900)
    notebook.wait_until(lambda: notebook.find(EXPLORER).first.evaluate("node => node.scrollWidth <= node.clientWidth"))
    notebook.screenshot("10_backbones-700", EXPLORER)
    notebook.resize(1280, 720)
