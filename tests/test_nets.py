"""`reslab.nets`: the CIFAR nets of He et al. 2015 to the digit, and the same weights with and without skips."""

import copy
import random

import numpy as np
import pytest
import torch
from small_nets import DEPTHS, INITS, blocks, images, layers, parameters, refusal, same_bits, small
from torch import nn

from reslab.nets import CHOICES, FAMILY, NetSpec, build, replace
from reslab.nets.weights import shapes_only

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def deepest():
    return build(FAMILY["resnet-1202"])


# the nets of the paper


@pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
@pytest.mark.parametrize("skip", [True, False])
def test_parameter_counts_of_the_paper(depth, count, skip):
    assert parameters(shapes_only(NetSpec(depth=depth, skip=skip))) == count


def test_parameter_counts_round_to_table_6():
    millions = {depth: parameters(shapes_only(NetSpec(depth=depth))) / 1e6 for depth in (20, 32, 44, 56, 110)}
    assert {depth: f"{count:.2f}" for depth, count in millions.items()} == {
        20: "0.27",
        32: "0.46",
        44: "0.66",
        56: "0.85",
        110: "1.73",
    }


def test_the_deepest_net_of_the_paper_is_built(deepest):
    assert parameters(deepest) == 19_421_274  # 19.4M in Table 6
    convolutions = [layer for layer in deepest.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 1201
    assert {parameter.device.type for parameter in deepest.parameters()} == {"cpu"}
    assert len(blocks(deepest)) == 600
    assert all(parameter.isfinite().all() for parameter in deepest.parameters())


def test_no_two_layers_of_the_deepest_net_draw_the_same_weights(deepest):
    starts = [tuple(layer.weight.flatten()[:4].tolist()) for layer in layers(deepest).values()]
    assert len(set(starts)) == len(starts) == 1202


def test_the_cifar_nets_of_the_paper_are_there_by_name():
    for depth in (8, 20, 32, 44, 56, 110, 1202):
        assert FAMILY[f"resnet-{depth}"] == NetSpec(depth=depth)
        assert FAMILY[f"plain-{depth}"] == replace(FAMILY[f"resnet-{depth}"], skip=False)
    recipe = {
        "width": 16,
        "shortcut": "A",
        "block": "basic",
        "norm": "batch",
        "activation": "relu",
        "init": "kaiming",
        "classes": 10,
    }
    recipe |= {
        "stem": "cifar",
        "order": "original",
        "residual_scale": "one",
        "stochastic_depth": 0,
        "widen": 1,
        "groups": 1,
    }
    assert NetSpec().to_dict().items() >= recipe.items()


@pytest.mark.parametrize(
    ("block", "depth"),
    [("basic", 8), ("basic", 14), ("basic", 110), ("bottleneck", 11), ("bottleneck", 29), ("bottleneck", 110)],
)
@pytest.mark.parametrize("shortcut", CHOICES["shortcut"])
def test_depth_is_the_number_of_weighted_layers(block, depth, shortcut):
    net = shapes_only(NetSpec(depth=depth, block=block, shortcut=shortcut))
    assert sum(".shortcut." not in name for name in layers(net)) == depth


@pytest.mark.parametrize(("block", "depth", "out"), [("basic", 14, (5, 10, 20)), ("bottleneck", 20, (20, 40, 80))])
def test_stages_double_the_width_and_halve_the_image(block, depth, out):
    spec = NetSpec(depth=depth, block=block, width=5, in_channels=2, image_size=16, classes=7)
    net = build(spec)
    x = net.stem(images(spec))
    assert x.shape == (2, 5, 16, 16)
    for stage, channels, size in zip((net.stage1, net.stage2, net.stage3), out, (16, 8, 4), strict=True):
        x = stage(x)
        assert x.shape == (2, channels, size, size)
        assert len(stage) == 2
    assert net.fc(net.pool(x).flatten(1)).shape == (2, 7)


def test_convolutions_of_the_blocks():
    def kernels(block):
        found = layers(block).values()
        return [
            (conv.kernel_size[0], conv.stride[0], conv.padding[0], conv.in_channels, conv.out_channels)
            for conv in found
        ]

    net = shapes_only(NetSpec(depth=14))
    assert kernels(net.stage1.block1) == [(3, 1, 1, 16, 16), (3, 1, 1, 16, 16)]
    assert kernels(net.stage2.block1) == [(3, 2, 1, 16, 32), (3, 1, 1, 32, 32)]
    assert kernels(net.stage2.block2) == [(3, 1, 1, 32, 32), (3, 1, 1, 32, 32)]
    net = shapes_only(NetSpec(depth=20, block="bottleneck"))
    assert kernels(net.stage1.block1) == [(1, 1, 0, 16, 16), (3, 1, 1, 16, 16), (1, 1, 0, 16, 64)]
    # the stride in the 3×3, as torchvision
    assert kernels(net.stage2.block1) == [(1, 1, 0, 64, 32), (3, 2, 1, 32, 32), (1, 1, 0, 32, 128)]
    assert kernels(net.stage2.block2) == [(1, 1, 0, 128, 32), (3, 1, 1, 32, 32), (1, 1, 0, 32, 128)]


# names that others address


def test_names_of_resnet_8():
    net = build(FAMILY["resnet-8"])
    assert list(blocks(net)) == ["stage1.block1", "stage2.block1", "stage3.block1"]
    assert list(layers(net)) == [
        "stem.conv",
        "stage1.block1.branch.conv1",
        "stage1.block1.branch.conv2",
        "stage2.block1.branch.conv1",
        "stage2.block1.branch.conv2",
        "stage3.block1.branch.conv1",
        "stage3.block1.branch.conv2",
        "fc",
    ]
    parts = [
        "branch",
        "branch.conv1",
        "branch.norm1",
        "branch.activation1",
        "branch.conv2",
        "branch.norm2",
        "shortcut",
        "activation",
    ]
    assert [name for name, _ in net.stage2.block1.named_modules()][1:] == parts


def test_names_are_those_of_every_variant():
    def names(**fields):
        return [name for name, _ in build(small(**fields)).named_modules()]

    assert names(norm="none") == names() == names(activation="tanh")
    assert [name for name in names() if not name.endswith("shortcut")] == names(skip=False)
    projected = [name for name in names(shortcut="C") if ".shortcut" in name]
    assert projected[:3] == ["stage1.block1.shortcut", "stage1.block1.shortcut.conv", "stage1.block1.shortcut.norm"]
    assert list(blocks(build(small(depth=20, block="bottleneck")))) == [
        f"stage{s}.block{b}" for s in (1, 2, 3) for b in (1, 2)
    ]


# the same weights with and without skips


@pytest.mark.parametrize("block", DEPTHS)
@pytest.mark.parametrize("norm", CHOICES["norm"])
@pytest.mark.parametrize("init", INITS)
def test_plain_and_residual_nets_of_a_seed_are_identical_to_the_bit(block, norm, init):
    spec = small(depth=DEPTHS[block], block=block, norm=norm, init=init)
    residual, plain = (build(replace(spec, skip=skip), seed=3) for skip in (True, False))
    assert same_bits(residual.state_dict(), plain.state_dict())
    assert not torch.equal(residual(images(spec)), plain(images(spec)))


def test_plain_and_residual_56_are_identical_to_the_bit():
    plain, residual = (build(FAMILY[name], seed=1).state_dict() for name in ("plain-56", "resnet-56"))
    assert same_bits(plain, residual)


@pytest.mark.parametrize("block", DEPTHS)
def test_shortcuts_share_the_weights_of_the_layers_they_share(block):
    a, b, c = (
        build(small(depth=DEPTHS[block], block=block, shortcut=shortcut), seed=2).state_dict() for shortcut in "ABC"
    )
    assert set(a) <= set(b) <= set(c)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert all(torch.equal(b[name], c[name]) for name in b)
    assert all(".shortcut." in name for name in set(c) - set(a))


def test_deeper_nets_share_the_weights_of_the_layers_they_share():
    shallow, deep = (build(small(depth=depth)).state_dict() for depth in (8, 14))
    assert all(torch.equal(shallow[name], deep[name]) for name in shallow)


def test_build_is_a_function_of_spec_and_seed():
    states = []
    for caller in (1, 2):
        torch.manual_seed(caller)
        states.append(build(small(), seed=4).state_dict())
    assert same_bits(*states)
    other = build(small(), seed=5).state_dict()
    assert not any(
        torch.equal(states[0][name], other[name]) for name in other if name.endswith(("conv1.weight", "fc.weight"))
    )


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("norm", CHOICES["norm"])
def test_build_leaves_the_callers_random_state_as_it_was(init, norm):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002 - the state that a caller may rely on
    build(small(init=init, norm=norm, shortcut="C"))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert str(np.random.get_state()) == str(before[2])  # noqa: NPY002


def test_build_does_not_depend_on_the_callers_modes():
    expected = build(small()).state_dict()
    with torch.device("meta"), torch.no_grad():
        net = build(small())
    assert same_bits(net.state_dict(), expected)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert all(module.training for module in net.modules())


def test_the_net_knows_its_spec_and_seed():
    net = build(small(), seed=np.int64(7))
    assert net.spec == small()
    assert (net.seed, type(net.seed)) == (7, int)
    assert build(small()).seed == 0


def test_build_refuses_what_is_no_spec_or_seed():
    with pytest.raises(
        TypeError, match=r"^build takes a NetSpec, not str; names are looked up with FAMILY\['resnet-20'\]\.$"
    ):
        build("resnet-20")
    limits = f"from 0 to {2**63 - 1}"
    assert refusal(build, small(), seed=-1) == f"seed is -1; it must be {limits}."
    assert refusal(build, small(), seed=0.5) == f"seed is 0.5; it must be a whole number, {limits}."
    assert refusal(build, small(), seed=None) == f"seed is None; it must be a whole number, {limits}."


def test_a_copy_of_a_net_is_the_net():
    net = build(small())
    twin = copy.deepcopy(net)
    assert twin.spec == net.spec
    assert same_bits(net.state_dict(), twin.state_dict())
