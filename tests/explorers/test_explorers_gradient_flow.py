"""The explorer of lesson 02 without a browser: set `.value`, press the buttons, read the figures' data."""

import gc
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from drawn import keyed
from waiting import LIVE, take

from reslab import experiments, explorers
from reslab.explorers import gradient_flow
from reslab.explorers.gradient_flow import GradientFlowSetting


@pytest.fixture
def explorer(split):
    made = explorers.GradientFlow("plain-8", split=split)
    assert made.join(60)
    yield made
    made.worker.stop()
    assert made.worker.join(60)
    assert made.join(60)


def notes(chart):
    return {note.name: note.text for note in chart.figure.layout.annotations}


def test_each_control_reaches_the_chart(explorer, split):
    asked = {
        "skip": True,
        "depth": 14,
        "norm": "none",
        "init": "xavier",
        "activation": "tanh",
        "residual_scale": "depth",
        "seed": 3,
    }
    take(explorer, **asked)
    assert explorer.state == "resnet-14,norm=none,init=xavier,activation=tanh,residual_scale=depth,seed=3"
    (profile,) = explorer.profile.figure.data
    assert profile.name == "resnet-14 · no norm<br>· xavier init · tanh<br>· branch × 1/√blocks"
    measured = experiments.gradient_flow.at_initialisation(explorer.setting.net(**split.shape), split, seed=3)[
        "gradient_rms"
    ]
    np.testing.assert_allclose(profile.y, measured / measured.iloc[-1])
    assert profile.line.dash == "solid"
    take(explorer, skip=False, norm="batch", mode="eval", activation="relu", init="kaiming")
    (profile,) = explorer.profile.figure.data
    assert profile.name == "plain-14 · eval mode"
    assert notes(explorer.profile)["origin"] == f"seed 3 · eval mode · {LIVE}"


def test_the_factors_of_the_chosen_net_are_beside_its_profile(explorer, split):
    explorer.pin.click()
    take(explorer, skip=True)
    factors = experiments.gradient_factors.factors(explorer.setting.net(**split.shape), split)
    together = keyed(explorer.right.figure)["resnet-8/all together/product"]
    assert together.y[0] == pytest.approx(factors["factor"].prod())
    assert [trace.name for trace in explorer.profile.figure.data] == ["plain-8", "resnet-8"]
    assert explorer.sentence.value.startswith(
        "At initialisation, in training mode, the gradient at the first block against that at the"
    )
    assert "On its way back, the gradient of resnet-8 is multiplied by" in explorer.sentence.value


def test_toggles_leave_no_memory_and_no_thread(explorer):
    """A thousand of them are in the benchmarks."""
    take(explorer, skip=True)

    def toggle(times):
        for _ in range(times):
            explorer.skip.value = not explorer.skip.value
        assert explorer.join(60)

    toggle(20)
    gc.collect()
    threads, blocks = threading.active_count(), sys.getallocatedblocks()
    toggle(40)
    gc.collect()
    assert (
        sys.getallocatedblocks() - blocks < 50_000
    )  # a chart has thousands; pandas keeps up to 500 dead references to each column
    assert threading.active_count() <= threads


def test_what_cannot_apply_is_greyed_out_and_says_why(explorer):
    assert explorer.residual_scale.disabled
    assert "turn the skip connections on" in explorer.residual_scale.tooltip
    assert not explorer.mode.disabled
    take(explorer, skip=True, norm="none")
    assert not explorer.residual_scale.disabled
    assert explorer.mode.disabled
    assert "the same in both modes" in explorer.mode.tooltip


def test_settings_that_are_the_same_net_are_drawn_once(explorer):
    explorer.state = "plain-8,residual_scale=learned | plain-8"
    assert explorer.join(60)
    assert len(explorer.profile.figure.data) == 1


def test_a_gradient_lost_to_float32_is_named(explorer):
    explorer.state = "plain-110,norm=none,init=torch"
    assert explorer.join(60)
    assert notes(explorer.profile)["floor"] == "underflow to 0"
    assert "lost (underflow to 0)" in explorer.sentence.value
    assert "is multiplied by 10⁻" in explorer.sentence.value  # float64 still holds it


def test_the_deepest_net_is_drawn_and_its_factors_are_said_to_be_too_much(explorer):
    explorer.state = "resnet-302"
    assert explorer.join(120)
    assert len(explorer.profile.figure.data[0].y) == 150
    assert notes(explorer.right) == {"empty": "The factors are measured for nets of up to 110 layers."}
    assert explorer.depth.max == 1202


def test_twenty_steps_fill_the_map(explorer, split):
    assert explorer.switch.disabled
    before = notes(explorer.right)
    explorer.go.click()
    assert explorer.worker.join(60)
    cells = keyed(explorer.right.figure)[f"plain-8/0/{LIVE}/map"]
    assert np.array(cells.z).shape == (3, 20)
    steps = experiments.gradient_flow.first_steps(explorer.setting.net(**split.shape), split)
    first = steps[steps["step"] == 7]["gradient_rms"].to_numpy()
    np.testing.assert_allclose(np.array(cells.z, dtype=float)[:, 6], np.log10(first / first[-1]))
    assert explorer.right.figure.layout.shapes == ()  # the line of the chart before is not for a map
    assert "step 20 of 20, finished" in explorer.progress_text.value
    assert "at step 20" in explorer.sentence.value
    assert "first_steps" in explorer.code
    assert explorer.switch.description == "Show factors"
    explorer.switch.click()
    assert "plain-8/all together/product" in keyed(explorer.right.figure)
    assert notes(explorer.right) == before
    assert "first_steps" not in explorer.source.value
    explorer.switch.click()
    take(explorer, depth=14)
    assert "plain-14/all together/product" in keyed(explorer.right.figure)
    take(explorer, depth=8)
    assert f"plain-8/0/{LIVE}/map" in keyed(explorer.right.figure)  # what was trained is cache_size


def gated(monkeypatch, after):
    """Training that halts once it has taken `after` steps, until the gate is opened; (reached, gate)."""
    reached, gate = threading.Event(), threading.Event()
    real = gradient_flow.train

    def train(*arguments, **options):
        for event in real(*arguments, **options):
            yield event
            if event.step == after:
                reached.set()
                assert gate.wait(60)

    monkeypatch.setattr(gradient_flow, "train", train)
    monkeypatch.setattr(gradient_flow, "REDRAW", 0)
    return reached, gate


def test_stop_keeps_the_steps_so_far(explorer, monkeypatch):
    reached, gate = gated(monkeypatch, 3)
    explorer.go.click()
    assert explorer.go.description == "Stop"
    assert reached.wait(60)
    explorer.go.click()
    gate.set()
    assert explorer.worker.join(60)
    assert "step 4 of 20, stopped" in explorer.progress_text.value  # the one that had begun
    cells = keyed(explorer.right.figure)[f"plain-8/0/{LIVE}/map"]
    assert tuple(cells.x) == (1, 2, 3, 4)
    assert tuple(explorer.right.figure.layout.xaxis.range) == (0.5, 20.5)
    assert explorer.go.description == "Train 20 steps"


def test_another_choice_ends_the_training_of_the_one_before(explorer, monkeypatch):
    reached, gate = gated(monkeypatch, 3)
    explorer.go.click()
    assert reached.wait(60)
    explorer.skip.value = True
    gate.set()
    assert explorer.worker.join(60)
    assert explorer.join(60)
    assert explorer.steps == {}
    assert "resnet-8/all together/product" in keyed(explorer.right.figure)
    explorer.go.click()
    assert explorer.worker.join(60)
    assert list(map(str, explorer.steps)) == ["resnet-8"]


def test_a_divergence_is_named_on_the_map(explorer):
    explorer.state = "resnet-110,norm=none"
    assert explorer.join(60)
    explorer.go.click()
    assert explorer.worker.join(60)
    assert "diverged" in explorer.progress_text.value
    assert "diverged at step" in notes(explorer.right)[f"resnet-110 · no norm/0/{LIVE}/state"]
    assert "where training diverged" in explorer.sentence.value


def test_an_error_in_training_is_shown_and_the_explorer_still_works(explorer, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no more memory")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(gradient_flow, "train", broken)
        explorer.go.click()
        assert explorer.worker.join(60)
    assert "no more memory" in explorer.message.value
    explorer.go.click()
    assert explorer.worker.join(60)
    assert "step 20 of 20, finished" in explorer.progress_text.value


def test_the_code_shown_reproduces_the_profile(split):
    state = "resnet-8,norm=none,residual_scale=learned,seed=2 | plain-14,activation=tanh,mode=eval"
    explorer = explorers.GradientFlow(state, split=split)
    assert explorer.join(60)
    names = {"split": split}
    exec(explorer.code.replace(".show()", ""), names)
    told = names["layers"].groupby(["depth", "index"])["gradient_rms"].first()
    for setting, frames in explorer.shown:
        pd.testing.assert_series_equal(told[setting.depth], frames["layers"].set_index("index")["gradient_rms"])


def test_the_code_shown_takes_the_same_twenty_steps(explorer, split):
    explorer.go.click()
    assert explorer.worker.join(60)
    code = explorer.code.replace("figures.gradient_flow.first_steps(lesson", "steps = (lesson").replace(".show()", "")
    names = {"split": split}
    exec(code, names)
    assert list(names["steps"]["gradient_rms"]) == list(explorer.steps[explorer.setting]["gradient_rms"])


def test_the_progress_shown_is_that_of_the_chosen_net(explorer):
    explorer.go.click()
    assert explorer.worker.join(60)
    take(explorer, depth=14)
    assert (explorer.progress.value, explorer.progress_text.value) == (0, "")
    take(explorer, depth=8)
    assert (explorer.progress.value, explorer.progress_text.value) == (20, "plain-8: step 20 of 20, finished")


@pytest.mark.parametrize(
    "text",
    [
        "plain-56",
        "resnet-1202,seed=7",
        "resnet-110,norm=none,init=torch,activation=sigmoid,residual_scale=learned,mode=eval,seed=1",
    ],
)
def test_a_setting_is_its_text(text):
    assert str(GradientFlowSetting.parse(text)) == text


def test_a_wrong_text_is_refused(explorer):
    explorer.share.value = "plain-1208"
    assert explorer.state == "plain-8"
    assert "from 8 to 1202" in explorer.message.value
