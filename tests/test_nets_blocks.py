"""The residual block: what it computes, with every kind of shortcut, order and scale."""

import math

import pytest
import torch
import torch.nn.functional as F
from small_nets import DEPTHS, blocks, images, layers, parameters, same_bits, small
from torch import nn

from reslab.nets import CHOICES, NetSpec, build, replace
from reslab.nets.layers import ZeroPad
from reslab.nets.weights import shapes_only

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("block", DEPTHS)
def test_a_block_adds_its_shortcut_to_its_branch_and_changes_nothing_in_place(block, skip):
    spec = small(depth=DEPTHS[block], block=block, skip=skip, shortcut="B", activation="tanh")
    for block in blocks(build(spec).eval()).values():
        x = torch.randn(2, next(block.branch.parameters()).shape[1], 8, 8)
        before = x.clone()
        expected = block.branch(x) + block.shortcut(x) if skip else block.branch(x)
        assert torch.equal(block(x), torch.tanh(expected))
        assert torch.equal(x, before)


@pytest.mark.parametrize("block", DEPTHS)
def test_residual_scale_multiplies_what_the_branch_puts_out(block):
    spec = small(depth=DEPTHS[block], block=block)
    one, depth, learned = (build(replace(spec, residual_scale=scale), seed=4) for scale in ("one", "depth", "learned"))
    assert parameters(depth) == parameters(one)
    assert parameters(learned) == parameters(one) + len(blocks(learned))
    for name, block in blocks(one).items():
        x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
        scaled, zero = blocks(depth)[name], blocks(learned)[name]
        torch.testing.assert_close(scaled.branch(x), block.branch(x) / math.sqrt(3))  # three blocks
        # the identity, where the shape stays
        torch.testing.assert_close(zero(x), block.activation(block.shortcut(x)), rtol=0, atol=0)
        assert repr(zero.branch.scale) == "Scale(learned, from 0)"
        assert repr(scaled.branch.scale) == "Scale(0.577)"


def test_a_learned_scale_leaves_zero_in_the_first_step_and_a_plain_net_has_none():
    net = build(small(norm="none", residual_scale="learned"))
    F.cross_entropy(net(images(net.spec)), torch.tensor([0, 1])).backward()
    assert all(block.branch.scale.factor.grad.abs() > 0 for block in blocks(net).values())
    plain = [build(small(skip=False, residual_scale=scale), seed=4).state_dict() for scale in CHOICES["residual_scale"]]
    assert same_bits(plain[0], plain[1])
    assert same_bits(plain[0], plain[2])


def test_a_plain_block_has_no_shortcut():
    assert all(block.shortcut is None for block in blocks(build(small(skip=False, shortcut="C"))).values())


def test_nothing_is_in_place():
    for activation in CHOICES["activation"]:
        assert not any(getattr(module, "inplace", False) for module in build(small(activation=activation)).modules())


@pytest.mark.parametrize("size", [4, 5])
def test_shortcut_a_takes_every_second_pixel_and_pads_with_zero_channels_behind(size):
    x = torch.randn(3, 2, size, size, requires_grad=True)
    y = ZeroPad(2, 5, 2)(x)
    assert y.shape == (3, 5, math.ceil(size / 2), math.ceil(size / 2))
    assert torch.equal(y[:, :2], x[:, :, ::2, ::2])
    assert torch.equal(y[:, 2:], torch.zeros_like(y[:, 2:]))
    y.sum().backward()
    expected = torch.zeros_like(x)
    expected[:, :, ::2, ::2] = 1
    assert torch.equal(x.grad, expected)
    assert not list(ZeroPad(2, 5, 2).parameters())
    assert "extra_channels=3, stride=2" in repr(ZeroPad(2, 5, 2))


@pytest.mark.parametrize("size", [8, 7, 5, 4])
def test_shortcut_a_fits_the_branch_at_any_image_size(size):
    spec = small(image_size=size)
    assert build(spec)(images(spec)).shape == (2, 3)


@pytest.mark.parametrize(
    ("block", "shortcut", "kinds"),
    [
        ("basic", "A", ["identity", "identity", "pad 2", "identity", "pad 2", "identity"]),
        ("basic", "B", ["identity", "identity", "project 2", "identity", "project 2", "identity"]),
        ("basic", "C", ["project 1", "project 1", "project 2", "project 1", "project 2", "project 1"]),
        ("bottleneck", "A", ["pad 1", "identity", "pad 2", "identity", "pad 2", "identity"]),
        ("bottleneck", "B", ["project 1", "identity", "project 2", "identity", "project 2", "identity"]),
        ("bottleneck", "C", ["project 1", "project 1", "project 2", "project 1", "project 2", "project 1"]),
    ],
)
def test_where_the_shortcuts_project(block, shortcut, kinds):
    def kind(module):
        if isinstance(module, nn.Sequential):
            assert list(dict(module.named_children())) == ["conv", "norm"]
            assert (module.conv.kernel_size, module.conv.padding) == ((1, 1), (0, 0))
            return f"project {module.conv.stride[0]}"
        return f"pad {module.stride}" if isinstance(module, ZeroPad) else {nn.Identity: "identity"}[type(module)]

    net = shapes_only(small(depth={"basic": 14, "bottleneck": 20}[block], block=block, shortcut=shortcut))
    assert [kind(block.shortcut) for block in blocks(net).values()] == kinds


def test_what_the_projections_cost():
    a, b, c = (parameters(shapes_only(NetSpec(depth=20, shortcut=shortcut))) for shortcut in "ABC")
    assert b - a == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert c - b == 3 * (16 * 16 + 2 * 16) + 2 * (32 * 32 + 2 * 32) + 2 * (64 * 64 + 2 * 64)


def test_a_convolution_has_a_bias_exactly_where_no_norm_follows():
    with_norm, without = (build(small(norm=norm, shortcut="C")) for norm in ("batch", "none"))
    assert all(layer.bias is None for name, layer in layers(with_norm).items() if name != "fc")
    assert all(layer.bias is not None for layer in layers(without).values())
    assert with_norm.fc.bias is not None
    assert not any(isinstance(module, nn.BatchNorm2d) for module in without.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in with_norm.modules()) == len(layers(with_norm)) - 1


def test_activations_are_the_named_ones():
    kinds = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
    for name, kind in zip(("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"), kinds, strict=True):
        found = [
            module
            for where, module in build(small(activation=name)).named_modules()
            if where.split(".")[-1].startswith("activation")
        ]
        assert [type(module) for module in found] == [kind] * 7  # one in the stem, two a block
