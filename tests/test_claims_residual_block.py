"""What lesson 03 claims, over three seeds: which block learns the identity sooner, and where the skip is of no help.

Each kind of block at the best of its learning rates. In brackets what was measured for seeds 0, 1, 2.
"""

import pytest
from draws import SEEDS

from reslab import digits, replace
from reslab.experiments import residual_block as lesson
from reslab.results import residual_block as results

pytestmark = [pytest.mark.claims, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def split():
    return digits()


@pytest.fixture(scope="module")
def one(split):
    return lesson.learn_identity(seeds=SEEDS, split=split)


def by_seed(frame, skip, column="error"):
    table = lesson.ended(lesson.at_best_rate(frame))
    return table[table["skip"] == skip].set_index("seed")[column]


def test_one_block_learns_the_identity_sooner_with_the_skip(one):
    """Below 10 % at step 39, 37, 36 with the skip; without it, never in 150 steps (it ends at 0.159, 0.133, 0.340)."""
    assert lesson.faster(one) == "with the skip"
    steps = lesson.steps_to(lesson.at_best_rate(one))
    assert (steps[True] < 75).all()
    assert (steps[False] == float("inf")).all()
    assert (by_seed(one, False) > 10 * by_seed(one, True)).all()


def test_at_every_rate_of_the_grid_the_skip_ends_nearer(one):
    errors = lesson.ended(one).set_index(["skip", "lr", "seed"])["error"]
    assert (errors[False] > 2 * errors[True]).all()


def test_with_the_skip_the_branch_goes_to_zero_and_without_it_to_the_size_of_x(one):
    """‖F‖/‖x‖ begins at 1.5, 1.4, 1.5 in both, with BatchNorm; it ends below 0.001 with the skip, and at 1.1 to 1.3
    without."""
    start = one[one["step"] == 0]
    assert start["branch"].between(1.2, 1.8).all()
    assert (by_seed(one, True, "branch") < 0.02).all()
    assert by_seed(one, False, "branch").between(0.9, 1.6).all()


def test_without_a_norm_too(split):
    frame = lesson.learn_identity(
        rates=(0.003, 0.01, 0.03), seeds=SEEDS, split=split, base=replace(lesson.one_block(split), norm="none")
    )
    assert lesson.faster(frame) == "with the skip"
    assert (by_seed(frame, False) > 5 * by_seed(frame, True)).all()


def test_far_from_the_identity_the_skip_is_in_the_way(one, split):
    """Ends at 0.232, 0.225, 0.239 with the skip and at 0.159, 0.137, 0.158 without, on channels in another order."""
    rates = (0.1, 0.3)
    near = one[one["lr"].isin(rates)]  # of distance 0, which is the identity
    far = lesson.by_distance((1.0,), rates=rates, seeds=SEEDS, split=split)
    assert (by_seed(near, False) > 10 * by_seed(near, True)).all()
    assert (by_seed(far, True) > 1.2 * by_seed(far, False)).all()
    assert (lesson.lower_error(near), lesson.lower_error(far)) == ("with the skip", "without")


@pytest.fixture(scope="module")
def eight(split):
    """As the lesson trains them."""
    return lesson.learn_in_a_row(8, seeds=SEEDS, split=split)


def test_eight_plain_blocks_learn_the_identity_better_than_eight_residual_ones_in_most_seeds(eight):
    """With the skip, seeds 0 to 2 end at 0.53 to 0.61, without at 0.20 to 0.23; seeds 10 to 14 at 0.50, 0.58, 0.56,
    0.48, 0.45, and without at 0.23, 0.25, 0.38, 0.53, 0.62."""
    residual, plain = by_seed(eight, True), by_seed(eight, False)
    assert (residual > plain).mean() > 0.5
    assert residual.median() > 1.2 * plain.median()


def test_the_eight_residual_ones_begin_several_times_further_off(eight):
    """What the lesson gives as the reason: each branch adds about as much as comes in."""
    start = eight[eight["step"] == 0].groupby(["skip", "seed"])[["error", "branch"]].first()
    ratio = start.loc[True, "error"] / start.loc[False, "error"]  # 2.7 to 3.1
    assert ratio.between(2.5, 3.5).all()
    assert start.loc[True, "branch"].between(0.6, 0.8).all()  # 0.68 to 0.72


def test_the_best_rates_are_inside_the_grids(one, eight):
    for frame in (one, eight):
        best = lesson.at_best_rate(frame).groupby("skip")["lr"].first()
        assert frame["lr"].min() < best.min()
        assert best.max() < frame["lr"].max()


def test_but_not_if_what_the_branches_add_is_scaled_down(eight, split):
    """Times 1/√24 (the net has 24 blocks), at lr 0.3; times a scalar that begins at 0, they begin at 0."""
    scaled, learned = (
        lesson.learn_identity(
            skips=(True,), blocks=(8,), rates=(0.3,), seeds=SEEDS, split=split, steps=steps, base=base
        )
        for scale, steps in (("depth", 150), ("learned", 3))
        for base in [replace(lesson.one_block(split), residual_scale=scale)]
    )
    assert (1.5 * by_seed(scaled, True) < by_seed(eight, False)).all()
    assert (learned["error"] == 0).all()


def test_weight_decay_alone_leads_to_the_identity_with_the_skip_and_to_zero_without(split):
    frame = lesson.decay_alone(seeds=SEEDS, split=split.subset(n_train=128))
    last = frame[frame["step"] == 300].set_index(["case", "skip", "seed"]).sort_index()
    for case in ("no norm", "BatchNorm"):
        assert (last.loc[case, True]["error"] < 1e-3).all()
        assert (last.loc[case, False]["error"] > 0.99).all()
        assert (last.loc[case, False]["size"] < 1e-3).all()


def test_with_batchnorm_decay_of_the_convolutions_alone_changes_next_to_nothing(split):
    """Until a hundredth is left of them, F keeps its size: BatchNorm divides it out. Then its ε, 1e-5, tells."""
    frame = lesson.decay_alone(seeds=SEEDS, steps=200, split=split.subset(n_train=128)).query(
        "case == 'BatchNorm, γ and β fixed'"
    )
    first, last = (frame[frame["step"] == step].set_index(["skip", "seed"])["branch"] for step in (0, 200))
    assert (last / first > 0.9).all()


def test_starting_near_the_identity_goes_most_of_the_way_without_a_skip():
    """Recorded, three seeds: He 78.1, 88.9, 89.8 %; near the identity 18.4 to 33.1 %; with skips 1.1 to 1.2 %."""
    table = results.by_start(lesson.starts()).set_index("name")
    assert table.loc["plain-56 · identity", "high"] < 0.5 * table.loc["plain-56 · Kaiming", "low"]
    assert table.loc["resnet-56", "high"] < 0.5 * table.loc["plain-56 · identity", "low"]
    low, high = results.share_of_the_start(lesson.starts())
    assert 0.5 < low < high < 0.9
