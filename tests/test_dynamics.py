"""Lesson 02's time axis: what comes when in a training: how it is measured, recorded, said and drawn."""

import gzip
import json

import invented
import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names, notes
from film_states import HOW

from reslab import build, replace
from reslab.experiments import dynamics, features, representations
from reslab.experiments.degradation import small_net
from reslab.figures import dynamics as figures
from reslab.figures import theme
from reslab.results import dynamics as results
from reslab.runs import Provenance
from reslab.shipped import shipped
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def measured(split):
    return dynamics.in_training(8, seeds=(3, 4), split=split, how=HOW, images=40, device="cpu", progress=False)


def test_each_row_is_of_the_weights_after_so_many_steps(measured, split):
    """The untrained residual net, and the plain net after four steps, measured here by other means."""
    assert list(measured["step"].unique()) == [0, 1, 4, 8, 9]
    assert len(measured) == 2 * 2 * 5
    assert set(measured["origin"]) == {Provenance.here("cpu").origin}
    found = measured.set_index(["name", "seed", "step"])
    how = replace(HOW, capture_first=0, capture_every=0)
    for name, skip, taken in (("resnet-8", True, 0), ("plain-8", False, 4)):
        net = build(replace(small_net(split), depth=8, skip=skip), seed=3)
        events = train(net, split, how, device="cpu")
        for _ in range(taken):
            next(events)
        row, (x, y) = found.loc[name, 3, taken], split.batch(slice(40), "test")
        *_, seen = features.features(net, x).values()
        cosines = representations.centred_cosines(seen)
        assert row["told_apart"] == pytest.approx(representations.neighbour_accuracy(cosines, y).item(), abs=1e-3)
        assert row["train_error"] == pytest.approx(next(events).train_error, abs=1e-4)
    last = measured[measured["step"] == 9]
    assert last["train_error"].isna().all()
    assert measured.drop(last.index)["train_error"].between(0, 1).all()


def test_the_ratio_is_first_over_last_as_the_backward_pass_has_it(measured, split):
    net = build(replace(small_net(split), depth=8, skip=False), seed=4)
    (event,) = (event for event in train(net, split, HOW, device="cpu") if event.step == 1)
    gradient = event.layers["gradient_rms"]
    ratio = measured.set_index(["name", "seed", "step"])["ratio"]["plain-8", 4, 0]
    assert ratio == pytest.approx(gradient.iloc[0] / gradient.iloc[-1], rel=0.01)


def test_what_is_recorded_is_of_three_seeds_and_agrees_with_the_stage():
    """The stage's film was recorded by itself: on another machine a deep net goes another way, but not at the start."""
    frame = dynamics.recorded()
    assert frame["origin"].str.startswith("recorded, ").all()
    assert set(zip(frame["name"], frame["skip"], frame["depth"], strict=True)) == {
        ("plain-56", False, 56), ("resnet-56", True, 56)
    }  # fmt: skip
    assert [*frame["seed"].unique()] == [0, 1, 2]
    steps = sorted(set(frame["step"]))
    assert steps == [*range(13), *range(14, 61, 2)]
    state = json.loads(gzip.decompress(shipped("stage/digits.json.gz").read_bytes()))
    place = [net["key"] for net in state["nets"]].index("56")
    stage = dynamics.of_film(state, place)
    assert list(stage["step"]) == 2 * steps
    begun = [found[(found["step"] == 0) & (found["seed"] == 0)] for found in (frame, stage)]
    for column in dynamics.MEASURED:
        np.testing.assert_allclose(*(found[column] for found in begun), rtol=0.05)
    said = figures.timeline(frame).layout.meta["statement"]
    assert said == "The explosion ends, but the plain net errs on most pictures"


def test_from_which_step_on_something_holds_in_every_seed():
    net = pd.DataFrame({"step": [0, 2, 5, 0, 2, 5], "seed": [0, 0, 0, 1, 1, 1]})
    holds = lambda *truth: results.from_then_on(net, pd.Series(truth))  # noqa: E731
    assert holds(True, True, True, True, True, True) == 0
    assert holds(True, True, True, True, False, True) == 5
    assert holds(False, True, True, False, True, True) == 2
    assert holds(True, True, False, True, True, True) is None


def test_what_comes_when():
    plain, residual = results.nets(invented.dynamics())
    assert (plain.name, plain.explodes, plain.small, plain.through, plain.right) == ("plain-56", True, 1, None, None)
    assert (residual.explodes, residual.small, residual.through, residual.right) == (False, 0, 1, 1)
    assert plain.before["ratio"] == pytest.approx([945, 900, 990])
    assert plain.after["train_error"] == pytest.approx([0.84, 0.8, 0.88])  # of step 9: after the last step it has none
    assert plain.least == pytest.approx(0.8)
    (never,) = results.nets(invented.dynamics(ratios=(900, 90, 9.5)).query("not skip"))
    assert never.small is None
    assert np.isnan(never.least)
    assert results.nets(invented.dynamics(ratios=(900, 9.5, 0.5)))[0].small == 9  # with the other seed, it is 10.45


def test_the_sentence_has_a_line_for_each_net():
    plain, residual = figures.sentence(invented.dynamics()).splitlines()
    assert plain == (
        "plain-56: before training the gradient at the first block is 945 × (900 to 990) that at the last, and below "
        "10 × from step 1 on; 20 % of the pictures are told apart at the end; 16 % of the answers are right at the end."
    )
    assert residual.endswith(
        "(4 to 4.4) that at the last; at least half of the pictures are told apart from step 1 on; at least half of "
        "the answers are right from step 1 on."
    )
    assert figures.sentence(pd.DataFrame()) == "Nothing has been measured yet."


def test_three_panels_have_one_time_axis_and_the_explosion_ends_in_all():
    figure = figures.timeline(invented.dynamics())
    lines = keyed(figure)
    kept = {column: lines[f"plain-56/live, this machine/median/{column}"] for column in figures.PANELS}
    np.testing.assert_allclose(kept["told_apart"].y, [10, 10, 20, 20])
    np.testing.assert_allclose(kept["ratio"].y, [945, 8.4, 0.525, 0.525])
    np.testing.assert_allclose(kept["train_error"].y, [94.5, 94.5, 84])
    assert [line.yaxis for line in kept.values()] == ["y", "y2", "y3"]
    assert {line.xaxis for line in figure.data} == {None}
    assert {shape.line.color for shape in figure.layout.shapes if shape.type == "line"} == {theme.GREY}
    (ends,) = (shape for shape in figure.layout.shapes if shape.yref == "paper")
    assert (ends.x0, ends.x1, ends.y0, ends.y1) == (1, 1, 0, 1)
    said = notes(figure)
    assert said["ended"] == "the explosion ends: from step 1 on<br>below 10 × in every seed"
    assert said["stays"] == "from step 1 on<br>plain-56 errs on 80 % or more"
    assert (said["guess/y"], said["guess/y3"]) == ("a guess: 10 %", "a guess: 90 %")
    assert names(figure) == ["resnet-56", "plain-56"]


def test_what_did_not_happen_is_not_marked():
    assert "stays" not in notes(figures.timeline(invented.dynamics(plain=(0.9, 0.4))))
    for frame in (invented.dynamics(ratios=(90, 8, 0.5)), invented.dynamics(ratios=(900, 8, 9.5))):
        assert not {"ended", "stays"} & set(notes(figures.timeline(frame)))
    assert set(notes(figures.timeline(pd.DataFrame()))) == {"empty"}
    with pytest.raises(ValueError, match="lacks told_apart"):
        figures.timeline(invented.dynamics().drop(columns="told_apart"))


def test_a_net_whose_first_gradient_has_no_number_is_told_so():
    frame = invented.dynamics()
    lost = frame.assign(ratio=frame["ratio"].where(frame["step"] > 0))
    assert "plain-56: before training the gradient has no number; " in figures.sentence(lost)
