"""Nets: a `NetSpec` in, a `torch.nn.Module` out.

`reslab.specs` says what a net is and family.py names those of the papers; layers.py and blocks.py are the parts;
resnet.py, vgg.py and super_resolution.py put them together; weights.py draws weights, imagenet.py takes torchvision's;
lesion.py takes blocks out and puts them back; backbone.py makes bodies of them; complexity.py counts what a net costs.
"""

from reslab.nets.blocks import Block
from reslab.nets.family import FAMILY
from reslab.nets.imagenet import WeightsUnavailable, pretrained
from reslab.nets.lesion import lesion, reordered
from reslab.nets.resnet import ResNet
from reslab.nets.super_resolution import SRNet, build_sr
from reslab.nets.vgg import VGG
from reslab.nets.weights import build
from reslab.specs import NetSpec, SRSpec, nearest_depth, replace, valid_depths

CHOICES = NetSpec.choices()

__all__ = [
    "CHOICES",
    "FAMILY",
    "VGG",
    "Block",
    "NetSpec",
    "ResNet",
    "SRNet",
    "SRSpec",
    "WeightsUnavailable",
    "build",
    "build_sr",
    "lesion",
    "nearest_depth",
    "pretrained",
    "reordered",
    "replace",
    "valid_depths",
]
