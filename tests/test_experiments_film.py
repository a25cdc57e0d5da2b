"""The stage's state: that it is whole and true, live and recorded alike."""

import base64
import copy
import json

import numpy as np
import pytest
import torch
from film_states import HOW, THOROUGH, check_state, picture

from reslab import Split, build, digits, evaluate, replace
from reslab.capture import capture
from reslab.experiments import features, film, film_frames, representations
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def split():
    return digits().subset(128, 100)


@pytest.fixture(scope="module")
def recorded(spec, split):
    return film.record({"": [spec], "no norm": [replace(spec, norm="none")]}, split, HOW, seeds=(0, 1), device="cpu")


def played(spec, split, how=HOW, **options):
    state = film.begin(spec, split, how, **options)
    for patch in film.film(spec, split, how, device="cpu", **options):
        film.apply(state, json.loads(json.dumps(patch, allow_nan=False)))
    return state


def test_a_live_state_is_whole(spec, split):
    state = film.begin(spec, split, HOW)
    check_state(state)
    assert state["live"]
    assert state["nets"][0]["plain"]["frames"] == []
    state = played(spec, split)
    check_state(state)
    for kind, name in (("plain", "plain-8"), ("residual", "resnet-8")):
        one = state["nets"][0][kind]
        assert (one["name"], one["state"], one["steps"]) == (name, "finished", 6)
        assert [frame["step"] for frame in one["frames"]] == [0, 1, 4, 6]


def test_a_recorded_state_is_whole_and_says_where_it_comes_from(recorded, split):
    check_state(recorded)
    assert not recorded["live"]
    assert recorded["origin"].startswith("recorded, ")
    assert recorded["seeds"] == [0, 1]
    assert recorded["provenance"]["device"] == "cpu"
    assert recorded["source"] == split.source
    assert [pair["key"] for pair in recorded["nets"]] == ["8", "8 no norm"]
    frames = recorded["nets"][0]["plain"]["frames"]
    assert [set(frame) >= THOROUGH for frame in frames] == [True, False, False, True]  # a third of 6 steps has no frame


def test_live_measures_what_is_recorded(recorded, spec, split):
    """The same function, the same numbers: but for the pictures' places in a smaller sprite, and the seeds' spread."""
    live = played(spec, split, images=None)
    for kind in film.KINDS:
        one, other = live["nets"][0][kind], recorded["nets"][0][kind]
        assert one["curve"] == other["curve"]
        for frame, before in zip(one["frames"], other["frames"], strict=True):
            assert all(frame[key] == before[key] for key in ("step", "told_apart", "answer", "gradient"))
            shown = np.array([[picture(live, place) for place in block[0]] for block in frame["near"]])
            np.testing.assert_array_equal(
                shown, [[picture(recorded, place) for place in block[0]] for block in before["near"]]
            )


def test_frames_hold_what_the_net_does(spec, split):
    """The numbers of the untrained net and of the trained one, measured here by other means."""
    state = played(spec, split, images=None)
    for kind, skip in (("plain", False), ("residual", True)):
        net = build(replace(spec, skip=skip))
        frames = state["nets"][0][kind]["frames"]
        untrained = representations.by_block(net, split)
        assert frames[0]["told_apart"] == film_frames.rounded(untrained["neighbour_accuracy"])
        near = representations.neighbours(net, split, state["pictures"])
        assert np.ravel(frames[0]["near"]).tolist() == near["neighbour"].tolist()
        *events, event = train(net, split, replace(HOW, capture_every=1), device="cpu")
        # A frame's gradient is the one that the next step's backward pass finds.
        for frame in frames[:-1]:
            layers = [*events, event][frame["step"]].layers
            np.testing.assert_allclose(frame["gradient"][1:], layers["gradient_rms"], rtol=0.01)
        assert frames[-1]["told_apart"] == film_frames.rounded(
            representations.by_block(net, split)["neighbour_accuracy"]
        )
        assert state["nets"][0][kind]["test_error"] == round(event.test_error, 4) == round(evaluate(net, split), 4)


def test_the_last_frames_gradient_is_that_of_the_weights_at_the_end_and_leaves_them_alone(spec, split):
    net = build(spec)
    *_, _ = train(net, split, HOW, device="cpu")
    before = copy.deepcopy(net.state_dict())
    measured = film_frames.last_gradient(net, split, 64)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    x, y = split.batch(slice(64), "train")
    with capture(net.train()) as trace:
        torch.nn.functional.cross_entropy(net(x), y).backward()
    assert measured == film_frames.gradient(trace.frame())


def test_the_spread_is_that_of_the_seeds(recorded, spec, split):
    first, second = (played(spec, split, images=None, seed=seed)["nets"][0]["plain"]["frames"] for seed in (0, 1))
    for frame, one, other in zip(recorded["nets"][0]["plain"]["frames"], first, second, strict=True):
        pairs = zip(one["told_apart"], other["told_apart"], strict=True)
        assert frame["spread"] == [[min(pair), max(pair)] for pair in pairs]


def test_the_sprite_holds_the_pictures_that_are_named_and_no_others(recorded, split):
    frames = [frame for pair in recorded["nets"] for kind in film.KINDS for frame in pair[kind]["frames"]]
    named = {place for frame in frames for place in np.ravel(frame["near"])}
    assert named | set(recorded["pictures"]) == set(range(recorded["sprite"]["count"]))
    stored = {tuple(x.flatten().tolist()): label for x, label in zip(split.x_test, split.y_test.tolist(), strict=True)}
    for place, label in enumerate(recorded["sprite"]["labels"]):
        pixels = np.round(picture(recorded, place) / 255 * 16).astype(int)
        assert stored[tuple(pixels.flatten())] == label


def test_colour_photographs_make_a_sprite(split):
    x = torch.randint(256, (30, 3, 12, 12), generator=torch.Generator().manual_seed(0)).byte()
    photos = replace_images(split, x, torch.arange(30) % 10)
    sprite = film_frames.sprite(photos, list(range(25)))
    assert (sprite["size"], sprite["count"], sprite["grey"]) == (12, 25, False)
    np.testing.assert_array_equal(picture({"sprite": sprite}, 23), x[23].permute(1, 2, 0).numpy())
    assert film_frames.chosen(photos) == [0, 1, 2, 3, 4]


def replace_images(split, x, y):
    names = split.class_names
    return Split(
        name="photos", x_train=x, y_train=y, x_test=x, y_test=y, class_names=names, scale=255, source="made here"
    )


def unpacked(one, pictures):
    """The tiles of an opened block, (pictures, 3, channels, size, size)."""
    tiles = np.frombuffer(base64.b64decode(one["tiles"]), np.uint8).astype(float)
    tiles = (tiles - 128) / 127 * one["scale"]
    return tiles.reshape(pictures, 3, len(one["channels"]), one["size"], one["size"])


@pytest.mark.parametrize("skip", [True, False])
def test_an_opened_block_adds_up(spec, split, skip):
    net = build(replace(spec, skip=skip))
    x, _ = split.batch(slice(None), "test")
    opened = film_frames.opened(net, x, [0, 5])
    assert opened[0] is None
    assert [one["size"] for one in opened[1:]] == [8, 4, 2]
    whole = features.outputs(net, x)
    for name, one in zip(list(whole)[1:], opened[1:], strict=True):
        given, f, y = unpacked(one, 2).swapaxes(0, 1)
        np.testing.assert_allclose(y, np.maximum(given + f if skip else f, 0), atol=one["scale"] / 50)
        np.testing.assert_allclose(y, whole[name][[0, 5]][:, one["channels"]].numpy(), atol=one["scale"] / 100)
    np.testing.assert_allclose(
        unpacked(opened[1], 2)[:, 0], whole["stem"][[0, 5]][:, opened[1]["channels"]], atol=opened[1]["scale"] / 100
    )
    strongest = whole["stage3.block1"][[0, 5]].abs().mean((0, 2, 3)).argsort(descending=True)[:3]
    assert opened[3]["channels"] == strongest.tolist()


def test_a_net_that_diverges_ends_and_the_other_goes_on(spec, split):
    spec = replace(spec, norm="none", depth=20)
    state = film.begin(spec, split, replace(HOW, lr=3e3))
    patches = list(film.film(spec, split, replace(HOW, lr=3e3), device="cpu"))
    for patch in patches:
        film.apply(state, json.loads(json.dumps(patch, allow_nan=False)))
    (pair,) = state["nets"]
    assert {pair[kind]["state"] for kind in film.KINDS} == {"diverged"}
    last = pair["plain"]["frames"][-1]
    assert last["told_apart"][-1] is None
    assert last["near"][-1] is None
    assert last["answer"] is None
    film.only_referred(state, split)  # passes over what is None


def test_one_net_can_end_before_the_other(spec, split, monkeypatch):
    def one(spec, *_):
        return iter([film._patch("running", point=[step, 0.5, 1.0]) for step in range(1, 4 if spec.skip else 2)])

    monkeypatch.setattr(film, "_one", one)
    patches = [(patch["film"], patch["point"][0]) for patch in film.film(spec, split, HOW, device="cpu")]
    assert patches == [("plain", 1), ("residual", 1), ("residual", 2), ("residual", 3)]


def test_the_live_film_shows_the_chosen_digits():
    split = digits()
    assert split.y_test[film_frames.chosen(split)].tolist() == [6, 3, 8, 0, 9]
    assert max(film_frames.chosen(split)) < film.LIVE_IMAGES
    # other pictures are there then
    assert len(set(digits(seed=1).y_test[film_frames.chosen(digits(seed=1))].tolist())) == 5
