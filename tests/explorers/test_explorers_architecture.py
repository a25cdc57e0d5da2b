"""The architecture explorer without a browser: choose nets, click a layer, paste a state."""

import inspect
from html import unescape
from textwrap import dedent
from types import SimpleNamespace

import pytest
import torch
import torchvision.models as vision
from torch import nn

from reslab import explorers, figures


@pytest.fixture
def explorer():
    return explorers.Architecture("resnet-8 + plain-8")


def boxes(explorer, net):
    return explorer.map.trace(f"{net}/box")


def test_it_draws_the_nets_of_its_state(explorer):
    assert explorer.chosen == ["resnet-8", "plain-8"]
    assert explorer.state == explorer.share.value == "resnet-8 + plain-8 | multiply_adds"
    assert list(boxes(explorer, "resnet-8").text) == list(boxes(explorer, "plain-8").text)
    assert "The 3 skips of resnet-8 add no multiply-adds and no parameters to plain-8." in explorer.sentence.value
    assert explorer.map.keys[2] == "resnet-8/identity"


def test_a_picked_net_and_a_picked_cost_are_drawn(explorer):
    explorer.pickers[2].value = "vgg-11"
    assert explorer.chosen == ["resnet-8", "plain-8", "vgg-11"]
    assert len(boxes(explorer, "vgg-11").text) == 1 + 8 + 5 + 1 + 3
    before = list(explorer.map.trace("vgg-11/cost").x)
    explorer.cost.value = "parameters"
    assert list(explorer.map.trace("vgg-11/cost").x) != before
    assert explorer.state == "resnet-8 + plain-8 + vgg-11 | parameters"
    for picker in explorer.pickers:
        picker.value = "–"
    assert explorer.sentence.value.startswith("Choose a net.<")


def test_a_click_opens_the_block_with_its_numbers_and_its_code(explorer):
    trace = boxes(explorer, "resnet-8")
    (handler,) = trace._click_callbacks
    place = list(trace.text).index("3×3 conv, 32, /2")
    handler(trace, SimpleNamespace(point_inds=[place]), None)
    assert "resnet-8: stage2.block1" in explorer.opened.value
    assert "branch.conv1" in explorer.opened.value
    assert "y = self.branch(x)" in explorer.opened.value
    assert "ZeroPad(extra_channels=16, stride=2)" in explorer.opened.value
    handler(trace, SimpleNamespace(point_inds=[len(trace.text) - 1]), None)
    assert "resnet-8: fc" in explorer.opened.value
    assert "Linear(in_features=64, out_features=10" in explorer.opened.value
    handler(trace, SimpleNamespace(point_inds=[0]), None)
    assert "minus the mean of the training images" in explorer.opened.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnet-9", "a net is 'resnet-9'; it can be"),
        ("resnet-8 | flops", "the cost is 'flops'; it can be 'multiply_adds', 'parameters', 'memory'."),
        ("resnet-8 + plain-8 + vgg-11 + vgg-16", "4 nets are too many to stand side by side; the map takes 3."),
    ],
)
def test_a_pasted_state_that_is_wrong_changes_nothing(explorer, text, said):
    before = explorer.state
    explorer.share.value = text
    assert explorer.state == explorer.share.value == before
    assert said in explorer.message.value.replace("&#x27;", "'")


@pytest.mark.parametrize(
    "text",
    [
        "“ResNet-8 + Plain-8 + VGG-11 | Parameters”",
        "'resnet‑8' +  PLAIN-8+ vgg–11 |PARAMETERS ",
        "\u200bresnet-8\u00a0+ plain-8 + vgg-11\n| parameters",
    ],
)
def test_a_pasted_state_may_have_curly_quotes_capitals_and_stray_spaces(explorer, text):
    explorer.share.value = text
    assert explorer.state == explorer.share.value == "resnet-8 + plain-8 + vgg-11 | parameters"
    explorer.share.value = "resnet-8 | Multiply Adds"
    assert explorer.state == "resnet-8 | multiply_adds"


def test_a_net_of_ones_own_is_found_whatever_its_name_is_written_like():
    nets = {"Bob's Net": nn.Sequential(nn.Flatten(), nn.Linear(64, 3))}
    explorer = explorers.Architecture("bob’s net", nets=nets, images={"Bob's Net": (1, 8, 8)})
    assert explorer.chosen == ["Bob's Net"]
    explorer.state = explorer.state
    assert explorer.chosen == ["Bob's Net"]


def test_a_net_of_ones_own_stands_beside_the_others():
    mine = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    explorer = explorers.Architecture("mine + resnet-8", nets={"mine": mine}, images={"mine": (1, 8, 8)})
    assert list(boxes(explorer, "mine").text) == ["image − its mean", "3×3 conv, 4", "fc, 3"]
    wrong = explorers.Architecture("resnet-8", nets={"mine": mine}, images={"mine": (2, 8, 8)})
    wrong.pickers[1].value = "mine"
    assert "mine does not take an image of (2, 8, 8)" in wrong.message.value


def test_a_block_whose_code_is_nowhere_says_so():
    space = {"__name__": "__main__", "nn": nn}
    exec("class Cell(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
         "        self.conv = nn.Conv2d(3, 3, 1)\n"
         "    def forward(self, x):\n        return x + self.conv(x)",
         space)  # as a cell of a notebook does  # fmt: skip
    explorer = explorers.Architecture("mine", nets={"mine": nn.Sequential(space["Cell"]())})
    explorer.open("mine", "0.conv", "0")
    assert "Python cannot find the code of Cell" in explorer.opened.value


@pytest.mark.parametrize(
    ("module", "kind"),
    [("stem.conv", nn.Conv2d), ("stem.pool", nn.MaxPool2d), ("pool", nn.AdaptiveAvgPool2d), ("fc", nn.Linear)],
)
def test_a_lone_layer_opens_with_what_its_class_does(module, kind):
    explorer = explorers.Architecture("resnet-18")
    trace = boxes(explorer, "resnet-18")
    place = [list(pair) for pair in trace.customdata].index([module, ""])
    trace._click_callbacks[0](trace, SimpleNamespace(point_inds=[place]), None)
    assert f"{kind.__name__}(" in explorer.opened.value
    assert dedent(inspect.getsource(kind.forward)).strip() in unescape(explorer.opened.value)


def test_a_lone_layer_whose_forward_is_long_or_nowhere_says_so():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(3, 1)

        def forward(self, x):
            tokens = x.flatten(2).mT
            return self.attention(tokens, tokens, tokens)[0]

    explorer = explorers.Architecture("mine", nets={"mine": Attending()}, images={"mine": (3, 4, 4)})
    explorer.open("mine", "attention")
    assert "more lines in torch.nn.modules.activation" in explorer.opened.value
    space = {"__name__": "__main__", "nn": nn}
    exec("class Layer(nn.Module):\n    def forward(self, x):\n        return 2 * x", space)
    explorer = explorers.Architecture("mine", nets={"mine": nn.Sequential(nn.Conv2d(3, 3, 1), space["Layer"]())})
    explorer.open("mine", "1")
    assert "Python cannot find the code of Layer" in explorer.opened.value


def test_parameters_of_no_layer_open_with_their_shapes_and_the_code_that_uses_them():
    vit = vision.VisionTransformer(image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16)
    explorer = explorers.Architecture("vit", nets={"vit": vit}, images={"vit": (3, 32, 32)})
    assert list(boxes(explorer, "vit").text).count("parameters") == 2
    explorer.open("vit", "")
    assert "vit: the net&#x27;s own operations" in explorer.opened.value
    assert "class_token: 1×1×8" in explorer.opened.value
    assert "self.class_token.expand(" in explorer.opened.value
    explorer.open("vit", "encoder")
    assert "pos_embedding: 1×5×8" in explorer.opened.value
    assert "self.pos_embedding" in explorer.opened.value


class ByHand(nn.Module):
    """A net that takes the weights of layers which it does not call."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 2)
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(2))])

    def forward(self, x):
        return x.flatten(1) @ self.linear.weight.T * self.scales[0]


def test_parameters_that_were_taken_from_a_layer_open_with_the_code_that_takes_them():
    explorer = explorers.Architecture("mine", nets={"mine": ByHand()}, images={"mine": (3, 2, 2)})
    for module, shape in (("linear", "weight: 2×12"), ("scales", "0: 2")):
        explorer.open("mine", module)
        assert shape in explorer.opened.value
        assert "x.flatten(1) @ self.linear.weight.T" in explorer.opened.value


def test_the_code_draws_the_same_map(explorer):
    names = {}
    exec(explorer.code.replace("\nfigures.", "\nfigure = figures."), names)
    assert [trace.meta["key"] for trace in names["figure"].data] == explorer.map.keys
    assert names["figures"] is figures
