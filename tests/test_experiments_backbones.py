"""Lesson 10: torchvision's models in parts, held against torchvision's own functions and published numbers."""

import pandas as pd
import pytest
import torch
import torchvision
from small_nets import refusal
from torchvision.models import detection, segmentation

from reslab.experiments import backbones
from reslab.nets import FAMILY
from reslab.nets.complexity import complexity
from reslab.results import backbones as results

THEIRS = {  # and what torchvision's documentation says of its weights: G multiply-adds of a picture of this side
    "Faster R-CNN": (detection.fasterrcnn_resnet50_fpn, detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1, 800),
    "Mask R-CNN": (detection.maskrcnn_resnet50_fpn, detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1, 800),
    "DeepLabv3": (segmentation.deeplabv3_resnet50, segmentation.DeepLabV3_ResNet50_Weights.DEFAULT, 520),
    "FCN": (segmentation.fcn_resnet50, segmentation.FCN_ResNet50_Weights.DEFAULT, 520),
}


def made(model, **how):
    make, _, _ = THEIRS[model]
    with torch.device("meta"):
        return make(weights=None, weights_backbone=None, **how)


@pytest.fixture(scope="module")
def frame():
    return backbones.layers()


@pytest.mark.parametrize("model", THEIRS)
def test_the_layers_are_those_of_torchvisions_own_function(model):
    theirs = made(model, **({} if "R-CNN" in model else {"aux_loss": True}))
    ours = backbones.assemble(model)
    assert [tuple(p.shape) for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]
    body = getattr(theirs.backbone, "body", theirs.backbone)
    strides = [(m.stride, m.dilation) for m in body.modules() if isinstance(m, torch.nn.Conv2d)]
    own = getattr(ours.backbone, "body", ours.backbone)
    assert sorted(strides) == sorted((m.stride, m.dilation) for m in own.modules() if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize("model", THEIRS)
def test_the_counts_are_those_that_torchvision_publishes(model):
    """Of a detector with torchvision's 1,000 proposals and, as its weights were counted on noise, with no mask."""
    _, weights, side = THEIRS[model]
    frame = backbones.layers([model], side=side)
    counted = frame[frame["name"] != "mask head"]["multiply_adds"].sum() / 1e9
    assert round(counted, 2) == pytest.approx(weights.meta["_ops"], abs=0.006)
    frozen = sum(m.weight.numel() * 2 for m in made(model).backbone.modules() if "BatchNorm" in type(m).__name__)
    parameters = frame["parameters"].sum() - frozen * ("R-CNN" in model)  # their BatchNorm has no parameters: frozen
    assert parameters == weights.meta["num_params"]


def test_the_parts_add_up_and_the_body_is_the_same_everywhere(frame):
    parts = results.parts(frame)
    for cost in ("parameters", "multiply_adds"):
        assert parts.groupby("model")[cost].sum().equals(frame.groupby("model")[cost].sum())
        assert parts.groupby("model")[f"{cost}_share"].sum().to_numpy() == pytest.approx(1)
    body = results.body_shares(frame).set_index("model")
    assert set(body["parameters"]) == {23_508_032}
    assert body["parameters_share"].round(2).to_dict() == {
        "classifier": 0.92, "Faster R-CNN": 0.56, "Mask R-CNN": 0.53, "DeepLabv3": 0.56, "FCN": 0.67
    }  # fmt: skip
    assert results.verdict(frame) == "half to three quarters"
    assert results.verdict(frame, "Mask R-CNN", "multiply_adds") == "a fifth to a half"
    assert list(parts[parts["model"] == "Mask R-CNN"]["name"]) == [
        "stem", "stage 1", "stage 2", "stage 3", "stage 4", "FPN", "RPN", "box head",
        "mask head",
    ]  # fmt: skip


def test_the_body_costs_what_the_net_costs_and_more_where_it_is_dilated(frame):
    net = complexity(FAMILY["resnet-50"], (3, 800, 800))
    alone = net[net["module"].str.startswith(("stem", "stage"))]["multiply_adds"].sum()
    body = frame[frame["part"] == "body"].groupby("model")["multiply_adds"].sum()
    assert set(body[["classifier", "Faster R-CNN", "Mask R-CNN"]]) == {alone}
    assert body["DeepLabv3"] == body["FCN"] > 4 * alone
    blocks = frame[(frame["model"] == "FCN") & (frame["part"] == "body")]
    assert blocks["block"].nunique() == 16 + 1  # and the stem, which is in no block


def test_what_depends_on_the_number_of_boxes_is_proportional_to_it(frame):
    few = backbones.layers(["Mask R-CNN"], proposals=10, objects=4)
    counts = [rows.groupby("grows")["multiply_adds"].sum() for rows in (few, frame[frame["model"] == "Mask R-CNN"])]
    assert counts[1]["proposals"] == 100 * counts[0]["proposals"]
    assert counts[1]["objects"] == 25 * counts[0]["objects"]
    assert counts[1]["picture"] == counts[0]["picture"]
    assert few["parameters"].sum() == 44_454_513


def test_a_smaller_body_makes_a_smaller_model():
    frame = backbones.layers(["Faster R-CNN", "FCN"], body="resnet-18", side=128, proposals=8)
    assert results.body_shares(frame)["parameters"].tolist() == [11_176_512] * 2
    net = torchvision.models.detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    pyramid = sum(p.numel() for p in net.fpn.parameters())
    assert frame[(frame["model"] == "Faster R-CNN") & (frame["part"] == "neck")]["parameters"].sum() == pyramid


def test_names_and_numbers_are_checked():
    assert "a model is 'faster rcnn'" in refusal(backbones.layers, ["faster rcnn"])
    assert "the body is 'resnet-20'; it can be 'resnet-18'" in refusal(backbones.layers, body="resnet-20")
    assert "the side of the picture is 32; it must be from 64 to 4096." in refusal(backbones.layers, side=32)
    assert "proposals is 0" in refusal(backbones.layers, proposals=0)
    with pytest.raises(ValueError, match=r"frame lacks model"):
        results.parts(pd.DataFrame({"parameters": [1]}))
