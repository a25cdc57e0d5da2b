"""What `representations` measures, against brute force and hand-made cases; and that it leaves a net as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from reslab import NetSpec, TrainSpec, build, digits, replace
from reslab.experiments import features, representations
from reslab.experiments.degradation import small_net

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(128, 40)


@pytest.fixture
def net(split):
    return build(NetSpec(depth=8, width=4, **split.shape))


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def nearest(features, places=None, count=1):
    return representations.nearest_neighbours(representations.centred_cosines(features), places, count)


def accuracy(features, labels):
    return representations.neighbour_accuracy(representations.centred_cosines(features), labels).item()


# --- on feature vectors


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_neighbours_are_those_of_brute_force():
    x = random(12, 5)
    centred = (x - x.mean(0)).numpy()
    for i, found in enumerate(nearest(x, count=4).tolist()):
        others = [j for j in range(12) if j != i]
        assert found == sorted(others, key=lambda j: -cosine(centred[i], centred[j]))[:4]
    assert nearest(x, [7, 2], 4).tolist() == nearest(x, count=4)[[7, 2]].tolist()


def test_cosines_do_not_change_with_an_offset_or_a_scale():
    x = random(8, 3)
    torch.testing.assert_close(representations.centred_cosines(7 * x + 5), representations.centred_cosines(x))


def test_many_blocks_are_measured_at_once():
    x, y = torch.stack([random(9, 4), random(9, 4, seed=1)]), torch.arange(9) % 3
    cosines = torch.stack([representations.centred_cosines(each) for each in x])
    together = representations.nearest_neighbours(cosines, [4, 2], 3)
    assert together.tolist() == [nearest(each, [4, 2], 3).tolist() for each in x]
    assert representations.neighbour_accuracy(cosines, y).tolist() == [accuracy(each, y) for each in x]


def test_an_image_is_not_its_own_neighbour_and_the_first_of_equals_counts():
    x = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [1, 0], [-2, 0]])  # centred on (0, 0)
    assert nearest(x, count=2).tolist() == [[1, 3], [0, 3], [4, 0], [0, 1], [2, 0]]
    assert nearest(x)[:, 0].tolist() == [1, 0, 4, 0, 2]


def test_features_that_do_not_vary_are_equally_similar():
    assert nearest(torch.ones(4, 3))[:, 0].tolist() == [1, 0, 0, 0]


def test_neighbour_accuracy_counts_the_neighbours_of_the_same_class():
    x = torch.tensor([[3.0, 0], [3, 1], [-3, 0], [-3, 1]])
    assert accuracy(x, torch.tensor([0, 0, 1, 1])) == 1
    assert accuracy(x, torch.tensor([0, 1, 0, 1])) == 0
    assert accuracy(x, torch.tensor([0, 0, 1, 2])) == 0.5


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_has_no_accuracy(value):
    x, y = torch.tensor([[1.0, 0], [0, 0], [2, 1]]), torch.tensor([0, 1, 1])
    x[1, 0] = value
    assert np.isnan(accuracy(x, y))
    assert np.isnan(representations.readout_accuracy(x, y, x[:1], y[:1]))


@pytest.mark.parametrize("count", [0, 3, 1.5])
def test_a_count_of_neighbours_that_there_are_not_is_refused(count):
    with pytest.raises(ValueError, match="count"):
        nearest(torch.ones(3, 2), count=count)


def test_the_readout_is_ridge_regression_on_the_classes():
    x, y, test_x, test_y = random(60, 4), torch.arange(60) % 3, random(40, 4, seed=1), torch.arange(40) % 3
    x = x + y[:, None]  # the classes overlap
    test_x = test_x + test_y[:, None]
    centred = (x - x.mean(0)).double()
    size = centred.square().mean().sqrt()
    a, target = centred / size, 2.0 * nn.functional.one_hot(y).double() - 1
    penalty = representations.PENALTY * len(x) * torch.eye(4, dtype=torch.float64)
    weights = torch.linalg.solve(a.T @ a + penalty, a.T @ (target - target.mean(0)))
    answers = ((test_x - x.mean(0)).double() / size @ weights + target.mean(0)).argmax(1)
    expected = (answers == test_y).double().mean().item()
    assert 0.4 < expected < 0.9
    assert representations.readout_accuracy(x, y, test_x, test_y) == expected


def test_a_readout_of_features_that_do_not_vary_is_a_guess():
    y = torch.tensor([0, 1] * 10)
    assert representations.readout_accuracy(torch.ones(20, 3), y, torch.ones(20, 3), y) == 0.5


def test_noise_cosine_is_centred():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 2], [0, -2]])
    assert representations.noise_cosine(x + 9, x + 9) == pytest.approx(1)
    assert representations.noise_cosine(x + 9, 9 - x) == pytest.approx(-1)
    assert representations.noise_cosine(x + 9, x.flip(1) + 9) == pytest.approx(0, abs=1e-6)


# --- on nets


def test_features_are_the_blocks_outputs_with_this_batchs_statistics(net, split):
    x, _ = split.batch(slice(None), "test")
    seen = features.features(net, x)
    assert list(seen) == ["stem", "stage1.block1", "stage2.block1", "stage3.block1"]
    net.train()
    expected = net.stage1(net.stem(x)).detach()
    torch.testing.assert_close(seen["stage1.block1"], expected.flatten(1))
    assert [tensor.shape for tensor in seen.values()] == [(40, 256), (40, 256), (40, 128), (40, 64)]


def test_large_maps_are_averaged_down(split):
    net = build(NetSpec(depth=8, width=4))  # 32 × 32
    x = random(6, 3, 32, 32)
    seen = features.features(net, x)
    whole = features.outputs(net, x)
    assert whole["stem"].shape == (6, 4, 32, 32)
    torch.testing.assert_close(
        seen["stem"], whole["stem"].unflatten(3, (8, 4)).unflatten(2, (8, 4)).mean((3, 5)).flatten(1)
    )
    torch.testing.assert_close(seen["stage3.block1"], whole["stage3.block1"].flatten(1))  # 8 × 8


@pytest.mark.parametrize("mode", [True, False])
def test_the_net_and_the_random_state_are_left_as_they_were(split, mode):
    net = build(NetSpec(depth=8, width=4, stochastic_depth=0.5, **split.shape)).train(mode)
    net.stem.eval()
    modes = [module.training for module in net.modules()]
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.get_rng_state()
    frame = representations.by_block(net, split)
    representations.neighbours(net, split, [0])
    assert frame.equals(representations.by_block(net, split))  # eval mode of stochastic depth: no draws
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_all_is_put_back_after_an_error_in_the_net():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), Broken()).eval()
    with pytest.raises(ValueError, match=r"^Sequential does not take images \(2, 1, 8, 8\): broken\.$"):
        features.features(model, random(4, 1, 8, 8))
    assert not any(module.training or module._forward_hooks for module in model.modules())
    assert model[1].num_batches_tracked == 0


def test_a_model_of_ones_own_is_measured_at_the_modules_that_are_named(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.Dropout(0.9), nn.Linear(20, 10))
    frame = representations.by_block(model, split)
    assert frame["module"].tolist() == ["0", "1", "2", "3"]
    assert frame.loc[1, "neighbour_accuracy"] == frame.loc[2, "neighbour_accuracy"]  # dropout is in eval mode
    x, y = split.batch(slice(None), "test")
    assert frame.loc[0, "neighbour_accuracy"] == accuracy(x.flatten(1), y)
    assert representations.by_block(model, split, nn.Linear)["module"].tolist() == ["1", "3"]
    with pytest.raises(ValueError, match="called 'layer9'"):
        representations.by_block(model, split, "layer9")


def test_the_frame_of_blocks(net, split):
    frame = representations.by_block(net, split, images=30, training_images=100)
    assert list(frame) == [
        "module",
        "index",
        "images",
        "guess",
        "neighbour_accuracy",
        "readout_accuracy",
        "noise_cosine",
    ]
    assert frame["index"].tolist() == [0, 1, 2, 3]
    assert set(frame["images"]) == {30}
    assert set(frame["guess"]) == {0.1}
    assert frame[["neighbour_accuracy", "readout_accuracy"]].stack().between(0, 1).all()
    assert frame["noise_cosine"].between(0.5, 1).all()
    still = representations.by_block(net, split, noise=0)
    np.testing.assert_allclose(still["noise_cosine"], 1, rtol=1e-5)
    with pytest.raises(ValueError, match="images"):
        representations.by_block(net, split, images=1)


def test_the_frame_of_neighbours(net, split):
    frame = representations.neighbours(net, split, [3, 5], count=2)
    assert list(frame) == ["module", "index", "place", "rank", "neighbour", "label", "same_class"]
    assert len(frame) == 4 * 2 * 2
    x, y = split.batch(slice(None), "test")
    seen = features.features(net, x)["stage2.block1"]
    here = frame[(frame["module"] == "stage2.block1") & (frame["place"] == 5)]
    assert here["neighbour"].tolist() == nearest(seen, [5], 2)[0].tolist()
    assert here["label"].tolist() == y[here["neighbour"].tolist()].tolist()
    assert here["same_class"].tolist() == (y[here["neighbour"].tolist()] == y[5]).tolist()
    with pytest.raises(ValueError, match="place"):
        representations.neighbours(net, split, [40])


def test_a_net_that_diverged_has_no_numbers(net, split):
    with torch.no_grad():
        net.get_submodule("stage2.block1.branch.conv1").weight.fill_(torch.nan)
    frame = representations.by_block(net, split)
    assert frame["neighbour_accuracy"].isna().tolist() == [False, False, True, True]
    assert frame["readout_accuracy"].isna().tolist() == [False, False, True, True]


def test_frames_of_untrained_and_trained_nets(split):
    base = small_net(split)
    before = representations.before_training(
        ["plain-8", "resnet-8"], seeds=(0, 1), split=split, base=base, progress=False, norm="none"
    )
    assert list(before)[:8] == ["name", "skip", "depth", "norm", "init", "seed", "step", "origin"]
    assert len(before) == 2 * 2 * 4
    assert set(before["norm"]) == {"none"}
    how = TrainSpec(batch_size=64, epochs=2)
    trained = representations.in_training(["resnet-8"], steps=(1, 3), split=split, base=base, how=how, progress=False)
    assert trained["step"].unique().tolist() == [0, 1, 3]
    assert trained["train_error"].isna().tolist() == [True] * 4 + [False] * 8
    untrained = representations.before_training(["resnet-8"], seeds=(0,), split=split, base=base, progress=False)
    assert trained[trained["step"] == 0][list(untrained)].equals(untrained)
    with pytest.raises(ValueError, match="plain-20"):
        representations.before_training(["plain-21"])


def test_a_picture_walks_through_the_blocks_that_a_net_has(split):
    frame = representations.walk(("plain-8", "resnet-8"), 5, blocks=(0, 2, 3, 9), split=split)
    assert frame[["name", "index"]].to_numpy().tolist() == [
        [name, index] for name in ("plain-8", "resnet-8") for index in (0, 2, 3)
    ]
    told = representations.neighbours(build(replace(small_net(split), depth=8)), split, [5], count=1)
    residual = frame[frame["skip"]]
    assert residual["neighbour"].tolist() == told.set_index("index")["neighbour"][[0, 2, 3]].tolist()
    for _, row in frame.iterrows():
        np.testing.assert_array_equal(row["picture"], split.x_test[row["neighbour"]].float().mean(0))
        np.testing.assert_array_equal(row["image"], split.x_test[5].float().mean(0))
