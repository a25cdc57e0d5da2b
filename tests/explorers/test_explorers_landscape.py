"""The explorer of lesson 06 without a browser: controls are set, the button is pressed, and what is drawn is read."""

import numpy as np
import pytest
from drawn import keyed
from waiting import take

from reslab import TrainSpec, explorers
from reslab.experiments import landscape
from reslab.explorers import landscape as module

HOW = TrainSpec(epochs=1)


@pytest.fixture
def explorer(split, monkeypatch):
    monkeypatch.setattr(module, "POINTS", 3)
    monkeypatch.setattr(module, "IMAGES", 32)
    made = explorers.Landscape("plain-8", split=split, how=HOW, device="cpu")
    assert made.join(60)
    yield made
    made.close()


def median(explorer, label):
    return keyed(explorer.lines.figure)[f"{label}/live, this machine/median"]


def test_five_lines_are_measured_at_once(explorer, split):
    line = median(explorer, "plain-8")
    net = explorer.shown[0][1].net
    expected = landscape.bands(net, split, images=32, device="cpu", progress=False).groupby("alpha")["loss"].median()
    np.testing.assert_allclose(line.y, expected.clip(lower=0.01), rtol=1e-5)
    assert "(median and range over 5 lines): plain-8 from" in explorer.sentence.value


def test_every_control_reaches_the_lines(explorer):
    before = list(median(explorer, "plain-8").y)
    for name, value in {"mode": "train", "normalisation": "none", "norms": "perturbed", "directions": 2, "lr": 0.02,
                        "seed": 1, "skip": True}.items():  # fmt: skip
        take(explorer, **{name: value})
        after = list(median(explorer, explorer.setting.label.replace(" · ", " · ")).y)
        assert after != before, name
        before = after
    assert explorer.state == "resnet-8,mode=train,normalisation=none,norms=perturbed,directions=2,lr=0.02,seed=1"


def test_a_look_at_the_same_net_trains_nothing(explorer):
    nets = dict(explorer._nets)
    take(explorer, mode="train")
    assert explorer._nets == nets


def test_the_button_measures_a_map_of_each_net_shown(explorer):
    explorer.pin.click()
    take(explorer, skip=True)
    assert explorer.map.figure.data == ()
    assert "Press Measure the map" in explorer.map.figure.layout.annotations[0].text
    explorer.go.click()
    assert explorer.tabs.value is explorer.map
    assert explorer.worker.join(60)
    traces = keyed(explorer.map.figure)
    assert np.shape(traces["map/0"].z) == np.shape(traces["map/1"].z) == (3, 3)
    layout = explorer.map.figure.layout
    assert (layout.xaxis.title.text, layout.xaxis2.title.text) == ("plain-8", "resnet-8")
    assert explorer.go.disabled
    take(explorer, skip=False)  # the switch moves no pane
    assert layout.xaxis.title.text == "plain-8"


def test_bad_input_is_answered_with_a_sentence(explorer):
    explorer.share.value = "plain-8,mode=trained"
    assert "mode is 'trained'; it can be 'eval', 'train'. Did you mean 'train'?" in explorer.message.value.replace(
        "&#x27;", "'"
    )
    explorer.depth.value = 8
    explorer.depth_text.value = 57
    assert "the nearest is 56" in explorer.message.value
    explorer.share.value = "plain-8"
    assert explorer.join(60)
    assert explorer.state == "plain-8"


def test_the_shown_code_measures_what_is_drawn(explorer, split):
    assert "experiments.landscape" in explorer.code
    line = next(line for line in explorer.code.splitlines() if line.startswith("lines.append"))
    from reslab import NetSpec

    lines, names = [], {"NetSpec": NetSpec, "TrainSpec": TrainSpec, "split": split, "lesson": landscape}
    exec(line.replace("images=32", "images=32, device='cpu', progress=False"), names | {"lines": lines})
    expected = lines[0].groupby("alpha")["loss"].median().clip(lower=0.01)
    np.testing.assert_allclose(median(explorer, "plain-8").y, expected, rtol=1e-3)


def test_a_closed_one_measures_nothing(explorer):
    explorer.go.click()
    explorer.close()
    assert not explorer.worker.running
