"""VGG (Simonyan & Zisserman 2014, arXiv:1409.1556): stages of 3×3 convolutions and a max-pool, three linear layers."""

from collections import OrderedDict

from torch import nn

from reslab.nets.blocks import make_block
from reslab.nets.layers import Dropout, activation


class VGG(nn.Module):
    """Images (N, in_channels, H, W) → logits (N, classes). Each convolution is a plain block: stage1.block1,
    stage1.block2, ..."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.seed = spec, None  # build() says which seed drew the weights
        c_in, hidden = spec.in_channels, 64 * spec.width
        for stage, blocks in enumerate(spec.blocks_per_stage):
            c_out = spec.width * min(2**stage, 8)
            named = OrderedDict()
            for block in range(blocks):
                named[f"block{block + 1}"] = make_block(c_in, c_out, 1, spec)
                c_in = c_out
            named["pool"] = nn.MaxPool2d(2)
            self.add_module(f"stage{stage + 1}", nn.Sequential(named))
        self.pool = nn.AdaptiveAvgPool2d(7)  # of a 224×224 image it is the identity
        self.head = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(c_in * 7 * 7, hidden),
                activation1=activation(spec),
                dropout1=Dropout(0.5),
                fc2=nn.Linear(hidden, hidden),
                activation2=activation(spec),
                dropout2=Dropout(0.5),
            )
        )
        self.fc = nn.Linear(hidden, spec.classes)

    @property
    def stages(self):
        return [module for name, module in self.named_children() if name.startswith("stage")]

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)  # half the height and width of the stage before
        return self.fc(self.head(self.pool(x).flatten(1)))  # (N, classes)
