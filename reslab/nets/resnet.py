"""A net of blocks, plain or residual: stem, stages, pool, classifier (He et al. 2015, Table 1 and §4.2)."""

from collections import OrderedDict

from torch import nn

from reslab.nets.blocks import EXPANSION, ORDERS, in_order, make_block
from reslab.nets.layers import Bias, conv


class ResNet(nn.Module):
    """Images (N, in_channels, H, W) → logits (N, classes); blocks are named stage1.block1, stage1.block2, ..."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.seed = spec, None  # build() says which seed drew the weights
        self.stem = make_stem(spec)
        c_in, index = spec.width, 1
        for stage, blocks in enumerate(spec.blocks_per_stage):
            c_out = spec.width * 2**stage * (EXPANSION if spec.block == "bottleneck" else spec.widen)
            named = OrderedDict()
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1  # each later stage halves the image in its first block
                named[f"block{block + 1}"] = make_block(c_in, c_out, stride, spec, index)
                c_in, index = c_out, index + 1
            self.add_module(f"stage{stage + 1}", nn.Sequential(named))
        self.final = make_final(c_in, spec)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c_in, spec.classes)

    @property
    def stages(self):
        return [module for name, module in self.named_children() if name.startswith("stage")]

    def forward(self, x):
        x = self.stem(x)  # (N, width, H, W); an ImageNet stem has made H and W a quarter of the image's
        for stage in self.stages:
            x = stage(x)  # twice the channels of the stage before, half the height and width
        if self.final is not None:
            x = self.final(x)
        return self.fc(self.pool(x).flatten(1))  # (N, classes)


def make_stem(spec):
    """The layers before the blocks.

    cifar: 3×3 in full size (He et al. 2015, §4.2). imagenet: 7×7 and a max-pool, each of stride 2 (Table 1). deep:
    three 3×3 in place of the 7×7, the first two of half the width (He et al. 2018, arXiv:1812.01187, §4.2, "ResNet-C").
    """
    c_in, width = spec.in_channels, spec.width
    if spec.stem == "deep":
        half = (width + 1) // 2
        convolutions = {
            "1": conv(c_in, half, 3, 2, spec),
            "2": conv(half, half, 3, 1, spec),
            "3": conv(half, width, 3, 1, spec),
        }
    elif spec.stem == "imagenet":
        convolutions = {"": conv(c_in, width, 7, 2, spec)}
    else:
        convolutions = {"": conv(c_in, width, 3, 1, spec)}
    layers = OrderedDict()
    for number, convolution in convolutions.items():
        for kind, layer in in_order("conv norm activation", spec, convolution=convolution):
            layers[f"{kind}{number}"] = layer
    if spec.stem != "cifar":
        layers["pool"] = nn.MaxPool2d(3, 2, padding=1)
    return nn.Sequential(layers)


def make_final(channels, spec):
    """The layers between the blocks and the pool, or None.

    With pre-activation, the last norm and activation (He et al. 2016, appendix); with Fixup, the classifier's bias.
    """
    around = ORDERS[spec.order][0]
    layers = OrderedDict(in_order(around.partition("conv")[0], spec, channels))
    if spec.init == "fixup":
        layers["bias"] = Bias()
    return nn.Sequential(layers) if layers else None
