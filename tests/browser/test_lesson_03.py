"""Lesson 03 in the real JupyterLab, as a learner works through it."""

import pytest
from explorer_page import LEFT, RIGHT, choose, hand_out, values

LESSON = "03_residual_block.ipynb"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer, but for its question."""
    with lab.open(LESSON) as notebook:
        notebook.run_to("explorers.ResidualBlock(", without=("question",), timeout=900)
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
    assert "0 parameters, 0 multiply-adds" in diagram(notebook)
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-light")
    notebook.screenshot("03_residual_block-explorer", ".reslab")
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: "no shortcut" in diagram(notebook))
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: "0 parameters, 0 multiply-adds" in diagram(notebook))

    # Where the shape changes: costs follow the option, and the tensors are drawn.
    notebook.find(".reslab-shape select").first.select_option("halved")
    notebook.wait_until(lambda: "every 2nd pixel" in diagram(notebook))
    notebook.wait_until(lambda: len(notebook.figure_data(RIGHT)) == 5)
    assert notebook.find(".reslab-show select").first.is_disabled()
    notebook.find(".reslab-shortcut select").first.select_option("B")
    notebook.wait_until(lambda: "160 parameters, 2,048 multiply-adds" in diagram(notebook))
    notebook.wait_until(lambda: "Shortcut B costs 160 parameters" in notebook.text(".reslab-sentence"))
    choose(notebook, "block", "bottleneck")
    notebook.wait_until(lambda: "64×4×4" in diagram(notebook))
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-bottleneck")

    # A pasted state, and a wrong one.
    hand_out(notebook, "plain,norm=none | residual,norm=none")
    notebook.wait_until(lambda: values(notebook, RIGHT, "plain block · norm none"))
    hand_out(notebook, "resnet-20", "write residual or plain")
