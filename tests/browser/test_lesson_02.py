"""Lesson 02 in the real JupyterLab, as a learner works through it."""

import pytest

LESSON = "02_gradient_flow.ipynb"
PROFILE = ".reslab .js-plotly-plot"
RIGHT = ".reslab .js-plotly-plot >> nth=1"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run."""
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: trace(notebook, PROFILE, "plain-56"))
        notebook.show(".reslab")
        yield notebook


@pytest.fixture(autouse=True)
def no_errors(notebook):
    yield
    assert notebook.failures() == []
    assert notebook.errors == []


def trace(notebook, chart, name):
    """The first trace whose name holds `name`: {"name", "x", "y", "z"}; None if there is none."""
    return next((drawn for drawn in notebook.figure_data(chart) if name in (drawn["name"] or "").replace("<br>", " ")), None)


def state(notebook):
    return notebook.find(".reslab-share input").first.input_value()


def paste(notebook, text):
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", text)
    notebook.wait_until(lambda: state(notebook) == text)
    notebook.click("text=Share this state")  # folded away again


def test_a_learner_predicts_and_finds_that_the_gradient_explodes(notebook):
    notebook.click(".widget-radio-box input >> nth=0")
    notebook.click("button:has-text('That is my prediction')")
    notebook.wait_until(lambda: notebook.find("text=You predict: 1000× smaller").count())
    plain, residual = (trace(notebook, PROFILE, name)["y"] for name in ("plain-56", "resnet-56"))
    assert plain[0] > 200 > 20 > residual[0] > 1
    assert "times larger" in notebook.text(".reslab-sentence")
    notebook.screenshot("02_gradient_flow-light")


def test_toggles_answer_and_pins_stay(notebook, record_property):
    notebook.click(".reslab-skip")
    seconds = notebook.wait_until(lambda: "that of resnet-56 is multiplied" in notebook.text(".reslab-sentence"))
    record_property("seconds until a toggle was drawn", round(seconds, 2))
    print(f"\na toggle was drawn within {seconds:.2f} s")
    assert trace(notebook, RIGHT, "skip + branch")
    assert not notebook.find(".reslab-residual-scale select").first.is_disabled()
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "weights"))
    assert notebook.find(".reslab-residual-scale select").first.is_disabled()
    notebook.fill(".reslab-depth-text input", "57")
    notebook.wait_until(lambda: "the nearest is 56" in notebook.text(".reslab-message"))


def test_a_state_that_was_handed_out_names_what_float32_lost(notebook):
    paste(notebook, "plain-56,norm=none,init=torch,activation=sigmoid | plain-56")
    notebook.wait_until(lambda: "lost (underflow to 0)" in notebook.text(".reslab-sentence"))
    notebook.wait_until(lambda: notebook.find(f"{PROFILE} >> text=underflow to 0").count())
    notebook.show(".reslab")
    notebook.screenshot("02_gradient_flow-underflow")


def test_twenty_steps_of_training_fill_the_map(notebook):
    paste(notebook, "plain-56 | resnet-56")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "norms"))
    notebook.click(".reslab-go")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "plain-56"))
    notebook.wait_until(lambda: "step 20 of 20, finished" in notebook.text(".reslab-progress-text"), 120)
    cells = trace(notebook, RIGHT, "plain-56")["z"]
    assert len(cells) == 27
    assert cells[0][0] > 2  # decades: the explosion of the first step
    assert abs(cells[0][-1]) < 2
    notebook.wait_until(lambda: "at step 20" in notebook.text(".reslab-sentence"))
    notebook.show(".reslab")
    notebook.screenshot("02_gradient_flow-steps")
    notebook.screenshot("02_gradient_flow-explorer", ".reslab")
    notebook.click("text=Show the code")
    notebook.wait_until(lambda: "experiments.gradient_flow.first_steps" in notebook.text(".reslab-source"))
    notebook.click("text=Show the code")
    notebook.click(".reslab-turn")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "weights"))


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    def box(css):
        return notebook.find(css).first.bounding_box()

    top, bottom, left, right, panel = (box(css) for css in (".reslab-skip", ".reslab-progress-text", PROFILE, RIGHT, ".jp-Notebook"))
    assert bottom["y"] + bottom["height"] - top["y"] < 560  # what Lab leaves of 720 pixels below its bars
    assert left["y"] == right["y"]
    assert right["x"] + right["width"] <= panel["x"] + panel["width"]
    notebook.resize(820, 900)
    notebook.wait_until(lambda: box(RIGHT)["y"] > box(PROFILE)["y"] + 100)
    notebook.show(".reslab")
    notebook.screenshot("02_gradient_flow-narrow")
    notebook.resize(1280, 720)
    notebook.wait_until(lambda: box(RIGHT)["y"] == box(PROFILE)["y"])


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    notebook.page.emulate_media(color_scheme="dark")  # Lab follows, charts and all, with nothing run again
    notebook.wait_until(lambda: notebook.page.locator("body[data-jp-theme-light=false]").count())
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")
    notebook.show(".reslab")
    notebook.click(".reslab-turn")
    notebook.wait_until(lambda: trace(notebook, RIGHT, "plain-56"))
    notebook.screenshot("02_gradient_flow-dark")
    for chart in (PROFILE, RIGHT):
        assert notebook.find(f"{chart} >> .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"
