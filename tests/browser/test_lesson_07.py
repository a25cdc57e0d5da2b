"""Lesson 07 in the real JupyterLab: two questions, then maps of a digit, of a photograph, and of a picture of one's
own."""

import io

import pytest
from explorer_page import (
    IN_FRONT,
    SENTENCE,
    answer,
    at_rest,
    bring_to_front,
    changes_the_sentence,
    every_tab_is_drawn,
    fits_a_narrow_window,
    hand_out,
    state,
    unfolded,
)
from PIL import Image

from reslab.experiments.deletion import ANSWERS

LESSON = "07_attribution.ipynb"
EXPLORER = ".reslab"
MESSAGE = f"{EXPLORER} .reslab-message"


def file_of(picture, kind):
    """The bytes of a picture's file."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def give(notebook, content):
    """Choose a file as the picture of one's own."""
    with unfolded(notebook), notebook.page.expect_file_chooser() as chooser:
        notebook.click(f"{EXPLORER} .reslab-upload button")
    chooser.value.set_files({"name": "own.png", "mimeType": "image/png", "buffer": content})


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720: its question answered, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, 3, 0, next(iter(ANSWERS)))
        notebook.screenshot("07_attribution-question", ".reslab-question")
        notebook.run_to("explorers.Attribution(", first=3, timeout=900)
        notebook.show(EXPLORER)
        notebook.wait_until(lambda: "resnet-20 says" in notebook.text(SENTENCE), 120)
        yield notebook


def test_the_switch_and_the_method_answer(notebook):
    notebook.screenshot("07_attribution-map", EXPLORER)
    changes_the_sentence(notebook, lambda: notebook.click(f"{EXPLORER} .reslab-skip"))
    assert state(notebook) == "plain-20"
    assert "plain-20" in notebook.text(SENTENCE)
    method = notebook.find(f"{EXPLORER} .reslab-method select").first
    changes_the_sentence(notebook, lambda: method.select_option("Grad-CAM"))
    assert state(notebook) == "plain-20,method=Grad-CAM"


def test_every_tab_has_its_chart(notebook):
    every_tab_is_drawn(notebook, "07_attribution", 3)


def test_a_chart_that_was_behind_is_of_the_chosen_net(notebook):
    def curves():
        return [drawn["y"] for drawn in notebook.figure_data(IN_FRONT)]

    bring_to_front(notebook, 1)
    before = at_rest(notebook, curves)
    bring_to_front(notebook, 0)
    changes_the_sentence(notebook, lambda: notebook.click(f"{EXPLORER} .reslab-skip"))
    bring_to_front(notebook, 1)
    assert curves() not in ([], before)
    notebook.click(f"{EXPLORER} .reslab-skip")
    notebook.wait_until(lambda: curves() == before)
    bring_to_front(notebook, 0)


def test_a_photograph_and_a_picture_of_ones_own(notebook):
    changes_the_sentence(notebook, lambda: hand_out(notebook, "resnet-20,image=2,pictures=photographs"), 120)
    notebook.screenshot("07_attribution-photograph", EXPLORER)
    changes_the_sentence(notebook, lambda: hand_out(notebook, "resnet-20"))
    one = Image.new("L", (120, 90), "white")
    one.paste("black", (55, 10, 68, 80))
    changes_the_sentence(notebook, lambda: give(notebook, file_of(one, "PNG")))
    assert "Your picture" in notebook.text(MESSAGE)
    notebook.screenshot("07_attribution-own", EXPLORER)


def test_a_large_file_is_made_smaller_and_the_button_lives_on(notebook):
    """A message of over 10 MB would end the page's connection to the kernel."""
    large = file_of(Image.effect_mandelbrot((3600, 3600), (-2, -1, 1, 1), 20), "BMP")
    assert len(large) > 12e6
    give(notebook, bytes(len(large)))
    notebook.wait_until(lambda: "no image that can be read" in notebook.text(MESSAGE))
    changes_the_sentence(notebook, lambda: give(notebook, large))
    assert "Your picture: cut square" in notebook.text(MESSAGE)


def test_it_fits_a_narrow_window_and_the_dark_theme(notebook):
    fits_a_narrow_window(notebook, "07_attribution")
