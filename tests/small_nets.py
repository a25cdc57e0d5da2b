"""Small nets for the tests of `reslab.nets`, and helpers that look at their parts."""

import pytest
import torch
from torch import nn

from reslab.nets import Block, NetSpec

SMALL = {"depth": 8, "width": 4, "in_channels": 2, "image_size": 8, "classes": 3}
DEPTHS = {"basic": 8, "bottleneck": 11}  # the shallowest CIFAR nets
INITS = ("kaiming", "xavier", "torch")  # those of any net; Fixup is for residual nets without norm


def small(**fields):
    return NetSpec(**SMALL | fields)


def images(spec, n=2):
    return torch.randn(
        n, spec.in_channels, spec.image_size, spec.image_size, generator=torch.Generator().manual_seed(5)
    )


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def blocks(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, Block)}


def layers(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}


def same_bits(a, b):
    """Whether two state dicts have the same names, in the same order, and the same tensors to the bit."""
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def refusal(make, *args, **kwargs):
    with pytest.raises(ValueError, match=r".") as caught:
        make(*args, **kwargs)
    return str(caught.value)
