"""What lesson 01 claims, measured over three seeds with the lesson's own nets, data and settings.

Measured when these limits were chosen (final training error, eval mode, %, seeds 0, 1, 2 on an x86 CPU):

    plain-8      1.9   2.1   2.5
    plain-20    12.7  15.0   4.9        resnet-20    1.0   0.1   0.7
    plain-32    47.4  46.0  32.6        resnet-32    0.6   0.3   1.9
    plain-56    78.1  88.9  89.8        resnet-56    1.1   1.1   1.2

and for the seeds 3 to 9, resnet-56: 1.2, 1.9, 2.9, 2.2, 3.1, 2.3, 0.7. Other processors round otherwise, and other
roundings are, to a net this deep, much like other seeds: the limits leave room for them. The learning rate, 0.05, is
chosen for that: at 0.1 resnet-56 ends anywhere from 1 to 15 %, by seed and processor. It does not decide the matter for
the plain nets: plain-56 ends at 82 to 91 % at 0.1.
"""

import pytest
import torch
from draws import SEEDS

from reslab import recorded
from reslab.datasets import digits
from reslab.experiments.degradation import DEPTHS, by_construction, by_depth, by_rate, small_net
from reslab.experiments.gradient_flow import at_initialisation
from reslab.nets import build, replace
from reslab.results.degradation import beside_the_paper, best
from reslab.results.degradation import by_rate as medians
from reslab.train import TrainSpec, train
from reslab.train.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("one_thread")
# of the training images: what a training error must exceed that of plain-8 by, to be called clearly higher
CLEARLY = 0.20
SMALL = 0.05  # and what is called no higher, at the depths at which it was never seen above 0.01
MARGIN = 0.50  # between plain-56 and resnet-56, in every seed


@pytest.fixture(scope="module")
def frame(shared_store):
    how = {"seeds": SEEDS, "store": shared_store, "progress": False}
    plain, residual = by_depth((8, 32, 56), skips=(False,), **how), by_depth((20, 32, 56), skips=(True,), **how)
    return {"plain": plain, "residual": residual}


@pytest.fixture(scope="module")
def errors(frame):
    """(name, seed) → final training error."""
    runs = [row for part in frame.values() for _, row in part.drop_duplicates(["name", "seed"]).iterrows()]
    return {(run["name"], run["seed"]): run["final_train_error"] for run in runs}


@pytest.mark.claims
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("depth", [32, 56])
def test_deep_plain_nets_have_a_clearly_higher_training_error_than_a_shallow_one(errors, depth, seed):
    assert errors["plain-8", seed] < SMALL
    assert errors[f"plain-{depth}", seed] > errors["plain-8", seed] + CLEARLY


@pytest.mark.claims
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("depth", "limit"), [(20, SMALL), (32, SMALL), (56, CLEARLY)])
def test_residual_nets_do_not(errors, depth, limit, seed):
    assert errors[f"resnet-{depth}", seed] < errors["plain-8", seed] + limit


@pytest.mark.claims
@pytest.mark.parametrize("seed", SEEDS)
def test_skips_alone_make_the_difference_at_56_layers(errors, seed):
    assert errors["plain-56", seed] > errors["resnet-56", seed] + MARGIN
    assert errors["plain-32", seed] > errors["resnet-32", seed] + CLEARLY


@pytest.mark.claims
def test_the_deeper_the_worse_on_average(errors):
    means = [sum(errors[f"plain-{depth}", seed] for seed in SEEDS) / len(SEEDS) for depth in (8, 32, 56)]
    assert means[0] + CLEARLY < means[1] < means[2] - CLEARLY


@pytest.mark.claims
def test_it_is_not_overfitting(frame):
    """The plain net of 56 layers is as bad on the images that it was trained on as on others."""
    deep = frame["plain"].query("name == 'plain-56'").groupby("seed").last()
    assert ((deep["test_error"] - deep["final_train_error"]).abs() < 0.1).all()


@pytest.mark.claims
def test_early_in_training_the_error_in_eval_mode_is_far_too_high_because_batchnorms_statistics_lag():
    """Measured at step 20, seeds 0 to 2: eval mode 0.90, 0.80, 0.65, training mode 0.30, 0.19, 0.13,
    all on the training images."""
    split, shares = digits(), []
    for seed in SEEDS:
        model = build(replace(small_net(split), depth=56), seed=seed)
        events = train(model, split, TrainSpec(log_every=20), device="cpu")
        assert next(event for event in events if event.step >= 20).step == 20
        in_eval = evaluate(model, split, "train")
        x, y = split.batch(slice(None), "train")
        with torch.no_grad():
            in_training = (model.train()(x).argmax(1) != y).float().mean().item()
        shares.append((in_eval, in_training))
    lag = [in_eval - in_training for in_eval, in_training in shares]
    assert sorted(lag)[len(lag) // 2] > 0.3, shares


@pytest.mark.claims
def test_every_net_trained_to_its_end_on_the_lessons_settings(frame):
    for part, names in (
        ("plain", {"plain-8", "plain-32", "plain-56"}),
        ("residual", {"resnet-20", "resnet-32", "resnet-56"}),
    ):
        runs = frame[part].groupby(["name", "seed"])
        assert set(runs.groups) == {(name, seed) for name in names for seed in SEEDS}
        assert (runs["step"].max() == 60).all()
        assert set(frame[part]["outcome"]) == {"finished"}
        assert set(frame[part]["lr"]) == set(frame["plain"]["lr"])


def test_twins_have_the_same_number_of_parameters_and_the_same_weights():
    counted = {}
    for depth in DEPTHS:
        spec = replace(small_net(digits()), depth=depth)
        twins = [build(replace(spec, skip=skip), seed=1) for skip in (False, True)]
        plain, residual = ([*twin.named_parameters()] for twin in twins)
        assert [name for name, _ in plain] == [name for name, _ in residual]
        assert all(torch.equal(one, other) for (_, one), (_, other) in zip(plain, residual, strict=True))
        counted[depth] = sum(parameter.numel() for _, parameter in plain)
    assert counted == {8: 19_074, 20: 67_906, 32: 116_738, 56: 214_402}


@pytest.mark.claims
@pytest.mark.parametrize("seed", SEEDS)
def test_before_training_the_plain_nets_gradient_is_hundreds_of_times_larger_at_its_first_block(seed):
    """Measured: 813, 980 and 1,133 times, for seeds 0, 1 and 2."""
    split = digits()
    gradient = at_initialisation(replace(small_net(split), depth=56, skip=False), split, seed=seed)["gradient_rms"]
    assert gradient.iloc[0] > 200 * gradient.iloc[-1]


@pytest.mark.claims
def test_the_net_made_by_hand_is_far_better_than_the_trained_one_in_every_seed():
    table = by_construction(seeds=SEEDS)
    for _, rows in table.groupby("seed"):
        shallow, made, trained = rows["train_error"]
        assert made == shallow < trained - CLEARLY


@pytest.mark.claims
def test_no_learning_rate_brings_the_deep_plain_net_through_in_the_residual_nets_time():
    """Recorded, seeds 0 to 2; medians. resnet-56 is at 1.1 % after 6 epochs; plain-56 at 75 % at its best rate."""
    table = medians(by_rate())
    plain, residual = (table[table["skip"] == skip] for skip in (False, True))
    assert (table["seeds"] == 3).all()
    assert set(plain[plain["epochs"] == 6]["lr"]) == {0.01, 0.02, 0.05, 0.1}
    assert best(residual, 6)["high"] < 0.05 < 0.5 < plain[plain["epochs"] == 6]["low"].min()
    for _, rates in plain.groupby("lr"):  # more time helps, at each rate, and not enough
        assert rates.sort_values("epochs")["median"].is_monotonic_decreasing
    assert plain["median"].min() > best(residual, 6)["high"] + SMALL


@pytest.mark.claims
def test_three_times_the_epochs_do_not_close_the_gap(errors):
    """Not even to resnet-56 after a third of them, 1.1 to 1.2 %. Measured: plain-56 40.1, 62.4 and 46.1 %; resnet-56,
    given the same 18 epochs, 0.0 % in all three."""
    frame = by_depth((56,), skips=(False,), seeds=SEEDS, how=TrainSpec(epochs=18), progress=False)
    longer = frame.groupby("seed")["final_train_error"].last()
    for seed in SEEDS:
        assert longer[seed] > errors["resnet-56", seed] + CLEARLY


@pytest.mark.claims
@pytest.mark.parametrize("seed", SEEDS)
def test_plain_nets_of_14_layers_learn_and_of_26_fail(seed):
    """The exercise's solution, which calls it failing to get more than 10 % of the training images wrong.

    Measured, seeds 0 to 4: plain-14 0.9 to 2.5 %, plain-26 20.9 to 41.4 %; plain-20, of which it says nothing firm, 4.9
    to 15.0 %.
    """
    frame = by_depth((14, 26), skips=(False,), seeds=(seed,), progress=False)
    errors = frame.groupby("depth")["final_train_error"].last()
    assert errors[14] < 0.10 < errors[26]


@pytest.mark.claims
def test_on_photographs_half_the_papers_training_leaves_the_deep_plain_net_behind():
    """Recorded on an H200 (and a CPU), one seed, as the lesson says; training error (%): plain-20 2.7, plain-56 14.1,
    resnet-20 1.5, resnet-56 0.4."""
    last = recorded().history(dataset="cifar10", schedule="step").groupby("name").last()
    error = last["final_train_error"]
    assert set(error.index) == {"plain-20", "plain-56", "resnet-20", "resnet-56"}
    assert (last["step"] == 32_000).all()
    assert error["plain-56"] > 3 * error["plain-20"]
    assert error["resnet-56"] < error["resnet-20"] < error["plain-20"]


# On photographs, recorded on a CPU: of all of them one seed; of a tenth three seeds of 20 and 56 layers, one of the
# others.


@pytest.mark.claims
def test_on_all_of_cifar10_the_deep_plain_net_fails_and_the_residual_one_does_not():
    """Measured after 15 epochs, training and test error (%): plain-20 10.7 and 14.7, plain-56 37.5 and 38.6;
    resnet-20 8.7 and 13.0, resnet-56 6.2 and 11.0."""
    table = beside_the_paper(recorded().history(dataset="cifar10", epochs=15)).set_index("name")
    for error in ("train_error", "test_error"):
        assert table.loc["plain-56", error] > 2 * table.loc["plain-20", error]
        assert table.loc["resnet-56", error] < table.loc["resnet-20", error]
        assert table.loc["resnet-20", error] < table.loc["plain-20", error]
    behind = table["test_error"] - table["paper_test_error"]  # the lesson says: a few points
    assert 0 < behind["resnet-56"] < 0.06
    assert 0 < behind["resnet-20"] < 0.06


@pytest.mark.claims
def test_on_enlarged_photographs_the_gap_at_34_layers_is_far_wider_than_at_18():
    """Lesson 09; measured, training error (%), seeds 0 to 2: plain 39.8, 39.4, 39.7 and 72.0, 72.6, 76.0; residual
    30.1, 29.4, 31.9 and
    37.0, 42.7, 38.7. No gap at 18, as in the paper, it is not."""
    photos = recorded().history(dataset="cifar10-5000+1000@34900-64px")
    error = photos.groupby(["seed", "depth", "skip"])["final_train_error"].first().unstack()
    gap = (error[False] - error[True]).unstack()  # one row per seed
    assert list(gap.index) == [0, 1, 2]
    assert (gap[34] > 2.5 * gap[18]).all()
    assert gap[34].mean() > 3 * gap[18].mean()  # as the lesson says
    assert (gap[18] > 0.05).all()
    assert (error[False].unstack()[34] > error[False].unstack()[18] + 0.1).all()


@pytest.mark.claims
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_photographs_the_deep_plain_net_loses_far_more_than_the_residual_one(seed):
    photos = recorded().history(
        dataset="cifar10-5000+1000@34900", order="original", stochastic_depth=0, precision="fp32"
    )
    error = photos[photos["seed"] == seed].groupby("name")["final_train_error"].first()
    assert error["plain-56"] - error["plain-20"] > 2 * (error["resnet-56"] - error["resnet-20"]) > 0
    for depth in (20, 56):
        assert error[f"resnet-{depth}"] < error[f"plain-{depth}"] - 0.05


@pytest.mark.claims
def test_on_photographs_each_residual_net_errs_less_than_the_plain_one_of_its_depth():
    photos = recorded().history(
        dataset="cifar10-5000+1000@34900", order="original", stochastic_depth=0, precision="fp32", seed=0
    )
    error = photos.groupby(["depth", "skip"])["final_train_error"].first().unstack()
    assert list(error.index) == [20, 32, 44, 56, 110]
    assert (error[True] < error[False] - 0.05).all()
    assert error.loc[110, False] - error.loc[20, False] > 2 * (error.loc[110, True] - error.loc[20, True]) > 0
