"""Growth of a small change forward and of the gradient backward: exact on linear nets, and nothing of the net is
changed."""

import numpy as np
import pytest
import torch
from torch import nn

from reslab import NetSpec, build, digits
from reslab.experiments import chaos
from reslab.experiments.degradation import small_net

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(64, 30)


def linear(split, gain, skip):
    """A net whose convolutions pass every channel on, times a gain, with neither norm nor bias, on images that are
    above 0."""
    net = build(NetSpec(depth=8, width=4, norm="none", skip=skip, activation="leaky_relu", **split.shape))
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
            nn.init.zeros_(module.bias)
            if "branch.conv2" in name:
                module.weight.data *= gain
    return net


def test_a_change_grows_by_the_gain_of_each_block(split):
    """The first stage alone keeps the shape; its block multiplies by 3, or, beside a skip, by 1 + 3."""
    for skip, factor in ((False, 3), (True, 4)):
        net = linear(split, 3.0, skip)
        x, _ = split.batch(slice(64), "train")
        net.stem.conv.bias.data += 1 - x.min()  # so that no activation is negative
        frame = chaos.growth(net, split, images=32)
        assert frame["module"].tolist() == ["stem", "stage1.block1", "stage2.block1", "stage3.block1"]
        assert frame["index"].tolist() == [0, 1, 2, 3]
        assert frame["change"].iloc[:2].tolist() == pytest.approx([1, factor], rel=1e-6)
        assert frame["gradient"].iloc[-1] == 1
        assert frame["gradient"].iloc[0] == pytest.approx(factor * frame["gradient"].iloc[1], rel=1e-6)


def test_a_net_is_left_as_it_was(split):
    net = build(NetSpec(depth=8, width=4, **split.shape)).eval()
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.get_rng_state()
    one = chaos.growth(net, split)
    assert one.equals(chaos.growth(net, split))
    assert not one.equals(chaos.growth(net, split, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert not net.training
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None and parameter.dtype == torch.float32 for parameter in net.parameters())


def test_the_change_is_small_enough_to_be_a_derivative(split, monkeypatch):
    net = build(small_net(split))
    before = chaos.growth(net, split)
    monkeypatch.setattr(chaos, "CHANGE", chaos.CHANGE / 10)
    np.testing.assert_allclose(before["change"], chaos.growth(net, split)["change"], rtol=1e-2)


def test_frames_of_several_nets(split):
    base = NetSpec(width=4, **split.shape)
    frame = chaos.before_training(
        ["plain-8", "resnet-8"], seeds=(0, 1), split=split, base=base, progress=False, init="torch"
    )
    assert list(frame)[:8] == ["name", "skip", "depth", "norm", "init", "seed", "step", "origin"]
    assert list(frame)[8:] == ["module", "index", "change", "gradient"]
    assert len(frame) == 2 * 2 * 4
    assert set(frame["init"]) == {"torch"}
