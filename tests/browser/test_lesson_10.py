"""Lesson 10 in the real JupyterLab: a question, then bodies swapped under every model."""

import pytest
from explorer_page import (
    IN_FRONT,
    SENTENCE,
    answer,
    bring_to_front,
    changes_the_sentence,
    click_mark,
    every_tab_is_drawn,
    fits_a_narrow_window,
    hand_out,
    state,
)

from reslab.results.backbones import ANSWERS

LESSON = "10_backbones.ipynb"
EXPLORER = ".reslab"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("10_backbones-question", ".reslab-question")
        notebook.run_to("explorers.Backbones(", first=3, timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "are its resnet-50" in notebook.text(SENTENCE), 120)
        yield notebook


def test_a_model_and_a_body_are_chosen(notebook):
    notebook.screenshot("10_backbones-bars", EXPLORER)
    model = notebook.find(f"{EXPLORER} .reslab-model-menu select").first
    changes_the_sentence(notebook, lambda: model.select_option("Mask R-CNN"))
    assert state(notebook) == "Mask R-CNN"
    body = notebook.find(f"{EXPLORER} .reslab-body-menu select").first
    changes_the_sentence(notebook, lambda: body.select_option("resnet-18"))
    assert state(notebook) == "Mask R-CNN,body=resnet-18"
    assert "resnet-18" in notebook.text(SENTENCE)


def click_the_largest_bar(notebook):
    def box():
        boxes = [bar.bounding_box() for bar in notebook.find(f"{IN_FRONT} .barlayer .point path").all()]
        return max(boxes, key=lambda box: box["width"] * box["height"])

    click_mark(notebook, IN_FRONT, box)


def test_a_click_on_a_bar_opens_its_numbers(notebook):
    hand_out(notebook, "Faster R-CNN")
    opened = ".reslab .reslab-opened"
    notebook.wait_until(lambda: "Click a bar to open it" in notebook.text(opened))
    click_the_largest_bar(notebook)  # a body, one row per block
    notebook.wait_until(lambda: "classifier: resnet-50" in notebook.text(opened))
    assert "stage1.block1" in notebook.text(opened)
    notebook.show(opened)
    notebook.screenshot("10_backbones-opened", EXPLORER)
    bring_to_front(notebook, 1)
    notebook.wait_until(lambda: notebook.find(f"{IN_FRONT} .barlayer .point path").count() > 16)
    click_the_largest_bar(notebook)  # a head, one row per layer
    notebook.wait_until(lambda: "Faster R-CNN: box head" in notebook.text(opened))
    assert "fc6" in notebook.text(opened)
    bring_to_front(notebook, 0)


def test_every_tab_has_its_chart(notebook):
    every_tab_is_drawn(notebook, "10_backbones", 2)


def test_a_line_that_was_handed_out_shows_the_same(notebook):
    changes_the_sentence(notebook, lambda: hand_out(notebook, "Faster R-CNN,cost=multiply_adds,proposals=100"))
    assert "100 proposals" in notebook.text(SENTENCE)


def test_it_fits_a_narrow_window(notebook):
    fits_a_narrow_window(notebook, "10_backbones")
