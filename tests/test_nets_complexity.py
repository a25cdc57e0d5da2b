"""`complexity`: each layer of a net in a row, and no tensor of a forward pass left out or counted twice."""

import pytest
import torch
import torchvision.models as vision
from small_nets import images, parameters, small
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from reslab.nets import CHOICES, FAMILY, build, replace
from reslab.nets.complexity import complexity

pytestmark = pytest.mark.usefixtures("one_thread")


class Allocations(TorchDispatchMode):
    """Adds up the bytes of what operators return, but for views of what they were given."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        first = made[0] if isinstance(made, tuple) else made  # the others are the statistics of a norm, the places of a max-pool
        given = {arg.untyped_storage().data_ptr() for arg in args if isinstance(arg, torch.Tensor)}
        if isinstance(first, torch.Tensor) and first.untyped_storage().data_ptr() not in given:
            self.bytes += first.untyped_storage().nbytes()
        return made


def allocated(net, x):
    with Allocations() as allocations, torch.no_grad():
        net.eval()(x)
    return allocations.bytes


def test_the_rows_of_a_small_net():
    frame = complexity(small())
    assert list(frame.columns) == ["module", "kind", "shape", "parameters", "multiply_adds", "activation_bytes"]
    rows = {(row.module, row.kind): tuple(row)[3:] for row in frame.itertuples()}
    assert len(rows) == len(frame) == 29
    assert rows["stem.conv", "Conv2d"] == ("4×8×8", 4 * 2 * 9, 4 * 2 * 9 * 64, 4 * 4 * 64)
    assert rows["stem.norm", "BatchNorm2d"] == ("4×8×8", 8, 0, 1024)
    assert rows["stage1.block1.shortcut", "Identity"] == ("4×8×8", 0, 0, 0)
    assert rows["stage2.block1.branch.conv1", "Conv2d"] == ("8×4×4", 8 * 4 * 9, 8 * 4 * 9 * 16, 8 * 16 * 4)
    assert rows["stage2.block1.shortcut", "ZeroPad"] == ("8×4×4", 0, 0, 512)
    assert rows["stage2.block1", "addition"] == ("8×4×4", 0, 0, 512)
    assert rows["pool", "AdaptiveAvgPool2d"] == ("16×1×1", 0, 0, 64)
    assert rows["fc", "Linear"] == ("3", 51, 48, 12)
    names = frame["module"].tolist()
    assert names.index("stage1.block1.shortcut") < names.index("stage1.block1") < names.index("stage1.block1.activation")


def test_a_plain_net_adds_nothing():
    plain, residual = complexity(small(skip=False)), complexity(small())
    assert "addition" in set(residual["kind"])
    assert "addition" not in set(plain["kind"])
    assert plain["parameters"].sum() == residual["parameters"].sum()
    assert plain["multiply_adds"].sum() == residual["multiply_adds"].sum()


def test_groups_divide_what_a_convolution_costs():
    spec = small(depth=11, block="bottleneck", widen=2)
    whole, split = (complexity(replace(spec, groups=groups)).set_index("module") for groups in (1, 4))
    for column in ("parameters", "multiply_adds"):
        assert whole.loc["stage2.block1.branch.conv2", column] == 4 * split.loc["stage2.block1.branch.conv2", column]


@pytest.mark.parametrize(
    "fields",
    [
        *({"order": order, "shortcut": shortcut} for order in CHOICES["order"] for shortcut in "AC"),
        {"depth": 11, "block": "bottleneck", "shortcut": "D", "skip": True},
        {"depth": 14, "skip": False},
        {"stochastic_depth": 0.5, "residual_scale": "learned"},
        {"residual_scale": "depth", "norm": "none"},
        {"init": "fixup", "norm": "none", "shortcut": "B"},
        {"depth": 18, "stem": "imagenet", "image_size": 32, "shortcut": "B"},
        {"depth": 18, "stem": "deep", "image_size": 33, "shortcut": "D"},
        {"block": "vgg", "stem": "none", "skip": False, "depth": 11, "image_size": 32},
        {"activation": "gelu", "order": "preact"},
    ],
)
def test_every_tensor_of_a_forward_pass_is_in_one_row(fields):
    spec = small(**fields)
    frame, net = complexity(spec), build(spec)
    assert frame["activation_bytes"].sum() == allocated(net, images(spec, 1))
    assert frame["parameters"].sum() == parameters(net)
    assert frame.duplicated(["module", "kind"]).sum() == 0


def test_layers_and_memory_of_resnet_50():
    frame = complexity(FAMILY["resnet-50"])
    kinds = {"Conv2d": 53, "BatchNorm2d": 53, "ReLU": 49, "Identity": 12, "addition": 16}
    kinds |= {"MaxPool2d": 1, "AdaptiveAvgPool2d": 1, "Linear": 1}
    assert frame["kind"].value_counts().to_dict() == kinds
    assert frame.loc[frame["kind"] == "Conv2d", "activation_bytes"].sum() == 4 * 11_113_984
    assert frame["shape"].iloc[0] == "64×112×112"


# Other people's nets


def vision_net(name):
    with torch.device("meta"):
        return getattr(vision, name)().eval()


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "swin_t", "densenet121", "efficientnet_b0", "convnext_tiny"])
def test_every_parameter_of_torchvisions_nets_is_counted_once(name):
    net = vision_net(name)
    assert complexity(net, (3, 224, 224))["parameters"].sum() == parameters(net)


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "densenet121", "efficientnet_b0", "convnext_tiny"])
def test_multiply_adds_are_half_of_torchs_operations(name):
    net = vision_net(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, 3, 224, 224, device="meta"))
    assert 2 * complexity(net, (3, 224, 224))["multiply_adds"].sum() == counter.get_total_flops()


def loose(frame):
    rows = frame[frame["kind"] == "parameters"]
    return list(rows[["module", "shape", "parameters"]].itertuples(index=False, name=None))


def test_parameters_of_no_layers_call_are_in_rows_of_their_owners():
    frame = complexity(vision_net("vit_b_16"), (3, 224, 224))
    assert loose(frame) == [("encoder", "197×768", 197 * 768), ("", "1000", 768)]  # places; the class token
    assert frame["module"].tolist().index("encoder") == frame["module"].tolist().index("encoder.ln") + 1
    frame = complexity(vision_net("swin_t"), (3, 224, 224))
    attention = [row for row in loose(frame) if row[0].startswith("features.1.0.")]
    assert attention == [
        ("features.1.0.attn", "56×56×96", 13**2 * 3),  # a bias for each of three heads and each distance in a window of 7 × 7
        ("features.1.0.attn.qkv", "56×56×96", 96 * 3 * 96 + 3 * 96),
        ("features.1.0.attn.proj", "56×56×96", 96 * 96 + 96),
    ]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.tied, self.unused = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(3, 2)
        self.tied.weight = self.conv.weight

    def forward(self, x):
        return self.tied(self.conv(self.conv(x)))


def test_what_is_called_twice_costs_twice_and_has_its_parameters_once():
    frame = complexity(Twice(), (4, 5, 5))
    assert list(frame["module"]) == ["conv", "conv", "tied", "unused"]
    assert list(frame["parameters"]) == [20, 0, 4, 8]  # of the tied layer, the bias is new
    assert list(frame["multiply_adds"]) == [16 * 25] * 3 + [0]
    assert loose(frame) == [("unused", "4×5×5", 8)]
    assert frame["parameters"].sum() == parameters(Twice())
