"""The net of a spec, plain or residual: stem, three stages of blocks, pool, classifier (He et al. 2015, §4.2)."""

import math
import zlib
from collections import OrderedDict

import torch
from torch import nn

from reslab import checks
from reslab.nets.blocks import ACTIVATIONS, EXPANSION, Scale, conv, make_block, norm
from reslab.nets.spec import NetSpec


class ResNet(nn.Module):
    """Images (N, in_channels, H, W) → logits (N, classes); blocks are named stage1.block1, stage1.block2, ..."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.seed = spec, None  # build() says which seed drew the weights
        self.stem = nn.Sequential(
            OrderedDict(
                conv=conv(spec.in_channels, spec.width, 3, 1, spec),
                norm=norm(spec.width, spec),
                activation=ACTIVATIONS[spec.activation](),
            )
        )
        c_in = spec.width
        for stage, blocks in enumerate(spec.blocks_per_stage):
            c_out = spec.width * 2**stage * EXPANSION[spec.block]
            named = OrderedDict()
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1  # each later stage begins by halving the image
                named[f"block{block + 1}"] = make_block(c_in, c_out, stride, spec)
                c_in = c_out
            self.add_module(f"stage{stage + 1}", nn.Sequential(named))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c_in, spec.classes)

    def forward(self, x):
        x = self.stem(x)  # (N, width, H, W)
        x = self.stage1(x)  # (N, width · expansion, H, W)
        x = self.stage2(x)  # (N, 2 · width · expansion, H/2, W/2)
        x = self.stage3(x)  # (N, 4 · width · expansion, H/4, W/4)
        return self.fc(self.pool(x).flatten(1))  # (N, classes)


def build(spec, *, seed=0):
    """The net of a spec, with weights drawn from `seed` alone; the caller's random state is neither read nor moved.

    Every weight is drawn from the seed and its own name, so nets of the same seed share the weights of every layer that
    both have: with shortcut A, a plain net and its residual twin are identical to the bit.
    """
    if not isinstance(spec, NetSpec):
        raise TypeError(f"build takes a NetSpec, not {type(spec).__name__}; names are looked up with FAMILY['resnet-20'].")
    seed = checks.integer("seed", seed, 0)
    with torch.device("meta"):  # shapes only: PyTorch's own initialisation would draw from the caller's generator
        net = ResNet(spec)
    net.to_empty(device="cpu")
    initialise(net, spec, seed)
    net.seed = seed
    return net


@torch.no_grad()
def initialise(net, spec, seed):
    """Draw every weight anew, as `spec.init` says; biases are 0, but for init "torch", which draws them too."""
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()  # γ = 1, β = 0, running mean 0 and variance 1: nothing random
        elif isinstance(module, Scale) and module.learned:
            module.factor.fill_(module.value)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
            # No activation follows the classifier, so its gain is that of a linear layer.
            gain = 1.0 if isinstance(module, nn.Linear) else activation_gain(spec.activation)
            draw(module, spec.init, gain, generator)


def draw(module, init, gain, generator):
    """Fill one layer's weight and bias. fan = k²·channels of a k×k kernel.

    kaiming: normal, std = gain/√fan_out (He et al. 2015b, arXiv:1502.01852, eq. 14); fan_in for the classifier.
    xavier: normal, std = gain·√(2/(fan_in + fan_out)) (Glorot & Bengio 2010, eq. 12).
    torch: uniform within ±1/√fan_in, the bias too, which is what nn.Conv2d and nn.Linear do by themselves.
    """
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
    if init == "torch":
        bound = 1 / math.sqrt(fan_in)
        module.weight.uniform_(-bound, bound, generator=generator)
        if module.bias is not None:
            module.bias.uniform_(-bound, bound, generator=generator)
        return
    fan = fan_in if isinstance(module, nn.Linear) else fan_out
    std = gain / math.sqrt(fan) if init == "kaiming" else gain * math.sqrt(2 / (fan_in + fan_out))
    module.weight.normal_(0, std, generator=generator)
    if module.bias is not None:
        module.bias.zero_()


def activation_gain(activation):
    """PyTorch's recommended gain; √2, that of ReLU, for its smooth relatives, which PyTorch does not list."""
    return nn.init.calculate_gain("relu" if activation in ("elu", "gelu", "silu") else activation)
