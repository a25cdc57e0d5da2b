"""`reslab.nets`: the paper's nets to the digit, the same weights with and without skips, and a sentence for every impossible spec."""

import copy
import dataclasses
import json
import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reslab.capture import capture
from reslab.nets import CHOICES, FAMILY, Block, NetSpec, ResNet, build, nearest_depth, replace, valid_depths
from reslab.nets.layers import ZeroPad

SMALL = {"depth": 8, "width": 4, "in_channels": 2, "image_size": 8, "classes": 3}
DEPTHS = {"basic": 8, "bottleneck": 11}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small gain nothing from more, and a busy neighbour costs them nothing with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def deepest():
    return build(FAMILY["resnet-1202"])


def small(**fields):
    return NetSpec(**SMALL | fields)


def images(spec, n=2):
    return torch.randn(n, spec.in_channels, spec.image_size, spec.image_size, generator=torch.Generator().manual_seed(5))


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def shapes_only(spec):
    with torch.device("meta"):
        return ResNet(spec)


def blocks(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, Block)}


def layers(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}


def same_bits(a, b):
    """Whether two state dicts have the same names, in the same order, and the same tensors to the bit."""
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def refusal(make, *args, **kwargs):
    with pytest.raises(ValueError, match=r".") as caught:
        make(*args, **kwargs)
    return str(caught.value)


# the nets of the paper


@pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
@pytest.mark.parametrize("skip", [True, False])
def test_parameter_counts_of_the_paper(depth, count, skip):
    assert parameters(shapes_only(NetSpec(depth=depth, skip=skip))) == count


def test_parameter_counts_round_to_table_6():
    millions = {depth: parameters(shapes_only(NetSpec(depth=depth))) / 1e6 for depth in (20, 32, 44, 56, 110)}
    assert {depth: f"{count:.2f}" for depth, count in millions.items()} == {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.73"}


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


def test_family_is_the_papers():
    assert {name for name in FAMILY if name.startswith("resnet")} == {f"resnet-{depth}" for depth in (8, 20, 32, 44, 56, 110, 1202)}
    assert {name for name in FAMILY if name.startswith("plain")} == {f"plain-{depth}" for depth in (8, 20, 32, 44, 56, 110, 1202)}
    for name, spec in FAMILY.items():
        assert spec.name == name
        assert spec == NetSpec(depth=spec.depth, skip=name.startswith("resnet"))
    assert FAMILY["plain-56"] == replace(FAMILY["resnet-56"], skip=False)
    recipe = {"width": 16, "shortcut": "A", "block": "basic", "norm": "batch", "activation": "relu", "init": "kaiming", "classes": 10}
    assert NetSpec().to_dict().items() >= recipe.items()


@pytest.mark.parametrize(
    ("block", "depth"), [("basic", 8), ("basic", 14), ("basic", 110), ("bottleneck", 11), ("bottleneck", 29), ("bottleneck", 110)]
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
        return [(conv.kernel_size[0], conv.stride[0], conv.padding[0], conv.in_channels, conv.out_channels) for conv in found]

    net = shapes_only(NetSpec(depth=14))
    assert kernels(net.stage1.block1) == [(3, 1, 1, 16, 16), (3, 1, 1, 16, 16)]
    assert kernels(net.stage2.block1) == [(3, 2, 1, 16, 32), (3, 1, 1, 32, 32)]
    assert kernels(net.stage2.block2) == [(3, 1, 1, 32, 32), (3, 1, 1, 32, 32)]
    net = shapes_only(NetSpec(depth=20, block="bottleneck"))
    assert kernels(net.stage1.block1) == [(1, 1, 0, 16, 16), (3, 1, 1, 16, 16), (1, 1, 0, 16, 64)]
    assert kernels(net.stage2.block1) == [(1, 1, 0, 64, 32), (3, 2, 1, 32, 32), (1, 1, 0, 32, 128)]  # the stride in the 3×3, as torchvision
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
    parts = ["branch", "branch.conv1", "branch.norm1", "branch.activation1", "branch.conv2", "branch.norm2", "shortcut", "activation"]
    assert [name for name, _ in net.stage2.block1.named_modules()][1:] == parts


def test_names_are_those_of_every_variant():
    def names(**fields):
        return [name for name, _ in build(small(**fields)).named_modules()]

    assert names(norm="none") == names() == names(activation="tanh")
    assert [name for name in names() if not name.endswith("shortcut")] == names(skip=False)
    projected = [name for name in names(shortcut="C") if ".shortcut" in name]
    assert projected[:3] == ["stage1.block1.shortcut", "stage1.block1.shortcut.conv", "stage1.block1.shortcut.norm"]
    assert list(blocks(build(small(depth=20, block="bottleneck")))) == [f"stage{s}.block{b}" for s in (1, 2, 3) for b in (1, 2)]


# the same weights with and without skips


@pytest.mark.parametrize("block", CHOICES["block"])
@pytest.mark.parametrize("norm", CHOICES["norm"])
@pytest.mark.parametrize("init", CHOICES["init"])
def test_plain_and_residual_nets_of_a_seed_are_identical_to_the_bit(block, norm, init):
    spec = small(depth=DEPTHS[block], block=block, norm=norm, init=init)
    residual, plain = (build(replace(spec, skip=skip), seed=3) for skip in (True, False))
    assert same_bits(residual.state_dict(), plain.state_dict())
    assert not torch.equal(residual(images(spec)), plain(images(spec)))


def test_plain_and_residual_56_are_identical_to_the_bit():
    plain, residual = (build(FAMILY[name], seed=1).state_dict() for name in ("plain-56", "resnet-56"))
    assert same_bits(plain, residual)


@pytest.mark.parametrize("block", CHOICES["block"])
def test_shortcuts_share_the_weights_of_the_layers_they_share(block):
    a, b, c = (build(small(depth=DEPTHS[block], block=block, shortcut=shortcut), seed=2).state_dict() for shortcut in "ABC")
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
    assert not any(torch.equal(states[0][name], other[name]) for name in other if name.endswith(("conv1.weight", "fc.weight")))


@pytest.mark.parametrize("init", CHOICES["init"])
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
    with pytest.raises(TypeError, match=r"^build takes a NetSpec, not str; names are looked up with FAMILY\['resnet-20'\]\.$"):
        build("resnet-20")
    assert refusal(build, small(), seed=-1) == "seed is -1; it must be at least 0."
    assert refusal(build, small(), seed=0.5) == "seed is 0.5; it must be a whole number, at least 0."
    assert refusal(build, small(), seed=None) == "seed is None; it must be a whole number, at least 0."


def test_a_copy_of_a_net_is_the_net():
    net = build(small())
    twin = copy.deepcopy(net)
    assert twin.spec == net.spec
    assert same_bits(net.state_dict(), twin.state_dict())


# what a block computes


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("block", CHOICES["block"])
def test_a_block_adds_its_shortcut_to_its_branch_and_changes_nothing_in_place(block, skip):
    spec = small(depth=DEPTHS[block], block=block, skip=skip, shortcut="B", activation="tanh")
    for block in blocks(build(spec).eval()).values():
        x = torch.randn(2, next(block.branch.parameters()).shape[1], 8, 8)
        before = x.clone()
        expected = block.branch(x) + block.shortcut(x) if skip else block.branch(x)
        assert torch.equal(block(x), torch.tanh(expected))
        assert torch.equal(x, before)


@pytest.mark.parametrize("block", CHOICES["block"])
def test_residual_scale_multiplies_what_the_branch_puts_out(block):
    spec = small(depth=DEPTHS[block], block=block)
    one, depth, learned = (build(replace(spec, residual_scale=scale), seed=4) for scale in ("one", "depth", "learned"))
    assert parameters(depth) == parameters(one)
    assert parameters(learned) == parameters(one) + len(blocks(learned))
    for name, block in blocks(one).items():
        x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
        scaled, zero = blocks(depth)[name], blocks(learned)[name]
        torch.testing.assert_close(scaled.branch(x), block.branch(x) / math.sqrt(3))  # three blocks
        torch.testing.assert_close(zero(x), block.activation(block.shortcut(x)), rtol=0, atol=0)  # the identity, where the shape stays
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
        found = [module for where, module in build(small(activation=name)).named_modules() if where.split(".")[-1].startswith("activation")]
        assert [type(module) for module in found] == [kind] * 7  # one in the stem, two a block


# weights


@pytest.fixture(scope="module")
def wide():
    """Layers of one net by init and activation, wide enough to measure the spread of their weights to a few tenths of a per cent."""

    def layers(init, activation="relu"):
        spec = NetSpec(depth=8, norm="none", width=48, init=init, activation=activation, shortcut="B", classes=400)
        net = build(spec)
        return net.stage3.block1.branch.conv1, net.stage3.block1.shortcut.conv, net.fc

    return layers


GAIN = {"relu": 2**0.5, "leaky_relu": (2 / 1.0001) ** 0.5, "elu": 2**0.5, "gelu": 2**0.5, "silu": 2**0.5, "tanh": 5 / 3, "sigmoid": 1.0}


@pytest.mark.parametrize("activation", CHOICES["activation"])
@pytest.mark.parametrize("init", ["kaiming", "xavier"])
def test_spread_of_normal_weights(wide, init, activation):
    conv, projection, fc = wide(init, activation)
    assert (conv.weight.shape, projection.weight.shape, fc.weight.shape) == ((192, 96, 3, 3), (192, 96, 1, 1), (400, 192))
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


@pytest.mark.parametrize("init", CHOICES["init"])
def test_batch_norm_begins_as_the_identity_up_to_its_statistics(init):
    norms = [module for module in build(small(init=init, shortcut="C")).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 10
    for norm in norms:
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))
        assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
        assert torch.equal(norm.running_var, torch.ones_like(norm.running_var))
        assert norm.num_batches_tracked.item() == 0


def test_layers_are_drawn_independently():
    net = build(NetSpec(depth=20), seed=0)
    weights = [layer.weight.flatten()[:2304] for name, layer in layers(net).items() if name.startswith("stage1")]
    weights += [build(NetSpec(depth=20), seed=1).stage1.block1.branch.conv1.weight.flatten()]
    correlation = torch.corrcoef(torch.stack(weights)) - torch.eye(len(weights))
    assert correlation.abs().max().item() < 5 / math.sqrt(2304)


# every spec that is valid works


def check_forward_and_backward(spec):
    net = build(spec)
    logits = net(images(spec))
    assert logits.shape == (2, spec.classes)
    F.cross_entropy(logits, torch.arange(2) % spec.classes).backward()
    assert logits.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("block", CHOICES["block"])
@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in CHOICES.items() for value in values])
@pytest.mark.parametrize("skip", [True, False])
def test_every_choice_runs_forward_and_backward(block, field, value, skip):
    chosen = {"block": block} | {field: value}
    check_forward_and_backward(small(depth=DEPTHS[chosen["block"]], skip=skip, **chosen))


@st.composite
def specs(draw):
    names = {field: draw(st.sampled_from(values)) for field, values in CHOICES.items()}
    numbers = {
        "depth": draw(st.sampled_from(valid_depths(names["block"])[:2])),
        "width": draw(st.integers(1, 4)),
        "in_channels": draw(st.integers(1, 4)),
        "image_size": draw(st.integers(4, 9)),
        "classes": draw(st.integers(2, 5)),
    }
    return NetSpec(skip=draw(st.booleans()), **names, **numbers)


@given(spec=specs())
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
def test_any_valid_spec_is_built_and_survives_json(spec):
    assert NetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert parameters(shapes_only(spec)) == parameters(build(spec))
    check_forward_and_backward(spec)


@given(depth=st.integers(-5000, 5000), block=st.sampled_from(CHOICES["block"]))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_any_depth_is_valid_or_refused_with_the_nearest_ones(depth, block):
    valid = valid_depths(block)
    if depth in valid:
        assert NetSpec(depth=depth, block=block).depth == depth
        return
    said = refusal(NetSpec, depth=depth, block=block)
    if depth < valid[0] or depth > valid[-1]:
        assert said == f"depth is {depth}; it must be from {valid[0]} to {valid[-1]}."
    else:
        below, above = next((low, high) for low, high in pairwise(valid) if low < depth < high)
        assert said == f"depth is {depth}; CIFAR {block} nets have depth {valid.step}n+2: {below} or {above}."


# the spec


def test_spec_is_frozen_hashable_and_equal_by_value():
    spec = NetSpec(depth=56)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.depth = 20
    with pytest.raises(TypeError):
        NetSpec(56)
    assert spec == NetSpec(depth=56)
    assert hash(spec) == hash(NetSpec(depth=56))
    assert {spec: 1}[NetSpec(depth=56)] == 1
    assert len({spec, replace(spec, skip=False), NetSpec(depth=56)}) == 2


def test_spec_holds_plain_values_whatever_it_was_given():
    spec = NetSpec(depth=np.int64(20), width=np.uint8(16))
    assert spec == NetSpec()
    assert {type(value) for value in spec.to_dict().values()} == {int, str, bool}


def test_spec_names_itself_as_the_paper_does():
    assert NetSpec(depth=56).name == "resnet-56"
    assert NetSpec(depth=56, skip=False).name == "plain-56"
    assert NetSpec(depth=110).blocks_per_stage == (18, 18, 18)
    assert NetSpec(depth=110, block="bottleneck").blocks_per_stage == (12, 12, 12)


def test_from_dict_reads_to_dict_and_fills_in_defaults():
    spec = NetSpec(depth=11, block="bottleneck", skip=False, shortcut="C", norm="none", activation="elu", init="torch", width=3, classes=2)
    assert NetSpec.from_dict(spec.to_dict()) == spec
    assert list(spec.to_dict()) == [field.name for field in dataclasses.fields(NetSpec)]
    assert NetSpec.from_dict({}) == NetSpec()
    assert NetSpec.from_dict({"block": "bottleneck", "depth": 11}) == NetSpec(depth=11, block="bottleneck")
    assert "'dept'; it can be 'depth'" in refusal(NetSpec.from_dict, {"dept": 20})
    assert "is 'spec'; it can be" in refusal(NetSpec.from_dict, {"spec": 20})


ACTIVATIONS = "'relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'tanh', 'sigmoid'"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"depth": 57}, "depth is 57; CIFAR basic nets have depth 6n+2: 56 or 62."),
        ({"depth": 9}, "depth is 9; CIFAR basic nets have depth 6n+2: 8 or 14."),
        ({"depth": 1201}, "depth is 1201; CIFAR basic nets have depth 6n+2: 1196 or 1202."),
        ({"depth": 50, "block": "bottleneck"}, "depth is 50; CIFAR bottleneck nets have depth 9n+2: 47 or 56."),
        ({"depth": 1202, "block": "bottleneck"}, "depth is 1202; it must be from 11 to 1199."),
        ({"depth": 2}, "depth is 2; it must be from 8 to 1202."),
        ({"depth": 1208}, "depth is 1208; it must be from 8 to 1202."),
        ({"depth": -20}, "depth is -20; it must be from 8 to 1202."),
        ({"depth": 20.0}, "depth is 20.0; it must be a whole number, from 8 to 1202."),
        ({"depth": True}, "depth is True; it must be a whole number, from 8 to 1202."),
        ({"depth": math.nan}, "depth is nan; it must be a whole number, from 8 to 1202."),
        ({"depth": "20"}, "depth is '20'; it must be a whole number, from 8 to 1202."),
        ({"depth": None}, "depth is None; it must be a whole number, from 8 to 1202."),
        ({"width": 0}, "width is 0; it must be from 1 to 4096."),
        ({"width": 4097}, "width is 4097; it must be from 1 to 4096."),
        ({"width": 16.5}, "width is 16.5; it must be a whole number, from 1 to 4096."),
        ({"width": math.nan}, "width is nan; it must be a whole number, from 1 to 4096."),
        ({"in_channels": 0}, "in_channels is 0; it must be from 1 to 4096."),
        ({"image_size": 3}, "image_size is 3; it must be from 4 to 4096."),
        ({"image_size": (32, 32)}, "image_size is (32, 32); it must be a whole number, from 4 to 4096."),
        ({"classes": 1}, "classes is 1; it must be from 2 to 100000."),
        ({"skip": 1}, "skip is 1; it must be True or False."),
        ({"skip": None}, "skip is None; it must be True or False."),
        ({"skip": "no"}, "skip is 'no'; it must be True or False."),
        ({"norm": "batchnorm"}, "norm is 'batchnorm'; it can be 'batch', 'none'. Did you mean 'batch'?"),
        ({"norm": "layer"}, "norm is 'layer'; it can be 'batch', 'none'."),
        ({"norm": None}, "norm is None; it can be 'batch', 'none'. Did you mean 'none'?"),
        ({"block": "bottle"}, "block is 'bottle'; it can be 'basic', 'bottleneck'. Did you mean 'bottleneck'?"),
        ({"shortcut": "b"}, "shortcut is 'b'; it can be 'A', 'B', 'C'. Did you mean 'B'?"),
        ({"shortcut": "D"}, "shortcut is 'D'; it can be 'A', 'B', 'C'."),
        ({"activation": "ReLU"}, f"activation is 'ReLU'; it can be {ACTIVATIONS}. Did you mean 'relu'?"),
        ({"activation": "leakyrelu"}, f"activation is 'leakyrelu'; it can be {ACTIVATIONS}. Did you mean 'leaky_relu'?"),
        ({"activation": F.relu}, f"activation is {F.relu!r}; it can be {ACTIVATIONS}."),
        ({"init": "kaiming_normal"}, "init is 'kaiming_normal'; it can be 'kaiming', 'xavier', 'torch'. Did you mean 'kaiming'?"),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(fields, sentence):
    assert refusal(NetSpec, **fields) == sentence
    assert refusal(replace, NetSpec(), **fields) == sentence
    assert refusal(NetSpec.from_dict, fields) == sentence


@pytest.mark.parametrize("field", ["depth", "width", "in_channels", "image_size", "classes"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 10**9, 1e3, True, None, "8", [8]])
def test_every_number_of_a_spec_is_checked(field, value):
    said = refusal(NetSpec, **{field: value})
    assert said.startswith(f"{field} is {value!r}; it must be ")
    assert said.endswith(".")


@pytest.mark.parametrize("field", CHOICES)
@pytest.mark.parametrize("value", [None, 1, "", "nothing like it", ["A"]])
def test_every_name_of_a_spec_is_checked(field, value):
    assert refusal(NetSpec, **{field: value}).startswith(f"{field} is {value!r}; it can be {', '.join(map(repr, CHOICES[field]))}.")


def test_an_unknown_field_is_refused_with_the_nearest():
    names = ", ".join(repr(field.name) for field in dataclasses.fields(NetSpec))
    spec = NetSpec()
    assert refusal(replace, spec, dept=56) == f"a field of NetSpec is 'dept'; it can be {names}. Did you mean 'depth'?"
    assert refusal(replace, spec, skips=False) == f"a field of NetSpec is 'skips'; it can be {names}. Did you mean 'skip'?"
    assert refusal(replace, spec, zzz=1) == f"a field of NetSpec is 'zzz'; it can be {names}."
    assert spec == NetSpec()


def test_valid_depths():
    assert valid_depths() == valid_depths("basic") == range(8, 1203, 6)
    assert list(valid_depths("basic"))[-1] == 1202
    assert list(valid_depths("bottleneck"))[:3] == [11, 20, 29]
    assert list(valid_depths("bottleneck"))[-1] == 1199
    assert refusal(valid_depths, "wide") == "block is 'wide'; it can be 'basic', 'bottleneck'."


@pytest.mark.parametrize(
    ("block", "typed", "nearest"),
    [
        ("basic", (56, 57, 58.9, 59), 56),  # 59 is as near to 62
        ("basic", (59.1, 60, 62), 62),
        ("basic", (-3, 0, 8, 11), 8),
        ("basic", (1202, 5000), 1202),
        ("bottleneck", (47, 50, 51), 47),
        ("bottleneck", (52, 56), 56),
        ("bottleneck", (-3, 0, 11), 11),
        ("bottleneck", (1199, 1202, 5000), 1199),
    ],
)
def test_nearest_depth(block, typed, nearest):
    assert {nearest_depth(depth, block) for depth in typed} == {nearest}
    assert NetSpec(depth=nearest, block=block).depth == nearest


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
        ("none", "torch", 56, False, 2.5e-22),  # "0" where the norm is taken in float32, whose squares underflow: see below
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
    assert ratio / 20 < np.median(from_first_block) < 20 * ratio  # one block shorter, and a block here is up to a decade


@pytest.mark.claims
def test_gradients_of_the_deepest_plain_nets_leave_float32():
    fields = {"norm": "none", "init": "torch", "skip": False}
    at_56 = gradient_profile(0, depth=56, **fields)[0]
    assert 0 < at_56 < 1e-22  # float32 holds such a gradient, though not its square: a norm in float32 says 0
    assert torch.full((2, 16, 32, 32), at_56 / math.sqrt(2 * 16 * 32 * 32), dtype=torch.float32).square().mean().sqrt().item() == 0
    assert gradient_profile(0, depth=110, **fields)[0] == 0  # nothing is left
    in_double = gradient_profile(0, torch.float64, depth=110, **fields)[0]
    assert 0 < in_double < 1.4e-45  # smaller than any float32
