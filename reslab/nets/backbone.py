"""Our nets as bodies ("backbones") of torchvision's detectors and segmenters: feature maps by name, at a chosen stride.

torchvision's parts take such a body as it is: BackboneWithFPN(body, {"stage1": "0", ...}, list(body.channels.values()),
256) for its FasterRCNN; IntermediateLayerGetter(body, {"stage4": "out"}) for its DeepLabV3.
"""

import copy

import torch
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter

from reslab import checks
from reslab.nets.layers import ZeroPad
from reslab.nets.resnet import ResNet
from reslab.nets.skeleton import OnMeta, skeleton
from reslab.nets.vgg import VGG
from reslab.nets.weights import build
from reslab.specs import NetSpec


class Backbone(IntermediateLayerGetter):
    """The stem and the stages of a net, up to the last map that is asked for: images (N, C, H, W) → an ordered dict
    {"stage1": (N, channels, H/stride, W/stride), ...}.

    channels, strides: of each map, {name: number}. The modules are those of the net itself, with its weights.
    """

    def __init__(self, net, stages=None, dilate=()):
        there = range(1, len(net.stages) + 1)
        stages = [checks.choice("a stage", stage, there) for stage in stages or there]
        dilate = [checks.choice("a stage to dilate", stage, there[1:]) for stage in dilate]
        _dilate(net, dilate)
        # With pre-activation, what comes out of the last block has had no norm: the layers that follow belong to it.
        ends = {there[-1]: "final"} if getattr(net, "final", None) is not None else {}
        super().__init__(net, {ends.get(stage, f"stage{stage}"): f"stage{stage}" for stage in sorted(stages)})
        self.spec = net.spec
        self.channels, self.strides = {}, {}
        side = 2 ** (len(there) + 2)  # pixels: enough for every stage to have one
        with OnMeta(), torch.no_grad():
            maps = skeleton(self).float().eval()(torch.empty(1, net.spec.in_channels, side, side, device="meta"))
        for name, each in maps.items():
            self.channels[name], self.strides[name] = each.shape[1], side // each.shape[2]


def backbone(net, *, stages=None, dilate=(), seed=0):
    """The `Backbone` of a NetSpec, with weights drawn from `seed`; or of a net of `build`, a copy with its weights.

    stages: numbers, from 1, of the stages whose maps are asked for; None: all. dilate: numbers of stages, not the
    first, that keep the size of their map: a stride becomes 1, and the 3×3 convolutions after it take their pixels
    twice as far apart (Yu & Koltun 2015, arXiv:1511.07122; DeepLab, Chen et al. 2017, arXiv:1706.05587, §3.1). The
    weights stay the same, and so do the values at the places that both maps have.
    ValueError for a stage that the net does not have, and for dilation of a VGG or with shortcut D, which pool;
    TypeError for a model of your own.
    """
    if isinstance(net, NetSpec):
        return Backbone(build(net, seed=seed), stages, dilate)
    if not isinstance(net, ResNet | VGG):
        raise TypeError(f"a backbone is that of a NetSpec or of a net of build(...), not of a {type(net).__name__}.")
    return Backbone(copy.deepcopy(net), stages, dilate)


def _dilate(net, stages):
    """Turn the strides of some stages of a net into dilation, in place."""
    if stages and (net.spec.block == "vgg" or net.spec.shortcut == "D"):
        kind = "a VGG" if net.spec.block == "vgg" else "shortcut D"
        raise ValueError(f"dilate is {tuple(stages)}; {kind} pools, and only convolutions can be dilated: give ().")
    factor = 1  # how far apart a 3×3 convolution takes its pixels
    for number, stage in enumerate(net.stages, 1):
        for block in stage.children() if stages else ():
            for layer in block.branch.modules():
                if isinstance(layer, nn.Conv2d):
                    if layer.kernel_size != (1, 1):
                        layer.dilation = (factor, factor)
                        layer.padding = tuple(factor * (size // 2) for size in layer.kernel_size)
                    if number in stages:
                        factor, layer.stride = factor * layer.stride[0], (1, 1)
            for layer in block.shortcut.modules() if block.shortcut is not None and number in stages else ():
                if isinstance(layer, nn.Conv2d):
                    layer.stride = (1, 1)
                elif isinstance(layer, ZeroPad):
                    layer.stride = 1
