"""Lesson 01 in the real JupyterLab, as a learner works through it."""

import pytest
from explorer_page import LEFT, RIGHT, all_told, answer, at_rest, darken, fits_and_stacks, hand_out, state, values
from stage_page import error_names

LESSON = "01_degradation.ipynb"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer."""
    with lab.open(LESSON) as notebook:
        answer(notebook, cells=3, place=0, said="lower")
        notebook.show(".reslab-question")
        notebook.screenshot("01-question")
        notebook.run_to("explorers.Degradation(", first=3, without=("by_construction",), timeout=900)
        notebook.wait_until(lambda: values(notebook, RIGHT, "untrained"))
        notebook.show(".reslab")
        yield notebook


def depth(notebook):
    return notebook.find(".reslab-depth-text input").first.input_value()


def test_a_learner_watches_a_plain_net_fail_and_its_residual_twin_learn(notebook, record_property):
    answered = {}

    def press(name, answer):
        notebook.click(f".reslab-{name}")
        answered[name] = notebook.wait_until(answer)

    # Controls answer before anything is trained: the chosen net's gradients are measured and drawn at once.
    assert depth(notebook) == "56"
    plain = values(notebook, RIGHT, "plain-56 · untrained")
    press("skip", lambda: "ON" in notebook.text(".reslab-skip"))
    notebook.wait_until(lambda: values(notebook, RIGHT, "resnet-56 · untrained"))
    assert values(notebook, RIGHT, "resnet-56 · untrained") != plain
    notebook.press(".reslab-depth .noUi-handle", "ArrowLeft", times=2)
    notebook.wait_until(lambda: depth(notebook) == "44")
    notebook.wait_until(lambda: values(notebook, RIGHT, "resnet-44 · untrained"))
    notebook.fill(".reslab-depth-text input", "57")
    notebook.wait_until(lambda: depth(notebook) == "56")
    notebook.wait_until(lambda: "the nearest is 56" in notebook.text(".reslab-message"))
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: values(notebook, RIGHT, "plain-56 · untrained"))

    # Training moves the curve, Pause holds it, Step moves it by one, Resume and Stop do what they say.
    press("start", lambda: len(values(notebook, LEFT, "plain-56") or []) > 1)
    press("pause", lambda: notebook.text(".reslab-pause") == "Resume")
    notebook.page.wait_for_timeout(1000)  # a step that had begun may end
    held = at_rest(notebook, lambda: values(notebook, LEFT, "plain-56"))
    notebook.page.wait_for_timeout(1000)
    assert values(notebook, LEFT, "plain-56") == held
    notebook.click(".reslab-more")
    press("step", lambda: len(values(notebook, LEFT, "plain-56")) == len(held) + 1)
    notebook.click(".reslab-more")
    press("pause", lambda: notebook.text(".reslab-pause") == "Pause")
    drawn = notebook.curve(LEFT)
    notebook.wait_until(lambda: notebook.curve(LEFT) != drawn)
    press("stop", lambda: "stopped at step" in notebook.text(".reslab-progress-text"))
    notebook.wait_until(lambda: "plain-56 was stopped" in notebook.text(".reslab-sentence"))
    assert notebook.find(".reslab-stop").first.is_disabled()

    # A pasted state: one line sets everything, and Start trains what it names.
    handed_out = "resnet-56 | plain-20 + plain-56 + resnet-56"
    hand_out(notebook, handed_out)
    notebook.wait_until(lambda: "Press Start to train" in notebook.text(".reslab-message"))
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: "resnet-56: step 60 of 60, finished" in notebook.text(".reslab-progress-text"), 300)
    notebook.wait_until(lambda: all_told(notebook))
    assert state(notebook) == handed_out
    error = {name: values(notebook, LEFT, name)[-1] for name in ("plain-20", "plain-56", "resnet-56")}
    assert error["plain-56"] > 50 > error["plain-20"]
    assert error["plain-56"] > 50 > error["resnet-56"]
    notebook.screenshot("01_degradation-explorer", ".reslab")
    notebook.show(".reslab")
    notebook.screenshot("01_degradation-light")
    hand_out(notebook, "resnet-21", "20 or 26")
    assert state(notebook) == handed_out

    notebook.click(".reslab-folds >> text=Show the code")
    notebook.wait_until(lambda: "fit(NetSpec(depth=56, skip=False" in notebook.text(".reslab-source"))
    for name, seconds in answered.items():
        record_property(f"seconds until {name} answered", round(seconds, 2))
    print("\nanswered within:", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answered.items()))


def test_a_state_to_try_is_a_button(notebook):
    notebook.click(".reslab-state button >> nth=0")
    notebook.wait_until(lambda: state(notebook) == "plain-8 | plain-8 + resnet-8")
    hand_out(notebook, "resnet-56 | plain-20 + plain-56 + resnet-56")


def test_one_start_trains_both_nets_on_the_stage(notebook):
    notebook.show(".stage")
    notebook.screenshot("01-stage")
    stage = notebook.find(".stage").first
    notebook.click(".stage .live")
    notebook.wait_until(lambda: set(error_names(stage)) == {"skips off", "skips on"}, 180)
    assert "Thick: live, this machine, seed 0" in notebook.text(".stage .origin")
    before = error_names(stage)
    notebook.click(".stage .switch")  # while both train
    notebook.wait_until(lambda: notebook.text(".stage .say").startswith("With skips"))
    notebook.wait_until(lambda: error_names(stage) != before, 60)
    notebook.click(".stage .live")
    notebook.wait_until(lambda: "Stopped" in notebook.text(".stage .origin"), 60)


def test_the_explorer_fits_a_projector_and_stacks_on_a_narrow_screen(notebook):
    fits_and_stacks(notebook, "01_degradation")


def test_the_charts_are_transparent_in_the_dark_theme(notebook):
    darken(notebook)
    notebook.screenshot("01_degradation-dark")


def test_reset_clears_the_charts(notebook):
    notebook.click(".reslab-more")
    notebook.click(".reslab-reset")
    notebook.wait_until(lambda: values(notebook, LEFT, "plain") is None)
    notebook.wait_until(lambda: state(notebook) == "resnet-56")  # in a message after that of the charts
    notebook.wait_until(lambda: notebook.find(".reslab-reset").first.is_disabled())
