"""Lesson 08 in the real JupyterLab: a question, then photographs under the wipe, recorded and trained here."""

import pytest
from explorer_page import IN_FRONT, SENTENCE, answer, every_tab_is_drawn, fits_a_narrow_window, state

from reslab.results.super_resolution import ANSWERS

LESSON = "08_super_resolution.ipynb"
EXPLORER = ".reslab"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("08_super_resolution-question", ".reslab-question")
        notebook.run_to("explorers.SuperResolution(", first=3, timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "residual-10 is" in notebook.text(SENTENCE), 120)
        yield notebook


def test_the_switch_brings_the_other_net_under_the_wipe(notebook):
    assert "Measured: worse than bicubic" in notebook.text(".reslab-question")
    notebook.screenshot("08_super_resolution-picture", EXPLORER)
    notebook.click(f"{EXPLORER} .reslab-skip")
    notebook.wait_until(lambda: "Camera, enlarged twice: direct-10" in notebook.text(SENTENCE))
    assert state(notebook) == "direct-10"
    wipe = notebook.find(f"{EXPLORER} .reslab-buttons input[type=number]").first
    wipe.fill("20")
    wipe.press("Enter")
    notebook.wait_until(lambda: state(notebook) == "direct-10 | wipe=20")
    notebook.screenshot("08_super_resolution-wipe", EXPLORER)
    notebook.find(f"{EXPLORER} .reslab-picture select").first.select_option("flower")
    notebook.wait_until(lambda: "Flower, enlarged twice" in notebook.text(SENTENCE))


def test_every_tab_has_its_chart(notebook):
    every_tab_is_drawn(notebook, "08_super_resolution", 4)


def test_the_first_steps_are_trained_here(notebook):
    notebook.find(f"{EXPLORER} .reslab-depth select").first.select_option("4")
    notebook.wait_until(lambda: "direct-4" in notebook.text(SENTENCE))
    notebook.click(f"{EXPLORER} .reslab-go")
    notebook.wait_until(lambda: "live" in notebook.find(f"{IN_FRONT} .infolayer").first.text_content(), 120)
    notebook.wait_until(lambda: "Train" in notebook.text(f"{EXPLORER} .reslab-go"), 300)
    notebook.screenshot("08_super_resolution-live", EXPLORER)


def test_it_fits_a_narrow_window(notebook):
    fits_a_narrow_window(notebook, "08_super_resolution")
