"""A net that sharpens an enlarged picture (lesson 08): plain or residual, in two ways that are independent."""

import zlib
from collections import OrderedDict

import torch
from torch import nn

from reslab import checks
from reslab.nets.blocks import Block
from reslab.nets.weights import allocated
from reslab.specs import SRSpec


class SRNet(nn.Module):
    """Pictures (N, 1, H, W), enlarged by bicubic interpolation → sharper ones of the same shape.

    With a global skip its output is added to its input: the net learns what bicubic misses (VDSR: Kim et al. 2016,
    arXiv:1511.04587, §3.1). Without it, its output is the picture itself (as SRCNN: Dong et al. 2015,
    arXiv:1501.00092). No norm, as in both papers. Its blocks are those of the other lessons, of one width.
    """

    def __init__(self, spec):
        super().__init__()
        self.spec, self.seed = spec, None  # build_sr() says which seed drew the weights
        self.first = _conv(1, spec.width)
        self.activation = nn.ReLU()
        named = OrderedDict((f"block{i + 1}", _block(spec)) for i in range(spec.depth // 2 - 1))
        self.blocks = nn.Sequential(named)
        self.last = _conv(spec.width, 1)

    def forward(self, x):
        y = self.last(self.blocks(self.activation(self.first(x))))
        return x + y if self.spec.skip else y


def build_sr(spec, *, seed=0):
    """The net of an SRSpec; the caller's random state is not used and not changed.

    Each weight is drawn from the seed and its own name: direct and residual nets of a seed begin with the same weights.
    He's initialisation (2015b, arXiv:1502.01852, eq. 10); biases are 0. With last="zero" the last layer is 0 too, and
    with block skips the second convolution of each block: there is no norm, and sums would grow from block to block
    (as in Fixup: Zhang et al. 2019, arXiv:1901.09321).
    """
    if not isinstance(spec, SRSpec):
        raise TypeError(f"build_sr takes an SRSpec, not {type(spec).__name__}; build makes the nets of a NetSpec.")
    seed = checks.seed("seed", seed)
    with torch.device("meta"):  # PyTorch's own initialisation would draw from the caller's generator
        net = SRNet(spec)
    allocated(net)
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)
    zero = [net.last] * (spec.last == "zero") + [block.branch.conv2 for block in net.blocks] * spec.block_skips
    for module in zero:
        nn.init.zeros_(module.weight)
    net.seed = seed
    return net.to(memory_format=torch.channels_last)


def _conv(c_in, c_out):
    """A 3×3 convolution that keeps height and width."""
    return nn.Conv2d(c_in, c_out, 3, padding=1)


def _block(spec):
    """Two convolutions, with a skip around them or not: (N, width, H, W) → the same shape."""
    layers = OrderedDict(conv1=_conv(spec.width, spec.width), activation1=nn.ReLU())
    layers["conv2"] = _conv(spec.width, spec.width)
    return Block(nn.Sequential(layers), nn.Identity() if spec.block_skips else None, nn.ReLU())
