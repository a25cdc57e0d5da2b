"""Stochastic depth, and VGG's dropout: what they compute, what they leave out, and draws that are the net's own."""

import copy
import math
import random

import pytest
import torch
import torch.nn.functional as F
from small_nets import blocks, images, same_bits, small

from reslab import TrainSpec, fit
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.layers import Dropout, Survival
from reslab.runs import Checkpoint
from reslab.sweep import sweep
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


def taken(net):
    """The blocks whose branch a pass takes: hooks on the first convolutions, and the names that they have seen."""
    seen = []
    for name, block in blocks(net).items():
        block.branch.conv1.register_forward_hook(lambda *_, name=name: seen.append(name))
    return seen


def survivals(net):
    return [block.branch.survival for block in blocks(net).values()]


# stochastic depth


def test_branches_survive_less_the_deeper_they_lie():
    rates = [layer.rate for layer in survivals(build(small(depth=20, stochastic_depth=0.5)))]
    assert rates == pytest.approx([1 - block / 18 for block in range(1, 10)])
    rates = [layer.rate for layer in survivals(build(FAMILY["stochastic-resnet-110"]))]
    assert len(rates) == 54
    assert rates[-1] == 0.5
    assert sum(rates) == pytest.approx(3 * 54 / 4 - 0.25)  # about three quarters of the depth (Huang et al. 2016, §3)
    assert not any(block.is_stochastic for block in blocks(build(small())).values())
    assert repr(survivals(build(small(stochastic_depth=0.5)))[0]) == "Survival(rate=0.833)"


@pytest.mark.parametrize("order", ["original", "preact"])
def test_in_eval_mode_a_branch_counts_as_often_as_it_survives(order):
    spec = small(depth=14, order=order, stochastic_depth=0.8)
    stochastic, usual = build(spec).eval(), build(replace(spec, stochastic_depth=0)).eval()
    for (name, block), reference in zip(blocks(stochastic).items(), blocks(usual).values(), strict=True):
        x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
        expected = block.branch.survival.rate * reference.branch(x) + reference.shortcut(x)
        assert torch.equal(block(x), reference.activation(expected)), name


def test_a_training_pass_takes_a_branch_whole_or_goes_around_it():
    net = build(small(depth=20, stochastic_depth=1.0), seed=1)
    usual = blocks(build(small(depth=20), seed=1))
    seen, outcomes = taken(net), set()
    for name, block in blocks(net).items():
        for _ in range(20):
            x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
            seen.clear()
            y = block(x)
            expected = usual[name](x) if seen else usual[name].activation(usual[name].shortcut(x))
            assert torch.equal(y, expected)
            outcomes.add((name, bool(seen)))
    assert ("stage3.block3", True) not in outcomes  # rate 0
    assert len(outcomes) == 17


def test_what_is_not_taken_costs_nothing_and_learns_nothing():
    net = build(small(depth=56, stochastic_depth=1.0))
    seen = taken(net)
    net(images(net.spec)).sum().backward()
    assert 0 < len(seen) < 27
    for name, block in blocks(net).items():
        assert (block.branch.conv1.weight.grad is not None) == (name in seen)
        assert block.branch.norm1.num_batches_tracked.item() == (name in seen)


@pytest.mark.parametrize("seed", range(3))
def test_branches_survive_as_often_as_they_should(seed):
    net = build(small(depth=26, stochastic_depth=0.7), seed=seed)
    passes, limit = 1000, 5
    for layer in survivals(net):
        kept = sum(not layer.skips() for _ in range(passes))
        assert abs(kept - layer.rate * passes) < limit * math.sqrt(passes * layer.rate * (1 - layer.rate))
    draws = torch.tensor([[layer.skips() for _ in range(passes)] for layer in survivals(net)[3:]]).double()
    correlation = torch.corrcoef(draws) - torch.eye(len(draws))
    assert correlation.abs().max() < limit / math.sqrt(passes)  # each block draws for itself


def test_the_draws_are_the_nets_own():
    def fates(net, passes=50):
        return [[layer.skips() for layer in survivals(net)] for _ in range(passes)]

    spec = small(depth=20, stochastic_depth=0.5)
    torch.manual_seed(1)
    random.seed(1)
    first = fates(build(spec, seed=3))
    before = torch.get_rng_state(), random.getstate()
    assert fates(build(spec, seed=3)) == first
    assert fates(build(spec, seed=4)) != first
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    net = build(spec, seed=3).eval()
    assert not any(any(fate) for fate in fates(net))  # nothing is skipped, and nothing is drawn, in eval mode
    assert fates(net.train()) == first
    twin, other = copy.deepcopy(net), build(spec, seed=9)
    other.load_state_dict(net.state_dict())
    assert same_bits(other.state_dict(), net.state_dict())
    assert fates(twin) == fates(other) == fates(net) != first


# VGG's dropout


def test_dropout_drops_the_given_share_and_makes_up_for_it():
    layer, x = Dropout(0.25), torch.ones(100, 1000, requires_grad=True)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (y == 0).double().mean().item() == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 1e5))
    y.sum().backward()
    assert torch.equal(x.grad, y)  # of ones, output and gradient are one mask
    assert not torch.equal(layer(x), y)
    assert torch.equal(Dropout(0.25)(x), y)
    assert layer.eval()(x) is x
    assert repr(layer) == "Dropout(rate=0.25)"


def test_vgg_drops_half_of_each_hidden_layer_in_training_alone():
    spec = NetSpec(block="vgg", stem="none", skip=False, depth=11, width=2, image_size=32, norm="none")
    net, twin = build(spec), build(spec)
    assert [module.rate for module in net.modules() if isinstance(module, Dropout)] == [0.5, 0.5]
    x = images(spec)
    first = net(x)
    assert torch.equal(first, twin(x))
    assert not torch.equal(first, net(x))
    assert torch.equal(net.eval()(x), twin.eval()(x))


# trainings


@pytest.fixture
def spec(split):
    return NetSpec(depth=14, width=4, stochastic_depth=0.8, **split.shape)


def test_a_resumed_training_goes_on_with_the_draws_to_come(spec, split, tmp_path):
    how = TrainSpec(epochs=6, batch_size=50)
    whole = fit(spec, split, how, progress=False)
    for event in train(build(spec), split, how):
        if event.step == 10:
            event.checkpoint().save(tmp_path / "half.safetensors")
            break
    checkpoint = Checkpoint.load(tmp_path / "half.safetensors")
    *_, last = train(build(spec, seed=5), split, how, resume=checkpoint)
    assert last.run().history.drop(columns="seconds").equals(whole.history.drop(columns="seconds"))


def test_other_trainings_change_nothing(spec, split):
    how = TrainSpec(epochs=2, batch_size=50)
    alone = {
        run.seed: run.history["loss"].tolist()
        for run in sweep([spec], split, how, seeds=range(3), workers=1, progress=False)
    }
    together = {
        run.seed: run.history["loss"].tolist()
        for run in sweep([spec], split, how, seeds=range(3), workers=3, progress=False)
    }
    assert together == alone


def test_it_survives_zero_and_one():
    never, always = build(small(stochastic_depth=0.0)), build(small(stochastic_depth=1.0))
    assert not any(isinstance(module, Survival) for module in never.modules())
    loss = F.cross_entropy(always(images(always.spec)), torch.tensor([0, 1]))
    loss.backward()
    assert always.stage3.block1.branch.conv1.weight.grad is None
    assert always.eval()(images(always.spec)).isfinite().all()
