"""Lesson 03 in the real JupyterLab, as a learner works through it."""

import pytest
from explorer_page import LEFT, RIGHT, choose, darken, fits_and_stacks, hand_out, values

LESSON = "03_residual_block.ipynb"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run."""
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: values(notebook, RIGHT, "residual block"), 120)
        notebook.show(".reslab")
        yield notebook


def diagram(notebook):
    """All that is written in the diagram."""
    return " ".join(notebook.find(f"{LEFT} >> nth=0").locator(".annotation-text").all_text_contents())


def test_a_learner_takes_a_block_apart(notebook):
    # It opens on both blocks, learning the identity.
    notebook.wait_until(lambda: values(notebook, RIGHT, "plain block"))
    assert values(notebook, RIGHT, "plain block")[-1] > 2 * values(notebook, RIGHT, "residual block")[-1]
    assert "no shortcut" in diagram(notebook)
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-light")
    notebook.screenshot("03_residual_block-explorer", ".reslab")
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: "0 parameters, 0 multiply-adds" in diagram(notebook))

    # Where the shape changes: costs follow the option, and the tensors are drawn.
    choose(notebook, "shape", "halved")
    notebook.wait_until(lambda: "every 2nd pixel" in diagram(notebook))
    notebook.wait_until(lambda: len(notebook.figure_data(RIGHT)) == 5)
    assert notebook.find(".reslab-show select").first.is_disabled()
    choose(notebook, "shortcut", "B")
    notebook.wait_until(lambda: "160 parameters, 2,048 multiply-adds" in diagram(notebook))
    notebook.wait_until(lambda: "Shortcut B costs 160 parameters" in notebook.text(".reslab-sentence"))
    choose(notebook, "block", "bottleneck")
    notebook.wait_until(lambda: "64×4×4" in diagram(notebook))
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-bottleneck")

    # A state that somebody handed out, and one that nobody should.
    hand_out(notebook, "plain,norm=none | residual,norm=none")
    notebook.wait_until(lambda: values(notebook, RIGHT, "plain block · norm none"))
    hand_out(notebook, "resnet-20", "write residual or plain")


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    fits_and_stacks(notebook, "03_residual_block", last=".reslab-pin")


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    darken(notebook)
    for name, state in (("dark", "residual,shape=halved"), ("dark-learning", "plain | residual")):
        hand_out(notebook, state)
        notebook.wait_until(lambda name=name: ("every 2nd" in diagram(notebook)) == (name == "dark"))
        notebook.show(".reslab")
        notebook.screenshot(f"03_residual_block-{name}")
