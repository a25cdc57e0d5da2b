"""Lesson 10: one body under everything: what torchvision's detectors and segmenters are made of, part by part.

Each model is torchvision's own: its neck and its heads, around a body of ours. They are built on the device "meta", so
no weight is made and no picture is shown, and counted by `nets.complexity`.

- a classifier: the ResNet as it is (He et al. 2015, arXiv:1512.03385);
- Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) with a feature pyramid (Lin et al. 2016, arXiv:1612.03144);
- Mask R-CNN (He et al. 2017, arXiv:1703.06870): the same, and a head that draws the shape of each object;
- DeepLabv3 (Chen et al. 2017, arXiv:1706.05587) and FCN (Long et al. 2014, arXiv:1411.4038), with a body of stride 8
  by dilation, and a second head that is used in training only.

Not counted, as everywhere in reslab: norms, activations, pooling, enlarging; and here anchors, the choice of boxes
(non-maximum suppression) and the cutting out of their features (RoIAlign).
"""

import re
from functools import lru_cache

import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.nets import FAMILY
from reslab.nets.backbone import Backbone
from reslab.nets.complexity import complexity
from reslab.nets.weights import shapes_only
from reslab.results.backbones import ANSWERS, verdict  # noqa: F401 – a lesson takes it from here

MODELS = {  # name → torchvision's function that builds it around a ResNet-50
    "classifier": "resnet50",
    "Faster R-CNN": "fasterrcnn_resnet50_fpn",
    "Mask R-CNN": "maskrcnn_resnet50_fpn",
    "DeepLabv3": "deeplabv3_resnet50",
    "FCN": "fcn_resnet50",
}
BODIES = ("resnet-18", "resnet-34", "resnet-50", "resnet-101", "resnet-152")
SIDE = 800  # pixels: torchvision's detectors enlarge a picture until its shorter side has so many
PROPOSALS = 1000  # boxes that the region proposal network passes on, the most in torchvision's detectors
OBJECTS = 100  # boxes that are left in the end and get a mask, the most in torchvision's detectors
CLASSES = {"detector": 91, "segmenter": 21}  # of COCO and of Pascal VOC, with "none of them"
CHANNELS = 256  # of every map of the feature pyramid
# What a module of torchvision's belongs to: part, and its name. FPN: the feature pyramid network; RPN: the region
# proposal network, which says where something may be. The second head is used in training only.
PARTS = {
    r"(backbone\.)?(body\.)?stem": ("body", "stem"),
    r"(backbone\.)?(body\.)?stage(\d)": ("body", "stage {}"),
    r"backbone\.fpn": ("neck", "FPN"),
    r"rpn": ("head", "RPN"),
    r"roi_heads\.box_\w+": ("head", "box head"),
    r"roi_heads\.mask_\w+": ("head", "mask head"),
    r"classifier\.0": ("head", "first layers"),
    r"classifier|fc|pool|final": ("head", "classes"),
    r"aux_classifier": ("head", "second head"),
}
COUNTED_PER = {"box head": "proposals", "mask head": "objects"}


def layers(models=tuple(MODELS), body="resnet-50", *, side=SIDE, proposals=PROPOSALS, objects=OBJECTS):
    """What models cost, one row per layer's call, in the order of the forward pass, for one picture of side × side.

    models: names of MODELS. body: one of BODIES. proposals: boxes that go through the box head; objects: boxes that get
    a mask. A detector's picture has been enlarged already (see SIDE). The multiply-adds of the box head are
    proportional to `proposals`, those of the mask head to `objects`, all others to the picture; the column grows says
    which: "picture", "proposals", "objects".
    Columns: model, body_name, side, proposals, objects, part ("body", "neck" or "head"), name ("stage 3"), block (of
    the body, "stage3.block2", or ""), grows, and those of `complexity`: module, kind, shape, parameters, multiply_adds,
    activation_bytes. ValueError for an unknown name, or a number that is too small.
    """
    (models,) = checks.several(models=models)
    for model in models:
        checks.choice("a model", model, MODELS)
    checks.choice("the body", body, BODIES)
    side = checks.integer("the side of the picture", side, 64, 4096)
    counts = checks.integer("proposals", proposals, 1), checks.integer("objects", objects, 1)
    frames = [_layers(model, body, side, *counts) for model in models]
    return pd.concat(frames, ignore_index=True)


@lru_cache(64)
def _layers(model, body, side, proposals, objects):
    net = assemble(model, body)
    counted = _Shapes(net, proposals, objects) if hasattr(net, "roi_heads") else net
    frame = complexity(counted, (3, side, side), name=model)
    places = [_place(module) for module in frame["module"]]
    frame.insert(0, "model", model)
    labels = {"body_name": body, "side": side, "proposals": proposals, "objects": objects}
    for at, (name, value) in enumerate(labels.items(), 1):
        frame.insert(at, name, value)
    for at, name in enumerate(("part", "name", "block"), 5):
        frame.insert(at, name, [place[name] for place in places])
    frame.insert(8, "grows", [COUNTED_PER.get(place["name"], "picture") for place in places])
    return frame


def _place(module):
    """The part, the name in words and the block of a module of torchvision's."""
    for pattern, (part, name) in PARTS.items():
        if found := re.match(rf"({pattern})(\.|$)", module):
            block = re.search(r"stage\d\.block\d+", module)
            numbers = [group for group in found.groups() if group and group.isdigit()]
            return {"part": part, "name": name.format(*numbers), "block": block[0] if block else ""}
    raise ValueError(f"{module} is in no part of PARTS.")


class _Shapes(nn.Module):
    """A detector's forward pass in which no shape depends on a value: so many boxes as are asked for."""

    def __init__(self, net, proposals, objects):
        super().__init__()
        self.backbone, self.rpn, self.roi_heads = net.backbone, net.rpn, net.roi_heads
        self.proposals, self.objects = proposals, objects

    def forward(self, x):
        self.rpn.head(list(self.backbone(x).values()))
        heads = self.roi_heads
        boxes = x.new_empty(self.proposals, CHANNELS, *heads.box_roi_pool.output_size)
        heads.box_predictor(heads.box_head(boxes))
        if heads.has_mask():
            boxes = x.new_empty(self.objects, CHANNELS, *heads.mask_roi_pool.output_size)
            heads.mask_predictor(heads.mask_head(boxes))
        return x


def assemble(model, body="resnet-50"):
    """torchvision's model around one of our bodies, on the device "meta": layers and shapes, no weights.

    With the body resnet-50 it has the layers of torchvision's own function, see MODELS.
    """
    net = shapes_only(FAMILY[checks.choice("the body", body, BODIES)])
    if checks.choice("a model", model, MODELS) == "classifier":
        return net
    with torch.device("meta"):
        return _detector(net, masks=model == "Mask R-CNN") if "R-CNN" in model else _segmenter(net, model)


def _detector(net, masks):
    from torchvision.models.detection import FasterRCNN, MaskRCNN
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    body = Backbone(net)
    maps = {name: str(i) for i, name in enumerate(body.channels)}
    pyramid = BackboneWithFPN(body, maps, list(body.channels.values()), CHANNELS)
    return (MaskRCNN if masks else FasterRCNN)(pyramid, num_classes=CLASSES["detector"])


def _segmenter(net, model):
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation import FCN, DeepLabV3
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead
    from torchvision.models.segmentation.fcn import FCNHead

    body = Backbone(net, stages=(3, 4), dilate=(3, 4))
    kind, head = (DeepLabV3, DeepLabHead) if model == "DeepLabv3" else (FCN, FCNHead)
    maps = IntermediateLayerGetter(body, {"stage4": "out", "stage3": "aux"})
    classes = CLASSES["segmenter"]
    return kind(maps, head(body.channels["stage4"], classes), FCNHead(body.channels["stage3"], classes))
