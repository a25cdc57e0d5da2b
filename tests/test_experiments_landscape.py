"""The loss around a net's weights, where the truth is exact: at the weights themselves, on a quadratic, for filters."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from small_nets import refusal, same_bits
from torch import nn

from reslab.datasets import digits
from reslab.experiments import landscape, landscape_files, landscape_path
from reslab.experiments.degradation import small_net
from reslab.nets import FAMILY, build, replace
from reslab.train import TrainSpec

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"images": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def split():
    return digits().subset(120, 40)


@pytest.fixture(params=[True, False], ids=["residual", "plain"])
def net(request, split):
    net = build(replace(small_net(split), depth=8, width=4, skip=request.param), seed=1).train()
    net(split.batch(slice(60))[0])  # BatchNorm has seen some images
    return net.eval()


def piece(net, row, name):
    """A named piece of a row of weights."""
    pieces = landscape._pieces(net)
    parts = row.split([tensor.numel() for tensor in pieces.values()])
    return dict(zip(pieces, parts, strict=True))[name].view(pieces[name].shape)


class Bowl(nn.Module):
    """Ten logits: the first is the squared length of two weights, the others are 0, whatever the image."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -0.5]]))

    def forward(self, x):
        return F.pad(self.weight.square().sum().expand(len(x), 1), (0, 9))


def test_at_its_own_weights_the_loss_is_the_nets_own(net, split):
    x, y = split.batch(slice(32), "train")
    for mode in landscape.MODES:
        ((loss, error),) = landscape.LossSurface(net, split, mode=mode, **SHORT).measure(landscape.flat(net)[None])
        own = copy.deepcopy(net).train(mode == "train")
        with torch.no_grad():
            logits = own(x)
        assert loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
        assert error == pytest.approx((logits.argmax(1) != y).float().mean().item())


def test_the_net_is_left_as_it_was_to_the_bit(net, split):
    before, modes = copy.deepcopy(net.state_dict()), [module.training for module in net.modules()]
    other = build(net.spec, seed=2).eval()
    for mode in landscape.MODES:
        landscape.bands(net, split, directions=1, alphas=(0.5,), mode=mode, norms="perturbed", progress=False, **SHORT)
        landscape.grid(net, split, points=2, mode=mode, progress=False, **SHORT)
        landscape.between(net, other, split, alphas=2, mode=mode, **SHORT)
        landscape.rescaled(net, 2.0)
    assert same_bits(net.state_dict(), before)
    assert [module.training for module in net.modules()] == modes


def test_in_train_mode_no_statistics_are_kept(net, split):
    surface = landscape.LossSurface(net, split, mode="train", **SHORT)
    first, second, again = surface.measure(torch.stack([surface.weights, 1.5 * surface.weights, surface.weights]))
    assert first == again != second


@pytest.mark.parametrize("mode", landscape.MODES)
def test_several_nets_at_once_have_the_losses_of_each(net, split, mode):
    surface = landscape.LossSurface(net, split, mode=mode, **SHORT)
    rows = surface.weights + torch.linspace(-1, 1, 5)[:, None] * landscape.direction(net)
    np.testing.assert_allclose(surface.measure(rows, together=3), surface.measure(rows), rtol=1e-4, atol=1e-5)


def test_every_filter_of_a_direction_is_as_long_as_the_nets(net):
    way = landscape.direction(net, 3)
    for name, tensor in net.named_parameters():
        step = piece(net, way, name)
        if tensor.dim() > 1:
            torch.testing.assert_close(step.flatten(1).norm(dim=1), tensor.detach().flatten(1).norm(dim=1))
        else:
            assert not step.any()  # kept


def test_normalised_by_layer_only_the_whole_weight_is_and_without_none_is(net):
    by_layer, raw = (landscape.direction(net, 3, normalisation=name) for name in ("layer", "none"))
    name, weight = next((name, tensor) for name, tensor in net.named_parameters() if tensor.dim() == 4)
    step = piece(net, by_layer, name)
    assert step.norm().item() == pytest.approx(weight.norm().item(), rel=1e-5)
    assert not torch.allclose(step.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-3)
    doubled = copy.deepcopy(net)
    with torch.no_grad():
        for tensor in doubled.parameters():
            tensor.mul_(2)
    assert torch.equal(landscape.direction(doubled, 3, normalisation="none"), raw)
    torch.testing.assert_close(landscape.direction(doubled, 3), 2 * landscape.direction(net, 3))


def test_norms_that_are_perturbed_move_too_and_statistics_never_do(net):
    way = landscape.direction(net, norms="perturbed")
    for name, tensor in net.named_parameters():
        assert piece(net, way, name).norm().item() == pytest.approx(tensor.norm().item(), rel=1e-4)
    for name, tensor in net.named_buffers():
        assert not tensor.is_floating_point() or not piece(net, way, name).any()


def test_directions_follow_their_seed(net):
    assert torch.equal(landscape.direction(net, 5), landscape.direction(net, 5))
    assert not torch.equal(landscape.direction(net, 5), landscape.direction(net, 6))


def test_a_known_surface(split):
    surface = landscape.LossSurface(Bowl(), split, **SHORT)
    first = (surface.y == 0).double().mean().item()  # the share of images of the class that the bowl speaks for
    axes, places = [torch.tensor([2.0, 0.0]), torch.tensor([0.0, 3.0])], np.array([-1.0, 0, 0.5])
    frame = pd.concat(landscape.rows_of_plane(surface, surface.weights, axes, places, places))
    square = (1 + 2 * frame["x"]) ** 2 + (-0.5 + 3 * frame["y"]) ** 2
    np.testing.assert_allclose(frame["loss"], np.log(np.exp(square) + 9) - first * square, rtol=1e-5)
    assert frame["name"].unique().tolist() == ["Bowl"]


def test_bands_and_grids_agree_where_they_meet(net, split):
    line = landscape.bands(net, split, directions=2, alphas=(-1, 0, 1), progress=False, **SHORT)
    plane = landscape.grid(net, split, points=3, progress=False, **SHORT)
    middle = plane[plane["y"] == 0].sort_values("x")
    first = line[line["direction"] == 0]
    np.testing.assert_allclose(middle["loss"], first["loss"], rtol=1e-5)
    assert line.groupby("direction").size().to_dict() == {0: 3, 1: 3}
    assert line.loc[line["alpha"] == 0, "loss"].nunique() == 1
    assert len(plane) == 9


def test_rows_of_a_grid_come_one_after_the_other_and_can_be_stopped(net, split):
    rows = landscape.grid_rows(net, split, points=3, **SHORT)
    assert next(rows)["y"].tolist() == [-1, -1, -1]
    rows.close()


def test_a_line_between_two_nets_ends_at_both(net, split):
    other = build(net.spec, seed=2).eval()
    for mode in landscape.MODES:
        line = landscape.between(net, other, split, alphas=3, mode=mode, **SHORT)
        for end, one in ((0, net), (-1, other)):
            ((loss, _),) = landscape.LossSurface(one, split, mode=mode, **SHORT).measure(landscape.flat(one)[None])
            assert line["loss"].iloc[end] == pytest.approx(loss, rel=1e-4)
    assert line["other"].tolist() == [2, 2, 2]
    wider = build(replace(net.spec, width=8))
    assert "other shapes" in refusal(landscape.between, net, wider, split, **SHORT)


def test_a_rescaled_net_computes_the_same_and_only_unscaled_steps_see_it(net, split):
    made = landscape.rescaled(net, 4.0)
    x, _ = split.batch(slice(32), "train")
    with torch.no_grad():
        torch.testing.assert_close(made(x), net(x), rtol=1e-2, atol=1e-2)
    options = {"directions": 1, "alphas": (0, 1), "progress": False, **SHORT}
    of_net, of_made = (landscape.bands(one, split, **options)["loss"].iloc[1] for one in (net, made))
    assert of_made == pytest.approx(of_net, rel=0.05)
    name = next(name for name, tensor in net.named_parameters() if tensor.dim() == 4)
    for normalisation, times in (("filter", 4), ("layer", 4), ("none", 1)):
        ways = (piece(one, landscape.direction(one, normalisation=normalisation), name) for one in (net, made))
        torch.testing.assert_close(times * next(ways), next(ways))
    assert "BatchNorm follows" in refusal(landscape.rescaled, build(replace(net.spec, norm="none")), 2.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: build(replace(FAMILY["vgg-11"], width=2, image_size=32, in_channels=1)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)),
    ],
)
def test_other_models_have_a_landscape_too(make, split):
    model = make()
    there = split.resized(32) if hasattr(model, "stages") else split
    frame = landscape.bands(model, there, directions=1, alphas=(0, 1), images=8, progress=False, device="cpu")
    assert np.isfinite(frame["loss"]).all()
    assert frame["depth"].iloc[0] in (2, 11)


def test_what_cannot_be_is_said(net, split):
    assert "'filter', 'layer', 'none'" in refusal(landscape.direction, net, normalisation="filters")
    assert "'kept', 'perturbed'" in refusal(landscape.direction, net, norms="fixed")
    assert "'eval', 'train'" in refusal(landscape.LossSurface, net, split, mode="training")
    assert "from 2 to 120" in refusal(landscape.LossSurface, net, split, images=121)
    assert "at least 2" in refusal(landscape.grid, net, split, points=1, progress=False, **SHORT)


# --- the path of a training -------------------------------------------------------------------------------------------


def test_the_principal_plane_holds_a_path_of_two_directions_exactly():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.linalg.qr(torch.randn(50, 2, generator=generator))[0].T
    rows = torch.stack([5 * one, 3 * one + 2 * other, one - other, torch.zeros(50)])
    axes, shares = landscape_path.principal(rows)
    assert sum(shares) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(axes @ axes.T, torch.eye(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(rows @ axes.T @ axes, rows, rtol=0, atol=1e-5)
    variance = torch.linalg.svdvals((rows[:-1] - rows[-1]).double()).square()
    assert shares == pytest.approx((variance / variance.sum())[:2].tolist())


def test_a_straight_path_has_one_direction_and_short_ones_none():
    axes, shares = landscape_path.principal(torch.tensor([[2.0, 0, 0], [1, 0, 0], [0, 0, 0]]))
    assert shares == pytest.approx([1, 0])
    assert abs(axes[0, 0].item()) == pytest.approx(1)
    assert "three or more" in refusal(landscape_path.principal, torch.zeros(2, 4))
    assert "are the same" in refusal(landscape_path.principal, torch.ones(4, 4))


def test_the_path_of_a_training_ends_at_the_net_and_has_its_losses(split):
    spec = replace(small_net(split), depth=8, width=4)
    net, states = landscape_path.trained_path(spec, split, TrainSpec(epochs=2, batch_size=40), every=2)
    assert list(states) == [0, 2, 4, 6]
    grid, path = landscape_path.principal_plane(net, states, split, points=3, progress=False, **SHORT)
    assert path["step"].tolist() == [0, 2, 4, 6]
    assert path[["x", "y"]].iloc[-1].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert len(grid) == 9
    ((loss, _),) = landscape.LossSurface(net, split, mode="train", **SHORT).measure(landscape.flat(net)[None])
    assert path["loss"].iloc[-1] == pytest.approx(loss, rel=1e-4)
    assert 0.5 < path["share_x"].iloc[0] + path["share_y"].iloc[0] <= 1
    assert grid["x"].min() < path["x"].min()
    wrong = {step: {name: tensor for name, tensor in state.items() if "fc" not in name}
             for step, state in states.items()}  # fmt: skip
    assert "fc.weight is not in" in refusal(landscape_path.principal_plane, net, wrong, split, progress=False, **SHORT)


def test_a_random_walk_lies_in_its_plane_as_well():
    frame = landscape_path.random_walk(60)
    shares = frame["share_x"] + frame["share_y"]
    assert shares.between(0.6, 1).all()
    assert len(frame) == 3


# --- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", landscape_files.SETS)
def test_what_was_recorded_is_of_four_nets_and_of_their_own_weights(dataset):
    made = landscape_files.recorded(dataset)
    nets = {"plain-20", "resnet-20", "plain-56", "resnet-56"}
    grids, bands, where = made["grids"], made["bands"], made["provenance"]
    assert set(grids["name"]) == set(bands["name"]) == nets
    assert "-dirty" not in where["commit"]
    assert grids["origin"].str.startswith("recorded").all()
    points = grids.groupby(["name", "mode"]).size()
    assert points.nunique() == 1
    middle = grids[(grids["x"].abs() < 1e-9) & (grids["y"].abs() < 1e-9)].set_index(["name", "mode"])["loss"]
    own = bands[(bands["alpha"] == 0) & (bands["seed"] == 0)].groupby(["name", "mode"])["loss"].first()
    for key, loss in middle.items():  # the middle of a map is where the lines cross
        assert loss == pytest.approx(own[key], rel=0.02)
    assert set(bands["mode"]) == set(landscape.MODES)
    assert bands["direction"].nunique() >= 5


def test_an_unknown_recording_is_refused():
    assert "'digits', 'cifar10'" in refusal(landscape_files.recorded, "cifar100")
