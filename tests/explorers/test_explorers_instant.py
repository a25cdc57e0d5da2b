"""All instant explorers: the newest request wins, what was seen is there at once, pins stay, errors are shown."""

import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
from waiting import wait_until

from reslab import explorers
from reslab.explorers import instant
from reslab.explorers.instant import Instant
from reslab.explorers.setting import Setting
from reslab.explorers.worker import Latest


@dataclass(frozen=True, kw_only=True)
class Probe(Setting):
    deepest: ClassVar = 1202
    options: ClassVar = {"mode": ("train", "eval")}

    skip: bool = True
    depth: int = 8
    residual_scale: str = "one"
    mode: str = "train"
    seed: int = 0

    @property
    def idle(self):
        return {} if self.skip else {"residual_scale": "A plain net has no branch to scale: turn skips on."}


class Recorder(Instant):
    """Measures by noting what it was asked, and draws by noting what it was shown; `gate` holds measurements back."""

    kind = Probe
    code = "pass"

    def __init__(self, state="resnet-8"):
        super().__init__()
        self.gate, self.rest, self.asked, self.drawn = threading.Event(), threading.Event(), [], []
        self.gate.set()
        self.control(Probe(), self.chosen)
        self.arrange([], [self.pin], [self.clear])
        self.state = state

    def measure(self, setting):
        self.asked.append(str(setting))
        assert self.gate.wait(30)
        if setting.seed == 21:
            yield "the first half"
            assert self.rest.wait(30)
        if setting.seed == 13:
            raise RuntimeError("seed 13 does not build")
        yield str(setting)

    def draw(self):
        self.drawn.append([measurement for _, measurement in self.shown])


@pytest.fixture
def explorer():
    made = Recorder()
    assert made.join(30)
    yield made
    made.gate.set()
    assert made.join(30)


def test_a_toggle_is_measured_and_drawn(explorer):
    explorer.skip.value = False
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["plain-8"]
    assert explorer.asked == ["resnet-8", "plain-8"]
    assert explorer.share.value == explorer.state == "plain-8"


def test_the_switch_is_answered_before_its_handler_returns(explorer):
    """The net on its other side has been measured, too, and the axes have had room for it."""
    assert [setting.name for setting, _ in explorer.shown_and_other] == ["resnet-8", "plain-8"]
    explorer.skip.value = False
    assert explorer.drawn[-1] == ["plain-8"]
    assert [setting.name for setting, _ in explorer.shown_and_other] == ["plain-8", "resnet-8"]
    assert explorer.join(30)
    assert explorer.asked == ["resnet-8", "plain-8"]


def test_what_is_measured_first_is_drawn_first_and_taken_for_no_more_than_it_is(explorer):
    explorer.seed.value = 21
    wait_until(lambda: explorer.drawn[-1] == ["the first half"])
    explorer.seed.value = 0
    assert explorer.drawn[-1] == ["resnet-8"]
    explorer.seed.value = 21  # half of it is there
    explorer.rest.set()
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-8,seed=21"]
    assert explorer.asked == ["resnet-8", "plain-8", "resnet-8,seed=21", "plain-8,seed=21"]


def test_what_is_said_of_a_bad_line_stays_when_the_chart_is_drawn(explorer):
    explorer.gate.clear()
    explorer.depth.value = 14
    explorer.share.value = "resnet-9"
    assert "8 or 14" in explorer.message.value
    explorer.gate.set()
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-14"]
    assert "8 or 14" in explorer.message.value


def test_what_is_said_of_a_bad_line_stays_when_the_measurement_was_slow(explorer, monkeypatch):
    monkeypatch.setattr(instant, "EMPTY_AFTER", 0.01)
    explorer.gate.clear()
    explorer.depth.value = 14
    wait_until(lambda: "Measuring resnet-14" in explorer.message.value)
    explorer.share.value = "resnet-9"
    explorer._empty_chart(explorer.setting)  # as it may, at the same moment
    explorer.gate.set()
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-14"]
    assert "8 or 14" in explorer.message.value


def test_an_error_in_one_answer_does_not_stop_the_next(explorer, monkeypatch):
    faults = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: faults.append(arguments.exc_type))
    monkeypatch.setattr(explorer._latest, "_answer", lambda setting: 1 / 0)
    explorer.depth.value = 14
    wait_until(lambda: faults == [ZeroDivisionError])
    monkeypatch.undo()
    explorer.seed.value = 3
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-14,seed=3"]


def test_a_slider_dragged_through_fifty_values_measures_the_first_and_the_last(explorer):
    explorer.gate.clear()
    drawn = len(explorer.drawn)
    for depth in range(14, 14 + 50 * 6, 6):
        explorer.depth.value = depth
    explorer.gate.set()
    assert explorer.join(30)
    assert explorer.asked == ["resnet-8", "plain-8", "resnet-14", "resnet-308", "plain-308"]
    assert {*map(tuple, explorer.drawn[drawn:])} <= {(), ("resnet-308",)}  # nothing stale is ever drawn


def test_a_thousand_quick_changes_leave_no_stale_curve(explorer):
    """While they are measured, not after: of a thousand seeds the last is shown, and a seed never after a later one."""
    for seed in range(100, 1100):
        explorer.seed.value = seed
    assert explorer.join(60)
    shown = [int(drawn[0].partition("seed=")[2] or 0) for drawn in explorer.drawn if drawn]
    assert shown == sorted(shown)
    assert explorer.drawn[-1] == ["resnet-8,seed=1099"]
    assert explorer.state == "resnet-8,seed=1099"


def test_a_slow_measurement_empties_the_chart_and_says_so(explorer, monkeypatch):
    monkeypatch.setattr(instant, "EMPTY_AFTER", 0.01)
    explorer.gate.clear()
    explorer.depth.value = 1202
    wait_until(lambda: "Measuring resnet-1202" in explorer.message.value)
    assert explorer.drawn[-1] == []
    explorer.gate.set()
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-1202"]
    assert "Measuring" not in explorer.message.value


def test_pins_stay_beside_what_is_chosen_and_go_into_the_state(explorer):
    assert explorer.clear.disabled
    explorer.pin.click()
    explorer.depth.value = 14
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-8", "resnet-14"]
    assert explorer.state == "resnet-14 | resnet-8"
    explorer.depth.value = 8
    assert explorer.pin.description == "Unpin"
    explorer.pin.click()
    assert (explorer.state, explorer.drawn[-1]) == ("resnet-8", ["resnet-8"])
    explorer.pin.click()
    explorer.clear.click()
    assert (explorer.pins, explorer.pin.description, explorer.clear.disabled) == ([], "Pin", True)


def test_a_pasted_state_measures_its_pins_too(explorer):
    text = "resnet-20,mode=eval | plain-8 + resnet-8,residual_scale=learned,seed=2"
    explorer.share.value = text
    assert explorer.join(30)
    assert explorer.state == text
    assert explorer.drawn[-1] == ["plain-8", "resnet-8,residual_scale=learned,seed=2", "resnet-20,mode=eval"]
    explorer.share.value = "resnet-20,mode=test"
    assert explorer.state == explorer.share.value == text
    assert "mode is 'test'; it can be 'train', 'eval'." in explorer.message.value.replace("&#x27;", "'")


def test_an_error_is_shown_and_the_next_setting_works(explorer):
    explorer.seed.value = 13
    assert explorer.join(30)
    assert "seed 13 does not build" in explorer.message.value
    explorer.seed.value = 1
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-8,seed=1"]


def test_a_control_that_changes_nothing_is_greyed_out_and_says_why(explorer):
    assert not explorer.residual_scale.disabled
    explorer.skip.value = False
    assert explorer.residual_scale.disabled
    assert "turn skips on" in explorer.residual_scale.tooltip
    explorer.skip.value = True
    assert not explorer.residual_scale.disabled


def test_only_so_many_measurements_are_remembered_and_no_thread_stays(explorer, monkeypatch):
    monkeypatch.setattr(Recorder, "cache_size", 5)
    explorer.pin.click()
    for seed in range(40, 60):
        explorer.seed.value = seed
        assert explorer.join(30)
    assert len(explorer._measured) == 5
    assert Probe() in explorer._measured  # pinned, and so not forgotten
    names = [thread.name for thread in threading.enumerate()]
    assert "reslab-preview" not in names
    assert sum(isinstance(thread, threading.Timer) for thread in threading.enumerate()) <= 1


def test_the_switch_keeps_both_nets_on_the_chart(explorer):
    explorer.state = "resnet-8 | plain-8 + plain-14"
    explorer.skip.value = False
    assert explorer.state == "plain-8 | resnet-8 + plain-14"
    assert explorer.join(30)
    assert explorer.drawn[-1] == ["resnet-8", "plain-14", "plain-8"]
    explorer.depth.value = 14  # no switch: what is pinned stays as it is
    assert explorer.state == "plain-14 | resnet-8 + plain-14"
    explorer.state = "resnet-14 | resnet-14"  # a state is taken as it is written
    assert explorer.state == "resnet-14 | resnet-14"


# --- what is in sight -------------------------------------------------------------------------------------------------


def test_all_but_a_few_controls_are_folded(explorer):
    assert explorer.controls.row == [explorer.skip, explorer.depth, explorer.depth_text]
    assert explorer.controls.folded == [explorer.residual_scale, explorer.mode, explorer.seed]
    assert {*explorer.controls.folded, explorer.clear} < set(explorer.folded.children)
    assert explorer.folded.layout.display == "none"
    explorer.more.value = True
    assert (explorer.folded.layout.display, explorer.more.description) == ("", "Less")
    explorer.more.value = False
    assert (explorer.folded.layout.display, explorer.more.description) == ("none", "More")


def test_what_is_folded_and_not_as_usual_is_named(explorer):
    assert explorer.controls.also.value == ""
    explorer.state = "plain-14,mode=eval,seed=3"
    assert explorer.controls.also.value == "Also: mode eval, seed 3."
    assert explorer.controls.why.value == "Residual scale: A plain net has no branch to scale: turn skips on."
    explorer.skip.value = True
    assert explorer.controls.why.value == ""


def test_progress_is_seen_only_while_there_is_some(explorer):
    assert explorer.progress.layout.visibility == "hidden"
    explorer.show_progress(1, 2, "step 1 of 2")
    assert explorer.progress.layout.visibility == "visible"
    explorer.show_progress()
    assert explorer.progress.layout.visibility == "hidden"


@pytest.mark.parametrize("kind", ["Activations", "Attribution", "GradientFlow", "Landscape", "SuperResolution"])
def test_a_chart_says_that_it_is_being_measured(kind, monkeypatch):
    monkeypatch.setattr(Latest, "ask", lambda *_: None)
    explorer = getattr(explorers, kind)()
    explorer.draw()
    said = [note.text for chart in explorer._charts for note in chart.figure.layout.annotations if note.name == "empty"]
    assert f"Measuring {explorer.setting.label} ..." in said
    assert not any("Nothing has been measured" in text for text in said)
    explorer.close()
