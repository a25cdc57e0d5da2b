"""Lesson 07 in the real JupyterLab: two questions, then maps of a digit, of a photograph, and of a picture of one's
own."""

import io

import pytest
from explorer_page import answer, hand_out, unfolded
from PIL import Image

from reslab.experiments.deletion import ANSWERS

LESSON = "07_attribution.ipynb"
EXPLORER = ".reslab"
SENTENCE = f"{EXPLORER} .reslab-sentence"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, all of it run."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("07_attribution-question", ".reslab-question")
        notebook.run_all(timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "resnet-20 says" in notebook.text(SENTENCE), 120)
        yield notebook


def line(notebook):
    return notebook.find(f"{EXPLORER} .reslab-share input").first.input_value()


def changes(notebook, act, timeout=60):
    """Do something, and wait for another sentence."""
    before = notebook.text(SENTENCE)
    act()
    notebook.wait_until(lambda: notebook.text(SENTENCE).strip() not in ("", before), timeout)


def test_the_switch_and_the_method_answer(notebook):
    notebook.screenshot("07_attribution-map", EXPLORER)
    changes(notebook, lambda: notebook.click(f"{EXPLORER} .reslab-skip"))
    assert line(notebook) == "plain-20"
    assert "plain-20" in notebook.text(SENTENCE)
    changes(notebook, lambda: notebook.find(f"{EXPLORER} .reslab-method select").first.select_option("Grad-CAM"))
    assert line(notebook) == "plain-20,method=Grad-CAM"


def test_every_tab_has_its_chart(notebook):
    for tab in range(3):
        notebook.find(f"{EXPLORER} .reslab-tabs button").nth(tab).click()
        chart = f"{EXPLORER} .reslab-chart:not(.reslab-behind) .js-plotly-plot"
        notebook.wait_until(lambda chart=chart: notebook.find(f"{chart} .main-svg").count())
        notebook.screenshot(f"07_attribution-tab-{tab + 1}", EXPLORER)
    notebook.find(f"{EXPLORER} .reslab-tabs button").first.click()


def test_a_photograph_and_a_picture_of_ones_own(notebook):
    changes(notebook, lambda: hand_out(notebook, "resnet-20,image=2,pictures=photographs"), 120)
    notebook.screenshot("07_attribution-photograph", EXPLORER)
    changes(notebook, lambda: hand_out(notebook, "resnet-20"))
    one = Image.new("L", (120, 90), "white")
    one.paste("black", (55, 10, 68, 80))
    file = io.BytesIO()
    one.save(file, "PNG")
    with unfolded(notebook), notebook.page.expect_file_chooser() as chooser:
        notebook.click(f"{EXPLORER} .reslab-upload")
    given = {"name": "one.png", "mimeType": "image/png", "buffer": file.getvalue()}
    changes(notebook, lambda: chooser.value.set_files(given))
    assert "Your picture" in notebook.text(f"{EXPLORER} .reslab-message")
    notebook.screenshot("07_attribution-own", EXPLORER)


def test_it_fits_a_narrow_window_and_the_dark_theme(notebook):
    notebook.resize(700, 900)
    notebook.wait_until(lambda: notebook.find(EXPLORER).first.evaluate("node => node.scrollWidth <= node.clientWidth"))
    notebook.screenshot("07_attribution-700", EXPLORER)
    notebook.resize(1280, 720)
