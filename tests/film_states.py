"""What every state of a film has: the schema of version 1, and what must agree in it."""

import base64
import io
import json

import numpy as np
from PIL import Image

from reslab import TrainSpec
from reslab.experiments import film, film_frames

HOW = TrainSpec(batch_size=64, epochs=3, capture_first=2, capture_every=4)  # 6 steps; frames of 0, 1, 4, 6
STATE = {
    "version",
    "origin",
    "live",
    "seeds",
    "dataset",
    "classes",
    "guess",
    "test_images",
    "sprite",
    "pictures",
    "nets",
}
PAIR = {"key", "label", "depth", "variant", "parameters", "blocks", "halves", "plain", "residual"}
FILM = {"name", "steps", "state", "frames", "curve", "test_error"}
FRAME = {"step", "told_apart", "near", "answer", "gradient"}
THOROUGH = {"readout", "alike", "opened"}


def picture(state, place):
    """A picture of a state's sprite, (S, S) or (S, S, 3)."""
    sprite = state["sprite"]
    atlas = np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite["url"].removeprefix("data:image/png;base64,")))))
    row, column, size = place // sprite["columns"], place % sprite["columns"], sprite["size"]
    return atlas[row * size : (row + 1) * size, column * size : (column + 1) * size]


def check_share(value):
    assert value is None or 0 <= value <= 1


def check_frame(frame, state, blocks):
    """A frame has all that is promised, of the sizes promised."""
    assert set(frame) - THOROUGH - {"spread"} == FRAME
    count, pictures = state["sprite"]["count"], len(state["pictures"])
    assert [len(frame[key]) for key in ("told_apart", "near", "gradient")] == [blocks] * 3
    for value in frame["told_apart"]:
        check_share(value)
    # where it diverged
    assert [block is None for block in frame["near"]] == [value is None for value in frame["told_apart"]]
    for block in filter(None, frame["near"]):
        assert np.shape(block) == (pictures, film_frames.NEAREST)
        assert 0 <= np.min(block) <= np.max(block) < count
    if frame["told_apart"][-1] is not None:
        assert np.shape(frame["answer"]) == (pictures, len(state["classes"]))
        np.testing.assert_allclose(np.sum(frame["answer"], 1), 1, atol=0.01)
    assert frame["gradient"][0] is None
    assert all(value is None or value >= 0 for value in frame["gradient"])
    for low, high in frame.get("spread", []):
        assert 0 <= low <= high <= 1
    for one in filter(None, frame.get("opened", [])):
        tiles = base64.b64decode(one["tiles"])
        assert len(tiles) == pictures * 3 * len(one["channels"]) * one["size"] ** 2


def check_state(state):
    """The schema of version 1, and what must agree in it."""
    json.dumps(state, allow_nan=False)
    assert STATE <= set(state) <= STATE | {"provenance", "source"}
    assert state["version"] == 1
    labels = state["sprite"]["labels"]
    assert len(labels) == state["sprite"]["count"]
    classes = [labels[place] for place in state["pictures"]]
    assert len(set(classes)) == len(classes) > 0
    assert len({pair["key"] for pair in state["nets"]}) == len(state["nets"])
    for pair in state["nets"]:
        assert set(pair) == PAIR
        assert len(pair["halves"]) == 2
        for kind in film.KINDS:
            one = pair[kind]
            assert set(one) == FILM
            steps = [frame["step"] for frame in one["frames"]]
            assert steps == sorted(set(steps))
            for frame in one["frames"]:
                check_frame(frame, state, len(pair["blocks"]))
            if one["state"] == "finished":
                assert (steps[0], steps[-1]) == (0, one["steps"])
                assert [step for step, *_ in one["curve"]] == list(range(1, one["steps"] + 1))
                check_share(one["test_error"])
