"""What a net costs: parameters, multiply-adds and memory, layer by layer, with no weight made and no image shown."""

import copy
from functools import cache

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reslab.nets.blocks import Block
from reslab.nets.family import FAMILY, SOURCE
from reslab.nets.weights import shapes_only

FLOAT32 = 4  # bytes


def complexity(net, image=None):
    """A row a layer, and one for the addition of each of reslab's residual blocks, in the order of the forward pass.

    net: a NetSpec; or any nn.Module, and the shape of its images, (channels, height, width).
    Columns: module (its name in the net; of an addition, the block's), kind ("Conv2d"; "addition"), shape (of its output for one
    image: "64×112×112"), parameters, multiply_adds (for one image: half of what PyTorch's FLOP counter says, which counts
    convolutions and linear layers), activation_bytes (of its output for one image in float32; 0 where a layer hands on what
    it was given). In eval mode: stochastic depth leaves nothing out.
    """
    net, image, rows = skeleton(net).eval(), image or _image(net), []

    def add_row(name, kind, output, parameters=0, is_new=True):
        shape = "×".join(map(str, output.shape[1:]))
        rows.append([name, kind, shape, parameters, 0, FLOAT32 * output.numel() * is_new])

    for name, module in net.named_modules():
        if not list(module.children()) or isinstance(module, nn.MultiheadAttention):  # which calls none of its parts
            kind, parameters = type(module).__name__, sum(parameter.numel() for parameter in module.parameters())

            def after(_, inputs, output, name=name, kind=kind, parameters=parameters):
                output = output[0] if isinstance(output, tuple) else output
                add_row(name, kind, output, parameters, output is not inputs[0])

            module.register_forward_hook(after)
    for name, module in net.named_modules():
        if isinstance(module, Block) and module.shortcut is not None:

            def before(_, inputs, name=name):
                add_row(name, "addition", inputs[0])

            module.activation.register_forward_pre_hook(before)  # the sum is what the activation is given
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *image, device="meta"))
    frame = pd.DataFrame(rows, columns=["module", "kind", "shape", "parameters", "multiply_adds", "activation_bytes"])
    flops = {name: sum(by_operator.values()) for name, by_operator in counter.get_flop_counts().items()}
    is_layer = frame["kind"] != "addition"
    frame["multiply_adds"] = [flops.get(f"{type(net).__name__}.{name}", 0) // 2 for name in frame["module"]] * is_layer
    return frame


def skeleton(net):
    """A net's layers and shapes on the device "meta", without its weights: of a NetSpec, or of an nn.Module, which stays as it is."""
    if not isinstance(net, nn.Module):
        return shapes_only(net)
    shapes = {id(tensor): tensor.to("meta") for tensor in net.buffers()}  # what deepcopy is to take for a copy
    shapes |= {id(tensor): nn.Parameter(tensor.detach().to("meta"), tensor.requires_grad) for tensor in net.parameters()}
    return copy.deepcopy(net, shapes)


def _image(spec):
    return spec.in_channels, spec.image_size, spec.image_size


def presets():
    """A row a net of `FAMILY`. Columns: name, depth, image ("3×224×224"), parameters, multiply_adds (for one image), source."""
    return pd.DataFrame([_preset(name) for name in FAMILY])


@cache
def _preset(name):
    spec, layers = FAMILY[name], complexity(FAMILY[name])
    return {
        "name": name,
        "depth": spec.depth,
        "image": "×".join(map(str, _image(spec))),
        "parameters": layers["parameters"].sum(),
        "multiply_adds": layers["multiply_adds"].sum(),
        "source": SOURCE[name],
    }
