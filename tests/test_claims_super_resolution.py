"""What lesson 08 claims, over three seeds: 120 steps trained here, and 400 recorded.

Measured when these limits were chosen: see `data/super_resolution/`; gains over bicubic in dB, mean of three held-out
pictures, medians over seeds 0 to 2, each net at the best of five rates.
"""

import pytest
from draws import SEEDS

from reslab.experiments import super_resolution as lesson
from reslab.experiments import super_resolution_files as files
from reslab.results import super_resolution as results

pytestmark = [pytest.mark.claims, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def first():
    return files.first_steps(seeds=SEEDS, progress=False)


@pytest.fixture(scope="module")
def usual():
    """(name, step) → the recorded median gain of the nets with the usual start."""
    table = results.gains(results.learned(files.recorded()["steps"]))
    return table.set_index(["name", "step"])


def test_after_120_steps_a_net_that_puts_out_the_picture_is_worse_than_bicubic_and_one_that_adds_is_better(first):
    assert lesson.verdict(first, "direct-10") == "worse than bicubic"
    assert lesson.verdict(first, "residual-10") == "better than bicubic"
    for seed in SEEDS:
        gain = first[(first["seed"] == seed) & (first["step"] == lesson.QUICK)].groupby("name")["gain"].mean()
        assert gain["direct-10"] < -0.2
        assert gain["residual-10"] > 0.2


def test_the_net_with_a_global_skip_begins_as_bicubic_and_the_other_far_below(first):
    begin = first[first["step"] == 0].groupby("name")["gain"]
    assert begin.min()["residual-10"] == begin.max()["residual-10"] == 0
    assert begin.max()["direct-10"] < -3


def test_the_residual_net_beats_bicubic_by_half_a_decibel_on_pictures_that_it_has_not_seen(usual):
    for name in ("residual-4", "residual-10", "residual-10 + block skips", "residual-20 + block skips"):
        assert usual.loc[(name, lesson.STEPS), "low"] > 0.5


def test_the_deeper_the_net_that_puts_out_the_picture_the_worse(usual):
    direct = [usual.loc[(f"direct-{depth}", lesson.STEPS), "median"] for depth in lesson.DEPTHS]
    assert direct[0] > direct[1] + 0.3 > direct[2] + 0.6
    assert direct[0] > 0  # four layers learn to beat bicubic; twenty are far below it
    assert direct[2] < -1


def test_at_twenty_layers_each_skip_alone_does_nearly_all_and_both_do_not_harm(usual):
    gain = {name: row["median"] for (name, step), row in usual.iterrows() if step == lesson.STEPS}
    neither, blocks = gain["direct-20"], gain["direct-20 + block skips"]
    skip, both = gain["residual-20"], gain["residual-20 + block skips"]
    assert min(blocks, skip) > neither + 2
    assert min(blocks, skip) > 0.5
    assert both > max(skip, blocks) - 0.05


def test_a_drawn_last_layer_takes_much_of_what_the_global_skip_buys():
    steps = files.recorded()["steps"]
    table = results.gains(steps[steps["best"] & (steps["part"] == "held out")]).set_index(["name", "last", "step"])
    for depth in lesson.DEPTHS:
        zero, drawn = (table.loc[(f"residual-{depth}", last, lesson.QUICK), "median"] for last in ("zero", "He"))
        assert zero > drawn + 0.1


def test_the_picture_with_the_better_psnr_has_the_better_ssim():
    final = files.recorded()["final"]
    rows = final[(final["name"] == "residual-10") & (final["last"] == "zero")]
    assert (rows["ssim"] > rows["bicubic_ssim"]).all()
    assert (rows["psnr"] > rows["bicubic"]).all()


def test_no_best_learning_rate_is_at_the_edge_of_the_grid():
    steps = files.recorded()["steps"]
    best = steps[steps["best"]].groupby(["name", "last"])["lr"].first()
    assert best.between(min(lesson.RATES), max(lesson.RATES), inclusive="neither").all()
    assert set(steps["lr"]) == set(lesson.RATES)
