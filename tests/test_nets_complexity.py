"""`complexity`: each layer of a net in a row, and no tensor of a forward pass left out or counted twice."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import torch
import torchvision.models as vision
from small_nets import images, parameters, small
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from reslab.nets import CHOICES, FAMILY, build, replace
from reslab.nets.complexity import complexity
from reslab.nets.skeleton import image_of
from reslab.nets.weights import shapes_only

pytestmark = pytest.mark.usefixtures("one_thread")


class Allocations(TorchDispatchMode):
    """Adds up the bytes of what operators return, but for views of what they were given."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        # the others are the statistics of a norm, the places of a max-pool
        first = made[0] if isinstance(made, tuple) else made
        given = {arg.untyped_storage().data_ptr() for arg in args if isinstance(arg, torch.Tensor)}
        if isinstance(first, torch.Tensor) and first.untyped_storage().data_ptr() not in given:
            self.bytes += first.untyped_storage().nbytes()
        return made


def allocated(net, x):
    with Allocations() as allocations, torch.no_grad():
        net.eval()(x)
    return allocations.bytes


@pytest.mark.parametrize(
    "spec",
    [
        small(depth=26),
        small(depth=26, skip=False, norm="none"),
        small(depth=26, order="preact", stochastic_depth=0.5),
        small(depth=26, norm="none", init="fixup"),
        small(depth=26, residual_scale="learned", shortcut="C"),
        small(depth=28, widen=2, shortcut="B"),
        small(depth=47, block="bottleneck", order="norm-after-add", groups=2),
        FAMILY["resnet-110"],
    ],
    ids=lambda spec: spec.name,
)
def test_a_spec_is_counted_exactly_as_the_module_that_it_makes(spec):
    pd.testing.assert_frame_equal(complexity(spec), complexity(shapes_only(spec), image_of(spec)), check_exact=True)


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
    assert (
        names.index("stage1.block1.shortcut") < names.index("stage1.block1") < names.index("stage1.block1.activation")
    )


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
    spec = small(width=16, **fields)  # so wide that no projection takes its pixels first: see `reslab.nets.convolution`
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
        # a bias for each of three heads and each distance in a window of 7 × 7
        ("features.1.0.attn", "56×56×96", 13**2 * 3),
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


# Every kind of layer


class Calls(nn.Module):
    """A layer that calls a function on its input, with parts by name."""

    def __init__(self, call, **parts):
        super().__init__()
        self.call = call
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.call(self, *inputs)


def weight_normed(layer):
    return nn.utils.parametrizations.weight_norm(layer)


def spectral_normed(layer):
    return nn.utils.parametrizations.spectral_norm(layer)


@pytest.mark.parametrize(
    ("layer", "image", "multiply_adds"),
    [
        (nn.ConvTranspose2d(4, 3, 2, 2), (4, 8, 8), 64 * 4 * 3 * 4),
        (nn.ConvTranspose2d(4, 6, 3, 2, groups=2), (4, 8, 8), 64 * 4 * 3 * 9),
        (nn.Conv1d(3, 4, 5, padding=2), (3, 10), 10 * 3 * 4 * 5),
        (nn.ConvTranspose1d(3, 4, 2, 2), (3, 10), 10 * 3 * 4 * 2),
        (nn.Conv3d(3, 4, 3), (3, 6, 6, 6), 4**3 * 3 * 4 * 27),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 8, 8), 36 * 8 * 9),
        (nn.Conv2d(4, 8, 3, dilation=2), (4, 8, 8), 16 * 4 * 8 * 9),
        (nn.Conv2d(4, 8, 3, padding="same"), (4, 8, 8), 64 * 4 * 8 * 9),
        (nn.Linear(5, 7), (2, 3, 5), 2 * 3 * 5 * 7),
        (weight_normed(nn.Conv2d(3, 4, 3)), (3, 8, 8), 36 * 3 * 4 * 9),
        (spectral_normed(nn.Linear(5, 7)), (5,), 5 * 7),
        (nn.utils.parametrizations.orthogonal(nn.Linear(5, 7)), (5,), 5 * 7),
        (nn.MultiheadAttention(8, 2, batch_first=True), [(5, 8)] * 3, 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8),
        (nn.LSTM(4, 6, batch_first=True), (5, 4), 5 * 4 * 6 * (4 + 6)),
        (nn.LazyLinear(7), (5,), 5 * 7),
        (nn.Linear(5, 7).half(), (5,), 5 * 7),
    ],
)
def test_multiply_adds_of_a_layer(layer, image, multiply_adds):
    frame = complexity(layer, image)
    assert frame["multiply_adds"].tolist() == [multiply_adds]
    if not isinstance(layer, nn.LazyLinear):
        assert frame["parameters"].sum() == parameters(layer)


def test_a_parametrised_layer_keeps_its_name():
    assert complexity(weight_normed(nn.Conv2d(3, 4, 3)), (3, 8, 8))["kind"].tolist() == ["Conv2d"]


def test_what_a_module_multiplies_by_itself_is_counted_and_is_in_a_row_of_its_own():
    net = Calls(lambda net, x: x.flatten(1) @ net.fc.weight.T, fc=nn.Linear(12, 2))
    frame = complexity(net, (3, 2, 2))
    assert list(frame.itertuples(index=False, name=None)) == [
        ("", "operations", "", 0, 24, 0),
        ("fc", "parameters", "", 26, 0, 0),
    ]


@pytest.mark.parametrize(
    ("product", "multiply_adds"),
    [
        (lambda x, w: x @ w[0], 3 * 5),
        (lambda x, w: torch.addmv(torch.zeros(3), x, w[0], beta=2), 3 * 5),
        (lambda x, w: torch.dot(x[0], w[0]), 5),
        (lambda x, w: torch.vdot(x[0], w[0]), 5),
        (lambda x, w: torch.addbmm(torch.zeros(3, 7), x[None], w.T[None]), 3 * 5 * 7),
        (lambda x, w: torch.einsum("ni,ki->nk", x, w), 3 * 5 * 7),
    ],
)
def test_products_with_vectors_are_counted(product, multiply_adds):
    net = Calls(lambda net, x: product(x[0], net.weight), weight=nn.Parameter(torch.zeros(7, 5)))
    assert complexity(net, (3, 5))["multiply_adds"].sum() == multiply_adds


def test_swins_attention_is_counted():
    net = vision_net("swin_t")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, 3, 224, 224, device="meta"))
    assert 2 * complexity(net, (3, 224, 224))["multiply_adds"].sum() == counter.get_total_flops()


def test_a_layer_that_works_in_place_puts_out_no_new_numbers():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.ReLU())
    assert complexity(net, (3, 8, 8))["activation_bytes"].tolist() == [4 * 144, 0, 4 * 144]


def test_a_layer_that_overrides_an_activation_is_run():
    class Mean(nn.ReLU):
        def forward(self, x):
            return x.mean((2, 3))

    assert complexity(nn.Sequential(Mean(), nn.Linear(3, 2)), (3, 8, 8))["shape"].tolist() == ["3", "2"]


def test_several_threads_count_the_same_as_one():
    spec, own = small(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    truth = complexity(spec), complexity(own, (3, 8, 8))
    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(lambda _: (complexity(spec), complexity(own, (3, 8, 8))), range(16)))
    assert all(frame.equals(true) for pair in counted for frame, true in zip(pair, truth, strict=True))
