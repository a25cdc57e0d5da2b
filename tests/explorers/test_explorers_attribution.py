"""The explorer of lesson 07 without a browser: set `.value`, put in files, read the figures' data."""

import io

import numpy as np
import pytest
from PIL import Image
from waiting import wait_until

from reslab import digits, explorers
from reslab.experiments import deletion, lesions
from reslab.experiments.photographs import photographs
from reslab.explorers.attribution import AttributionSetting

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def explorer():
    made = explorers.Attribution("resnet-20,method=saliency")
    assert made.join(300)
    yield made
    made.close()


def drawing(mode="RGB"):
    image, file = Image.new(mode, (60, 40), "white"), io.BytesIO()
    image.paste("black", (25, 5, 33, 35))
    image.save(file, "PNG")
    return file.getvalue()


def shown(explorer):
    return np.array(explorer.picture.trace("picture/map").z, dtype=float)


def test_the_map_is_the_experiments_and_the_sentence_says_what_is_left(explorer):
    explorer.state = "resnet-20,method=saliency"
    assert explorer.join(120)
    split = digits()
    net = lesions.trained(AttributionSetting().net(**split.shape), split)
    frame = deletion.of_picture(net, split, 0, "saliency").set_index("kind")
    made = frame.loc["map", "map"]
    share = made / np.abs(made).max()
    np.testing.assert_allclose(shown(explorer), np.sign(share) * np.sqrt(np.abs(share)), atol=1e-4)  # drawn by its root
    for kind in deletion.KINDS:
        assert f"{frame.loc[kind, 'after']:.2f} (" in explorer.sentence.value
    assert [trace.meta["key"] for trace in explorer.curve.figure.data].count("map/curve") == 1


def test_the_other_net_is_measured_too_and_the_switch_answers_from_it(explorer):
    explorer.state = "resnet-20,method=saliency"
    assert explorer.join(120)
    assert {setting.skip for setting in explorer._measured} == {True, False}
    names = {trace.legendgroup.partition("/")[0] for trace in explorer.blocks.figure.data}
    assert names == {"plain-20", "resnet-20"}
    explorer.skip.value = False
    assert "plain-20 says" in explorer.sentence.value  # at once
    assert explorer.state == "plain-20,method=saliency"
    assert explorer.join(120)


def test_the_opacity_is_in_the_state_and_changes_the_chart_alone(explorer):
    explorer.state = "resnet-20,method=saliency | opacity=30"
    assert explorer.join(120)
    assert explorer.opacity.value == explorer.opacity.box.value == 30
    assert explorer.picture.trace("picture/map").opacity == 0.3
    explorer.opacity.value = 55
    assert explorer.picture.trace("picture/map").opacity == 0.55
    assert explorer.state == "resnet-20,method=saliency | opacity=55"
    assert "opacity=0.55" in explorer.code


def test_a_picture_of_ones_own_is_taken_and_left_again(explorer):
    explorer.state = "resnet-20,method=saliency"
    assert explorer.join(120)
    before = shown(explorer)
    explorer._uploaded(drawing())
    assert "Your picture: cut square, 8 × 8 pixels, grey, inverted." in explorer.message.value
    assert explorer.join(120)
    assert "your picture" in explorer.controls.also.value
    assert not np.array_equal(shown(explorer), before)
    explorer.image.value = 1
    assert explorer.join(120)
    explorer.image.value = 0
    assert explorer.join(120)
    np.testing.assert_allclose(shown(explorer), before, atol=1e-5)
    assert "your picture" not in explorer.controls.also.value


def test_bad_input_is_answered_with_a_sentence_and_changes_nothing(explorer):
    explorer.state = "resnet-20,method=saliency"
    assert explorer.join(120)
    explorer._uploaded(b"no picture")
    assert "is no image that can be read" in explorer.message.value
    for line, word in (("resnet-20,method=salience", "saliency"), ("resnet-20 | opacity=300", "opacity"),
                       ("resnet-20,image=99", "image"), ("densenet", "no net of this lesson")):  # fmt: skip
        explorer.share.value = line
        assert word in explorer.message.value
        assert explorer.state == "resnet-20,method=saliency"


def test_a_net_that_was_not_recorded_is_trained_and_a_newer_request_ends_that(explorer):
    explorer.state = "resnet-14,method=saliency,seed=5"
    explorer.state = "resnet-8,method=saliency,seed=5"
    assert explorer.join(300)
    wait_until(lambda: "resnet-8 says" in explorer.sentence.value)
    assert ("digits", 8, True, 5) in explorer._nets
    assert explorer.progress.layout.visibility == "hidden"


def test_photographs_have_nets_of_their_own():
    setting = AttributionSetting.parse("resnet-44,pictures=photographs")
    assert (setting.net().width, setting.net().depth) == (16, 56)
    assert "seed" in setting.idle
    split = photographs()
    assert split.shape == {"in_channels": 3, "image_size": 32, "classes": 10}
    assert len(split.x_test) >= 20
    spec = AttributionSetting(pictures="photographs").net(**split.shape)
    frame = deletion.of_trained(spec, split, pictures="photographs", image=2, method="saliency")
    assert frame["says"].isin(split.class_names).all()
    assert frame["picture"].iloc[0].shape == (32, 32, 3)
