"""Lesson 00 in the real JupyterLab, as a beginner sees it."""

import pytest
from explorer_page import at_rest
from stage_page import bars, error_names, is_legible, pictures

LESSON = "00_start_here.ipynb"
HIGH = 600  # px between JupyterLab's toolbar and its status bar at 1280 × 720


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, all of it run, the stage at rest."""
    with lab.open(LESSON) as notebook:
        notebook.run_all()
        notebook.wait_until(lambda: notebook.find(".stage .shell").count(), 60)
        notebook.show(".stage")
        yield notebook


# What the button to play says, and whether little is drawn, so that the training has the processor.
THROTTLED = "stage => [stage.querySelector('.play').innerText, stage.classList.contains('throttled')]"


@pytest.fixture
def stage(notebook):
    return notebook.find(".stage").first


def test_no_code_is_in_sight_and_the_stage_fits_between_the_bars(notebook, stage):
    assert not any(cell.is_visible() for cell in notebook.find(".jp-CodeCell .cm-content").all())
    assert stage.bounding_box()["height"] <= HIGH
    is_legible(stage)
    notebook.screenshot("00_start_here-light")


def test_the_switch_answers_at_once(notebook, stage):
    assert "Without skips, before any training, a 6 turns into" in notebook.text(".stage .say")
    untrained = bars(stage)
    notebook.click(".stage .switch")
    notebook.wait_until(lambda: "a 6 stays a 6 all the way" in notebook.text(".stage .say"))
    assert min(bars(stage)[1:]) > min(untrained[1:])
    assert all(name == "6 ✓" for name in pictures(stage))


def test_training_here_is_drawn_over_the_recorded_run(notebook, stage):
    stage.locator(".choices button", has_text="20").first.click()
    notebook.click(".stage .live")
    notebook.click(".stage .play")  # the recorded film plays until the kernel answers
    notebook.wait_until(
        lambda: "Thick: live, this machine, seed 0. Thin: recorded" in notebook.text(".stage .origin"), 120
    )
    notebook.wait_until(lambda: len(error_names(stage)) == 2, 60)
    notebook.click(".stage .play")
    notebook.wait_until(lambda: notebook.text(".stage .play") == "Go on")
    held = error_names(stage)
    notebook.page.wait_for_timeout(700)  # a step that had begun may end; no other begins
    later = error_names(stage)
    notebook.page.wait_for_timeout(700)
    assert error_names(stage) == later
    step = notebook.text(".stage .slider output").removeprefix("step ")
    assert f"after {step} step" in notebook.text(".stage .say")  # the sentence speaks of the step that is shown
    assert set(held) == {"skips off", "skips on"}
    assert notebook.find(".stage .thin").first.get_attribute("d")  # recorded lies under it
    notebook.screenshot("00_start_here-live")
    assert stage.evaluate(THROTTLED) == ["Go on", False]
    notebook.click(".stage .play")
    notebook.wait_until(lambda: stage.evaluate(THROTTLED) == ["Pause", True])
    notebook.click(".stage .live")
    notebook.wait_until(lambda: "Stopped" in notebook.text(".stage .origin"), 60)
    assert notebook.text(".stage .play") != "Pause"
    is_legible(stage)
    assert not stage.evaluate(THROTTLED)[1]
    assert stage.bounding_box()["height"] <= HIGH
    notebook.click(".stage .origin .choices button")  # "Recorded"
    notebook.wait_until(lambda: "Thick" not in notebook.text(".stage .origin"))
    assert "Stopped" not in notebook.text(".stage .origin")  # which the recorded one was not


PASS = """async () => {
    let drawn = 0
    const watcher = new MutationObserver(() => drawn++)
    watcher.observe(document.querySelector(".stage .pulse"), { attributes: true })
    stage.player.throttled = true
    await stage.player.pass(600, 0)
    watcher.disconnect()
    return drawn
}"""


def test_a_pass_is_throttled_while_a_training_needs_the_processor(show):
    assert 2 <= show("still").evaluate(PASS) <= 600 / 50 + 2  # with its beginning and its end


CUT = """async () => {
    const say = document.querySelector(".say"), cut = []
    const nets = [...document.querySelectorAll(".choices button")].map(button => button.value)
    for (const net of nets.filter(value => /^[0-9]/.test(value))) for (const skip of [false, true])
        for (const picture of [0, 1, 2, 3, 4]) for (const step of [0, 5, 30, 60]) {
            await stage.take({ net, skip, picture, step }, false)
            if (say.scrollHeight > say.clientHeight + 1) cut.push(say.innerText)
        }
    return cut
}"""


@pytest.mark.parametrize("width", [1280, 848, 584])  # alone, and in JupyterLab beside its list of files, and at 700
def test_no_sentence_is_cut(show, width):
    assert show("still&height=548", width).evaluate(CUT) == []


AGAIN = """() => {
    const { commands, shell } = window.jupyterapp, cells = shell.currentWidget.content
    cells.activeCellIndex = cells.widgets.findIndex(cell => cell.node.querySelector(".stage"))
    return commands.execute("notebook:create-output-view")
}"""


def test_a_stage_that_is_mounted_again_shows_what_was_chosen(notebook, stage):
    """A second view of the same stage asks the kernel for the training; both views hear the answer."""
    notebook.page.evaluate(AGAIN)
    again = notebook.page.locator(".jp-LinkedOutputView .stage")
    again.locator(".origin .choices button", has_text="Live").wait_for()  # it knows of the training
    for view in (again, stage):
        pressed = view.locator(".origin .choices button[aria-pressed=true]")
        assert at_rest(notebook, pressed.all_text_contents) == ["Recorded"]
        assert "Thick" not in view.locator(".origin").inner_text()
    again.locator(".origin .choices button", has_text="Live").click()
    for view in (again, stage):
        notebook.wait_until(lambda view=view: "Thick: live" in view.locator(".origin").inner_text())
    again.locator(".origin .choices button", has_text="Recorded").click()
    notebook.wait_until(lambda: "Thick" not in notebook.text(".stage .origin"))
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.close()")
    again.wait_for(state="detached")


def test_photographs_say_what_they_would_download_and_what_is_shown_stays(notebook, stage):
    shown = at_rest(notebook, lambda: notebook.text(".stage .say"))  # what was trained is played to its end
    notebook.click(".stage summary")
    stage.locator(".sheet .datasets button", has_text="Photos").click()
    notebook.wait_until(lambda: "one download of 170 MB" in notebook.text(".stage .notice"), 120)
    assert not stage.locator(".sheet").is_visible()
    notebook.screenshot("00_start_here-photographs")
    assert notebook.text(".stage .say") == shown
    stage.locator(".notice button", has_text="Not now").click()
    notebook.wait_until(lambda: not stage.locator(".notice").is_visible())
    pressed = stage.locator(".sheet .datasets button[aria-pressed=true]")
    notebook.wait_until(lambda: pressed.text_content() == "Digits")


def test_the_keyboard_reaches_everything_and_lab_takes_no_key(notebook, stage):
    cells = notebook.find(".jp-Cell").count()
    stage.locator(".hit[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        notebook.page.keyboard.press(key)
    notebook.wait_until(lambda: stage.locator(".panel h3").inner_text().startswith("Block 2 of"))
    for key in ("Escape", "a", "b", "x"):  # in JupyterLab: new cells, and cut
        notebook.page.keyboard.press(key)
    notebook.wait_until(lambda: not stage.locator(".panel").is_visible())
    assert notebook.find(".jp-Cell").count() == cells


def test_the_ticks_say_in_words_whether_this_machine_is_ready(notebook):
    notebook.wait_until(lambda: "This machine is ready." in notebook.find(".jp-Notebook").inner_text(), 120)
    assert "✓ Python" in notebook.find(".jp-Notebook").inner_text()


def test_the_dark_theme_is_the_labs(notebook, stage):
    notebook.page.emulate_media(color_scheme="dark")
    notebook.wait_until(lambda: notebook.page.evaluate("document.body.dataset.jpThemeLight") == "false")
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")  # it covers the page while Lab changes
    notebook.show(".stage")
    is_legible(stage)
    notebook.screenshot("00_start_here-dark")
