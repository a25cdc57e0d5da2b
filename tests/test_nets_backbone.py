"""Our nets as bodies: maps by name, dilation with the same weights, torchvision's parts around them, its weights."""

import pytest
import torch
import torchvision
from small_nets import images, refusal, same_bits, small
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.segmentation import deeplabv3_resnet50, fcn_resnet50

from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.backbone import backbone
from reslab.nets.complexity import complexity
from reslab.nets.imagenet import key_map
from reslab.nets.weights import allocated, shapes_only

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = [
    {}, {"skip": False}, {"shortcut": "B"}, {"block": "bottleneck", "depth": 11, "shortcut": "C"}, {"order": "preact"},
    {"norm": "none"},
]  # fmt: skip


@pytest.mark.parametrize("fields", KINDS)
def test_the_maps_are_those_of_the_net(fields):
    net = build(small(**fields)).eval()
    x = images(net.spec)
    maps = backbone(net)(x)
    seen = net.stem(x)
    for number, stage in enumerate(net.stages, 1):
        seen = stage(seen)
        shown = net.final(seen) if number == len(net.stages) and net.final is not None else seen
        assert torch.equal(maps[f"stage{number}"], shown)
    assert torch.equal(net.fc(net.pool(maps["stage3"]).flatten(1)), net(x))


def test_channels_and_strides_are_measured():
    body = backbone(FAMILY["resnet-50"], stages=(2, 4))
    assert body.channels == {"stage2": 512, "stage4": 2048}
    assert body.strides == {"stage2": 8, "stage4": 32}
    assert backbone(FAMILY["resnet-50"], dilate=(3, 4)).strides == {f"stage{i}": min(4 * i, 8) for i in (1, 2, 3, 4)}
    assert backbone(replace(FAMILY["vgg-11"], width=4)).strides == {f"stage{i}": 2**i for i in range(1, 6)}
    assert "stage4" not in dict(backbone(FAMILY["resnet-18"], stages=(1, 3)).named_children())


def whole_numbers(net):
    """The net with weights of -1, 0 and 1 in float64: its sums are exact, in whatever order they are made."""
    for parameter in net.parameters():
        parameter.data = parameter.data.sign() * (torch.rand_like(parameter) < 0.3)
    return net.double().eval()


@pytest.mark.parametrize("size", [8, 13])
@pytest.mark.parametrize("fields", KINDS)
def test_dilation_changes_no_value_at_the_places_that_both_maps_have(fields, size):
    """Exact: without a norm, in whole numbers. So 1×1 convolutions, zero padding and borders are right, too."""
    torch.manual_seed(0)
    net = whole_numbers(build(small(**fields | {"norm": "none"})))
    x = torch.randint(-3, 4, (2, 2, size, size)).double()
    plain, last, both = backbone(net)(x), backbone(net, dilate=[3])(x), backbone(net, dilate=[2, 3])(x)
    assert plain["stage3"].abs().max() > 0
    assert torch.equal(last["stage3"][:, :, ::2, ::2], plain["stage3"])
    assert torch.equal(both["stage2"][:, :, ::2, ::2], plain["stage2"])
    assert torch.equal(both["stage3"][:, :, ::4, ::4], plain["stage3"])
    assert both["stage3"].shape[2:] == x.shape[2:]


@pytest.mark.parametrize("fields", KINDS[:-1])
def test_the_same_with_norms_and_the_weights_of_the_net_which_stays_as_it_is(fields):
    net = build(small(**fields)).double().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    x = images(net.spec).double()
    dilated = backbone(net, stages=[3], dilate=[2, 3])
    torch.testing.assert_close(dilated(x)["stage3"][:, :, ::4, ::4], backbone(net)(x)["stage3"], rtol=1e-9, atol=1e-12)
    assert same_bits(before, net.state_dict())
    assert all(layer.dilation == (1, 1) for layer in net.modules() if isinstance(layer, torch.nn.Conv2d))


def of_body(net):
    """The weights of a net without its classifier, under torchvision's names."""
    names, state = key_map(net.spec), net.state_dict()
    return {names[ours]: tensor for ours, tensor in state.items() if not ours.startswith("fc.")}


def test_the_layers_are_dilated_as_torchvision_dilates_them():
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    net = build(FAMILY["resnet-50"]).eval()
    theirs.load_state_dict(of_body(net), strict=False)  # it has a classifier, too
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted = IntermediateLayerGetter(theirs, {"layer3": "stage3", "layer4": "stage4"})(x)
        found = backbone(net, stages=(3, 4), dilate=(3, 4))(x)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_dilation_costs_multiply_adds_and_no_parameters():
    costs = [complexity(backbone(FAMILY["resnet-50"], dilate=dilate), (3, 64, 64)) for dilate in ((), (3, 4))]
    assert costs[0]["parameters"].sum() == costs[1]["parameters"].sum() == 23_508_032
    assert costs[1]["multiply_adds"].sum() > 2 * costs[0]["multiply_adds"].sum()


def test_what_cannot_be_a_body_is_said():
    assert "a stage is 4; it can be 1, 2, 3." in refusal(backbone, small(), stages=[4])
    assert "a stage to dilate is 1; it can be 2, 3." in refusal(backbone, small(), dilate=[1])
    assert "shortcut D pools, and only convolutions can be dilated" in refusal(
        backbone, small(shortcut="D"), dilate=[3]
    )
    assert "a VGG pools" in refusal(backbone, replace(FAMILY["vgg-11"], width=4), dilate=[3])


def test_torchvisions_detector_takes_it_and_trains():
    """A forward and a backward pass on random boxes: every weight of the body gets a gradient."""
    torch.manual_seed(0)
    body = backbone(NetSpec(depth=8, width=4), stages=(2, 3))
    pyramid = BackboneWithFPN(body, {"stage2": "0", "stage3": "1"}, list(body.channels.values()), 8)
    anchors = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
    detector = FasterRCNN(pyramid, num_classes=3, rpn_anchor_generator=anchors, min_size=64, max_size=64)
    corner = torch.rand(2, 4, 2) * 30
    boxes = torch.cat([corner, corner + 8 + 20 * torch.rand(2, 4, 2)], 2)
    targets = [{"boxes": each, "labels": torch.tensor([1, 2, 1, 2])} for each in boxes]
    losses = detector(list(torch.rand(2, 3, 64, 64)), targets)
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    sum(losses.values()).backward()
    for name, parameter in detector.backbone.body.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    (found, _) = detector.eval()(list(torch.rand(2, 3, 64, 64)))
    assert found["boxes"].shape[1:] == (4,)


@pytest.fixture(scope="module")
def resnet_50():
    return build(FAMILY["resnet-50"], seed=3)


@pytest.mark.parametrize("make", [fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn, deeplabv3_resnet50, fcn_resnet50])
def test_the_weights_of_our_resnet_50_go_into_every_body_and_back(resnet_50, make):
    with torch.device("meta"):  # no weights until ours are assigned
        whole = make(weights=None, weights_backbone=None)
    body, ours = getattr(whole.backbone, "body", whole.backbone), of_body(resnet_50)
    found = body.load_state_dict(ours, strict=False, assign=True)
    assert found.missing_keys == []
    assert all(name.endswith("num_batches_tracked") for name in found.unexpected_keys)  # a frozen BatchNorm has none
    state = body.state_dict()
    back = allocated(shapes_only(resnet_50.spec))
    names = key_map(back.spec)
    back.load_state_dict({name: state[theirs] for name, theirs in names.items() if theirs in state}, strict=False)
    given_back = of_body(back)
    assert all(torch.equal(given_back[name], ours[name]) for name in state)
