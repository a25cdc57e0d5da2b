"""The weights of a net before training: how they are drawn, and what becomes of the gradient that meets them."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_nets import INITS, layers, small
from torch import nn

from reslab.capture import capture
from reslab.nets import CHOICES, Block, NetSpec, build, replace
from reslab.nets.weights import initialise, keeps_shape

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def wide():
    """Layers of one net by init and activation, wide enough to measure the spread of their weights to a few tenths of a
    per cent."""

    def layers(init, activation="relu"):
        spec = NetSpec(depth=8, norm="none", width=48, init=init, activation=activation, shortcut="B", classes=400)
        net = build(spec)
        return net.stage3.block1.branch.conv1, net.stage3.block1.shortcut.conv, net.fc

    return layers


GAIN = {
    "relu": 2**0.5,
    "leaky_relu": (2 / 1.0001) ** 0.5,
    "elu": 2**0.5,
    "gelu": 2**0.5,
    "silu": 2**0.5,
    "tanh": 5 / 3,
    "sigmoid": 1.0,
}


@pytest.mark.parametrize("activation", CHOICES["activation"])
@pytest.mark.parametrize("init", ["kaiming", "xavier"])
def test_spread_of_normal_weights(wide, init, activation):
    conv, projection, fc = wide(init, activation)
    assert (conv.weight.shape, projection.weight.shape, fc.weight.shape) == (
        (192, 96, 3, 3),
        (192, 96, 1, 1),
        (400, 192),
    )
    for layer, fan_in, fan_out, gain in (
        (conv, 9 * 96, 9 * 192, GAIN[activation]),
        (projection, 96, 192, GAIN[activation]),
        (fc, 192, 400, 1.0),
    ):
        fan = fan_in if layer is fc else fan_out
        std = gain / math.sqrt(fan) if init == "kaiming" else gain * math.sqrt(2 / (fan_in + fan_out))
        count = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * count))  # four standard errors
        assert abs(layer.weight.mean().item()) < 4 * std / math.sqrt(count)
        assert ((layer.weight / std) ** 4).mean().item() == pytest.approx(3, rel=0.1)  # normal, not uniform (1.8)
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))


def test_torch_init_is_what_torch_does_by_itself(wide):
    torch.manual_seed(0)
    for layer, fan_in in zip(wide("torch"), (9 * 96, 96, 192), strict=True):
        bound = 1 / math.sqrt(fan_in)
        own = copy.deepcopy(layer)
        own.reset_parameters()
        for drawn, expected in ((layer.weight, own.weight), (layer.bias, own.bias)):
            assert drawn.abs().max().item() <= bound
            assert drawn.max().item() > 0.95 * bound
            assert drawn.min().item() < -0.95 * bound
            assert drawn.abs().max().item() == pytest.approx(expected.abs().max().item(), rel=0.05)
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)


@pytest.mark.parametrize("init", INITS)
def test_batch_norm_begins_as_the_identity_up_to_its_statistics(init):
    norms = [module for module in build(small(init=init, shortcut="C")).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 10
    for norm in norms:
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))
        assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
        assert torch.equal(norm.running_var, torch.ones_like(norm.running_var))
        assert norm.num_batches_tracked.item() == 0


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.InstanceNorm2d(4, affine=True)])
def test_every_norm_of_pytorch_begins_with_scale_1_and_shift_0(norm):
    for parameter in norm.parameters():
        nn.init.constant_(parameter, math.nan)  # as memory that was not set may be
    initialise(nn.Sequential(norm), small(), seed=0)
    assert torch.equal(norm.weight, torch.ones(4))
    assert torch.equal(norm.bias, torch.zeros(4))


def test_a_new_layer_whose_weights_nothing_draws_is_refused_and_not_left_unset():
    with pytest.raises(TypeError, match=r"nothing draws the weights of PReLU: add a rule to .*weights\.py\.$"):
        initialise(nn.Sequential(nn.PReLU()), small(), seed=0)


def test_layers_are_drawn_independently():
    net = build(NetSpec(depth=20), seed=0)
    weights = [layer.weight.flatten()[:2304] for name, layer in layers(net).items() if name.startswith("stage1")]
    weights += [build(NetSpec(depth=20), seed=1).stage1.block1.branch.conv1.weight.flatten()]
    correlation = torch.corrcoef(torch.stack(weights)) - torch.eye(len(weights))
    assert correlation.abs().max().item() < 5 / math.sqrt(2304)


# what SCIENCE.md says about gradients at initialisation: ‖∂L/∂h‖ at the first over that at the last


def gradient_profile(seed, dtype=torch.float32, **fields):
    """The norms of the gradient at the outputs of the stem and of every block, in float64, on two random images."""
    net = build(NetSpec(**fields), seed=seed).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 3, 32, 32, generator=generator).to(dtype), torch.randint(10, (2,), generator=generator)
    with capture(net, lambda name, module: name == "stem" or isinstance(module, Block)) as trace:
        F.cross_entropy(net(x), y).backward()
    frame = trace.frame()
    elements = [math.prod(map(int, shape.split("×"))) for shape in frame["shape"]]
    return (frame["gradient_rms"] * np.sqrt(elements)).to_numpy()


@pytest.mark.claims
@pytest.mark.parametrize(
    ("norm", "init", "depth", "skip", "ratio"),
    [
        ("batch", "kaiming", 20, False, 29),
        ("batch", "kaiming", 56, False, 1.2e4),
        ("batch", "kaiming", 56, True, 42),
        ("none", "kaiming", 20, False, 0.20),
        ("none", "kaiming", 56, False, 0.09),
        ("none", "kaiming", 56, True, 5.9e3),
        ("none", "torch", 20, False, 8e-8),
        # "0" where the norm is taken in float32, whose squares underflow: see below
        ("none", "torch", 56, False, 2.5e-22),
        ("none", "torch", 56, True, 0.49),
    ],
)
def test_gradients_at_initialisation(norm, init, depth, skip, ratio):
    profiles = [gradient_profile(seed, norm=norm, init=init, depth=depth, skip=skip) for seed in range(3)]
    from_stem = [profile[0] / profile[-1] for profile in profiles]
    from_first_block = [profile[1] / profile[-1] for profile in profiles]
    for measured in from_stem + from_first_block:
        assert (measured > 1) == (ratio > 1)  # vanishing or exploding, whatever the seed
    assert ratio / 3 < np.median(from_stem) < 3 * ratio
    # one block shorter, and a block here is up to a decade
    assert ratio / 20 < np.median(from_first_block) < 20 * ratio


@pytest.mark.claims
def test_gradients_of_the_deepest_plain_nets_leave_float32():
    fields = {"norm": "none", "init": "torch", "skip": False}
    at_56 = gradient_profile(0, depth=56, **fields)[0]
    assert 0 < at_56 < 1e-22  # float32 holds such a gradient, though not its square: a norm in float32 says 0
    assert (
        torch.full((2, 16, 32, 32), at_56 / math.sqrt(2 * 16 * 32 * 32), dtype=torch.float32)
        .square()
        .mean()
        .sqrt()
        .item()
        == 0
    )
    assert gradient_profile(0, depth=110, **fields)[0] == 0  # nothing is left
    in_double = gradient_profile(0, torch.float64, depth=110, **fields)[0]
    assert 0 < in_double < 1.4e-45  # smaller than any float32


# Dirac: the identity in the weights


def test_dirac_is_the_identity_and_a_tenth_of_kaiming_where_a_convolution_keeps_its_shape():
    spec = NetSpec(depth=14, width=4, skip=False, init="dirac")
    dirac, kaiming = build(spec, seed=3), build(replace(spec, init="kaiming"), seed=3)
    kept = 0
    for (name, ours), theirs in zip(dirac.named_parameters(), kaiming.parameters(), strict=True):
        module = dirac.get_submodule(name.rpartition(".")[0])
        if keeps_shape(module):
            kept += 1
            torch.testing.assert_close(ours, 0.1 * theirs + nn.init.dirac_(torch.empty_like(ours)))
        else:
            assert torch.equal(ours, theirs)
    assert kept == 4 + 3 + 3  # two blocks a stage; the first convolution of stages 2 and 3 changes the shape


def test_a_plain_block_that_keeps_its_shape_begins_near_the_identity():
    net = build(NetSpec(depth=56, width=8, skip=False, init="dirac", norm="none"), seed=0)
    x = torch.rand(4, 8, 16, 16)
    for other, near in (("kaiming", False), ("dirac", True)):
        block = build(replace(net.spec, init=other), seed=0).stage1[0]
        with torch.no_grad():
            assert ((block(x) - x).norm() / x.norm() < 0.35) == near
