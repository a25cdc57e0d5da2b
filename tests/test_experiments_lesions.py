"""Lesions and orders measured by their tails alone, and paths counted exactly: nets as small as they can be."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_nets import blocks, refusal, same_bits
from torch import nn

from reslab.datasets import digits
from reslab.experiments import lesions, paths
from reslab.experiments.degradation import small_net
from reslab.nets import FAMILY, Block, build, lesion, reordered, replace
from reslab.store import recorded

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(120, 40)


@pytest.fixture(params=[True, False], ids=["residual", "plain"])
def net(request, split):
    net = build(replace(small_net(split), depth=14, width=4, skip=request.param), seed=1).train()
    net(split.batch(slice(60))[0])  # BatchNorm has seen some images
    return net.eval()


@pytest.mark.parametrize("name", ["preact-resnet-110", "resnet-50", "vgg-11", "wide-resnet-16-8", "resnet-18"])
def test_the_parts_make_up_the_net(name):
    spec = FAMILY[name]
    depth = 20 if spec.depth == 110 else spec.depth
    net = build(replace(spec, depth=depth, width=4, image_size=32, classes=5)).eval()
    x = torch.randn(2, 3, 32, 32)
    whole, y = net(x), x
    for _, part in lesions.parts_of(net):
        y = part(y)
    assert torch.equal(y, whole)


def test_a_tail_says_what_the_whole_net_would(net, split):
    cached, _ = lesions.cached_net(net, split, 20)
    x, _ = split.batch(slice(20), "test")
    names = list(blocks(net))
    assert cached.blocks == names
    for out in ([], [names[0]], [names[3]], [names[1], names[5]], [f"{names[2]}.activation"]):
        with lesion(net, out), torch.no_grad():
            torch.testing.assert_close(cached.logits(out), net(x), rtol=1e-5, atol=1e-5)
    order = {names[0]: names[1], names[1]: names[0]}
    with reordered(net, order), torch.no_grad():
        expected = net(x)
    torch.testing.assert_close(cached.logits(order=order), expected, rtol=1e-5, atol=1e-5)


def test_a_model_of_ones_own_is_run_as_a_whole(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    assert "Sequential has no blocks of reslab" in refusal(lesions.one_out, model, split, progress=False)
    cached, _ = lesions.cached_net(model, split, 8)
    x, _ = split.batch(slice(8), "test")
    torch.testing.assert_close(cached.logits(["1"]), model[3](F.relu(x.flatten(1))))


def test_calibrated_statistics_are_those_of_one_batch_of_the_net_without_the_block(net, split):
    cached, _ = lesions.cached_net(net, split, 10)
    out, before = cached.blocks[0], copy.deepcopy(net.state_dict())
    without = copy.deepcopy(net)
    for name, module in without.named_modules():
        if isinstance(module, nn.BatchNorm2d) and "stem" not in name:
            module.train().momentum = 1.0
    with lesion(without, out), torch.no_grad():
        without(cached.calibration)
        expected = without.eval()(split.batch(slice(10), "test")[0])
    torch.testing.assert_close(cached.logits([out], calibrated=True), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(cached.logits([out]), expected)
    assert same_bits(net.state_dict(), before)
    assert not any(module.training for module in net.modules())
    assert {module.momentum for module in net.modules() if isinstance(module, nn.BatchNorm2d)} == {0.1}


def test_calibrated_logits_need_training_images(net, split):
    cached = lesions.CachedNet(net, split.batch(slice(4), "test")[0])
    assert "need training images" in refusal(cached.logits, [cached.blocks[0]], calibrated=True)


def test_the_frames(net, split):
    one = lesions.one_out(net, split, images=40, progress=False)
    assert one["index"].tolist() == list(range(1, len(blocks(net)) + 1))
    assert one["changes_shape"].sum() == 2
    several = lesions.several_out(net, split, (1, 2, 99), draws=3, progress=False)
    assert several["count"].tolist() == [1, 1, 1, 2, 2, 2]
    assert several["modules"].str.count(r"\+").tolist() == [0, 0, 0, 1, 1, 1]
    swapped = lesions.swapped(net, split, (1, 2), draws=3, progress=False)
    assert (swapped["moved"] > 0).all()
    for frame in (one, several, swapped):
        assert frame["whole"].nunique() == 1
        assert frame["error"].between(0, 1).all()
    again = lesions.several_out(net, split, (1, 2), draws=3, progress=False)
    assert again.equals(several)


def test_an_error_is_the_share_of_wrong_pictures(net, split):
    frame = lesions.one_out(net, split, images=40, progress=False)
    x, y = split.batch(slice(40), "test")
    with lesion(net, "stage2.block1"), torch.no_grad():
        wrong = (net(x).argmax(1) != y).float().mean().item()
    assert frame.set_index("module")["error"]["stage2.block1"] == pytest.approx(wrong)


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["original", "preact"])
def residual(request, split):
    return build(replace(small_net(split), depth=14, width=4, order=request.param, shortcut="B"), seed=1)


def test_the_pieces_add_up_to_the_gradient(residual, split):
    before = copy.deepcopy(residual.state_dict())
    frame = paths.by_length(residual, split, images=16)
    assert frame["residual"].max() <= 1e-12
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["along"].sum() == pytest.approx(1)
    assert frame["paths"].tolist() == [1, 6, 15, 20, 15, 6, 1]
    assert frame["counted"].sum() == 1
    assert same_bits(residual.state_dict(), before)
    assert residual.training


def test_every_piece_is_the_sum_over_all_its_paths(residual, split):
    record = paths._Record(residual, split, 8)
    pieces = record.polynomial()
    count = len(record.blocks)
    sums = torch.zeros_like(pieces)
    for number in range(2**count):
        path = np.array([bool(number >> bit & 1) for bit in range(count)])
        sums[path.sum()] += record.along(path)
    torch.testing.assert_close(pieces, sums, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("z", [-0.7, 0.0, 0.4])
def test_the_polynomial_is_the_gradient_with_every_branch_times_z(split, z):
    net = build(replace(small_net(split), depth=14, width=4), seed=1)
    record = paths._Record(net, split, 8)
    expected = sum(z**power * piece for power, piece in enumerate(record.polynomial()))
    scaled = copy.deepcopy(net).double()
    for block in scaled.modules():
        if isinstance(block, Block):
            block.branch.register_full_backward_hook(lambda module, given, _: (z * given[0],))
    first = next(module for _, module in record.parts if isinstance(module, Block))
    x = record.blocks[0][0].detach().requires_grad_()
    y = x
    scaled.train()
    at = [module for _, module in record.parts].index(first)
    for _, part in lesions.parts_of(scaled)[at:]:
        y = part(y)
    (gradient,) = torch.autograd.grad(F.cross_entropy(y, record.labels), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-14)


def test_sampled_paths_scatter(residual, split):
    frame = paths.sampled(residual, split, samples=2, repeats=2, images=8)
    assert len(frame) == 2 * 7
    assert frame.groupby("repeat")["share"].sum().tolist() == pytest.approx([1, 1])
    one, other = (rows["share"].to_numpy() for _, rows in frame.groupby("repeat"))
    assert not np.allclose(one, other)
    for wrong in ({"samples": "3"}, {"samples": 0}, {"repeats": 2.5}):
        with pytest.raises(ValueError, match=r"^(samples|repeats) is .*; it must be .*at least 1\.$"):
            paths.sampled(residual, split, images=8, **wrong)


def test_a_plain_net_has_one_path(split):
    assert "has no skips" in refusal(paths.by_length, build(replace(small_net(split), depth=14, skip=False)), split)


def test_what_was_recorded_of_photographs_is_of_the_shipped_weights():
    made = lesions.photographs()
    where = made["provenance"]
    assert where["source"].startswith("CIFAR-10")
    nets = [lesions.longest(depth, skip) for depth in (20, 56) for skip in (False, True)]
    assert where["weights"] == [recorded().path_of(run).stem for run, _ in nets]
    for kind in ("one out", "one out, calibrated"):
        rows = made[kind]
        assert rows.groupby("name").size().to_dict() == {"plain-20": 9, "resnet-20": 9, "plain-56": 27, "resnet-56": 27}
        assert set(rows["images"]) == {where["test_images"]}
        assert rows["calibrated"].unique().tolist() == [kind.endswith("calibrated")]
        for run, _ in nets:  # 200 test pictures of 10,000
            whole = rows.loc[rows["name"] == run.name, "whole"].unique().item()
            assert whole == pytest.approx(recorded().weights(run).test_error, abs=0.06)
