"""Films of recorded runs with weights, and the states that come with reslab."""

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from film_states import HOW, check_state, picture

from reslab import Store, TrainSpec, build, digits, replace
from reslab.experiments import features, film, film_frames, representations
from reslab.experiments.degradation import small_net
from reslab.sweep import sweep

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def split():
    return digits().subset(128, 100)


@pytest.fixture(scope="module")
def store(spec, split, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    list(
        sweep(
            [replace(spec, skip=False), spec],
            split,
            HOW,
            store=store,
            weights=True,
            device="cpu",
            workers=1,
            progress=False,
        )
    )
    return store


def test_a_state_of_recorded_runs_shows_the_nets_untrained_and_trained(store, spec, split):
    state = film.of_runs(store, split, (8,), images=60, training_images=100, width=4)
    check_state(state)
    assert state["origin"].startswith("recorded")
    for kind, skip in (("plain", False), ("residual", True)):
        (run,) = store.runs(skip=skip)
        first, last = state["nets"][0][kind]["frames"]
        assert (first["step"], last["step"]) == (0, 6)
        for frame, net in ((first, build(run.spec)), (last, store.net(run))):
            numbers = representations.by_block(net, split, images=60, training_images=100)
            assert frame["told_apart"] == film_frames.rounded(numbers["neighbour_accuracy"])
            assert frame["readout"] == film_frames.rounded(numbers["readout_accuracy"])
        assert state["nets"][0][kind]["test_error"] == round(run.summary()["test_error"], 4)


def test_a_run_that_was_stopped_keeps_the_axis_of_the_whole_training(store, split):
    (run,) = store.runs(skip=False)
    begun = dataclasses.replace(run, history=run.history.head(4).assign(test_error=np.nan), outcome="stopped")
    one = film._film_of_run(store, begun, split, TrainSpec(**run.how), 20, 50, [0])
    json.dumps(one, allow_nan=False)
    assert (one["state"], one["steps"], one["test_error"]) == ("stopped", 6, None)
    assert [frame["step"] for frame in one["frames"]] == [0, 4]


def test_its_pictures_are_put_in_afterwards(store, split):
    state = film.of_runs(store, split, (8,), images=60, training_images=100)
    assert state["sprite"]["url"] is None
    filled = film.with_pictures(state, split)
    for k, place in enumerate(state["sprite"]["places"]):
        np.testing.assert_array_equal(np.round(picture(filled, k) / 255 * 16), split.x_test[place, 0].numpy())
    with pytest.raises(ValueError, match="pictures of digits"):
        film.with_pictures(state, digits(seed=1))
    with pytest.raises(ValueError, match="pictures of digits"):
        film.with_pictures(state, split.subset(128, 50))


def test_a_pair_that_is_not_there_is_refused(store, split):
    with pytest.raises(
        ValueError, match=r"of 20 layers there must be one plain and one residual run; there are \[0, 0\]"
    ):
        film.of_runs(store, split, (20,))


# --- the states that come with reslab


@pytest.fixture(scope="module")
def shipped():
    return json.loads(gzip.decompress((ROOT / "data" / "stage" / "digits.json.gz").read_bytes()))


def test_the_shipped_state_is_whole(shipped):
    check_state(shipped)
    variants = [f"56 {variant}" for variant in film.VARIANTS]
    assert [pair["key"] for pair in shipped["nets"]] == ["20", "56", "110", *variants]
    assert shipped["seeds"] == [0, 1, 2]
    state = {(pair["key"], kind): pair[kind]["state"] for pair in shipped["nets"] for kind in film.KINDS}
    assert {state for (key, _), state in state.items() if "no norm" not in key} == {"finished"}
    assert state["56 no norm", "residual"] == "diverged"  # at this learning rate; with that it is whole too


def test_the_shipped_states_are_small():
    assert sum(file.stat().st_size for file in (ROOT / "data" / "stage").rglob("*.gz")) < 2e6


def test_the_shipped_state_is_measured(shipped):
    """Its first frames, measured again: a processor rounds as it likes, and nearest neighbours change with it, but for
    few pictures."""
    split = digits()
    for pair in shipped["nets"]:
        if pair["depth"] > 56:
            continue
        for kind, skip in (("plain", False), ("residual", True)):
            changes = film.VARIANTS.get(pair["variant"], {})
            net = build(replace(small_net(split), depth=pair["depth"], skip=skip, **changes))
            again = features.features(net, split.batch(slice(None), "test")[0])
            cosines = torch.stack([representations.centred_cosines(each) for each in again.values()])
            shares = representations.neighbour_accuracy(cosines, split.y_test)
            np.testing.assert_allclose(pair[kind]["frames"][0]["told_apart"], shares, atol=0.06)
