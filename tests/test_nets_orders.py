"""The five orders of norm, activation and addition (He et al. 2016, Fig. 4), and Fixup's place in them (Zhang et al.
2019)."""

import math

import pytest
import torch
import torch.nn.functional as F
from small_nets import DEPTHS, blocks, images, layers, parameters, same_bits, small
from torch import nn

from reslab.nets import CHOICES, FAMILY, NetSpec, build, replace
from reslab.nets.layers import Bias
from reslab.nets.weights import shapes_only

pytestmark = pytest.mark.usefixtures("one_thread")

ORDERS = CHOICES["order"]
BY_HAND = {  # Fig. 4 (a) to (e), with the block's own layers: b is its branch
    "original": lambda block, b, x: F.relu(b.norm2(b.conv2(F.relu(b.norm1(b.conv1(x))))) + x),
    "norm-after-add": lambda block, b, x: F.relu(block.activation.norm(b.conv2(F.relu(b.norm1(b.conv1(x)))) + x)),
    "relu-before-add": lambda block, b, x: F.relu(b.norm2(b.conv2(F.relu(b.norm1(b.conv1(x)))))) + x,
    "relu-only-preact": lambda block, b, x: b.norm2(b.conv2(F.relu(b.norm1(b.conv1(F.relu(x)))))) + x,
    "preact": lambda block, b, x: b.conv2(F.relu(b.norm2(b.conv1(F.relu(b.norm1(x)))))) + x,
}


def changed(net):
    """The net with norms, scales and biases that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() < 2:
                parameter.add_(torch.rand(parameter.shape, generator=generator))
    return net


def kinds(module):
    return [type(layer).__name__ for layer in module]


@pytest.mark.parametrize("order", ORDERS)
def test_a_block_is_the_one_of_figure_4(order):
    block = changed(build(small(depth=14, order=order))).stage1.block2
    x = torch.randn(3, 4, 8, 8)
    before = x.clone()
    torch.testing.assert_close(block(x), BY_HAND[order](block, block.branch, x), rtol=0, atol=0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("block", DEPTHS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_plain_net_is_the_same_in_every_order(order, block):
    """Without an addition to stand before or after, all five are one chain: conv, norm, activation, conv, ..."""
    spec = small(depth={"basic": 14, "bottleneck": 20}[block], block=block, skip=False)
    original, ordered = build(spec), build(replace(spec, order=order))
    x = images(spec)
    assert torch.equal(ordered(x), original(x))
    assert parameters(ordered) == parameters(original)


@pytest.mark.parametrize("order", ORDERS)
def test_orders_share_their_convolutions_and_cost_the_same(order):
    original, ordered = build(NetSpec(depth=20)), build(NetSpec(depth=20, order=order))
    assert parameters(ordered) == parameters(original) == 269_722
    ours, theirs = layers(original), layers(ordered)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name].weight, theirs[name].weight) for name in ours)
    plain = build(NetSpec(depth=20, order=order, skip=False))
    assert same_bits(plain.state_dict(), ordered.state_dict())
    assert not torch.equal(ordered(images(NetSpec())), original(images(NetSpec()))) or order == "original"


def test_the_first_and_the_last_activation_of_pre_activation():
    """The stem does the norm and activation of the first block; behind the last one there are a norm and an activation
    more."""
    net = shapes_only(small(depth=14, order="preact"))
    assert kinds(net.stem) == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds(net.stage1.block1.branch) == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    assert list(dict(net.stage1.block2.branch.named_children())) == [
        "norm1",
        "activation1",
        "conv1",
        "norm2",
        "activation2",
        "conv2",
    ]
    assert kinds(net.final) == ["BatchNorm2d", "ReLU"]
    assert net.final.norm.num_features == 16
    net = shapes_only(small(depth=14, order="relu-only-preact"))
    assert kinds(net.stage1.block1.branch) == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d"]
    assert kinds(net.final) == ["ReLU"]
    for order in ORDERS[:3]:
        assert shapes_only(small(order=order)).final is None
    assert isinstance(net.stage1.block1.activation, nn.Identity)


@pytest.mark.parametrize("order", ["relu-only-preact", "preact"])
def test_an_identity_shortcut_carries_the_signal_through_the_whole_net(order):
    """Equation 4: with the branches silenced, what enters the first block leaves the last of its stage unchanged."""
    net = build(small(depth=20, order=order)).eval()
    for block in blocks(net).values():
        list(block.branch.children())[-1].weight.data.zero_()
    x = net.stem(images(net.spec))
    assert torch.equal(net.stage1(x), x)
    assert torch.equal(net.stage3(net.stage2(x))[:, :4], x[:, :, ::4, ::4])


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_projection_is_given_and_whether_it_has_a_norm(order):
    net = changed(build(small(depth=14, order=order, shortcut="B"))).eval()
    block = net.stage2.block1
    branch_ends_with_norm = order in ("original", "relu-before-add", "relu-only-preact")
    assert hasattr(block.shortcut, "norm") == branch_ends_with_norm
    x = torch.randn(2, 4, 8, 8)
    if order == "preact":
        assert kinds(block.before) == ["BatchNorm2d", "ReLU"]
        x_active = F.relu(block.before.norm1(x))
        assert torch.equal(block(x), block.branch(x_active) + block.shortcut.conv(x_active))
    elif order == "relu-only-preact":
        assert torch.equal(block(x), block.branch(F.relu(x)) + block.shortcut(F.relu(x)))
    else:
        assert block.before is None
        assert torch.equal(block(x), block.activation(block.branch(x) + block.shortcut(x)))
    with_a = build(small(depth=14, order=order)).eval().stage2.block1
    # and option A takes x as it is
    assert torch.equal(with_a(x), with_a.activation(with_a.branch(x) + with_a.shortcut(x)))
    assert all(
        block.before is None
        for name, block in blocks(net).items()
        if name != "stage2.block1" and name != "stage3.block1"
    )


# Fixup


FIXUP = {"norm": "none", "init": "fixup"}


def test_a_fixup_block_is_the_one_of_the_paper():
    """A bias before each convolution and each activation, and a scale on what the last convolution puts out."""
    net = changed(build(small(depth=14, **FIXUP)))
    for layer in layers(net).values():
        layer.weight.data.normal_()
    block = net.stage1.block2
    b, x = block.branch, torch.randn(2, 4, 8, 8)
    inner = F.relu(b.conv1(x + b.bias1.bias) + b.norm1.bias) + b.bias2.bias
    torch.testing.assert_close(block(x), F.relu(b.conv2(inner) * b.scale.factor + b.norm2.bias + x))
    assert all(layer.bias is None for name, layer in layers(net).items() if name != "fc")
    features = net.stage3(net.stage2(net.stage1(net.stem(images(net.spec)))))
    assert torch.equal(net(images(net.spec)), net.fc(net.pool(features + net.final.bias.bias).flatten(1)))


def test_a_fixup_projection_shares_the_bias_of_the_first_convolution():
    net = build(small(depth=11, block="bottleneck", shortcut="B", **FIXUP))
    block = net.stage2.block1
    assert kinds(block.before) == ["Bias"]
    assert kinds(block.shortcut) == ["Conv2d"]
    assert list(dict(block.branch.named_children()))[:2] == ["conv1", "norm1"]


@pytest.mark.parametrize("block", DEPTHS)
def test_fixup_draws_what_the_paper_says(block):
    """The first layers of a branch shrink by L^(-1/(2m-2)); the last of each branch, and the classifier, are 0."""
    spec = small(depth={"basic": 14, "bottleneck": 20}[block], block=block, shortcut="B", width=16, norm="none")
    fixup, kaiming = layers(build(replace(spec, init="fixup"), seed=2)), layers(build(spec, seed=2))
    branches, m = 6, {"basic": 2, "bottleneck": 3}[block]
    for name, layer in fixup.items():
        usual = kaiming[name].weight
        if name == "fc" or name.endswith(f"branch.conv{m}"):
            assert torch.equal(layer.weight, torch.zeros_like(usual)), name
        else:
            factor = branches ** (-1 / (2 * m - 2)) if ".branch." in name else 1.0
            torch.testing.assert_close(layer.weight, factor * usual)
    net = build(replace(spec, init="fixup"))
    assert {module.bias.item() for module in net.modules() if isinstance(module, Bias)} == {0.0}
    assert {block.branch.scale.factor.item() for block in blocks(net).values()} == {1.0}


def test_a_fixup_net_begins_with_blocks_that_do_nothing_and_learns_all_the_same():
    net = build(small(depth=20, **FIXUP))
    x, y = images(net.spec), torch.tensor([0, 1])
    h = net.stem(x)
    assert torch.equal(net.stage1(h), h)
    assert torch.equal(net(x), torch.zeros(2, 3))
    losses = []
    for _ in range(3):
        net.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.05 * parameter.grad
    assert losses[0] == pytest.approx(math.log(3))
    assert losses == sorted(losses, reverse=True)
    # after the classifier, all layers learn
    assert all(layer.weight.grad.abs().max() > 0 for layer in layers(net).values())


def test_fixup_110_has_the_layers_of_batch_norm_110_and_five_numbers_a_block():
    fixup, batch = (shapes_only(FAMILY[name]) for name in ("fixup-resnet-110", "resnet-110"))
    weights = sum(layer.weight.numel() for layer in layers(batch).values()) + 10
    assert parameters(fixup) == weights + 54 * 5 + 2  # and one bias behind the stem, one before the classifier
