"""One setting, one meaning: what a control says is what is run, labelled, shared and shown as code."""

import dataclasses
import re
import shlex
from dataclasses import dataclass
from typing import ClassVar

import pytest
from waiting import finish, wait_until

from reslab import FAMILY, NetSpec, TrainSpec, cli, explorers, replace
from reslab.cli import options
from reslab.explorers.activations import ActivationsSetting
from reslab.explorers.activations_view import View
from reslab.explorers.attribution import AttributionSetting
from reslab.explorers.degradation import DegradationSetting
from reslab.explorers.gradient_flow import GradientFlowSetting
from reslab.explorers.landscape import LandscapeSetting
from reslab.explorers.residual_block import ResidualBlockSetting
from reslab.explorers.setting import Setting, code_of, parse_state, plain_text, write_state
from reslab.explorers.variants import VariantsSetting
from reslab.specs import PRESETS

KINDS = (
    DegradationSetting,
    GradientFlowSetting,
    ActivationsSetting,
    LandscapeSetting,
    ResidualBlockSetting,
    VariantsSetting,
    AttributionSetting,
)
FIELDS = [(kind, field.name) for kind in KINDS for field in dataclasses.fields(kind)]
BASE = TrainSpec(epochs=2, lr=0.3, momentum=0.5)  # of an explorer

# Where a field has an effect, if it has none in the setting of the defaults.
COMPANY = {
    (GradientFlowSetting, "residual_scale"): {"skip": True},
    (VariantsSetting, "groups"): {"block": "bottleneck"},
    (VariantsSetting, "init"): {"norm": "none"},
}


def other(setting, name):
    """Another valid value of a field."""
    value, menu = getattr(setting, name), setting.choices().get(name)
    if menu:
        return next(choice for choice in menu if choice != value)
    if isinstance(value, bool):
        return not value
    return value + 6 if name == "depth" else value + 1 if isinstance(value, int) else value / 2


def executed(setting, split):
    """The positional and the keyword arguments that the shown code of a setting gives."""
    names = {"NetSpec": NetSpec, "TrainSpec": TrainSpec, "split": split}
    base = 7 if isinstance(setting, ResidualBlockSetting) else BASE  # how many steps the block learns
    return eval(f"(lambda *given, **named: (given, named))({setting.as_code(base)})", names)


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_every_field_changes_the_run_or_the_view_and_the_code_says_so(kind, name, split):
    before = kind(**COMPANY.get((kind, name), {}))
    after = dataclasses.replace(before, **{name: other(before, name)})
    assert name not in after.idle
    changes = [
        before.net() != after.net(),
        before.how(BASE) != after.how(BASE),
        before.seed != after.seed,
        name in kind.options and name not in (field.name for field in dataclasses.fields(NetSpec)),  # of the experiment
    ]
    assert any(changes)
    assert executed(before, split) != executed(after, split)
    assert str(before) != str(after)
    assert kind.parse(str(after)) == after
    (spec, *rest), named = executed(after, split)
    assert spec == after.net(**split.shape)
    assert named["seed"] == after.seed
    for how in rest:
        assert how in (split, after.how(BASE)) if isinstance(how, TrainSpec) else how is split


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_the_command_trains_what_every_field_says(kind, name):
    before = kind(**COMPANY.get((kind, name), {}))
    setting = dataclasses.replace(before, **{name: other(before, name)})
    words = shlex.split(setting.as_command(BASE))
    values = cli.main.commands["train"].make_context("train", words[2:]).params
    assert words[:2] == ["reslab", "train"]
    assert replace(FAMILY[values["name"]], **options.given(values, NetSpec)) == setting.net()
    assert replace(PRESETS[values["preset"]], **options.given(values, TrainSpec)) == setting.how(BASE)
    assert (values["dataset"], values["seed"]) == ("digits", setting.seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_has_no_effect_is_in_neither_run_nor_label_nor_code(kind, split):
    for plain in (kind(skip=False), kind()):
        for name in plain.idle:
            changed = dataclasses.replace(plain, **{name: other(plain, name)})
            if name in changed.idle and changed.idle.keys() == plain.idle.keys():
                assert changed.net() == plain.net()
                assert changed.how(BASE) == plain.how(BASE)
                assert changed.label == plain.label
                if name not in kind.options or hasattr(NetSpec(), name):
                    assert executed(changed, split) == executed(plain, split)


@pytest.mark.parametrize(
    "spec",
    [NetSpec(depth=56, skip=False, width=8), NetSpec(stochastic_depth=0.5), TrainSpec(), TrainSpec(milestones=(0.1,))],
)
def test_the_code_of_a_spec_makes_that_spec(spec, split):
    made = eval(code_of(spec), {"NetSpec": NetSpec, "TrainSpec": TrainSpec, "split": split})
    assert made == (dataclasses.replace(spec, **split.shape) if isinstance(spec, NetSpec) else spec)


# --- a new control ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Longer(DegradationSetting):
    """Lesson 01 with three controls more: a line each."""

    momentum: float = 0.9
    deterministic: bool = True
    schedule: str = "one-cycle"


class Extended(explorers.Degradation):
    kind = Longer


def test_a_new_field_is_a_control_a_label_a_state_the_run_and_the_code(split):
    explorer = Extended("plain-8,momentum=0.5", split=split, how=TrainSpec(epochs=1))
    assert explorer.momentum.value == 0.5
    assert "of SGD" in explorer.momentum.tooltip
    explorer.momentum.value = 0.25
    explorer.deterministic.value = False
    explorer.schedule.value = "constant"
    setting = explorer.setting
    assert explorer.state == explorer.share.value == "plain-8,momentum=0.25,deterministic=false,schedule=constant"
    assert setting.label == "plain-8 · momentum 0.25 · no deterministic · schedule constant"
    assert "TrainSpec(epochs=1.0, momentum=0.25, schedule='constant')" in explorer.code
    finish(explorer)
    run = explorer.runs[setting]
    assert (run.how["momentum"], run.how["deterministic"], run.how["schedule"]) == (0.25, False, "constant")
    explorer.momentum.value = 7
    assert explorer.momentum.value == explorer.setting.momentum == 1
    assert "There is no momentum 7.0: it must be from 0 to 1; the nearest is 1." in explorer.message.value
    explorer.close()


@pytest.mark.parametrize("written", ["false", "False", "NO", "off", "0"])
def test_a_bool_is_read_as_a_bool(written):
    assert Longer.parse(f"plain-8,deterministic={written}").deterministic is False
    with pytest.raises(ValueError, match="deterministic is 'maybe'; it can be"):
        Longer.parse("plain-8,deterministic=maybe")


def test_a_field_that_no_spec_has_needs_options():
    with pytest.raises(TypeError, match=r"Odd\.colour is no field of a spec"):

        @dataclass(frozen=True, kw_only=True)
        class Odd(Setting):
            colour: str = "red"


def test_an_option_that_no_setting_has_is_refused():
    with pytest.raises(TypeError, match=r"Odd\.in_front is no option of a Setting"):

        @dataclass(frozen=True, kw_only=True)
        class Odd(Setting):
            in_front: ClassVar = ("skip",)


# --- a pasted line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "“plain-56,norm=none,lr=0.01”",
        "`Plain-56, norm = None, LR=0.01`",
        "plain–56,norm=none,lr=0.01",
        "PLAIN 56 ,norm=none ,lr=0.01,",
        "'plain-56,norm=none,lr=1e-2'",
        "\u00a0plain\u201156,\u200bnorm=none,lr=0.01\n",
        "plain－56，norm＝none，lr＝0.01",
        "plain56,lr=.01,norm=NONE",
    ],
)
def test_quotes_capitals_dashes_and_spaces_are_accepted(text):
    assert str(DegradationSetting.parse(text)) == "plain-56,norm=none,lr=0.01"


def test_names_with_capitals_are_found_whatever_is_written():
    assert ResidualBlockSetting.parse("Residual,shape=Halved,shortcut=b").shortcut == "B"
    assert View.parse("Show = Ratio, BLOCK=2") == View(block=2)
    assert VariantsSetting.parse("resnet-8, residual scale = learned").residual_scale == "learned"


def test_a_table_s_escaped_bar_and_a_large_rate_are_read():
    chosen, others = parse_state(ResidualBlockSetting, r"residual \| plain,lr=1e+12 + residual,lr=1e12")
    assert (chosen, [other.lr for other in others]) == (ResidualBlockSetting(), [1e12, 1e12])
    written = write_state(chosen, others)
    assert parse_state(ResidualBlockSetting, written) == (chosen, others)
    assert plain_text("a “b” ‘c’") == "a b c"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (DegradationSetting, "plain-1202", "depth is 1202; it must be from 8 to 110."),
        (DegradationSetting, "plain-116", "depth is 116; it must be from 8 to 110."),
        (ActivationsSetting, "plain-2", "depth is 2; it must be from 8 to 110."),
        (VariantsSetting, "plain-1208", "depth is 1208; it must be from 8 to 110."),
        (GradientFlowSetting, "plain-1208", "depth is 1208; it must be from 8 to 1202."),
        (DegradationSetting, "plain-8,seed=x", "seed is 'x'; it must be a whole number."),
        (
            GradientFlowSetting,
            "plain-8,residual_scale=big",
            "residual_scale is 'big'; it can be 'one', 'depth', 'learned'.",
        ),
    ],
)
def test_a_wrong_line_is_refused_with_the_limits_of_this_lesson(kind, text, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        kind.parse(text)


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ("plain-8,seed=1,seed=2", ValueError, "seed is given twice"),
        ("x" * 100_000, ValueError, "a state is one line of at most 1,000 characters, and this has 100,000"),
        (None, TypeError, "a state is a line of text, such as 'resnet-20', not NoneType"),
        (8, TypeError, "a state is a line of text, .*, not int"),
    ],
)
def test_what_is_no_state_is_refused_in_a_short_sentence(state, error, said):
    with pytest.raises(error, match=said) as raised:
        parse_state(DegradationSetting, state)
    assert len(str(raised.value)) < 200


# --- numbers that are typed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "typed", "taken"),
    [("seed", -5, 0), ("depth_text", 111, 110), ("depth_text", 0, 8), ("momentum", -1.0, 0)],
)
def test_a_typed_number_is_changed_to_the_nearest_valid_one_and_that_is_said(split, field, typed, taken):
    explorer = Extended("plain-8,seed=3", split=split)
    getattr(explorer, field).value = typed
    assert getattr(explorer, field).value == taken
    assert f"the nearest is {taken}" in explorer.message.value
    getattr(explorer, field).value = typed  # again, when it has that value already
    assert getattr(explorer, field).value == taken
    explorer.close()


# --- once a toggle ----------------------------------------------------------------------------------------------------


def counted(monkeypatch, explorer, *names):
    """A dict that counts the calls of methods of an explorer, from now on."""
    calls = dict.fromkeys(names, 0)
    for name in names:
        owner, method = (explorer.controls, "take") if name == "take" else (explorer, name)
        real = getattr(owner, method)

        def count(*arguments, name=name, real=real, **options):
            calls[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, method, count)
    return calls


@pytest.mark.parametrize(("kind", "state"), [("Degradation", "plain-8"), ("Variants", "resnet-8")])
def test_a_toggle_takes_measures_and_draws_once(monkeypatch, split, kind, state):
    explorer = getattr(explorers, kind)(state, split=split)
    assert explorer._previews.join(60)
    calls = counted(monkeypatch, explorer, "take", "measure", "draw", "refresh_texts")
    for toggles in (1, 2):
        explorer.skip.value = not explorer.skip.value
        assert explorer._previews.join(60)
        assert calls == {"take": toggles, "measure": toggles, "draw": toggles, "refresh_texts": toggles}
    explorer.close()


@pytest.mark.parametrize(
    ("kind", "state", "parts"),
    [("GradientFlow", "plain-8", 2), ("Activations", "plain-8", 3), ("ResidualBlock", "plain", 2)],
)
def test_a_switch_between_measured_nets_draws_once_and_moves_no_axis(monkeypatch, split, kind, state, parts):
    """The other net behind the switch is measured, too: each of the two in some parts, the quick ones first."""
    explorer = getattr(explorers, kind)(state, split=split, **({"steps": 3} if kind == "ResidualBlock" else {}))
    assert explorer.join(60)
    monkeypatch.setattr("reslab.explorers.instant.EMPTY_AFTER", 60)
    calls = counted(monkeypatch, explorer, "take", "measure", "draw", "refresh_texts")

    def ranges():
        layouts = [chart.figure.layout for chart in explorer._charts]
        return [(layout.xaxis.range, layout.yaxis.range) for layout in layouts]

    before = ranges()
    for toggles in (1, 2):
        explorer.skip.value = not explorer.skip.value
        assert calls == {"take": toggles, "measure": 0, "draw": toggles, "refresh_texts": toggles}
        assert ranges() == before
    explorer.seed.value = 1  # nets that have not been measured
    assert explorer.join(60)
    assert calls == {"take": 3, "measure": 2, "draw": 2 + 2 * parts, "refresh_texts": 3}
    explorer.close()


# --- closing ----------------------------------------------------------------------------------------------------------


def test_closing_stops_the_training_and_nothing_is_drawn_any_more(split):
    explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=10_000))
    explorer.start.click()
    wait_until(lambda: explorer._event is not None)
    explorer.close()
    assert explorer.worker.join(60)
    assert explorer._previews.join(60)
    assert explorer.widget.comm is None
    assert explorer.curves.figure.comm is None
    assert explorer.skip.layout.comm is None
    explorer.start.click()
    assert not explorer.worker.running
