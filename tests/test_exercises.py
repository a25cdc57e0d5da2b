"""The checks of the exercises: each takes its lesson's solution, says what a half answer lacks, and never raises."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from reslab import Store, build, recorded, replace, sweep
from reslab.experiments import (
    backbones,
    degradation,
    deletion,
    exercises,
    gradient_flow,
    landscape,
    lesions,
    representations,
    super_resolution,
    variants,
)
from reslab.nets import NetSpec
from reslab.train import TrainSpec

check = exercises.check
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
pytestmark = pytest.mark.usefixtures("one_thread")


def test_01_a_depth_that_fails_over_several_seeds():
    frame = recorded().history(dataset="digits", skip=False, width=8, epochs=6, lr=0.05, capture_every=5)
    said = check("01", frame)
    assert said.startswith("✓ With seed 0, ")
    assert re.search(r"With seed 2, \d+ layers learn and \d+ fail\.", said)
    assert "one seed is one draw" in check("01", frame[frame["seed"] == 0])
    assert "every net gets more than 10% wrong" in check("01", frame[frame["depth"] > 40])
    assert "add a deeper one" in check("01", frame[frame["depth"] == 8])
    assert "no plain net in it" in check("01", frame.assign(skip=True))
    learned = frame.assign(final_train_error=np.where(frame["depth"] == 56, 0.02, frame["final_train_error"]))
    assert "Part 2: a plain net of 56 layers gets down to 2.0% wrong." in check("01", learned)


def test_02_a_net_that_explodes_and_one_that_is_level(split):
    split = split.subset(60, 20)
    spec = NetSpec(depth=110, width=4, norm="none", **split.shape)
    exploding, level, usual = (
        gradient_flow.at_initialisation(each, split)
        for each in (spec, replace(spec, residual_scale="depth"), replace(spec, depth=8))
    )
    assert check("02", pd.concat([exploding, level])).startswith("✓ Explodes: resnet-110 · no norm. Level: resnet-110")
    assert "none is level" in check("02", exploding)
    assert "none explodes" in check("02", level)
    assert "no residual net of 110 layers" in check("02", usual)


def test_03_what_the_options_add_counted_by_hand():
    convolutions = {"B": 16 * 32 + 32 * 64, "C": 16 * 32 + 32 * 64 + 18 * 16**2 + 17 * (32**2 + 64**2)}
    norms = {"B": 2 * (32 + 64), "C": 2 * 18 * (16 + 32 + 64)}
    added = {option: convolutions[option] + norms[option] for option in "BC"}
    assert check("03", added) == "✓ Option B adds 2,752 parameters. Option C adds 98,240 parameters."
    assert "option C is not in it" in check("03", {"B": added["B"]})
    assert "where does the shape change" in check("03", added | {"B": 2000})
    assert "each of the 54 blocks" in check("03", added | {"C": 90_000})
    for option in "BC":
        said = check("03", added | {option: convolutions[option]})
        assert "that of the convolutions alone; BatchNorm has two parameters per channel." in said
    said = check("03", {"B": added["C"], "C": 1_826_202})
    assert "option B is another number: this is that of the other option. Option C is" in said
    assert "this is the whole net's; how many does the option add?" in said
    assert "this is a text" in check("03", added | {"B": "2752"})
    assert "an option is 'A'" in check("03", {"A": 0})
    assert "(the dots stand for your own answer)" in check("03", {"B": ..., "C": ...})


def test_04_a_picture_that_comes_through_a_plain_net(split):
    frame = representations.before_training(("plain-56",), init="dirac", split=split, progress=False)
    done = frame.assign(neighbour_accuracy=0.6 + 0.1 * frame["seed"])
    assert check("04", done) == "✓ After block 13 it tells 60% to 80% of the pictures apart, without training."
    assert "which start lets the picture through" in check("04", frame.assign(neighbour_accuracy=0.1))
    assert "it has skip connections" in check("04", done.assign(skip=True))
    assert "it has 8 layers" in check("04", done.assign(depth=8))
    assert "take three seeds" in check("04", done[done["seed"] == 0])
    assert "one is enough" in check("04", done.assign(norm="none"))
    assert check("04", done[done["index"] < 10]) == "Not yet: it has no block 13."


def test_05_blocks_that_are_needed_measured_both_ways(split):
    net = build(NetSpec(depth=56, width=4, **split.shape))
    frames = (lesions.one_out(net, split, images=20, calibrated=again, progress=False) for again in (False, True))
    both = pd.concat(frames)
    first = both["module"] == "stage1.block1"
    both = both.assign(whole=0.1, error=np.where(first, np.where(both["calibrated"], 0.2, 0.7), 0.1))
    assert check("05", both) == "✓ More than 2 times the whole net's error without: stage1.block1 70%, then 20%."
    assert "both measurements are needed" in check("05", both[~both["calibrated"]])
    assert check("05", both[both["calibrated"]]).endswith("calibrated=False and calibrated=True.")
    for name in ("resnet-20", "plain-56"):
        assert f"it is of {name}; the question is about resnet-56" in check("05", both.assign(name=name))


def test_06_the_same_net_that_looks_flatter(split):
    net = build(NetSpec(depth=8, width=4, **split.shape))
    rows = []
    for name, one in (("as it was", net), ("four times as large", landscape.rescaled(net, 4.0))):
        for kind in ("none", "filter"):
            frame = landscape.bands(one, split, alphas=(-0.5, 0, 0.5), normalisation=kind, images=60, progress=False)
            rows.append(frame.assign(name=name))
    frame = pd.concat(rows)
    assert 'with "filter".' in check("06", frame)
    assert check("06", frame).startswith("✓ The rises differ by a factor of ")
    assert 'there is no normalisation="filter" in it' in check("06", frame[frame["normalisation"] == "none"])
    assert "it needs two names, one for each net" in check("06", frame[frame["name"] == "as it was"])


def test_07_the_block_whose_map_gains_most(split):
    def frame(map_falls, moved_falls):
        columns = {"kind": ["map", "moved", "disc"], "fall": [map_falls, moved_falls, 0.5]}
        return pd.DataFrame({"name": "resnet-20", "method": ["Grad-CAM", "Grad-CAM", ""]} | columns)

    frames = {"stage1.block3": frame(0.4, 0.2), "stage2.block3": frame(0.3, 0.2), "stage3.block3": frame(0.1, 0.3)}
    said = "✓ The map of stage1.block3 gains most over the same shape elsewhere: +0.20."
    assert check("07", frames) == said
    assert "there is no stage3.block3 in it" in check("07", {layer: frames[layer] for layer in list(frames)[:2]})
    said = check("07", {})
    assert said.startswith("Not yet: there is no stage1.block3 in it. There is no stage2.block3 in it. ")
    for other in ({"name": "plain-20"}, {"method": "saliency"}):
        changed = frames | {"stage2.block3": frames["stage2.block3"].assign(**other)}
        assert "that of stage2.block3 is not of resnet-20 and Grad-CAM alone" in check("07", changed)
    assert "two layers have equal maps" in check("07", dict.fromkeys(frames, frame(0.4, 0.2)))
    measured = deletion.fall(build(NetSpec(depth=20, width=4, **split.shape)), split, ("Grad-CAM",), images=4,
                             progress=False)  # fmt: skip
    assert {"map", "moved"} <= set(measured["kind"])  # the columns that the check reads
    assert set(measured["name"]) == {"resnet-20"}
    assert set(measured["method"]) == {"Grad-CAM", ""}


def test_08_how_much_smaller_the_difference_is():
    pieces = super_resolution.pieces()
    ratios = {
        piece.name: (piece.sharp.var() / (piece.sharp - piece.bicubic).square().mean()).item() for piece in pieces
    }
    assert check("08", ratios).startswith("✓ What bicubic misses is smaller: ")
    first = pieces[0].name
    assert f"there is no {first} in it" in check("08", {name: ratio for name, ratio in ratios.items() if name != first})
    said = check("08", ratios | {first: ratios[first] ** 0.5})
    assert f"the ratio of {first} is not {ratios[first] ** 0.5:.3g}: that is the ratio of their roots." in said
    whole = pieces[0].sharp.square().mean() / pieces[0].sharp.var() * ratios[first]
    assert "is the mean of the sharp picture subtracted?" in check("08", ratios | {first: whole})
    assert "it is the other way round" in check("08", ratios | {first: 1 / ratios[first]})
    for number in (np.nan, 2.0):
        assert "are both of them means of squares?" in check("08", ratios | {first: number})
    assert f"{first} {ratios[first] ** 0.5:.3g} times" not in said  # a wrong number is no fact
    assert "smaller" not in check("08", {first: 0.5})
    assert "a piece is 'moon'" in check("08", ratios | {"moon": 2.0})


def test_09_a_net_that_is_as_good_at_half_the_cost(split):
    base = variants.a_net(split, depth=8)
    frame = variants.race(["ResNet"], base=base, how=TrainSpec(epochs=1), seeds=(0, 1), split=split, progress=False)
    usual, mine = frame.assign(multiply_adds=100, final_train_error=0.01), frame.assign(multiply_adds=40)
    done = mine.assign(final_train_error=0.015)
    assert check("09", done, usual) .startswith("✓ 0.40 of the multiply-adds, 1.5% wrong; the 56 layers 1.0% (medians")
    assert "more than half the cost" in check("09", done.assign(multiply_adds=60), usual)
    assert "higher by more than one percentage point" in check("09", done.assign(final_train_error=0.03), usual)
    assert "seeds 0, 1: take the same" in check("09", done[done["seed"] == 0], usual)
    assert "race one net" in check("09", pd.concat([done, done.assign(name="wide")]), usual)
    assert "It takes: The frame of `variants.race`" in check("09", done)


def test_10_a_body_that_is_swapped():
    bodies = ("resnet-18", "resnet-50", "resnet-101")
    frames = {body: backbones.layers(["Mask R-CNN"], body=body) for body in bodies}
    said = check("10", pd.concat(frames.values()))
    numbers = [float(number) for number in re.findall(r"([\d.]+) M\b", said)]
    assert len(numbers) == 4
    assert numbers[0] == numbers[1]  # resnet-101: neck and heads stay the same
    assert numbers[2] < numbers[3]  # resnet-18: the neck shrinks, too
    assert "there is no body resnet-18 in it" in check("10", pd.concat([frames["resnet-50"], frames["resnet-101"]]))
    assert "it is of FCN" in check("10", pd.concat(frames.values()).assign(model="FCN"))
    assert "a body is in it twice" in check("10", pd.concat([*frames.values(), frames["resnet-50"]]))


def test_11_a_sweep_that_was_broken_off_goes_on(split, spec, tmp_path):
    store, how = Store(tmp_path), TrainSpec(epochs=1)
    list(sweep.sweep([spec], split, how, seeds=(0,), store=store, workers=1, progress=False))  # what had ended
    runs = list(sweep.sweep([spec], split, how, seeds=(0, 1), store=store, workers=1, progress=False))
    assert check("11", runs).startswith("✓ 1 of 2 runs came from the store")
    again = list(sweep.sweep([spec], split, how, seeds=(0, 1), store=store, workers=1, progress=False))
    assert "nothing was broken off" in check("11", again)
    assert "all were trained now" in check("11", runs[1:])
    assert check("11", []) == "Not yet: the list is empty: the second sweep gives all runs of the first."


@pytest.mark.parametrize("lesson", exercises.CHECKS)
@pytest.mark.parametrize("answer", [None, 3, "an answer", pd.DataFrame(), []], ids=lambda answer: type(answer).__name__)
def test_what_is_no_answer_is_said_to_be_none(lesson, answer):
    said = check(lesson, answer)
    assert said.startswith("Not yet: ")
    assert len(said) < 400


def test_what_is_wrong_with_an_answer_of_another_kind_is_said_in_words():
    assert "(it is None, not a DataFrame). It takes: The frame of `degradation.by_depth`" in check("01", None)
    assert "(it is a list, not a DataFrame)" in check("02", [pd.DataFrame()])
    assert "(it is a DataFrame, not a dict)" in check("07", pd.DataFrame())
    assert "(it has no 'skip')" in check("04", pd.DataFrame())
    assert "(missing a required argument: 'others')" in check("09", pd.DataFrame())
    assert "(it is a generator, not a list)" in check("11", (run for run in []))
    assert check("03", pd.Series({"B": 2752, "C": 98_240})).startswith("✓ ")


def test_a_lesson_without_a_check_is_named():
    with pytest.raises(ValueError, match="the lesson is '42'; it can be '01', "):
        check("42", None)


def test_every_exercise_of_a_lesson_has_its_check_beside_it_and_a_folded_solution():
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        cells = nbformat.read(path, 4).cells
        turns = [cell.source for cell in cells if "# Your turn" in cell.source and cell.cell_type == "code"]
        if path.name[:2] in exercises.CHECKS:
            assert any(f'exercises.check("{path.name[:2]}"' in source for source in turns), path.name
        after = [cell for cell in cells if "<summary><b>A solution</b>" in cell.source]
        assert len(after) == len(turns), path.name
    by_depth = degradation.by_depth.__doc__  # what 01's check reads is what this returns
    assert "final_train_error" in by_depth
