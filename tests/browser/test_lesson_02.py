"""Lesson 02 in the real JupyterLab, as a learner works through it."""

import pytest
from explorer_page import LEFT, RIGHT, answer, hand_out, trace

LESSON = "02_gradient_flow.ipynb"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, cells=2, place=0, said="1000× smaller")
        notebook.show(".reslab-question")
        notebook.screenshot("02-question")
        notebook.run_to("explorers.GradientFlow(", first=2, timeout=900)
        notebook.wait_until(lambda: trace(notebook, LEFT, "plain-56"))
        notebook.show(".reslab")
        yield notebook


def test_a_learner_predicts_and_finds_that_the_gradient_explodes(notebook):
    plain, residual = (trace(notebook, LEFT, name)["y"] for name in ("plain-56", "resnet-56"))
    assert plain[0] > 200 > 20 > residual[0] > 1
    assert "times larger" in notebook.text(".reslab-sentence")
    notebook.screenshot("02_gradient_flow-light")


def test_toggles_answer_and_pins_stay(notebook, record_property):
    notebook.click(".reslab-skip")
    told = "the gradient of resnet-56 is multiplied"
    seconds = notebook.wait_until(lambda: told in notebook.text(".reslab-sentence"))
    record_property("seconds until a toggle was drawn", round(seconds, 2))
    print(f"\na toggle was drawn within {seconds:.2f} s")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "skip + branch"))  # of the chart behind
    assert not notebook.find(".reslab-residual-scale select").first.is_disabled()
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "weights"))
    notebook.wait_until(lambda: notebook.find(".reslab-residual-scale select").first.is_disabled())
    notebook.fill(".reslab-depth-text input", "57")
    notebook.wait_until(lambda: "the nearest is 56" in notebook.text(".reslab-message"))


def test_a_state_that_was_handed_out_names_what_float32_lost(notebook):
    hand_out(notebook, "plain-56,norm=none,init=torch,activation=sigmoid | plain-56")
    notebook.wait_until(lambda: "lost (underflow to 0)" in notebook.text(".reslab-sentence"))
    notebook.wait_until(lambda: notebook.find(f"{LEFT} >> text=underflow to 0").count())
    notebook.show(".reslab")
    notebook.screenshot("02_gradient_flow-underflow")


def test_twenty_steps_of_training_fill_the_map(notebook):
    hand_out(notebook, "plain-56 | resnet-56")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "norms"))
    notebook.click(".reslab-go")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "plain-56"))
    notebook.wait_until(lambda: "step 20 of 20, finished" in notebook.text(".reslab-progress-text"), 120)
    notebook.wait_until(lambda: "at step 20" in notebook.text(".reslab-sentence"))  # which is told once it is drawn
    cells = trace(notebook, RIGHT, "plain-56")["z"]
    assert len(cells) == 27
    assert cells[0][0] > 2  # decades: the explosion of the first step
    assert abs(cells[0][-1]) < 2
    notebook.show(".reslab")
    notebook.screenshot("02_gradient_flow-steps")
    notebook.screenshot("02_gradient_flow-explorer", ".reslab")
    notebook.click(".reslab-folds >> text=Show the code")
    notebook.wait_until(lambda: "lesson.first_steps(" in notebook.text(".reslab-source"))
    notebook.click(".reslab-folds >> text=Show the code")
    notebook.click(".reslab-switch")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "weights"))
