"""The explorer of lesson 03 without a browser: set `.value`, read the charts' data and the sentence."""

import re

import numpy as np
import pytest
from drawn import texts

from reslab import digits, explorers
from reslab.experiments import residual_block as experiments
from reslab.explorers.residual_block import ResidualBlockSetting

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=64, n_test=16)


@pytest.fixture
def explorer(split):
    made = explorers.ResidualBlock(split=split, steps=5)
    assert made.join(60)
    yield made
    assert made.join(60)


def curve(explorer, label, part="error"):
    return explorer.chart.trace(f"{label}/0/live, this machine/{part}")


@pytest.mark.parametrize(
    "text", ["residual", "plain", "residual,block=bottleneck,shape=halved,shortcut=B,norm=none,seed=2,show=tensors"]
)
def test_a_setting_is_its_text(text):
    assert str(ResidualBlockSetting.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "resnet-8",
            "'resnet-8' is no block of this lesson; write residual or plain, "
            "and perhaps ,block=bottleneck or ,seed=1 behind it.",
        ),
        ("plain,shape=double", "shape is 'double'; it can be 'kept', 'halved'."),
        ("plain,blocks=3", "blocks is 3; it can be 1, 2, 4, 8."),
        ("plain,lr=0", "lr is 0.0; it must be a finite number above 0."),
        ("plain,shortcut=D", "shortcut is 'D'; it can be 'A', 'B', 'C'."),
        ("plain,seed=-1", "seed is -1; it must be from 0 to 2147483647."),
    ],
)
def test_a_wrong_text_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        ResidualBlockSetting.parse(text)


def test_it_draws_what_the_experiment_measures(explorer, split):
    frame = experiments.learn(experiments.one_block(split), steps=5, split=split)
    np.testing.assert_allclose(curve(explorer, "residual block").y, frame["error"], rtol=1e-6)
    assert "<b>identity</b><br>0 parameters, 0 multiply-adds" in texts(explorer.diagram.figure)
    assert "The residual block: " in explorer.sentence.value
    assert "512 element-wise additions" in explorer.sentence.value
    assert "Diagram of a residual basic block" in explorer.sentence.value


def test_skip_off_takes_the_shortcut_away_and_greys_its_options_out(explorer):
    explorer.skip.value = False
    assert explorer.join(60)
    assert any("no shortcut" in text for text in texts(explorer.diagram.figure))
    assert len(curve(explorer, "plain block").y) == 5
    assert explorer.shortcut.disabled
    assert "turn skip connections on" in explorer.shortcut.tooltip
    assert "turn skip connections on" in explorer.controls.also.value  # the control is in sight, and so is the reason
    assert explorer.state == "plain"


def test_pins_are_compared_while_they_learn(explorer):
    explorer.pin.click()
    explorer.skip.value = False
    assert explorer.join(60)
    assert {trace.name for trace in explorer.chart.figure.data if trace.showlegend is not False} >= {
        "residual block",
        "plain block",
    }
    assert explorer.state == "plain | residual"
    assert "the residual block" in explorer.sentence.value


def test_costs_follow_the_option(explorer):
    explorer.shape.value = "halved"
    for option, price in (("A", "0 parameters, 0 multiply-adds"), ("B", "160 parameters, 2,048 multiply-adds")):
        explorer.shortcut.value = option
        assert explorer.join(60)
        assert any(price in text for text in texts(explorer.diagram.figure))
        assert price in explorer.sentence.value
        assert f"Shortcut {option}" in explorer.sentence.value


def test_a_block_that_changes_the_shape_shows_its_tensors_and_says_why(explorer):
    explorer.shape.value = "halved"
    assert explorer.join(60)
    assert explorer.chart.keys == [f"{part}/tiles" for part in ("x", "shortcut", "branch", "sum", "y")]
    assert explorer.show.disabled
    assert explorer.lr.disabled
    assert "cannot be the identity" in explorer.show.tooltip
    explorer.shape.value = "kept"
    assert len(curve(explorer, "residual block").y) == 5
    assert explorer.chart.figure.layout.yaxis.title.text  # the axes of a chart are back, which tiles have none of
    explorer.show.value = "tensors"
    assert explorer.join(60)
    assert "x/tiles" in explorer.chart.keys


@pytest.mark.parametrize(
    "text",
    [
        "residual,block=bottleneck",
        "plain,block=bottleneck,shape=halved",
        "residual,norm=none,blocks=4",
        "residual,shortcut=C",
    ],
)
def test_every_kind_of_block_is_drawn(explorer, text):
    explorer.share.value = text
    assert explorer.join(60)
    assert explorer.state == text
    assert len(explorer.chart.figure.data) > 1
    assert "⚠" not in explorer.message.value


def test_a_rate_at_which_it_diverges_is_said_and_not_raised(explorer):
    explorer.share.value = "plain,norm=none,lr=1e+12"
    assert explorer.join(60)
    assert "diverged at step" in explorer.sentence.value
    explorer.lr.value = -1
    assert "it must be a finite number above 0" in explorer.message.value
    assert explorer.lr.value == 1e12


@pytest.mark.parametrize(
    "text", ["residual", "plain,blocks=2,lr=0.3", "residual,block=bottleneck,shape=halved,shortcut=B"]
)
def test_the_code_it_shows_draws_the_same(explorer, split, text):
    explorer.share.value = text
    assert explorer.join(60)
    *lines, last = explorer.code.splitlines()
    names = {"split": split}
    exec("\n".join(lines), names)
    figure = eval(last, names)
    drawn = explorer.chart.figure.data[0]
    values = "z" if drawn.type == "heatmap" else "y"
    np.testing.assert_allclose(np.array(figure.data[0][values], float), np.array(drawn[values], float), rtol=1e-6)
