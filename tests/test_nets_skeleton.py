"""Copies without weights of modules that hold all kinds of things; the module stays as it was."""

import copy
import functools
import threading
import types
import warnings

import pytest
import torch
import torch.nn.functional as F
from small_nets import refusal
from torch import nn
from torch.nn.utils import prune

from reslab.capture import capture
from reslab.nets.complexity import complexity
from reslab.nets.lesion import lesion
from reslab.nets.skeleton import copy_of, skeleton

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGE = (3, 8, 8)
OUTSIDE = torch.ones(3, 1, 1)


class Base(nn.Module):
    """The costs of all of these: 4·3·9·64 + 4·2 multiply-adds."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(F.relu(self.norm(self.conv(x))).mean((2, 3)))


class Stores(Base):
    def forward(self, x):
        self.last = self.conv(x)
        return self.fc(self.norm(self.last).mean((2, 3)))


class Locks(Base):
    def __init__(self):
        super().__init__()
        self.lock, self.event, self.functional, self.items = threading.Lock(), threading.Event(), F, iter(range(3))

    def forward(self, x):
        with self.lock:
            return super().forward(x)


class Tensors(Base):
    """Plain tensors, which no `to` moves: in attributes, in lists, in objects, from outside, made in forward."""

    def __init__(self):
        super().__init__()
        self.mean, self.many = torch.ones(3, 1, 1), [torch.ones(3, 1, 1)]
        self.inside = types.SimpleNamespace(mean=torch.ones(3, 1, 1))

    def forward(self, x):
        x = (x - self.mean) * self.many[0] / self.inside.mean * OUTSIDE
        return super().forward(torch.cat([x, torch.zeros(1, 3, 1, 8)], 2)[:, :, :8] + torch.arange(3).view(3, 1, 1))


class Mapping(Base):
    def forward(self, x):
        return {"logits": super().forward(x), "aux": [None, 3]}


def stored():
    net = Stores()
    net(torch.randn(1, *IMAGE))
    return net


def pruned():
    net = Base()
    prune.l1_unstructured(net.conv, "weight", amount=0.5)
    net(torch.randn(2, *IMAGE)).sum().backward()
    return net


def old_weight_norm():
    net = Base()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(net.conv)
        nn.utils.spectral_norm(net.fc)
    return net


def on_meta():
    with torch.device("meta"):
        return Base()


def its_own_forward():
    net, plain = Base(), Base.forward
    net.forward = types.MethodType(lambda self, x: plain(self, x), net)
    net.conv.forward = functools.partial(net.conv._conv_forward, weight=net.conv.weight, bias=net.conv.bias)
    return net


def compiled(whole):
    net = Base()
    net.conv = torch.compile(net.conv)
    net.fc.compile()
    return torch.compile(net) if whole else net


NETS = {
    "a stored activation": stored,
    "a pruned layer": pruned,
    "locks": Locks,
    "plain tensors": Tensors,
    "a dict of outputs": Mapping,
    "old weight norm": old_weight_norm,
    "half precision": lambda: Base().half(),
    "double precision": lambda: Base().double(),
    "on meta": on_meta,
    "a forward of its own": its_own_forward,
    "compiled parts": lambda: compiled(whole=False),
    "compiled": lambda: compiled(whole=True),
    "channels last": lambda: Base().to(memory_format=torch.channels_last),
    "frozen, in eval mode": lambda: Base().requires_grad_(False).eval(),
}


@pytest.mark.parametrize("name", NETS)
def test_whatever_a_module_holds_it_is_counted_and_stays_as_it_was(name):
    net = NETS[name]()
    tensors = [tensor for tensor in net.state_dict().values() if not tensor.is_meta]
    before = [tensor.clone() for tensor in tensors]
    modes = [module.training for module in net.modules()]
    frame = complexity(net, IMAGE)
    assert frame["multiply_adds"].sum() == 4 * 3 * 9 * 64 + 4 * 2
    assert frame["module"].tolist() == ["conv", "norm", "fc"]
    assert all(map(torch.equal, tensors, before))
    assert [module.training for module in net.modules()] == modes
    assert not any(parameter.is_meta for parameter in net.parameters()) or name == "on meta"


def outputs(net, x):
    output = net(x)
    return output["logits"] if isinstance(output, dict) else output


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("on meta", "compiled", "compiled parts")])
def test_a_copy_computes_the_same_and_is_changed_alone(name):
    net = NETS[name]().eval()
    kind = next(net.parameters()).dtype
    x, copied = torch.randn(1, *IMAGE, dtype=kind), copy_of(net)
    before, *of_copy = (outputs(model, x) for model in (net, copied))
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(1)
    assert torch.equal(before, of_copy[0])
    assert torch.equal(before, outputs(net, x))
    assert not torch.equal(before, outputs(copied, x))


class NoReturn(Base):
    """As many write it: Module.train returns the module, and this does not."""

    def train(self, mode=True):
        super().train(mode)


def test_a_train_that_returns_nothing_is_counted():
    assert complexity(NoReturn(), IMAGE)["module"].tolist() == ["conv", "norm", "fc"]
    with lesion(NoReturn(), "norm") as net:
        assert net(torch.randn(2, *IMAGE)).shape == (2, 2)


def test_a_persons_hooks_are_not_run_and_their_notes_stay_as_they_were():
    net, notes = Base(), []
    net.conv.register_forward_hook(lambda module, inputs, output: notes.append(output.max().item()))
    net.register_forward_pre_hook(lambda module, inputs: notes.append(inputs[0].sum().item()))
    with pytest.warns(UserWarning, match="nothing was captured"), capture(net):  # it is a copy that is counted
        assert complexity(net, IMAGE)["module"].tolist() == ["conv", "norm", "fc"]
    assert notes == []


def test_tied_weights_stay_tied_and_nothing_has_values():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    copied = skeleton(net)
    assert copied[1].weight is copied[0].weight
    assert copied[0].weight is not net[0].weight
    assert all(parameter.is_meta for parameter in copied.parameters())


class Leaf(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call, self.weight = call, nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.call(x * self.weight)


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: {"a": x, "b": 3}, "3×8×8"),
        (lambda x: [x, x], "3×8×8"),
        (lambda x: (None, x), "3×8×8"),
        (lambda x: None, ""),
        (lambda x: "said", ""),
    ],
)
def test_a_layer_may_return_anything(call, shape):
    class Ignores(nn.Sequential):
        def forward(self, x):
            self[0](x)
            return x

    frame = complexity(Ignores(Leaf(call)), IMAGE)
    assert frame[["kind", "shape", "parameters"]].values.tolist() == [["Leaf", shape, 1]]


class Two(Base):
    def forward(self, x, tokens):
        return super().forward(x) * tokens.sum()


def test_several_inputs_are_a_list_of_shapes_or_tensors():
    for tokens in ((5,), torch.zeros(1, 5, dtype=torch.long)):
        assert complexity(Two(), [IMAGE, tokens])["module"].tolist() == ["conv", "norm", "fc"]
    embedding = nn.Embedding(10, 4)
    assert complexity(embedding, torch.zeros(1, 5, dtype=torch.long))["shape"].tolist() == ["5×4"]


class Asks(Base):
    def forward(self, x):
        return super().forward(x * 2 if x.max() > 0 else x)


class Fails(Base):
    def forward(self, x):
        raise KeyError("no such key")


class Refuses(Base):
    def __deepcopy__(self, memo):
        raise RuntimeError("not to be copied")


ANY = "say which it takes with image=(channels, height, width), or with a tensor, or with a list of these"


@pytest.mark.parametrize(
    ("net", "image", "said"),
    [
        (Base(), None, "a Base does not say which images it takes; give image=(channels, height, width)."),
        (Base(), (1, 8, 8), "Base does not take an image of (1, 8, 8): "),
        (Base(), (1, 8, 8), ANY),
        (Base(), 5, "an image is 5; it can be (channels, height, width), or a list"),
        (Base(), (3, -1, 8), "an image is (3, -1, 8); it can be"),
        (Base(), (), "an image is (); it can be"),
        (Two(), IMAGE, "TypeError: Two.forward() missing 1 required positional argument: 'tokens'; say which it takes"),
        (Asks(), IMAGE, "Asks cannot be counted: its forward needs the values of a tensor"),
        (Fails(), IMAGE, "Fails does not take an image of (3, 8, 8): KeyError: 'no such key'"),
        (Refuses(), IMAGE, "Refuses cannot be copied, and a copy is what is counted: not to be copied."),
        (nn.GRU(4, 2), (5,), "GRU does not take an image of (5,): "),
    ],
)
def test_what_cannot_be_counted_is_refused_in_a_sentence(net, image, said):
    assert said in refusal(complexity, net, image)


def test_what_torch_jit_made_is_refused_in_a_sentence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(Base().eval(), torch.randn(1, *IMAGE))
    assert "a part of it was made by torch.jit" in refusal(complexity, nn.Sequential(traced), IMAGE)


def test_a_copy_of_a_copy_is_the_same():
    net = skeleton(Base())
    assert complexity(copy.deepcopy(net), IMAGE).equals(complexity(Base(), IMAGE))
