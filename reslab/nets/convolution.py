"""A convolution that avoids a bug of oneDNN, and a warning for models of your own that would run into it."""

import warnings
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

BLOCK = 16  # channels that oneDNN computes at a time with AVX-512; with AVX2, 8


class Conv2d(nn.Conv2d):
    """A 1×1 nn.Conv2d, (N, C, H, W) → (N, C', H', W'), that takes every stride-th pixel first and then has stride 1.

    Used where `overruns` is true. On x86 CPUs, oneDNN's weight gradient of a strided 1×1 convolution in channels_last
    writes past its workspace if there are fewer input channels than in a block (uxlfoundation/oneDNN#6035): Python
    crashes, hangs, or gets wrong gradients. Seen with 2 to 7 channels and AVX2 in PyTorch 2.11 to 2.14. Outputs and
    gradients are the same within rounding, and as fast.
    """

    def forward(self, x):
        x = F.avg_pool2d(x, 1, self.stride)  # the pixels; unlike a slice, its gradient keeps channels_last
        return F.conv2d(x, self.weight, self.bias, groups=self.groups)


def overruns(layer):
    """Whether oneDNN's weight gradient of a layer in channels_last can write past its workspace: see `Conv2d`.

    A transposed convolution has the gradient of a convolution from its outputs to its inputs.
    """
    if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        return False
    channels = layer.out_channels if layer.transposed else layer.in_channels
    return layer.kernel_size == (1, 1) and max(layer.stride) > 1 and channels // layer.groups < BLOCK


def lay_out(model, layout):
    """Put a model's weights into a memory format, in place.

    The weights of a 1×1 convolution are contiguous and channels_last at once, and PyTorch leaves them as they are;
    their strides decide where oneDNN computes. So those that overrun in channels_last get the strides of their new
    layout.
    """
    model.to(memory_format=layout)
    for layer in filter(overruns, model.modules()):
        layer.weight.data = layer.weight.data.clone(memory_format=layout)


@contextmanager
def warned_of_overruns(model):
    """Warn if a model gives channels_last tensors to a layer that overruns, in a forward pass inside the block."""
    names = {}

    def look(layer, inputs):
        is_last = inputs[0].is_contiguous(memory_format=torch.channels_last) and not inputs[0].is_contiguous()
        if is_last and inputs[0].device.type == "cpu":
            names[layers[layer]] = None

    # The nets' own convolution is safe.
    layers = {layer: name for name, layer in model.named_modules() if overruns(layer) and type(layer) is not Conv2d}
    handles = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if names:
        warnings.warn(
            f"{', '.join(names)}: a strided 1×1 convolution of fewer than {BLOCK} channels, given a channels_last"
            " tensor. On a CPU its gradient can be wrong or crash Python (uxlfoundation/oneDNN#6035); give it"
            " x.contiguous().",
            stacklevel=2,
        )
