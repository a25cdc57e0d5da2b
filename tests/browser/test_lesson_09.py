"""Lesson 09 in the real JupyterLab, as a learner works through it."""

import pytest
from explorer_page import LEFT, RIGHT, all_told, at_rest, bring_to_front, choose, hand_out, state, unfolded

LESSON = "09_variants.ipynb"
RACE = "resnet-14,widen=2 | resnet-56"


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer, but for its question."""
    with lab.open(LESSON) as notebook:
        notebook.run_to("explorers.Variants(", without=("question",), timeout=900)
        notebook.wait_until(lambda: "identity" in diagram(notebook), 120)
        notebook.show(".reslab")
        yield notebook


def curve(notebook, name):
    """The values of the first curve whose name is `name`, or ends in it; None if there is none."""
    for drawn in notebook.figure_data(RIGHT):
        if (drawn["name"] or "").replace("<br>", " ").endswith(name):  # long names break
            return [y for y in drawn["y"] if y is not None]
    return None


def diagram(notebook):
    """All that is written in the diagram."""
    return " ".join(notebook.find(f"{LEFT} >> nth=0").locator(".annotation-text").all_text_contents())


def test_a_learner_composes_a_net_and_races_it(notebook):
    # Diagram and cost answer before anything is trained.
    notebook.wait_until(lambda: "1.00 × the multiply-adds of resnet-110." in notebook.text(".reslab-sentence"))
    assert notebook.find(".reslab-groups select").first.is_disabled()
    choose(notebook, "block", "bottleneck")
    notebook.wait_until(lambda: "1×1 conv" in diagram(notebook))
    choose(notebook, "groups", "8")
    notebook.wait_until(lambda: "8 groups" in diagram(notebook))
    notebook.wait_until(lambda: "groups 8 costs 0." in notebook.text(".reslab-sentence"))

    # A pasted race: both curves grow side by side; Pause holds both, Stop ends both.
    hand_out(notebook, RACE)
    notebook.wait_until(
        lambda: "Press Start to train resnet-56, resnet-16 · widen 2" in notebook.text(".reslab-message")
    )
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: len(curve(notebook, "widen 2") or []) > 1)
    notebook.click(".reslab-pause")
    notebook.wait_until(lambda: notebook.text(".reslab-pause") == "Resume")
    notebook.page.wait_for_timeout(1000)  # a step that had begun may end
    held = at_rest(notebook, lambda: [curve(notebook, name) for name in ("resnet-56", "widen 2")])
    assert abs(len(held[0]) - len(held[1])) <= 1
    notebook.page.wait_for_timeout(1000)
    assert [curve(notebook, name) for name in ("resnet-56", "widen 2")] == held
    notebook.click(".reslab-pause")
    notebook.wait_until(lambda: "widen 2: step 60 of 60, finished" in notebook.text(".reslab-progress-text"), 300)
    notebook.wait_until(lambda: all_told(notebook))
    assert curve(notebook, "widen 2")[-1] < 20
    assert state(notebook) == f"{RACE} + resnet-14,widen=2"
    notebook.show(".reslab")
    notebook.screenshot("09_variants-light")
    notebook.screenshot("09_variants-explorer", ".reslab")

    # The combined net becomes the base; and a wrong state.
    with unfolded(notebook):
        notebook.click(".reslab-set-base")
    notebook.wait_until(lambda: "of resnet-16 · widen 2" in notebook.text(".reslab-sentence"))
    hand_out(notebook, "resnet-57", "56 or 62")
    notebook.click(".reslab-folds >> text=Show the code")
    notebook.wait_until(lambda: "NetSpec(depth=16, skip=True, width=8, widen=2" in notebook.text(".reslab-source"))
    notebook.click(".reslab-folds >> text=Show the code")


def test_reset_clears_the_race(notebook):
    with unfolded(notebook):
        notebook.click(".reslab-reset")
    notebook.wait_until(lambda: curve(notebook, "resnet-56") is None)
    bring_to_front(notebook, 1)  # the race, which may be behind the diagram
    notebook.wait_until(lambda: "Press Start" in notebook.find(RIGHT).first.inner_text())
