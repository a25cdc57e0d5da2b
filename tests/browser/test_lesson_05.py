"""Lesson 05 in the real JupyterLab: blocks are clicked out and back in, by mouse and by keys."""

import pytest
from stage_page import is_legible

LESSON = "05_lesions_and_paths.ipynb"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer, but for its question."""
    with lab.open(LESSON) as notebook:
        notebook.run_to("explorers.Lesions(", without=("question",), timeout=900)
        notebook.show(".lesions")
        notebook.wait_until(lambda: "%" in notebook.text(".lesions .say"), 120)
        yield notebook


def line(notebook):
    return notebook.find(".lesions .line").first.input_value()


def errors(notebook):
    return [cell.text_content() for cell in notebook.find(".lesions .error").all()]


def test_a_learner_takes_blocks_out_and_puts_them_back(notebook):
    notebook.wait_until(lambda: line(notebook) == "layers=20 out=5", 60)
    notebook.screenshot("05_lesions-light", ".lesions")
    before = errors(notebook)
    notebook.find(".lesions .residual [data-block='7']").first.click()
    notebook.wait_until(lambda: "Without blocks 5 and 7" in notebook.text(".lesions .say"))
    notebook.wait_until(lambda: errors(notebook) != before)
    pressed = notebook.find(".lesions [aria-pressed='true'][data-block]").all()
    assert [block.get_attribute("data-block") for block in pressed] == ["5", "7", "5", "7"]  # out of both nets

    # By keys: from block 7 to block 8, out, and in again.
    notebook.find(".lesions .residual [data-block='7']").first.focus()
    notebook.page.keyboard.press("ArrowRight")
    notebook.page.keyboard.press("Enter")
    notebook.wait_until(lambda: line(notebook) == "layers=20 out=5,7,8")
    notebook.page.keyboard.press("Space")
    notebook.wait_until(lambda: line(notebook) == "layers=20 out=5,7")


def test_buttons_and_a_state_to_try(notebook):
    notebook.find(".lesions >> text=Each block alone").first.click()
    last = notebook.find(".lesions .plain [data-block='9']").first
    notebook.wait_until(lambda: "alone out: error" in last.get_attribute("aria-label"), 60)
    notebook.find(".reslab-state button").nth(2).click()
    notebook.wait_until(lambda: line(notebook) == "layers=56 out=8,13,17,25")
    notebook.wait_until(lambda: "resnet-56" in notebook.text(".lesions .say"), 120)
    notebook.screenshot("05_lesions-56", ".lesions")
    notebook.find(".lesions >> text=Put all back").first.click()
    notebook.wait_until(lambda: "Nothing is out" in notebook.text(".lesions .say"))


def test_the_states_to_try_can_be_read(notebook):
    notebook.show(".reslab-states")
    notebook.screenshot("05_lesions-states", ".reslab-states")
    buttons = notebook.find(".reslab-states button")
    assert buttons.count() == 4
    assert buttons.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth + 1)")
    assert buttons.evaluate_all("all => all.every(one => parseFloat(getComputedStyle(one).fontSize) >= 14)")


def test_presented_it_is_larger_and_fills_the_screen(notebook):
    explorer = notebook.find(".lesions").first

    def letters():
        return explorer.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")

    usual, ribbon = letters(), notebook.find(".lesions svg[role='group']").first
    low = ribbon.bounding_box()["height"]
    notebook.find(".lesions .presenter").first.click()
    notebook.wait_until(lambda: letters() > 1.1 * usual)
    notebook.wait_until(lambda: ribbon.bounding_box()["height"] > 1.1 * low)
    notebook.screenshot("05_lesions-present")
    assert explorer.evaluate("node => node.scrollHeight <= node.clientHeight")
    assert not notebook.find(".lesions .line").first.is_visible()
    notebook.wait_until(lambda: notebook.text(".lesions .presenter").strip() == "Leave")
    notebook.page.keyboard.press("Escape")
    notebook.wait_until(lambda: letters() == usual)
    notebook.wait_until(lambda: notebook.text(".lesions .presenter").strip() == "Present")


def test_it_fits_a_projector_and_a_narrow_window(notebook):
    box = notebook.find(".lesions").first.bounding_box()
    assert box["height"] <= 586  # what Lab leaves of 720 px
    for width, height in ((700, 900), (1280, 720)):
        notebook.resize(width, height)
        notebook.wait_until(
            lambda: notebook.find(".lesions").first.evaluate("node => node.scrollWidth <= node.clientWidth")
        )
        is_legible(notebook.find(".lesions").first)
        notebook.screenshot(f"05_lesions-{width}", ".lesions")
