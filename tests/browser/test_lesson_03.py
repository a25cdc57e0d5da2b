"""Lesson 03 in the real JupyterLab, as a learner works through it."""

import pytest

LESSON = "03_residual_block.ipynb"
DIAGRAM = ".reslab .js-plotly-plot"
CHART = ".reslab .js-plotly-plot >> nth=1"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run."""
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: trace(notebook, "residual block"), 120)
        notebook.show(".reslab")
        yield notebook


@pytest.fixture(autouse=True)
def no_errors(notebook):
    yield
    assert notebook.failures() == []
    assert notebook.errors == []


def trace(notebook, name):
    """The values of the first trace of the right-hand chart whose name holds `name`, without the gaps; None if there is none."""
    for drawn in notebook.figure_data(CHART):
        if name in (drawn["name"] or "").replace("<br>", " "):  # long names break
            return [y for y in drawn["y"] if y is not None]
    return None


def diagram(notebook):
    """All that is written in the diagram."""
    return " ".join(notebook.find(f"{DIAGRAM} >> nth=0").locator(".annotation-text").all_text_contents())


def choose(notebook, control, value):
    notebook.find(f".reslab-{control} select").first.select_option(value)


def set_to(notebook, state):
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", state)
    notebook.wait_until(lambda: notebook.find(".reslab-share input").first.input_value() == state)
    notebook.click("text=Share this state")


def test_a_learner_takes_a_block_apart(notebook):
    # The question comes first, and keeps the answer.
    notebook.click(".widget-radio-box input >> nth=0")
    notebook.click("button:has-text('That is my prediction')")
    notebook.wait_until(lambda: notebook.find("text=You predict: with the skip").count())

    # It opens on both blocks, learning the identity.
    notebook.wait_until(lambda: trace(notebook, "plain block"))
    assert trace(notebook, "plain block")[-1] > 2 * trace(notebook, "residual block")[-1]
    assert "no shortcut" in diagram(notebook)
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-light")
    notebook.screenshot("03_residual_block-explorer", ".reslab")
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: "0 parameters, 0 multiply-adds" in diagram(notebook))

    # Where the shape changes: costs follow the option, and the tensors are drawn.
    choose(notebook, "shape", "halved")
    notebook.wait_until(lambda: "every 2nd pixel" in diagram(notebook))
    notebook.wait_until(lambda: len(notebook.figure_data(CHART)) == 5)
    assert notebook.find(".reslab-show select").first.is_disabled()
    choose(notebook, "shortcut", "B")
    notebook.wait_until(lambda: "160 parameters, 2,048 multiply-adds" in diagram(notebook))
    notebook.wait_until(lambda: "Shortcut B costs 160 parameters" in notebook.text(".reslab-sentence"))
    choose(notebook, "block", "bottleneck")
    notebook.wait_until(lambda: "64×4×4" in diagram(notebook))
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-bottleneck")

    # A state that somebody handed out, and one that nobody should.
    set_to(notebook, "plain,norm=none | residual,norm=none")
    notebook.wait_until(lambda: trace(notebook, "plain block · norm none"))
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", "resnet-20")
    notebook.wait_until(lambda: "write residual or plain" in notebook.text(".reslab-message"))
    notebook.click("text=Share this state")


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    def box(css):
        return notebook.find(css).first.bounding_box()

    top, bottom, left, right, panel = (box(css) for css in (".reslab-skip", ".reslab-pin", DIAGRAM, CHART, ".jp-Notebook"))
    assert bottom["y"] + bottom["height"] - top["y"] < 560  # what Lab leaves of 720 pixels below its bars
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    assert right["x"] + right["width"] <= panel["x"] + panel["width"]
    notebook.resize(820, 900)
    notebook.wait_until(lambda: box(CHART)["y"] > box(DIAGRAM)["y"] + 100)
    notebook.show(".reslab")
    notebook.screenshot("03_residual_block-narrow")
    notebook.resize(1280, 720)
    notebook.wait_until(lambda: box(CHART)["y"] == box(DIAGRAM)["y"])


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    notebook.page.emulate_media(color_scheme="dark")  # Lab follows, charts and all, with nothing run again
    notebook.wait_until(lambda: notebook.page.locator("body[data-jp-theme-light=false]").count())
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")
    for name, state in (("dark", "residual,shape=halved"), ("dark-learning", "plain | residual")):
        set_to(notebook, state)
        notebook.wait_until(lambda name=name: ("every 2nd" in diagram(notebook)) == (name == "dark"))
        notebook.show(".reslab")
        notebook.screenshot(f"03_residual_block-{name}")
    for chart in (DIAGRAM, CHART):
        assert notebook.find(f"{chart} >> .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"
