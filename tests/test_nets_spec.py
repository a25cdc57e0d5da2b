"""`NetSpec`: valid specs, and the sentence for every impossible one."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import refusal

from reslab.nets import CHOICES, FAMILY, NetSpec, nearest_depth, replace, valid_depths

NORMS = ", ".join(map(repr, CHOICES["norm"]))


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
    assert {type(value) for value in spec.to_dict().values()} == {int, str, bool, float}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("resnet-56", {"depth": 56}),
        ("plain-56", {"depth": 56, "skip": False}),
        (
            "resnet-20",
            {
                "norm": "none",
                "init": "torch",
                "activation": "tanh",
                "residual_scale": "depth",
                "shortcut": "C",
                "width": 3,
            },
        ),
        ("preact-plain-20", {"order": "preact", "skip": False}),
        ("norm-after-add-resnet-20", {"order": "norm-after-add"}),
        ("resnext-11-4x8d", {"depth": 11, "block": "bottleneck", "groups": 4, "widen": 2}),
        ("plain-11-4x8d", {"depth": 11, "block": "bottleneck", "groups": 4, "widen": 2, "skip": False}),
        ("wide-resnet-28-10", {"depth": 28, "widen": 10, "order": "preact"}),
        ("original-wide-resnet-28-10", {"depth": 28, "widen": 10}),
        ("wide-resnet-18-2", {"depth": 18, "stem": "imagenet", "image_size": 32, "widen": 2}),
        ("resnet-18-d", {"depth": 18, "stem": "deep", "image_size": 32, "shortcut": "D"}),
        ("resnet-18-c", {"depth": 18, "stem": "deep", "image_size": 32}),
        ("rezero-resnet-20", {"residual_scale": "learned"}),
        ("skipinit-stochastic-resnet-20", {"residual_scale": "learned", "norm": "none", "stochastic_depth": 0.5}),
        ("plain-20", {"residual_scale": "learned", "skip": False}),
        ("vgg-11-bn", {"depth": 11, "block": "vgg", "stem": "none", "skip": False}),
    ],
)
def test_a_spec_names_itself_as_the_papers_do(name, fields):
    assert NetSpec(**fields).name == name


def test_blocks_per_stage():
    assert NetSpec(depth=110).blocks_per_stage == (18, 18, 18)
    assert NetSpec(depth=110, block="bottleneck").blocks_per_stage == (12, 12, 12)
    assert FAMILY["wide-resnet-28-10"].blocks_per_stage == (4, 4, 4)
    assert FAMILY["plain-34"].blocks_per_stage == FAMILY["resnet-50-d"].blocks_per_stage == (3, 4, 6, 3)
    assert FAMILY["resnet-101"].blocks_per_stage == (3, 4, 23, 3)
    assert FAMILY["resnet-152"].blocks_per_stage == (3, 8, 36, 3)
    assert FAMILY["vgg-16"].blocks_per_stage == (2, 2, 3, 3, 3)


def test_from_dict_reads_to_dict_and_fills_in_defaults():
    spec = NetSpec(
        depth=11,
        block="bottleneck",
        skip=False,
        shortcut="C",
        norm="none",
        activation="elu",
        init="torch",
        width=3,
        classes=2,
    )
    assert NetSpec.from_dict(spec.to_dict()) == spec
    assert list(spec.to_dict()) == [field.name for field in dataclasses.fields(NetSpec)]
    assert NetSpec.from_dict({}) == NetSpec()
    assert NetSpec.from_dict({"block": "bottleneck", "depth": 11}) == NetSpec(depth=11, block="bottleneck")
    assert "'dept'; it can be 'depth'" in refusal(NetSpec.from_dict, {"dept": 20})
    assert "is 'spec'; it can be" in refusal(NetSpec.from_dict, {"spec": 20})


ORDERS = "'original', 'norm-after-add', 'relu-before-add', 'relu-only-preact', 'preact'"
BOTTLENECKS = "ImageNet bottleneck nets have depth 50, 101, 152;"
VGG = {"block": "vgg", "stem": "none", "skip": False, "image_size": 224}
ACTIVATIONS = "'relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'tanh', 'sigmoid'"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"depth": 57}, "depth is 57; CIFAR basic nets have depth 6n+2: 56 or 62."),
        ({"depth": 9}, "depth is 9; CIFAR basic nets have depth 6n+2: 8 or 14."),
        ({"depth": 1201}, "depth is 1201; CIFAR basic nets have depth 6n+2: 1196 or 1202."),
        ({"depth": 50, "block": "bottleneck"}, "depth is 50; CIFAR bottleneck nets have depth 9n+2: 47 or 56."),
        ({"depth": 1202, "block": "bottleneck"}, "depth is 1202; it must be from 11 to 1199."),
        ({"depth": 26, "widen": 2}, "depth is 26; CIFAR wide basic nets have depth 6n+4: 22 or 28."),
        (
            {"depth": 51, "stem": "imagenet", "block": "bottleneck", "image_size": 224},
            f"depth is 51; {BOTTLENECKS} the nearest is 50.",
        ),
        (
            {"depth": 140, "stem": "deep", "block": "bottleneck", "image_size": 224},
            f"depth is 140; {BOTTLENECKS} the nearest is 152.",
        ),
        (
            {"depth": 26, "stem": "imagenet", "image_size": 224},
            "depth is 26; ImageNet basic nets have depth 18, 34; the nearest is 18.",
        ),
        ({"depth": 17, "stem": "imagenet", "image_size": 224}, "depth is 17; it must be from 18 to 152."),
        ({"depth": 12} | VGG, "depth is 12; VGG nets have depth 11, 13, 16, 19; the nearest is 11."),
        ({"depth": 20} | VGG, "depth is 20; it must be from 11 to 19."),
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
        ({"image_size": 31, "stem": "imagenet", "depth": 18}, "image_size is 31; it must be from 32 to 4096."),
        (VGG | {"image_size": 31, "depth": 11}, "image_size is 31; it must be from 32 to 4096."),
        ({"widen": 0}, "widen is 0; it must be from 1 to 64."),
        ({"groups": 2.0}, "groups is 2.0; it must be a whole number, from 1 to 4096."),
        ({"stochastic_depth": 1.1}, "stochastic_depth is 1.1; it must be a finite number at least 0 and at most 1."),
        ({"stochastic_depth": True}, "stochastic_depth is True; it must be a number at least 0 and at most 1."),
        ({"image_size": 3}, "image_size is 3; it must be from 4 to 4096."),
        ({"image_size": (32, 32)}, "image_size is (32, 32); it must be a whole number, from 4 to 4096."),
        ({"classes": 1}, "classes is 1; it must be from 2 to 100000."),
        ({"skip": 1}, "skip is 1; it must be True or False."),
        ({"skip": None}, "skip is None; it must be True or False."),
        ({"skip": "no"}, "skip is 'no'; it must be True or False."),
        ({"norm": "batchnorm"}, f"norm is 'batchnorm'; it can be {NORMS}. Did you mean 'batch'?"),
        ({"norm": "layer"}, f"norm is 'layer'; it can be {NORMS}."),
        ({"norm": None}, f"norm is None; it can be {NORMS}. Did you mean 'none'?"),
        ({"block": "bottle"}, "block is 'bottle'; it can be 'basic', 'bottleneck', 'vgg'. Did you mean 'bottleneck'?"),
        ({"shortcut": "b"}, "shortcut is 'b'; it can be 'A', 'B', 'C', 'D'. Did you mean 'B'?"),
        ({"shortcut": "E"}, "shortcut is 'E'; it can be 'A', 'B', 'C', 'D'."),
        ({"shortcut": "none"}, "shortcut is 'none'; it can be 'A', 'B', 'C', 'D'."),
        ({"stem": "image"}, "stem is 'image'; it can be 'cifar', 'imagenet', 'deep', 'none'. Did you mean 'imagenet'?"),
        ({"order": "pre-act"}, f"order is 'pre-act'; it can be {ORDERS}. Did you mean 'preact'?"),
        ({"activation": "ReLU"}, f"activation is 'ReLU'; it can be {ACTIVATIONS}. Did you mean 'relu'?"),
        (
            {"activation": "leakyrelu"},
            f"activation is 'leakyrelu'; it can be {ACTIVATIONS}. Did you mean 'leaky_relu'?",
        ),
        ({"activation": F.relu}, f"activation is {F.relu!r}; it can be {ACTIVATIONS}."),
        (
            {"init": "kaiming_normal"},
            (
                "init is 'kaiming_normal'; it can be 'kaiming', 'xavier', 'torch', 'dirac', 'fixup'. Did you mean"
                " 'kaiming'?"
            ),
        ),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(fields, sentence):
    assert refusal(NetSpec, **fields) == sentence
    assert refusal(replace, NetSpec(), **fields) == sentence
    assert refusal(NetSpec.from_dict, fields) == sentence


FIXUP = "init 'fixup' is for residual nets without norm, and scales their branches itself"
NO_VGG = "a VGG net is one 3×3 convolution after another, with neither shortcuts nor a stem"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"block": "vgg"}, f"skip is True, stem is 'cifar'; {NO_VGG}: take skip=False, stem='none'."),
        (VGG | {"skip": True}, f"skip is True; {NO_VGG}: take skip=False."),
        (
            VGG | {"init": "fixup", "groups": 2},
            f"groups is 2, init is 'fixup'; {NO_VGG}: take groups=1, init='kaiming'.",
        ),
        (VGG | {"stochastic_depth": 0.5}, f"stochastic_depth is 0.5; {NO_VGG}: take stochastic_depth=0.0."),
        ({"stem": "none", "image_size": 32}, "stem is 'none'; only VGG nets have no stem: take stem='cifar'."),
        ({"groups": 4}, "groups is 4; only bottlenecks have groups: take groups=1."),
        (
            {"block": "bottleneck", "depth": 11, "groups": 24, "widen": 4},
            "groups is 24; groups must divide the 64 inner channels of the first stage: take groups=16.",
        ),
        (
            {"skip": False, "stochastic_depth": 0.5},
            "skip is False; stochastic depth skips a branch, and then needs its shortcut: take skip=True.",
        ),
        ({"init": "fixup"}, f"norm is 'batch'; {FIXUP}: take norm='none'."),
        ({"init": "fixup", "norm": "none", "skip": False}, f"skip is False; {FIXUP}: take skip=True."),
        (
            {"init": "fixup", "residual_scale": "learned"},
            f"norm is 'batch', residual_scale is 'learned'; {FIXUP}: take norm='none', residual_scale='one'.",
        ),
        (
            {"depth": 50, "stem": "imagenet", "image_size": 224},
            "block is 'basic'; an ImageNet net of depth 50 is made of the other block: take block='bottleneck'.",
        ),
        (
            {"depth": 34, "stem": "imagenet", "block": "bottleneck", "image_size": 224},
            "block is 'bottleneck'; an ImageNet net of depth 34 is made of the other block: take block='basic'.",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_those_that_do(fields, sentence):
    assert refusal(NetSpec, **fields) == sentence
    assert refusal(replace, NetSpec(), **fields) == sentence
    assert refusal(NetSpec.from_dict, fields) == sentence
    advised = fields | eval(f"dict({sentence.rpartition(': take ')[2].removesuffix('.')})")
    assert NetSpec(**{"depth": {"vgg": 16}.get(fields.get("block"), 20)} | advised).to_dict().items() >= advised.items()


@pytest.mark.parametrize("field", ["depth", "width", "widen", "groups", "in_channels", "image_size", "classes"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 10**9, 1e3, True, None, "8", [8]])
def test_every_number_of_a_spec_is_checked(field, value):
    said = refusal(NetSpec, **{field: value})
    assert said.startswith(f"{field} is {value!r}; it must be ")
    assert said.endswith(".")


@pytest.mark.parametrize("field", CHOICES)
@pytest.mark.parametrize("value", [None, 1, "", "nothing like it", ["A"]])
def test_every_name_of_a_spec_is_checked(field, value):
    assert refusal(NetSpec, **{field: value}).startswith(
        f"{field} is {value!r}; it can be {', '.join(map(repr, CHOICES[field]))}."
    )


def test_an_unknown_field_is_refused_with_the_nearest():
    names = ", ".join(repr(field.name) for field in dataclasses.fields(NetSpec))
    spec = NetSpec()
    assert refusal(replace, spec, dept=56) == f"a field of NetSpec is 'dept'; it can be {names}. Did you mean 'depth'?"
    assert (
        refusal(replace, spec, skips=False) == f"a field of NetSpec is 'skips'; it can be {names}. Did you mean 'skip'?"
    )
    assert refusal(replace, spec, zzz=1) == f"a field of NetSpec is 'zzz'; it can be {names}."
    assert spec == NetSpec()


@given(depth=st.integers(-5000, 5000), block=st.sampled_from(["basic", "bottleneck"]))
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


def test_valid_depths():
    assert valid_depths() == valid_depths("basic") == range(8, 1203, 6)
    assert list(valid_depths("basic"))[-1] == 1202
    assert list(valid_depths("bottleneck"))[:3] == [11, 20, 29]
    assert list(valid_depths("bottleneck"))[-1] == 1199
    assert valid_depths(widen=2) == range(10, 1203, 6)
    assert valid_depths("bottleneck", widen=2) == valid_depths("bottleneck")
    assert valid_depths("basic", "imagenet") == valid_depths("basic", "deep", 2) == (18, 34)
    assert valid_depths("bottleneck", "imagenet") == (50, 101, 152)
    assert valid_depths("vgg") == valid_depths("vgg", "none") == (11, 13, 16, 19)
    assert refusal(valid_depths, "wide") == "block is 'wide'; it can be 'basic', 'bottleneck', 'vgg'."
    assert refusal(valid_depths, "basic", "oak") == "stem is 'oak'; it can be 'cifar', 'imagenet', 'deep', 'none'."


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


def test_nearest_depth_of_the_other_nets():
    assert [nearest_depth(depth, "basic", "cifar", 10) for depth in (25, 25.1, 40)] == [22, 28, 40]
    assert [nearest_depth(depth, "bottleneck", "imagenet") for depth in (1, 75, 76, 999)] == [50, 50, 101, 152]
    assert [nearest_depth(depth, "vgg") for depth in (1, 12, 15, 999)] == [11, 11, 16, 19]
