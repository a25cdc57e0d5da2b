"""Explorers that train, without a browser: Start, Pause, Step, Stop and Reset, whatever comes between."""

import threading
import time

import pytest
from waiting import finish, wait_until

from reslab import TrainSpec, explorers
from reslab.experiments.degradation import by_depth
from reslab.explorers.chart import Chart


def curve(explorer, setting, part="train"):
    return explorer.curves.trace(f"{setting.label}/{setting.seed}/live, this machine/{part}")


def test_the_curve_is_what_was_measured(explorer, split):
    explorer.state = "resnet-14,lr=0.02,seed=2"
    finish(explorer)
    trained = by_depth(
        (14,), skips=(True,), seeds=(2,), split=split, how=TrainSpec(epochs=3, lr=0.02, capture_every=2), progress=False
    )
    drawn = curve(explorer, explorer.setting)
    assert list(drawn.x) == [1, 2, 3, 4, 5, 6]
    assert list(drawn.y) == [100 * error for error in trained["train_error"]]
    tests = trained.dropna(subset="test_error")
    assert list(curve(explorer, explorer.setting, "test").y) == [100 * error for error in tests["test_error"]]
    assert drawn.line.dash == "solid"
    assert explorer.progress.value == explorer.progress.max == 6
    assert "step 6 of 6, finished" in explorer.progress_text.value
    profile = explorer.gradients.figure.data[0]
    assert len(profile.y) == 6  # blocks
    assert profile.y[-1] == 1.0


def test_runs_are_added_and_a_repeated_run_replaces_itself(explorer):
    finish(explorer)
    first = list(curve(explorer, explorer.setting).y)
    explorer.skip.value = True
    finish(explorer)
    assert [str(setting) for setting in explorer.runs] == ["plain-8", "resnet-8"]
    explorer.skip.value = False
    finish(explorer)
    assert [str(setting) for setting in explorer.runs] == ["resnet-8", "plain-8"]
    assert list(curve(explorer, explorer.setting).y) == first  # the same seed, the same numbers
    assert explorer.sentence.value.startswith("After 6 steps")


def test_pause_step_resume_stop(split):
    explorer = explorers.Degradation("plain-20", split=split, how=TrainSpec(epochs=50))
    explorer.start.click()
    assert (explorer.start.disabled, explorer.pause.disabled, explorer.stop.disabled) == (True, False, False)
    wait_until(lambda: explorer._event is not None)
    explorer.pause.click()
    assert explorer.pause.description == "Resume"
    wait_until(lambda: explorer.worker.waiting)
    held = explorer._event.step
    explorer.step.click()
    wait_until(lambda: explorer._event.step == held + 1 and explorer.worker.waiting)
    assert list(curve(explorer, explorer.setting).x)[-1] == held + 1  # a single step is drawn, however quick
    assert explorer.runs[explorer.setting].outcome == "running"
    explorer.pause.click()
    assert explorer.pause.description == "Pause"
    wait_until(lambda: explorer._event.step > held + 2)
    explorer.stop.click()
    assert explorer.worker.join(30)
    assert (explorer.start.disabled, explorer.pause.disabled, explorer.stop.disabled) == (False, True, True)
    run = explorer.runs[explorer.setting]
    assert run.outcome == "stopped"
    assert len(curve(explorer, explorer.setting).x) == len(run.history)
    assert "stopped at step" in explorer.progress_text.value


def test_stop_while_paused_and_start_again(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=50))
    explorer.step.click()  # with nothing running: one step, and halt
    wait_until(lambda: explorer.worker.waiting and explorer._event is not None)
    assert explorer._event.step == 1
    explorer.stop.click()
    assert explorer.worker.join(30)
    assert explorer.runs[explorer.setting].outcome == "stopped"
    explorer.start.click()
    wait_until(lambda: explorer._event is not None and explorer._event.step > 2)
    explorer.reset.click()
    assert not explorer.worker.running
    assert explorer.runs == {}
    assert explorer.state == "plain-8"
    assert [trace.name for trace in explorer.curves.figure.data] == []


def test_after_stop_while_it_draws_the_text_is_that_of_the_ended_training(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=50))
    explorer.step.click()
    wait_until(lambda: explorer.worker.waiting and explorer._event is not None)
    with explorer._lock:  # as a drawing has it: Stop waits to say "stopping ...", and the training to end
        pressing = threading.Thread(target=explorer.stop.click)
        pressing.start()
        wait_until(lambda: not explorer.worker.waiting)
        time.sleep(0.2)  # the end may come first
    pressing.join()
    assert explorer.worker.join(30)
    assert explorer.progress_text.value == "plain-8: stopped at step 1 of 100"


def test_after_stop_in_the_last_drawing_the_text_is_that_of_the_training(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=1))
    draw = explorer.draw

    def press_and_draw():
        if explorer._event is not None and explorer._event.state == "finished":
            explorer.stop.click()
        draw()

    explorer.draw = press_and_draw
    finish(explorer)
    assert explorer.progress_text.value == "plain-8: step 2 of 2, finished"


def test_a_net_chosen_while_another_trained_is_measured_when_that_has_ended(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=10))
    explorer.start.click()
    explorer.skip.value = True
    assert "resnet-8 is next, when you press Start" in explorer.message.value
    assert explorer.worker.join(60)
    assert explorer._previews.join(60)
    assert "resnet-8 · untrained" in [trace.name for trace in explorer.gradients.figure.data]
    assert "is next" not in explorer.message.value  # nothing is training any more


def test_controls_moved_while_training_wait_for_the_next_start(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=20))
    explorer.start.click()
    explorer.depth.value = 14
    assert "plain-14 is next, when you press Start" in explorer.message.value
    assert explorer.worker.join(60)
    assert list(map(str, explorer.runs)) == ["plain-8"]
    explorer.start.click()
    assert explorer.worker.join(60)
    assert list(map(str, explorer.runs)) == ["plain-8", "plain-14"]


def test_divergence_is_named_on_the_chart(explorer):
    explorer.state = "plain-8,norm=none,lr=1000000"
    finish(explorer)
    assert explorer.runs[explorer.setting].outcome == "diverged"
    assert any("diverged at step" in note.text for note in explorer.curves.figure.layout.annotations)
    assert "diverged" in explorer.sentence.value


def test_an_error_while_training_is_shown_and_the_explorer_still_works(explorer, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("reslab.explorers.live.build", lambda *_, **__: 1 / 0)
        finish(explorer)
    assert "division by zero" in explorer.message.value
    assert "ZeroDivisionError" in explorer.message.value  # the traceback, folded away
    assert not explorer.start.disabled
    finish(explorer)
    assert explorer.runs[explorer.setting].outcome == "finished"


def test_a_new_state_and_a_new_start_clear_the_progress_of_the_run_before(explorer, split):
    finish(explorer)
    assert explorer.progress_text.value == "plain-8: step 6 of 6, finished"
    explorer.share.value = "resnet-14"
    assert (explorer.progress.value, explorer.progress_text.value) == (0, "")
    explorer.step.click()
    assert "finished" not in explorer.progress_text.value


@pytest.mark.parametrize(("live", "state"), [("Degradation", "plain-56"), ("Variants", "resnet-20")])
def test_no_axis_moves_while_a_net_trains(split, live, state):
    explorer = getattr(explorers, live)(state, split=split, how=TrainSpec(epochs=4, capture_every=1))
    assert explorer._previews.join(30)
    charts = [chart for chart in vars(explorer).values() if isinstance(chart, Chart)]
    axes = [(chart, axis) for chart in charts for axis in ("xaxis", "yaxis")]
    seen = []

    def draw():
        drawn()
        seen.append([getattr(chart.figure.layout, axis).range for chart, axis in axes])

    explorer.draw()
    drawn, explorer.draw = explorer.draw, draw
    try:
        explorer.start.click()
        finish(explorer)
    finally:
        explorer.worker.stop()
        assert explorer.worker.join(30)
    assert len(seen) > 3
    assert None not in seen[0]
    assert all(ranges == seen[0] for ranges in seen)
