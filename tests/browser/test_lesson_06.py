"""Lesson 06 in the real JupyterLab: a question is answered, the switch turned, and states and maps are looked at."""

import pytest
from explorer_page import IN_FRONT, SENTENCE, answer, bring_to_front, choose, hand_out, state

from reslab.results.landscape import ANSWERS

LESSON = "06_loss_landscape.ipynb"
EXPLORER = ".reslab"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, ANSWERS[0])
        notebook.screenshot("06_landscape-question", ".reslab-question")
        notebook.run_to("explorers.Landscape(", first=3, timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "plain-20 from" in notebook.text(SENTENCE), 120)
        yield notebook


def test_the_switch_and_the_mode_answer(notebook):
    notebook.screenshot("06_landscape-lines", EXPLORER)
    before = notebook.text(SENTENCE)
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: state(notebook) == "plain-20 | resnet-20")
    notebook.find(".reslab-controls select").first.select_option("train")
    notebook.wait_until(lambda: state(notebook) == "plain-20,mode=train | resnet-20")
    notebook.wait_until(lambda: "mode train" in notebook.text(SENTENCE) and notebook.text(SENTENCE) != before, 60)
    choose(notebook, "normalisation", "layer")
    notebook.wait_until(lambda: "normalisation=layer" in state(notebook))


def test_a_state_to_try_and_its_maps(notebook):
    notebook.find(".reslab-state button").first.click()
    notebook.wait_until(lambda: state(notebook) == "resnet-20,mode=train | plain-20,mode=train")
    bring_to_front(notebook, 1)
    notebook.wait_until(lambda: notebook.find(f"{IN_FRONT} .contourlayer, {IN_FRONT} .contour").count() >= 2, 60)
    notebook.screenshot("06_landscape-map", EXPLORER)
    bring_to_front(notebook, 0)


def test_a_line_that_is_wrong_is_said(notebook):
    was = state(notebook)
    hand_out(notebook, "resnet-20,mode=trains", answer="mode is 'trains'")
    assert state(notebook) == was
