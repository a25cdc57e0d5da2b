"""Lesson 09 in the real JupyterLab, as a learner works through it."""

import pytest

LESSON = "09_variants.ipynb"
DIAGRAM = ".reslab .js-plotly-plot"
CURVES = ".reslab .js-plotly-plot >> nth=1"
RACE = "resnet-14,widen=2 | resnet-56"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run."""
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: "identity" in diagram(notebook), 120)
        notebook.show(".reslab")
        yield notebook


@pytest.fixture(autouse=True)
def no_errors(notebook):
    yield
    assert notebook.failures() == []
    assert notebook.errors == []


def trace(notebook, name):
    """The values of the first curve whose name is `name`, or ends in it; None if there is none."""
    for drawn in notebook.figure_data(CURVES):
        if (drawn["name"] or "").replace("<br>", " ").endswith(name):  # long names break
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


def test_a_learner_composes_a_net_and_races_it(notebook):
    # The question comes first, and keeps the answer.
    notebook.click(".widget-radio-box input >> nth=0")
    notebook.click("button:has-text('That is my prediction')")
    notebook.wait_until(lambda: notebook.find("text=You predict: lower").count())

    # Diagram and cost answer before anything is trained.
    notebook.wait_until(lambda: "1.00 × the multiply-adds of resnet-110." in notebook.text(".reslab-sentence"))
    assert notebook.find(".reslab-groups select").first.is_disabled()
    choose(notebook, "block", "bottleneck")
    notebook.wait_until(lambda: "1×1 conv" in diagram(notebook))
    choose(notebook, "groups", "8")
    notebook.wait_until(lambda: "8 groups" in diagram(notebook))
    notebook.wait_until(lambda: "groups 8 costs 0." in notebook.text(".reslab-sentence"))

    # A race that somebody handed out: both curves grow side by side; Pause holds both, Stop ends both.
    set_to(notebook, RACE)
    notebook.wait_until(lambda: "Press Start to train resnet-56, resnet-16 · widen 2" in notebook.text(".reslab-message"))
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: len(trace(notebook, "widen 2") or []) > 1)
    notebook.click(".reslab-pause")
    notebook.wait_until(lambda: notebook.text(".reslab-pause") == "Resume")
    notebook.page.wait_for_timeout(1500)  # a step that had begun may end
    held = [trace(notebook, name) for name in ("resnet-56", "widen 2")]
    assert abs(len(held[0]) - len(held[1])) <= 1
    notebook.page.wait_for_timeout(1000)
    assert [trace(notebook, name) for name in ("resnet-56", "widen 2")] == held
    notebook.click(".reslab-pause")
    notebook.wait_until(lambda: "widen 2: step 60 of 60, finished" in notebook.text(".reslab-progress-text"), 300)
    notebook.wait_until(lambda: "After 60 steps" in notebook.text(".reslab-sentence"))
    assert trace(notebook, "widen 2")[-1] < 20
    assert notebook.find(".reslab-share input").first.input_value() == f"{RACE} + resnet-14,widen=2"
    notebook.show(".reslab")
    notebook.screenshot("09_variants-light")
    notebook.screenshot("09_variants-explorer", ".reslab")

    # What was composed becomes the one to beat; and a state that nobody should hand out.
    notebook.click(".reslab-set-base")
    notebook.wait_until(lambda: "of resnet-16 · widen 2" in notebook.text(".reslab-sentence"))
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", "resnet-57")
    notebook.wait_until(lambda: "56 or 62" in notebook.text(".reslab-message"))
    notebook.click("text=Share this state")
    notebook.click("text=Show the code")
    notebook.wait_until(lambda: "NetSpec(depth=16, widen=2, width=8" in notebook.text(".reslab-source"))
    notebook.click("text=Show the code")


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    def box(css):
        return notebook.find(css).first.bounding_box()

    top, bottom, left, right, panel = (box(css) for css in (".reslab-skip", ".reslab-progress-text", DIAGRAM, CURVES, ".jp-Notebook"))
    assert bottom["y"] + bottom["height"] - top["y"] < 560  # what Lab leaves of 720 pixels below its bars
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    assert right["x"] + right["width"] <= panel["x"] + panel["width"]
    notebook.resize(820, 900)
    notebook.wait_until(lambda: box(CURVES)["y"] > box(DIAGRAM)["y"] + 100)
    notebook.show(".reslab")
    notebook.screenshot("09_variants-narrow")
    notebook.resize(1280, 720)
    notebook.wait_until(lambda: box(CURVES)["y"] == box(DIAGRAM)["y"])


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    notebook.page.emulate_media(color_scheme="dark")  # Lab follows, charts and all, with nothing run again
    notebook.wait_until(lambda: notebook.page.locator("body[data-jp-theme-light=false]").count())
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")
    set_to(notebook, "resnet-56,order=preact,shortcut=D | resnet-56 + resnet-14,widen=2")
    notebook.wait_until(lambda: "2×2 average" in diagram(notebook))
    notebook.show(".reslab")
    notebook.screenshot("09_variants-dark")
    for chart in (DIAGRAM, CURVES):
        assert notebook.find(f"{chart} >> .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"


def test_reset_clears_the_race(notebook):
    notebook.click(".reslab-reset")
    notebook.wait_until(lambda: trace(notebook, "resnet-56") is None)
    assert "Press Start" in notebook.find(CURVES).first.inner_text()
