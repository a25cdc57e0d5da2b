"""Explorers without a browser: set `.value`, press the buttons, read the figures' data."""

import contextlib
import dataclasses
import gc
import re
import threading

import ipywidgets
import pandas as pd
import pytest
from waiting import finish

from reslab import TrainSpec, explorers
from reslab.explorers.degradation import DegradationSetting
from reslab.nets import CHOICES


def count_widgets():
    gc.collect()
    return sum(issubclass(type(thing), ipywidgets.Widget) for thing in gc.get_objects())


# --- the state --------------------------------------------------------------------------------------------------------


NAMES = [field.name for field in dataclasses.fields(DegradationSetting)]
FIELDS = ", ".join(repr(name) for name in NAMES if name not in ("skip", "depth"))
NO_NET = "is no net of this lesson; write plain-20 or resnet-20, and perhaps ,norm=none or ,seed=1 behind it."


@pytest.mark.parametrize("text", ["plain-56", "resnet-8", "resnet-110,norm=none,init=torch,lr=0.01,seed=7"])
def test_a_setting_is_its_text(text):
    assert str(DegradationSetting.parse(text)) == text


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
        ("plain-56,sed=1", f"a setting is 'sed'; it can be {FIELDS}. Did you mean 'seed'?"),
        ("plain-56,norm=layer", f"norm is 'layer'; it can be {', '.join(map(repr, CHOICES['norm']))}."),
        ("plain-56,seed=-1", "seed is -1; it must be from 0 to 2147483647."),
        ("", f"'' {NO_NET}"),
    ],
)
def test_a_wrong_text_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        DegradationSetting.parse(text)


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
    kept = explorer.runs[DegradationSetting.parse("plain-8")]
    explorer.state = "plain-8 | plain-8 + plain-14"  # what is measured already is not measured again
    assert explorer.runs == {DegradationSetting.parse("plain-8"): kept}


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


def test_what_a_thread_draws_while_a_message_of_the_page_is_handled_is_sent(explorer):
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
