"""What lesson 06 claims, over three seeds and five directions each, on the digits, width 8, 60 steps.

Measured when these limits were chosen (128 training images; loss of the net, then its rise at half a filter's length,
the medians of seeds 0, 1 and 2):

                 start               eval mode, 0.5     train mode, 0.5    train mode, 1
    plain-20     0.44  0.54  0.26    2.3  2.6  2.9      1.4  1.4  1.5      2.1  2.1  2.5
    resnet-20    0.05  0.01  0.04    4.0  4.0  3.0      0.8  0.8  0.7      3.7  3.6  3.4

So which net's loss rises more turns with the mode and with the distance. In train mode plain-56, seed 0, rises by
0.2 about a loss of 2.2, which is that of a guess.
"""

import pytest
from draws import SEEDS

from reslab import digits
from reslab.experiments import landscape, landscape_files, landscape_path
from reslab.experiments.degradation import small_net
from reslab.experiments.lesions import trained
from reslab.nets import replace
from reslab.results import landscape as results

pytestmark = [pytest.mark.claims, pytest.mark.usefixtures("one_thread")]
HOW = {"images": 64, "alphas": (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0), "progress": False}


@pytest.fixture(scope="module")
def by_mode():
    return {mode: landscape.over_seeds(seeds=SEEDS, mode=mode, **HOW) for mode in landscape.MODES}


def share(frame, alpha):
    """Of all pairs of seed and direction, those in which the loss of the plain net rises more."""
    return results.compare(frame, alpha)["share"].item()


def test_at_20_layers_the_answer_turns_with_the_mode(by_mode):
    """Half a filter's length away: in train mode the plain net's loss rises more, on nearly every line; in eval mode
    that of the residual net, on most."""
    assert share(by_mode["train"], 0.5) >= 0.75
    assert share(by_mode["eval"], 0.5) <= 0.45
    assert results.verdict(by_mode["train"]) == "the plain net's"


def test_in_eval_mode_both_losses_explode(by_mode):
    """At 1 the statistics fit neither net: medians of 60 to 170 nats, where a guess has 2.3."""
    table = results.rises(by_mode["eval"], 1.0).groupby(["skip", "seed"])["rise"].median()
    assert (table > 10).all()


def test_at_20_layers_the_answer_turns_with_the_distance_too(by_mode):
    """In eval mode the plain net's loss rises more at a quarter of a filter's length, in 15 of 15 pairs, and at the
    whole length, in 13; in train mode at the whole length in none."""
    assert share(by_mode["eval"], 0.25) >= 0.75
    assert share(by_mode["eval"], 1.0) > share(by_mode["eval"], 0.5)
    assert share(by_mode["train"], 1.0) <= 0.4


def test_in_both_modes_the_plain_net_starts_at_a_higher_loss(by_mode):
    table = results.rises(by_mode["eval"]).groupby(["skip", "seed"])["start"].first()
    assert (table[False] > 3 * table[True]).all()


def test_one_net_is_ten_times_flatter_than_itself():
    """The same function with weights four times as large, in steps of one size; filter by filter both are alike."""
    split = digits()
    for seed in SEEDS:
        net = trained(small_net(split), split, seed=seed)
        rise = {
            (factor, name): results.rises(landscape.bands(one, split, normalisation=name, device="cpu", **HOW))["rise"]
            for factor, one in ((1, net), (4, landscape.rescaled(net, 4.0))) for name in ("none", "filter")
        }  # fmt: skip
        assert rise[1, "none"].median() > 5 * rise[4, "none"].median()
        assert rise[4, "filter"].median() == pytest.approx(rise[1, "filter"].median(), rel=0.1)


def test_a_net_that_has_learned_little_is_the_flattest_in_train_mode_alone():
    """plain-56 in train mode rises less than resnet-56, and from a higher loss; in eval mode far more (recorded)."""
    lines = landscape_files.recorded("digits")["bands"]
    assert results.compare(lines).set_index(["depth", "mode"]).loc[(56, "eval"), "share"] == 1
    nets = ("plain-56", "resnet-56")
    frame = landscape.over_seeds(nets=nets, seeds=SEEDS[:1], mode="train", directions=3, **HOW)
    plain, residual = results.rises(frame).groupby("skip")[["start", "rise"]].median().itertuples(index=False)
    assert plain.start > residual.start + 0.5
    assert plain.rise < residual.rise


def test_on_photographs_at_56_layers_the_plain_loss_rises_more_in_both_modes_and_at_20_it_does_not():
    """Recorded, one seed of weights of the same training each: 4.7 and 1.3 nats in eval mode, 0.8 and 0.2 in train."""
    lines = landscape_files.recorded("cifar10")["bands"]
    table = results.compare(lines).set_index(["depth", "mode"])
    assert (table["directions"] >= 5).all()
    for mode in landscape.MODES:
        assert table.loc[(56, mode), "share"] == 1
    assert table.loc[(20, "eval"), "share"] == 0.2
    assert table.loc[(20, "train"), "share"] == 0.6


def test_between_the_nets_of_two_seeds_the_loss_rises():
    pairs = [(SEEDS[i], SEEDS[(i + 1) % len(SEEDS)]) for i in range(len(SEEDS))]
    lines = landscape.between_seeds(pairs=pairs, alphas=5, images=64, progress=False)
    assert (results.barriers(lines)["barrier"] > 0.5).all()


def test_the_plane_holds_most_of_a_path_and_of_a_random_walk_too():
    split = digits()
    spec = replace(small_net(split), depth=8)
    for seed in SEEDS:
        net, states = landscape_path.trained_path(spec, split, seed=seed, every=4)
        _, path = landscape_path.principal_plane(net, states, split, points=2, images=64, device="cpu", progress=False)
        ours, theirs = results.shares(path, landscape_path.random_walk(len(path)))
        assert ours > 0.6
        assert theirs > 0.6
