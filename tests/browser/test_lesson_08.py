"""Lesson 08 in the real JupyterLab: a question, then photographs under the wipe, recorded and trained here."""

import pytest
from explorer_page import answer

from reslab.results.super_resolution import ANSWERS

LESSON = "08_super_resolution.ipynb"
EXPLORER = ".reslab"
SENTENCE = f"{EXPLORER} .reslab-sentence"
CHART = f"{EXPLORER} .reslab-chart:not(.reslab-behind) .js-plotly-plot"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, all of it run."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("08_super_resolution-question", ".reslab-question")
        notebook.run_all(timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "residual-10 is" in notebook.text(SENTENCE), 120)
        yield notebook


def line(notebook):
    return notebook.find(f"{EXPLORER} .reslab-share input").first.input_value()


def test_the_switch_brings_the_other_net_under_the_wipe(notebook):
    assert "Measured: worse than bicubic" in notebook.text(".reslab-question")
    notebook.screenshot("08_super_resolution-picture", EXPLORER)
    notebook.click(f"{EXPLORER} .reslab-skip")
    notebook.wait_until(lambda: "Camera, enlarged twice: direct-10" in notebook.text(SENTENCE))
    assert line(notebook) == "direct-10"
    wipe = notebook.find(f"{EXPLORER} .reslab-buttons input[type=number]").first
    wipe.fill("20")
    wipe.press("Enter")
    notebook.wait_until(lambda: line(notebook) == "direct-10 | wipe=20")
    notebook.screenshot("08_super_resolution-wipe", EXPLORER)
    notebook.find(f"{EXPLORER} .reslab-picture select").first.select_option("flower")
    notebook.wait_until(lambda: "Flower, enlarged twice" in notebook.text(SENTENCE))


def test_every_tab_has_its_chart(notebook):
    for tab in range(4):
        notebook.find(f"{EXPLORER} .reslab-tabs button").nth(tab).click()
        notebook.wait_until(lambda: notebook.find(f"{CHART} .main-svg").count())
        notebook.screenshot(f"08_super_resolution-tab-{tab + 1}", EXPLORER)
    notebook.find(f"{EXPLORER} .reslab-tabs button").first.click()


def test_the_first_steps_are_trained_here(notebook):
    notebook.find(f"{EXPLORER} .reslab-depth select").first.select_option("4")
    notebook.wait_until(lambda: "direct-4" in notebook.text(SENTENCE))
    notebook.click(f"{EXPLORER} .reslab-go")
    notebook.wait_until(lambda: "live" in notebook.find(f"{CHART} .infolayer").first.text_content(), 120)
    notebook.wait_until(lambda: "Train" in notebook.text(f"{EXPLORER} .reslab-go"), 300)
    notebook.screenshot("08_super_resolution-live", EXPLORER)


def test_it_fits_a_narrow_window(notebook):
    notebook.resize(700, 900)
    notebook.wait_until(lambda: notebook.find(EXPLORER).first.evaluate("node => node.scrollWidth <= node.clientWidth"))
    notebook.screenshot("08_super_resolution-700", EXPLORER)
    notebook.resize(1280, 720)
