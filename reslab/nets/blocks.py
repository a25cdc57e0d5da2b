"""The residual block and its parts. Their names are stable: capture, lesions and attribution address them."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
EXPANSION = {"basic": 1, "bottleneck": 4}  # output channels of a block over its inner channels


class Block(nn.Module):
    """y = activation(branch(x) + shortcut(x)): the branch learns the residual F(x); without a shortcut the block is plain."""

    def __init__(self, branch, shortcut, activation):
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut  # a module, or None in a plain net
        self.activation = activation

    def forward(self, x):
        y = self.branch(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)  # not in place: capture and autograd may need branch(x) as it was
        return self.activation(y)


class ZeroPad(nn.Module):
    """Shortcut option A: every stride-th pixel, and zeros for the channels that x does not have. No parameters."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.extra, self.stride = c_out - c_in, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))  # (N, c_in, H, W) → (N, c_out, H/stride, W/stride)

    def extra_repr(self):
        return f"extra_channels={self.extra}, stride={self.stride}"


class Scale(nn.Module):
    """One factor for all that a branch puts out: learned, from 0, or fixed."""

    def __init__(self, value, learned):
        super().__init__()
        self.value, self.learned = value, learned
        self.factor = nn.Parameter(torch.full((), value)) if learned else value

    def forward(self, x):
        return self.factor * x

    def extra_repr(self):
        return f"{'learned, from ' * self.learned}{self.value:.3g}"


def make_block(c_in, c_out, stride, spec):
    """One block of a spec: (N, c_in, H, W) → (N, c_out, H/stride, W/stride)."""
    branch = {"basic": basic_branch, "bottleneck": bottleneck_branch}[spec.block](c_in, c_out, stride, spec)
    if spec.skip and spec.residual_scale != "one":
        branch.add_module("scale", make_scale(spec))
    return Block(branch, make_shortcut(c_in, c_out, stride, spec) if spec.skip else None, ACTIVATIONS[spec.activation]())


def basic_branch(c_in, c_out, stride, spec):
    """Two 3×3 convolutions (He et al. 2015, Fig. 5 left)."""
    return nn.Sequential(
        OrderedDict(
            conv1=conv(c_in, c_out, 3, stride, spec),
            norm1=norm(c_out, spec),
            activation1=ACTIVATIONS[spec.activation](),
            conv2=conv(c_out, c_out, 3, 1, spec),
            norm2=norm(c_out, spec),
        )
    )


def bottleneck_branch(c_in, c_out, stride, spec):
    """1×1 to fewer channels, 3×3, 1×1 back (Fig. 5 right), with the stride in the 3×3, as torchvision has it."""
    inner = c_out // EXPANSION["bottleneck"]
    return nn.Sequential(
        OrderedDict(
            conv1=conv(c_in, inner, 1, 1, spec),
            norm1=norm(inner, spec),
            activation1=ACTIVATIONS[spec.activation](),
            conv2=conv(inner, inner, 3, stride, spec),
            norm2=norm(inner, spec),
            activation2=ACTIVATIONS[spec.activation](),
            conv3=conv(inner, c_out, 1, 1, spec),
            norm3=norm(c_out, spec),
        )
    )


def make_shortcut(c_in, c_out, stride, spec):
    """Options A, B and C of He et al. 2015, §3.3 and §4.1; the identity wherever the shape stays and the option allows."""
    changes_shape = stride != 1 or c_in != c_out
    if spec.shortcut == "C" or (spec.shortcut == "B" and changes_shape):
        return nn.Sequential(OrderedDict(conv=conv(c_in, c_out, 1, stride, spec), norm=norm(c_out, spec)))
    return ZeroPad(c_in, c_out, stride) if changes_shape else nn.Identity()


def make_scale(spec):
    """The last layer of a scaled branch: 1/√blocks, or a scalar learned from 0 (SkipInit and ReZero; see `NetSpec`)."""
    learned = spec.residual_scale == "learned"
    return Scale(0.0 if learned else sum(spec.blocks_per_stage) ** -0.5, learned)


def conv(c_in, c_out, size, stride, spec):
    """A convolution that keeps H and W, but for its stride; with a bias only where no norm follows to shift."""
    return nn.Conv2d(c_in, c_out, size, stride, padding=size // 2, bias=spec.norm == "none")


def norm(channels, spec):
    """BatchNorm, or the identity under the same name."""
    return nn.BatchNorm2d(channels) if spec.norm == "batch" else nn.Identity()
