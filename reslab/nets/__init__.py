"""Nets: a `NetSpec` in, a `torch.nn.Module` out.

spec.py says what a net is, blocks.py is the block, resnet.py puts blocks together and draws their weights.
"""

from reslab.checks import replace
from reslab.nets.blocks import Block
from reslab.nets.resnet import ResNet, build
from reslab.nets.spec import CHOICES, FAMILY, NetSpec, nearest_depth, valid_depths

__all__ = ["CHOICES", "FAMILY", "Block", "NetSpec", "ResNet", "build", "nearest_depth", "replace", "valid_depths"]
