"""Lesson 01 in the real JupyterLab, as a learner works through it."""

import pytest

LESSON = "01_degradation.ipynb"
CURVES = ".reslab .js-plotly-plot"
GRADIENTS = ".reslab .js-plotly-plot >> nth=1"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run."""
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: trace(notebook, GRADIENTS, "untrained"))
        notebook.show(".reslab")
        yield notebook


@pytest.fixture(autouse=True)
def no_errors(notebook):
    yield
    assert notebook.failures() == []
    assert notebook.errors == []


def trace(notebook, chart, name):
    """The values of the first trace whose name holds `name`, without the gaps; None if there is none."""
    for drawn in notebook.figure_data(chart):
        if name in (drawn["name"] or "").replace("<br>", " "):  # long names break
            return [y for y in drawn["y"] if y is not None]
    return None


def depth(notebook):
    return notebook.find(".reslab-depth-text input").first.input_value()


def state(notebook):
    return notebook.find(".reslab-share input").first.input_value()


def test_a_learner_watches_a_plain_net_fail_and_its_residual_twin_learn(notebook, record_property):
    answered = {}

    def press(name, answer):
        notebook.click(f".reslab-{name}")
        answered[name] = notebook.wait_until(answer)

    # The question comes first, and keeps the answer.
    notebook.click(".widget-radio-box input >> nth=0")
    notebook.click("button:has-text('That is my prediction')")
    notebook.wait_until(lambda: notebook.find("text=You predict: lower").count())

    # Controls answer before anything is trained: the chosen net's gradients are measured and drawn at once.
    assert depth(notebook) == "56"
    plain = trace(notebook, GRADIENTS, "plain-56 · untrained")
    press("skip", lambda: "ON" in notebook.text(".reslab-skip"))
    notebook.wait_until(lambda: trace(notebook, GRADIENTS, "resnet-56 · untrained"))
    assert trace(notebook, GRADIENTS, "resnet-56 · untrained") != plain
    notebook.press(".reslab-depth .noUi-handle", "ArrowLeft", times=2)
    notebook.wait_until(lambda: depth(notebook) == "44")
    notebook.wait_until(lambda: trace(notebook, GRADIENTS, "resnet-44 · untrained"))
    notebook.fill(".reslab-depth-text input", "57")
    notebook.wait_until(lambda: depth(notebook) == "56")
    notebook.wait_until(lambda: "the nearest is 56" in notebook.text(".reslab-message"))
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: trace(notebook, GRADIENTS, "plain-56 · untrained"))

    # Training moves the curve, Pause holds it, Step moves it by one, Resume and Stop do what they say.
    press("start", lambda: len(trace(notebook, CURVES, "plain-56") or []) > 1)
    press("pause", lambda: notebook.text(".reslab-pause") == "Resume")
    notebook.page.wait_for_timeout(1500)  # a step that had begun may end
    held = trace(notebook, CURVES, "plain-56")
    notebook.page.wait_for_timeout(1000)
    assert trace(notebook, CURVES, "plain-56") == held
    press("step", lambda: len(trace(notebook, CURVES, "plain-56")) == len(held) + 1)
    press("pause", lambda: notebook.text(".reslab-pause") == "Pause")
    drawn = notebook.curve(CURVES)
    notebook.wait_until(lambda: notebook.curve(CURVES) != drawn)
    press("stop", lambda: "stopped at step" in notebook.text(".reslab-progress-text"))
    notebook.wait_until(lambda: "plain-56 was stopped" in notebook.text(".reslab-sentence"))
    assert notebook.find(".reslab-stop").first.is_disabled()

    # A state that somebody handed out: one line sets everything, and Start trains what it names.
    handed_out = "resnet-56 | plain-20 + plain-56 + resnet-56"
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", handed_out)
    notebook.wait_until(lambda: "Press Start to train" in notebook.text(".reslab-message"))
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: "resnet-56: step 60 of 60, finished" in notebook.text(".reslab-progress-text"), 300)
    assert state(notebook) == handed_out
    error = {name: trace(notebook, CURVES, name)[-1] for name in ("plain-20", "plain-56", "resnet-56")}
    assert error["plain-56"] > 50 > error["plain-20"]
    assert error["plain-56"] > 50 > error["resnet-56"]
    notebook.click("text=Share this state")  # folded away again
    notebook.wait_until(lambda: "After 60 steps" in notebook.text(".reslab-sentence"))
    notebook.screenshot("01_degradation-explorer", ".reslab")
    notebook.show(".reslab")
    notebook.screenshot("01_degradation-light")
    notebook.click("text=Share this state")
    notebook.fill(".reslab-share input", "resnet-21")
    notebook.wait_until(lambda: "20 or 26" in notebook.text(".reslab-message"))
    assert state(notebook) == handed_out

    notebook.click("text=Show the code")
    notebook.wait_until(lambda: "fit(NetSpec(depth=56, skip=False" in notebook.text(".reslab-source"))
    for name, seconds in answered.items():
        record_property(f"seconds until {name} answered", round(seconds, 2))
    print("\nanswered within:", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answered.items()))


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    def box(css):
        return notebook.find(css).first.bounding_box()

    top, bottom, left, right, panel = (box(css) for css in (".reslab-skip", ".reslab-progress-text", CURVES, GRADIENTS, ".jp-Notebook"))
    assert bottom["y"] + bottom["height"] - top["y"] < 560  # what Lab leaves of 720 pixels below its bars
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    assert right["x"] + right["width"] <= panel["x"] + panel["width"]
    notebook.resize(820, 900)
    notebook.wait_until(lambda: box(GRADIENTS)["y"] > box(CURVES)["y"] + 100)
    notebook.show(".reslab")
    notebook.screenshot("01_degradation-narrow")
    notebook.resize(1280, 720)
    notebook.wait_until(lambda: box(GRADIENTS)["y"] == box(CURVES)["y"])


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    notebook.page.emulate_media(color_scheme="dark")  # Lab follows, charts and all, with nothing run again
    notebook.wait_until(lambda: notebook.page.locator("body[data-jp-theme-light=false]").count())
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")
    notebook.show(".reslab")
    notebook.screenshot("01_degradation-dark")
    for chart in (CURVES, GRADIENTS):
        assert notebook.find(f"{chart} >> .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"


def test_reset_clears_the_charts(notebook):
    notebook.click(".reslab-reset")
    notebook.wait_until(lambda: trace(notebook, CURVES, "plain") is None)
    assert state(notebook) == "resnet-56"
    assert notebook.find(".reslab-reset").first.is_disabled()
