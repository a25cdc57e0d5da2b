"""The explorer of lesson 09 without a browser: compose, look at block and cost, race, read charts and sentence."""

import re

import numpy as np
import pytest
from waiting import finish, wait_until

from reslab import TrainSpec, explorers, fit
from reslab.experiments import variants as experiments
from reslab.explorers.variants import VariantsSetting

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def explorer(split):
    """A quick one: 256 images, 6 steps a run."""
    made = explorers.Variants("resnet-8,order=preact | resnet-8", split=split, how=TrainSpec(epochs=3))
    assert made._previews.join(30)
    yield made
    made.worker.stop()
    assert made.worker.join(30)
    assert made._previews.join(30)


def curve(explorer, label):
    return explorer.curves.trace(f"{label}/0/live, this machine/train")


def diagram(explorer):
    return " ".join(note.text for note in explorer.diagram.figure.layout.annotations if note.text)


# --- the composed net -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "resnet-56",
        "plain-8,order=preact",
        "resnet-20,block=bottleneck,widen=2,groups=8,stochastic_depth=0.5,lr=0.1,seed=3",
    ],
)
def test_a_setting_is_its_text(text):
    assert str(VariantsSetting.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnet-57", "depth is 57; CIFAR basic nets have depth 6n+2: 56 or 62."),
        ("resnet-56,widen=3", "widen is 3; it can be 1, 2, 4."),
        (
            "resnet-56,order=pre",
            "order is 'pre'; it can be 'original', 'norm-after-add', 'relu-before-add', 'relu-only-preact', 'preact'.",
        ),
        ("resnet-56,lr=0", "lr is 0.0; it must be a finite number above 0."),
        (
            "vgg-16",
            "'vgg-16' is no net of this lesson; write plain-56 or resnet-56, and perhaps ,order=norm-after-add",
        ),
    ],
)
def test_a_wrong_text_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        VariantsSetting.parse(text)


@pytest.mark.parametrize(
    ("text", "net", "label"),
    [
        (
            "resnet-56,widen=2",
            {"depth": 58, "widen": 2},
            "resnet-58 · widen 2",
        ),  # wide nets count 6n+4: the same blocks
        ("resnet-8,block=bottleneck", {"depth": 11, "block": "bottleneck"}, "resnet-11 · bottleneck"),
        ("resnet-56,groups=8", {"groups": 1}, "resnet-56"),  # a basic block has no groups: the control is grey
        ("plain-56,stochastic_depth=0.5,shortcut=D", {"stochastic_depth": 0.0, "shortcut": "A"}, "plain-56"),
        ("resnet-56,init=fixup", {"init": "kaiming"}, "resnet-56"),
        (
            "resnet-56,norm=none,init=fixup,residual_scale=learned",
            {"residual_scale": "one"},
            "resnet-56 · norm none · fixup",
        ),
    ],
)
def test_what_cannot_apply_is_left_out_of_the_net(split, text, net, label):
    setting = VariantsSetting.parse(text)
    spec = setting.net(**split.shape)
    assert {name: getattr(spec, name) for name in net} == net
    assert setting.label == label


def test_every_combination_can_be_built(split):
    choices = {name: values for name, values in VariantsSetting.choices().items() if values}
    drawn = np.random.default_rng(0)
    for _ in range(60):
        fields = {name: values[drawn.integers(len(values))] for name, values in choices.items()}
        setting = VariantsSetting(skip=bool(drawn.integers(2)), depth=8, **fields)
        assert experiments.cost(setting.net(**split.shape))[0] > 0


def test_controls_that_cannot_apply_are_grey_and_say_why(explorer):
    assert explorer.groups.disabled
    assert "choose block bottleneck" in explorer.groups.tooltip
    explorer.block.value = "bottleneck"
    assert not explorer.groups.disabled
    explorer.skip.value = False
    for control in (explorer.shortcut, explorer.residual_scale, explorer.stochastic_depth, explorer.init):
        assert control.disabled
        assert "skip connections" in control.tooltip


# --- at once ----------------------------------------------------------------------------------------------------------


def test_block_and_cost_answer_before_any_training(explorer, split):
    assert (
        "resnet-8 · preact costs 1.00 × the parameters and 1.00 × the multiply-adds of resnet-8."
        in explorer.sentence.value
    )
    assert "Diagram of a residual basic block" in explorer.sentence.value
    explorer.block.value, explorer.widen.value, explorer.groups.value = "bottleneck", 2, 8
    assert explorer._previews.join(30)
    assert "8 groups" in diagram(explorer)
    chosen, base = (experiments.cost(setting.net(**split.shape)) for setting in (explorer.setting, explorer.base))
    assert f"{chosen[1] / base[1]:.2f} × the multiply-adds of resnet-8." in explorer.sentence.value
    explorer.shortcut.value = "D"
    assert explorer._previews.join(30)
    assert "2×2 average" in diagram(explorer)


# --- the race ---------------------------------------------------------------------------------------------------------


def test_start_races_the_chosen_net_against_the_base(explorer, split):
    finish(explorer)
    assert [setting.label for setting in explorer.runs] == ["resnet-8", "resnet-8 · preact"]
    for setting in explorer.runs:
        alone = fit(setting.net(**split.shape), split, TrainSpec(epochs=3), seed=0, progress=False)
        assert list(curve(explorer, setting.label).y) == [100 * error for error in alone.history["train_error"]]
    assert curve(explorer, "resnet-8").line.color != curve(explorer, "resnet-8 · preact").line.color
    assert "After 6 steps resnet-8" in explorer.sentence.value
    assert explorer.state == explorer.share.value == "resnet-8,order=preact | resnet-8 + resnet-8,order=preact"


def test_a_base_that_is_measured_is_not_trained_again(explorer):
    finish(explorer)
    base = explorer.runs[explorer.base]
    explorer.order.value = "relu-only-preact"
    finish(explorer)
    assert explorer.runs[explorer.base] is base
    assert [setting.label for setting in explorer.runs] == [
        "resnet-8",
        "resnet-8 · preact",
        "resnet-8 · relu-only-preact",
    ]


def test_the_nets_take_their_steps_in_turn_and_stop_ends_both(split):
    explorer = explorers.Variants("resnet-8,order=preact | resnet-8", split=split, how=TrainSpec(epochs=200))
    explorer.start.click()
    wait_until(lambda: len(explorer.runs) == 2 and explorer._event.step > 3)
    explorer.pause.click()
    wait_until(lambda: explorer.worker.waiting)
    steps = [event.step for event in explorer._last.values()]
    assert max(steps) - min(steps) <= 1
    explorer.stop.click()
    assert explorer.worker.join(30)
    assert {run.outcome for run in explorer.runs.values()} == {"stopped"}
    assert {len(run.history) for run in explorer.runs.values()} <= set(steps)
    assert "stopped at step" in explorer.progress_text.value
    assert not explorer.start.disabled


def test_the_base_follows_rate_and_seed_and_can_be_set(explorer):
    explorer.lr.value, explorer.seed.value = 0.1, 4
    assert (explorer.base.lr, explorer.base.seed) == (0.1, 4)
    assert not explorer.set_base.disabled
    explorer.set_base.click()
    assert explorer.base == explorer.setting
    assert explorer.set_base.disabled
    assert explorer.state == "resnet-8,order=preact,lr=0.1,seed=4 | resnet-8,order=preact,lr=0.1,seed=4"
    finish(explorer)
    assert list(explorer.runs) == [explorer.base]


def test_the_state_goes_round_and_says_what_start_will_train(explorer):
    text = "resnet-14,widen=2 | resnet-20 + resnet-8"
    explorer.share.value = text
    assert explorer.state == text == explorer.share.value
    assert str(explorer.base) == "resnet-20"
    assert "Press Start to train resnet-20, resnet-8, resnet-16 · widen 2." in explorer.message.value
    explorer.share.value = "resnet-9000"
    assert explorer.state == text
    assert 'role="alert"' in explorer.message.value
    explorer.state = "plain-8,lr=0.1,seed=2"
    assert str(explorer.base) == "resnet-56,lr=0.1,seed=2"


def test_a_net_that_diverges_is_named_and_the_other_goes_on(explorer):
    explorer.state = "resnet-20,norm=none,lr=1000 | resnet-8"
    finish(explorer)
    assert [run.outcome for run in explorer.runs.values()] == ["finished", "diverged"]
    assert any("diverged at step" in note.text for note in explorer.curves.figure.layout.annotations)
    assert "diverged at step" in explorer.sentence.value


def test_the_code_it_shows_draws_the_same(explorer, split):
    explorer.share.value = "resnet-8,block=bottleneck,widen=2,groups=8 | resnet-8"
    finish(explorer)
    assert explorer._previews.join(30)
    *lines, last = explorer.code.replace("seed=0)", "seed=0, progress=False)").splitlines()
    names = {"split": split}
    exec("\n".join(lines), names)
    figure = eval(last, names)
    for drawn, own in zip(figure.data, explorer.curves.figure.data, strict=True):
        np.testing.assert_array_equal(np.array(drawn.y, float), np.array(own.y, float))
