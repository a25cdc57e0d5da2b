"""A run records spec and seed only where `build` makes of them the very net that was trained."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as pruning
from trainings import HOW

from reslab import figures
from reslab.cli.reproduce import command
from reslab.nets import NetSpec, build
from reslab.store import Store
from reslab.train import fit, train


@pytest.fixture
def net(split):
    return build(NetSpec(depth=8, width=4, **split.shape), seed=3)


def trained(net, split, resume=None):
    """The last event of a training."""
    *_, end = train(net, split, HOW, resume=resume)
    return end


def load(net):
    net.load_state_dict(build(net.spec, seed=4).state_dict())


def scale(net):
    net.fc.weight.data.mul_(1.001)


def swap(net):
    net.fc.weight.data = net.fc.weight.data.flip(0)


def draw(net):
    nn.init.xavier_normal_(net.stem.conv.weight, generator=torch.Generator().manual_seed(0))


def show(net):
    """A forward pass in training mode moves the running statistics of its BatchNorm."""
    net(torch.randn(4, net.spec.in_channels, net.spec.image_size, net.spec.image_size))


def prune(net):
    pruning.l1_unstructured(net.fc, "weight", 0.5)


def call_it_another(net):
    net.seed = 5


def freeze(net):
    net.stem.requires_grad_(False)


def fix_statistics(net):
    net.stem.norm.eval()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((change, "weights are not those that build drew with seed 3")
          for change in (load, scale, swap, draw, show, prune, call_it_another)),
        (freeze, "some of its weights are frozen"),
        (fix_statistics, "some of its layers are in eval mode"),
    ],
)  # fmt: skip
def test_a_net_that_was_changed_records_no_seed_and_says_so_once(net, split, change, said):
    change(net)
    end = trained(net, split)
    said = rf"^resnet-8: .*{said}.* records no seed, and no command repeats it\.$"
    with pytest.warns(UserWarning, match=said) as warned:
        run = end.run()
    assert len(warned) == 1
    assert (run.spec, run.seed, end.run().seed) == (net.spec, None, None)
    with pytest.raises(ValueError, match=r"weights of your own, or with frozen layers; no command makes those"):
        command([run])


def replace_activation(net):
    net.stem.activation = nn.Tanh()


def replace_classifier(net):
    net.fc = nn.Sequential(nn.Dropout(0.1), net.fc)


def say_another_spec(net):
    net.spec = NetSpec(depth=8, width=4, activation="tanh", **{name: getattr(net.spec, name) for name in SHAPE})


SHAPE = ("in_channels", "image_size", "classes")


@pytest.mark.parametrize("change", [replace_activation, replace_classifier, say_another_spec])
def test_a_net_whose_layers_were_replaced_is_ones_own_model(net, split, change):
    change(net)
    end = trained(net, split)
    with pytest.warns(UserWarning, match=r"^ResNet: its layers are not those .* records no spec and no seed"):
        run = end.run()
    assert (run.name, run.spec, run.seed) == ("ResNet", None, None)


def test_a_net_that_was_trained_before_records_no_seed(net, split, tmp_path):
    store, first = Store(tmp_path), trained(net, split)
    store.add(first.run())
    store.save_weights(first.run(), first.weights())
    again = trained(net, split)
    with pytest.warns(UserWarning, match="records no seed"):
        store.add(again.run())
    kept = trained(store.net(first.run()).train(), split)
    with pytest.warns(UserWarning, match="records no seed"):
        store.add(kept.run())
    assert sorted(map(str, (run.seed for run in store.runs()))) == ["3", "None", "None"]
    assert len(figures.degradation.training_curves(store.history()).data) >= 3


@pytest.mark.parametrize(
    "same", [copy.deepcopy, lambda net: net.eval(), lambda net: net.to(memory_format=torch.channels_last)]
)
def test_a_net_that_build_made_keeps_its_seed(net, split, same):
    net = same(net)
    with pytest.warns(UserWarning, match="eval mode as a whole") if not net.training else nullcontext():
        end = trained(net, split)
    run, again = end.run(), fit(net.spec, split, HOW, seed=3, progress=False)
    assert (run.spec, run.seed) == (net.spec, 3)
    assert run.history["loss"].tolist() == again.history["loss"].tolist()


def test_a_resumed_training_has_the_seed_of_its_checkpoint(net, split):
    begun = next(train(net, split, HOW)).checkpoint()
    assert trained(build(net.spec, seed=9), split, resume=begun).run().seed == 3
    scale(other := build(net.spec, seed=3))
    event = next(train(other, split, HOW))
    with pytest.warns(UserWarning, match="records no seed"):
        begun = event.checkpoint()
    assert trained(build(net.spec, seed=3), split, resume=begun).run().seed is None
