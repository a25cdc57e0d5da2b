"""What a net costs: parameters, multiply-adds and memory, layer by layer, with no weight made and no image shown."""

import copy
from functools import cache

import pandas as pd
import torch
from torch import nn

from reslab.nets.blocks import Block
from reslab.nets.family import FAMILY, SOURCE
from reslab.nets.layers import ACTIVATIONS
from reslab.nets.weights import shapes_only

FLOAT32 = 4  # bytes
SAME_SHAPE = (nn.BatchNorm2d, *ACTIVATIONS.values())


def complexity(net, image=None):
    """A row a call of a layer, and one for the addition of each of reslab's residual blocks, in the order of the forward pass.

    net: a NetSpec; or any nn.Module, and the shape of its images, (channels, height, width).
    Columns: module (its name in the net; of an addition, the block's), kind ("Conv2d"; "addition"; "parameters"), shape (of its output
    for one image: "64×112×112"), parameters, multiply_adds (for one image: of convolutions, linear layers and attention, as He et al.
    2015 count them, biases left out), activation_bytes (of its output for one image in float32; 0 where a layer hands on what it was
    given). In eval mode: stochastic depth leaves nothing out. Each parameter is in one row, that of the first call that uses it, so that
    they sum up to the net's own number. Those that no layer's call accounts for (a ViT's class token; the weights that Swin's attention
    takes from layers it does not call, whose multiply-adds are not counted) are in rows of kind "parameters": by the name of the module
    that owns them, at the end of the innermost call around it, and with the shape of the layer before.
    """
    net, image, rows = skeleton(net).eval(), image or _image(net), []
    counted, ends = set(), {}  # the ids of the parameters in a row; how many rows there were when a module's first call ended

    def add_row(name, kind, output, parameters=0, multiply_adds=0, is_new=True):
        shape = "×".join(map(str, output.shape[1:]))
        rows.append([name, kind, shape, parameters, multiply_adds, FLOAT32 * output.numel() * is_new])

    def new_parameters(module, recurse=True):
        new = {id(parameter): parameter.numel() for parameter in module.parameters(recurse) if id(parameter) not in counted}
        counted.update(new)
        return sum(new.values())

    def watch(name, module):
        def after(_, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            is_new = not any(output is given for given in inputs)
            add_row(name, type(module).__name__, output, new_parameters(module), multiply_adds(module, output), is_new)

        module.register_forward_hook(after)
        if isinstance(module, SAME_SHAPE):
            module.forward = torch.empty_like  # says as much of shapes, ten times as fast

    def watch_end(name, module):
        def after(*_):
            ends.setdefault(name, len(rows))

        module.register_forward_hook(after)

    def watch_addition(name, block):
        def before(_, inputs):
            add_row(name, "addition", inputs[0])

        block.activation.register_forward_pre_hook(before)  # the sum is what it is given

    for name, module in net.named_modules():
        if isinstance(module, Block) and module.shortcut is not None:
            watch_addition(name, module)
        if not list(module.children()) or isinstance(module, nn.MultiheadAttention):  # which calls none of its parts
            watch(name, module)
        else:
            watch_end(name, module)
    with torch.no_grad():
        net(torch.empty(1, *image, device="meta"))
    loose = [(name, parameters) for name, module in net.named_modules() if (parameters := new_parameters(module, recurse=False))]
    loose.sort(key=lambda owned: _end(owned[0], ends))
    for name, parameters in reversed(loose):  # the last first: it moves no other's place
        place = _end(name, ends)
        rows.insert(place, [name, "parameters", rows[place - 1][2] if place else "", parameters, 0, 0])
    return pd.DataFrame(rows, columns=["module", "kind", "shape", "parameters", "multiply_adds", "activation_bytes"])


def _end(name, ends):
    """Where the innermost module around a name ended that was called; the net itself, whose name is "", always was."""
    while name not in ends and name:
        name = name.rpartition(".")[0]
    return ends.get(name, 0)


def multiply_adds(layer, output):
    """Of one image: each weight is used once at each place of the output, a pixel of (1, C, H, W) or a token of (1, L, C)."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.numel() * output.shape[2] * output.shape[3]
    if isinstance(layer, nn.Linear):
        return layer.weight.numel() * output.numel() // layer.out_features
    if isinstance(layer, nn.MultiheadAttention):  # four projections; and every token with every other, for scores and for sums
        tokens, width = output.numel() // layer.embed_dim, layer.embed_dim
        return 4 * width**2 * tokens + 2 * tokens**2 * width
    return 0


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
