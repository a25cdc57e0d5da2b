"""The explorer of lesson 04 without a browser: set `.value`, press the buttons, read the figures' data."""

import io
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from waiting import LIVE, wait_until

from reslab import TrainSpec, explorers
from reslab.experiments import activations
from reslab.explorers.activations import ActivationsSetting
from reslab.explorers.activations_view import SHOWS, View
from reslab.nets import build

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def explorer(split):
    """A quick one: 64 images to look at, 4 steps of training."""
    made = explorers.Activations("resnet-14 | plain-14", split=split, how=TrainSpec(epochs=2))
    assert made.join(60)
    yield made
    assert made.join(60)


def line(explorer, name, part="profile"):
    return list(explorer.profile.trace(f"{name}/0/{LIVE}/{part}").y)


def profiles(explorer):
    """The names of the nets at the left; a long one breaks."""
    return [
        trace.name.replace("<br>", " ")
        for trace in explorer.profile.figure.data
        if trace.meta["key"].endswith("profile")
    ]


def seen(explorer):
    """The maps at the right, without their gaps, and what is written below them."""
    maps = [np.array(trace.z, float) for trace in explorer.maps.figure.data]
    return maps, [axis.title.text for axis in (explorer.maps.figure.layout.xaxis, explorer.maps.figure.layout.xaxis2)]


def picture(mode="L"):
    """Test input: a stroke down the middle of a white sheet, as the bytes of a PNG."""
    image, file = Image.new(mode, (120, 90), "white"), io.BytesIO()
    image.paste("black", (55, 10, 68, 80))
    image.save(file, "PNG")
    return file.getvalue()


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_both_nets_are_there_at_once_and_are_what_was_measured(explorer, split):
    for name, skip in (("plain-14 · untrained", False), ("resnet-14 · untrained", True)):
        net = build(ActivationsSetting(depth=14, skip=skip).net(**split.shape))
        np.testing.assert_allclose(line(explorer, name), activations.signal(net, split)["ratio"])
    maps, titles = seen(explorer)
    assert len(maps) == 3
    assert [title.split("<br>")[0] for title in titles] == ["stage1.block1: 8 maps of 8 × 8"] * 2
    np.testing.assert_allclose(maps[-1], split.x_test[0, 0] / split.scale)
    assert "in the untrained resnet-14" in explorer.sentence.value


@pytest.mark.parametrize("show", SHOWS)
def test_every_statistic_is_drawn_with_its_sentence(explorer, show):
    explorer.show.value = show
    assert explorer.join(30)
    assert explorer.state == (
        "resnet-14 | plain-14" if show == "ratio" else f"resnet-14 | plain-14 | show={show},block=1,image=0"
    )
    part = "histogram" if show == "histogram" else "profile"
    assert len(line(explorer, "resnet-14 · untrained", part)) == (114 if show == "histogram" else 6)
    assert "resnet-14" in explorer.sentence.value


def test_the_toggle_draws_the_net_with_the_other_skip(explorer):
    explorer.clear.click()
    explorer.skip.value = False
    assert explorer.join(30)
    assert profiles(explorer) == ["plain-14 · untrained"]
    assert len(seen(explorer)[0]) == 2  # one net's, and the image
    assert not explorer.maps.figure.layout.xaxis2.visible
    explorer.skip.value = True
    assert explorer.join(30)
    assert profiles(explorer) == ["resnet-14 · untrained"]


def test_the_last_two_nets_have_their_maps_shown_plain_at_the_left(explorer):
    explorer.state = "plain-8 | resnet-8 + resnet-14"
    assert explorer.join(60)
    layout = explorer.maps.figure.layout
    assert [layout.yaxis.title.text, layout.yaxis2.title.text] == ["plain-8 · untrained", "resnet-14 · untrained"]


# --- blocks and images ------------------------------------------------------------------------------------------------


def test_a_click_on_a_point_opens_its_block(explorer):
    before, _ = seen(explorer)
    trace = explorer.profile.trace(f"resnet-14 · untrained/0/{LIVE}/profile")
    explorer._clicked(trace, SimpleNamespace(point_inds=[4]), None)
    assert explorer.join(30)
    assert explorer.block.value == explorer.view.block == 5
    maps, titles = seen(explorer)
    assert all(title.startswith("stage3.block1: 32 maps of 2 × 2") for title in titles)
    assert maps[0].shape != before[0].shape
    assert explorer.profile.trace(f"resnet-14 · untrained/0/{LIVE}/opened").x[0] == pytest.approx(500 / 6)
    explorer._clicked(trace, SimpleNamespace(point_inds=[]), None)  # of another trace
    assert explorer.view.block == 5


def test_every_profile_takes_clicks_however_often_it_was_drawn(explorer):
    for depth in (8, 20, 14):
        explorer.depth.value = depth
        assert explorer.join(60)
    profiles = [trace for trace in explorer.profile.figure.data if trace.meta["key"].endswith("profile")]
    assert [len(trace._click_callbacks) for trace in profiles] == [1, 1]


@pytest.mark.parametrize(("typed", "taken"), [(4, 4), (0, 1), (-2, 1), (7, 6), (999, 6)])
def test_a_typed_block_becomes_the_nearest_and_a_message_says_so(explorer, typed, taken):
    explorer.block.value = typed
    assert explorer.join(30)
    assert explorer.block.value == explorer.view.block == taken
    assert (f"the nearest is {taken}" in explorer.message.value) == (typed != taken)


@pytest.mark.parametrize(("typed", "taken"), [(63, 63), (64, 63), (-1, 0)])
def test_a_typed_image_becomes_the_nearest_and_a_message_says_so(explorer, split, typed, taken):
    explorer.image.value = typed
    assert explorer.join(30)
    assert explorer.image.value == explorer.view.image == taken
    assert (f"the nearest is {taken}" in explorer.message.value) == (typed != taken)
    np.testing.assert_allclose(seen(explorer)[0][-1], split.x_test[taken, 0] / split.scale)


def test_a_shallower_net_closes_a_block_that_it_does_not_have(explorer):
    explorer.block.value = 6
    explorer.state = "resnet-8"
    explorer.state = "resnet-14 | show=ratio,block=6,image=0"
    explorer.depth.value = 8
    assert explorer.join(60)
    assert explorer.view.block == explorer.block.value == 3


# --- an image of one's own --------------------------------------------------------------------------------------------


def test_a_picture_of_ones_own_walks_through_the_nets(explorer):
    explorer._uploaded(picture())
    assert explorer.join(30)
    image = seen(explorer)[0][-1]
    assert image.mean(axis=0).argmax() in (3, 4)
    assert "inverted" in explorer.message.value
    assert "image" not in explorer.state.partition("|")[0]
    explorer.block.value = 3  # it stays while one walks on
    assert explorer.join(30)
    np.testing.assert_array_equal(seen(explorer)[0][-1], image)
    explorer.image.value = 2
    assert explorer.join(30)
    assert not np.array_equal(seen(explorer)[0][-1], image)


def test_a_state_with_another_image_draws_that_and_not_ones_own(explorer):
    explorer._uploaded(picture())
    assert explorer.join(30)
    own = seen(explorer)[0][-1]
    explorer.state = "resnet-14 | plain-14 | show=ratio,block=1,image=1"  # which have been measured
    assert explorer.join(30)
    assert not np.array_equal(seen(explorer)[0][-1], own)


def test_a_bad_file_says_so_and_changes_nothing(explorer):
    before, state = seen(explorer)[0], explorer.state
    explorer._uploaded(b"no image")
    assert explorer.join(30)
    assert "This file is no image that can be read" in explorer.message.value
    assert 'role="alert"' in explorer.message.value
    assert explorer.own is None
    assert explorer.state == state
    for one, other in zip(before, seen(explorer)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_button_gives_the_explorer_what_the_page_sends(explorer):
    """The page sends no bytes of a large file that it cannot make smaller."""
    explorer.upload._handle_custom_msg({}, [memoryview(b"")])
    assert "This file is no image that can be read" in explorer.message.value
    explorer.upload._handle_custom_msg({}, [memoryview(picture())])
    assert explorer.own is not None
    assert explorer.join(30)


# --- training ---------------------------------------------------------------------------------------------------------


def test_trained_nets_are_trained_once_and_kept(explorer, split, monkeypatch):
    explorer.state = "resnet-14,weights=trained | plain-14,weights=trained + resnet-14"
    assert explorer.join(60)
    net, run = activations.trained(ActivationsSetting(depth=14).net(**split.shape), split, TrainSpec(epochs=2))
    np.testing.assert_allclose(line(explorer, "resnet-14 · trained"), activations.signal(net, split, run)["ratio"])
    assert line(explorer, "resnet-14 · trained") != line(explorer, "resnet-14 · untrained")
    assert (explorer.progress.value, explorer.progress_text.value) == (0, "")
    monkeypatch.setattr("reslab.explorers.activations.train", lambda *_, **__: 1 / 0)
    explorer.weights.value = "untrained"
    explorer.weights.value = "trained"
    explorer.image.value = 1
    assert explorer.join(60)
    assert "division" not in explorer.message.value


def test_a_newer_request_ends_a_training(split):
    explorer = explorers.Activations("resnet-8", split=split, how=TrainSpec(epochs=10_000))
    assert explorer.join(60)
    explorer.weights.value = "trained"
    wait_until(lambda: "training resnet-8" in explorer.progress_text.value)
    assert "Measuring resnet-8 · trained" in explorer.message.value or explorer.message.value.endswith("></span>")
    explorer.weights.value = "untrained"
    assert explorer.join(60)
    assert profiles(explorer) == ["resnet-8 · untrained"]
    assert explorer.progress_text.value == ""


def test_an_error_while_training_is_shown_and_the_explorer_still_works(explorer, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("reslab.explorers.activations.train", lambda *_, **__: 1 / 0)
        explorer.weights.value = "trained"
        assert explorer.join(60)
    assert "ZeroDivisionError" in explorer.message.value
    explorer.seed.value = 1
    assert explorer.join(60)
    assert line(explorer, "plain-14 · untrained")


def test_a_net_that_diverges_says_so(split):
    explorer = explorers.Activations("resnet-8,weights=trained,norm=none", split=split, how=TrainSpec(epochs=2, lr=1e6))
    assert explorer.join(60)
    assert "diverged" in explorer.sentence.value
    assert set(explorer.profile.trace(f"resnet-8 · norm none · trained/0/{LIVE}/lost").text) == {"not a number"}
    assert "it is not a number" in seen(explorer)[1][0]


# --- state and code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "resnet-14",
        "plain-8,weights=trained,norm=none,init=torch,activation=tanh,seed=7 | resnet-8",
        "resnet-14 | show=cosine,block=2,image=9",
        "resnet-14 | plain-14 + resnet-8,seed=1 | show=histogram,block=6,image=63",
    ],
)
def test_the_state_goes_round(explorer, text):
    explorer.share.value = text
    assert explorer.join(60)
    assert explorer.state == text == explorer.share.value
    assert (explorer.show.value, explorer.block.value, explorer.image.value) == (
        explorer.view.show, explorer.view.block, explorer.view.image,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vgg-16", "'vgg-16' is no net of this lesson"),
        ("resnet-14 | show=size", "show is 'size'; it can be 'ratio', 'cosine'"),
        ("resnet-14 | show=ratio,block=0,image=0", "block is 0; it must be from 1 to 54."),
        ("resnet-14 | block=two", "block is 'two'; it must be a whole number."),
        ("resnet-14 | image=64", "image is 64; it must be from 0 to 63."),
        ("resnet-14 | show=rms,image=1", "show is 'rms'"),
        (
            "resnet-14 | image=1,blok=2",
            "what is looked at is 'blok'; it can be 'show', 'block', 'image'. Did you mean 'block'?",
        ),
        ("resnet-14,weights=new | show=ratio", "weights is 'new'; it can be 'untrained', 'trained'"),
        ("resnet-57 | show=cosine,block=2,image=3", "56 or 62"),
    ],
)
def test_a_wrong_state_is_refused_in_one_sentence_and_changes_nothing(explorer, text, said):
    before = explorer.state, explorer.view
    explorer.share.value = text
    assert explorer.join(30)
    assert re.search(re.escape(said).replace("'", "(?:'|&#x27;)"), explorer.message.value)
    assert (explorer.state, explorer.view) == before
    assert explorer.share.value == before[0]


def test_a_view_is_its_text():
    view = View(show="cosine", block=7, image=12)
    assert View.parse(str(view)) == view


@pytest.mark.parametrize("show", ["ratio", "histogram"])
def test_the_code_shown_reproduces_the_chart(split, show):
    state = f"resnet-8,norm=none | plain-8,weights=trained | show={show},block=2,image=0"
    explorer = explorers.Activations(state, split=split, how=TrainSpec(epochs=2))
    assert explorer.join(120)
    names = {"split": split}
    exec(explorer.code.replace("figures.", "figure = figures."), names)
    drawn = {trace.name.replace("<br>", " "): trace for trace in names["figure"].data if trace.mode != "markers"}
    for trace in explorer.profile.figure.data:
        if trace.meta["key"].endswith(("profile", "histogram")):
            name = trace.name.replace("<br>", " ").replace(" · norm none", "")
            np.testing.assert_allclose(drawn[name].y, trace.y)


def test_toggles_leave_nothing_behind(explorer):
    threads = threading.active_count()
    for _ in range(20):
        explorer.skip.value = False
        explorer.skip.value = True
    assert explorer.join(60)
    time.sleep(0.4)  # the timers of `Instant` run out
    assert threading.active_count() <= threads
    assert line(explorer, "resnet-14 · untrained")
