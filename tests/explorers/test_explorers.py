"""Explorers without a browser: set `.value`, press the buttons, read the figures' data."""

import contextlib
import gc
import re
import threading
import time

import ipywidgets
import pandas as pd
import pytest
from waiting import finish, wait_until

from reslab import TrainSpec, explorers
from reslab.experiments.degradation import by_depth
from reslab.explorers.chart import Chart
from reslab.explorers.degradation import Training
from reslab.explorers.worker import Latest, Worker


@pytest.fixture
def explorer(split):
    """A quick one: 256 images, 6 steps a run."""
    made = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=3, capture_every=2))
    assert made._previews.join(30)
    yield made
    made.worker.stop()
    assert made.worker.join(30)
    assert made._previews.join(30)


def count_widgets():
    gc.collect()
    return sum(issubclass(type(thing), ipywidgets.Widget) for thing in gc.get_objects())


def curve(explorer, setting, part="train"):
    return explorer.curves.trace(f"{setting.label}/{setting.seed}/live, this machine/{part}")


# --- the state --------------------------------------------------------------------------------------------------------


NO_NET = "is no net of this lesson; write plain-56 or resnet-56, and perhaps ,norm=none or ,seed=1 behind it."


@pytest.mark.parametrize("text", ["plain-56", "resnet-8", "resnet-110,norm=none,init=torch,lr=0.01,seed=7"])
def test_a_setting_is_its_text(text):
    assert str(Training.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "vgg-16",
            f"'vgg-16' {NO_NET}",
        ),
        ("plain-57", "depth is 57; CIFAR basic nets have depth 6n+2: 56 or 62."),
        ("plain-1202", "depth is 1202; it must be from 8 to 110."),
        ("plain-56,lr=fast", "lr is 'fast'; it must be a number."),
        ("plain-56,lr=nan", "lr is nan; it must be a finite number above 0."),
        ("plain-56,sed=1", "a setting is 'sed'; it can be 'norm', 'init', 'lr', 'seed'. Did you mean 'seed'?"),
        ("plain-56,norm=layer", "norm is 'layer'; it can be 'batch', 'none'."),
        ("plain-56,seed=-1", "seed is -1; it must be from 0 to 2147483647."),
        ("", f"'' {NO_NET}"),
    ],
)
def test_a_wrong_text_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        Training.parse(text)


def test_the_state_goes_round(explorer):
    text = "resnet-20,lr=0.01 | plain-8 + resnet-8,seed=3"
    explorer.state = text
    assert explorer.state == text == explorer.share.value
    assert (explorer.skip.value, explorer.depth.value, explorer.depth_text.value, explorer.lr.value) == (
        True,
        20,
        20,
        0.01,
    )
    finish(explorer)
    assert explorer.state == text
    assert list(map(str, explorer.runs)) == ["plain-8", "resnet-8,seed=3"]
    kept = explorer.runs[Training.parse("plain-8")]
    explorer.state = "plain-8 | plain-8 + plain-14"  # what is measured already is not measured again
    assert explorer.runs == {Training.parse("plain-8"): kept}


def test_a_pasted_state_that_is_wrong_changes_nothing(explorer):
    finish(explorer)
    before, runs = explorer.state, dict(explorer.runs)
    explorer.share.value = "plain-9000"
    assert explorer.state == explorer.share.value == before
    assert explorer.runs == runs
    assert "it must be from 8 to 110" in explorer.message.value
    assert 'role="alert"' in explorer.message.value


# --- controls ---------------------------------------------------------------------------------------------------------


def test_each_control_reaches_the_setting(explorer):
    for name, value in {"skip": True, "depth": 14, "norm": "none", "init": "xavier", "lr": 0.02, "seed": 4}.items():
        getattr(explorer, name).value = value
        assert getattr(explorer.setting, name) == value
    assert str(explorer.setting) == "resnet-14,norm=none,init=xavier,lr=0.02,seed=4"
    assert explorer.depth_text.value == 14


@pytest.mark.parametrize(("typed", "taken"), [(57, 56), (1, 8), (-3, 8), (999, 110), (23, 20), (20, 20)])
def test_a_typed_depth_becomes_the_nearest_and_a_message_says_so(explorer, typed, taken):
    explorer.depth_text.value = typed
    assert explorer.depth_text.value == explorer.depth.value == explorer.setting.depth == taken
    assert (f"the nearest is {taken}" in explorer.message.value) == (typed != taken)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", float("nan")), ("lr", 0.0), ("lr", -1.0), ("lr", float("inf")), ("seed", -1)]
)
def test_a_bad_value_is_put_back_with_a_reason(explorer, name, value):
    before = explorer.setting
    getattr(explorer, name).value = value
    assert explorer.setting == before
    assert getattr(explorer, name).value == getattr(before, name)
    assert name in explorer.message.value
    finish(explorer)
    assert explorer.runs[before].outcome == "finished"


def test_a_toggle_draws_the_untrained_nets_gradients(explorer):
    plain = explorer.gradients.figure.data[0]
    assert plain.name == "plain-8 · untrained"
    before = list(plain.y)
    explorer.skip.value = True
    assert explorer._previews.join(30)
    (residual,) = explorer.gradients.figure.data
    assert residual.name == "resnet-8 · untrained"
    assert list(residual.y) != before


def test_a_dragged_slider_ends_on_the_last_value(explorer):
    for depth in [*range(8, 111, 6), *range(104, 7, -6), 14]:
        explorer.depth.value = depth
    assert explorer._previews.join(60)
    assert [trace.name for trace in explorer.gradients.figure.data] == ["plain-14 · untrained"]


# --- training ---------------------------------------------------------------------------------------------------------


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


def test_runs_pile_up_and_a_run_repeated_replaces_itself(explorer):
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


def test_stop_pressed_while_it_draws_has_not_the_last_word(split):
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


def test_stop_pressed_in_the_last_drawing_leaves_the_last_word_to_the_training(split):
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


def test_what_a_thread_draws_while_the_page_is_heard_is_sent(explorer):
    """traitlets holds back what changes while a message is taken in, and of a value and None makes None."""
    figure, sent = explorer.curves.figure, []
    figure.observe(lambda change: sent.append(change.new), "_py2js_update")

    def draw():
        with explorer._lock:
            figure.update_layout(title_text="drawn")

    drawing, hold = threading.Thread(target=draw), figure.hold_trait_notifications

    @contextlib.contextmanager
    def slow():
        with hold():
            drawing.start()
            drawing.join(1)  # as long as the message takes
            yield

    figure.hold_trait_notifications = slow
    figure.set_state({})
    del figure.hold_trait_notifications
    drawing.join()
    assert [message["layout_data"] for message in sent if message] == [{"title.text": "drawn"}]


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


def test_an_error_while_training_is_shown_and_the_explorer_lives_on(explorer, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("reslab.explorers.live.build", lambda *_, **__: 1 / 0)
        finish(explorer)
    assert "division by zero" in explorer.message.value
    assert "ZeroDivisionError" in explorer.message.value  # the traceback, folded away
    assert not explorer.start.disabled
    finish(explorer)
    assert explorer.runs[explorer.setting].outcome == "finished"


def test_the_code_shown_reproduces_the_curves(split):
    state = "plain-8 | plain-8 + resnet-8,lr=0.02,norm=none,seed=1"
    explorer = explorers.Degradation(state, split=split, how=TrainSpec(epochs=3, capture_every=5))
    finish(explorer)
    names = {"split": split}
    exec(re.sub(r"seed=(\d)\)", r"seed=\1, progress=False)", explorer.code), names)
    for run, setting in zip(names["runs"], explorer.runs, strict=True):
        drawn = explorer.runs[setting].history.drop(columns="seconds")
        pd.testing.assert_frame_equal(run.history.drop(columns="seconds"), drawn, check_exact=True)
    assert explorer.source.value.startswith("<pre>import pandas")


def test_the_code_shown_loads_the_digits_or_says_whose_data_it_needs(split):
    assert (
        "# split: what you gave to this explorer (digits, 256 training images)"
        in explorers.Degradation(split=split).code
    )
    assert "reslab train" not in explorers.Degradation(split=split).code
    code = explorers.Degradation("resnet-20,lr=0.02").code
    assert "\nsplit = digits()\n" in code
    assert "\n#   reslab train resnet-20 --width 8 --lr 0.02 --capture-every 5 --dataset digits --seed 0\n" in code


def test_a_new_state_and_a_new_start_clear_the_progress_of_the_run_before(explorer, split):
    finish(explorer)
    assert explorer.progress_text.value == "plain-8: step 6 of 6, finished"
    explorer.share.value = "resnet-14"
    assert (explorer.progress.value, explorer.progress_text.value) == (0, "")
    explorer.step.click()
    assert "finished" not in explorer.progress_text.value


def test_toggles_leave_nothing_behind(explorer):
    """A thousand of them are in the benchmarks."""
    threads = threading.active_count()
    widgets = count_widgets()
    for _ in range(20):
        explorer.skip.value = True
        explorer.skip.value = False
    assert explorer._previews.join(60)
    assert threading.active_count() <= threads
    assert count_widgets() == widgets
    assert [trace.name for trace in explorer.gradients.figure.data] == ["plain-8 · untrained"]


def test_every_part_has_a_name_for_a_screen_reader(explorer):
    for button in (explorer.start, explorer.pause, explorer.step, explorer.stop, explorer.reset):
        assert button.description
        assert button.tooltip
    assert explorer.skip.description == "Skip connections: OFF"
    assert isinstance(explorer.depth_text, ipywidgets.IntText)  # a slider's handle has no name of its own


# --- threads ----------------------------------------------------------------------------------------------------------


def test_the_worker_closes_its_items_and_hands_errors_on():
    closed, ended = [], []

    def items(fail):
        try:
            yield 1
            if fail:
                raise ValueError("no")
            yield 2
        finally:
            closed.append(fail)

    seen = []
    worker = Worker(seen.append, ended.append)
    for fail in (False, True):
        worker.start(items(fail))
        assert worker.join(10)
    assert seen == [1, 2, 1]
    assert closed == [False, True]
    assert ended[0] is None
    assert str(ended[1]) == "no"


def test_a_busy_worker_takes_no_second_job():
    go, worker = threading.Event(), Worker(lambda item: None, lambda error: None)

    def items():
        go.wait(10)
        yield

    worker.start(items())
    with pytest.raises(RuntimeError, match="the worker is busy; stop it first"):
        worker.start(items())
    go.set()
    assert worker.join(10)


def test_latest_answers_the_newest_request_and_skips_those_between():
    began, go, seen = threading.Event(), threading.Event(), []

    def answer(request):
        began.set()
        go.wait(10)
        seen.append(request)

    latest = Latest(answer)
    latest.ask(0)
    began.wait(10)
    for request in range(1, 50):
        latest.ask(request)
    go.set()
    wait_until(lambda: latest.join(1))
    assert seen == [0, 49]


# --- axes -------------------------------------------------------------------------------------------------------------


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
