"""What a net costs: parameters, multiply-adds and memory, layer by layer, with no weight made and no image shown."""

from functools import cache

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from reslab.nets.blocks import Block
from reslab.nets.family import FAMILY, SOURCE
from reslab.nets.weights import shapes_only

FLOAT32 = 4  # bytes


def complexity(spec):
    """A row a layer, and one for the addition of each residual block, in the order of the forward pass.

    Columns: module (its name in the net; of an addition, the block's), kind ("Conv2d"; "addition"), shape (of its output for one
    image: "64×112×112"), parameters, multiply_adds (for one image: half of what PyTorch's FLOP counter says, which counts
    convolutions and linear layers), activation_bytes (of its output for one image in float32; 0 where a layer hands on what
    it was given). In eval mode: stochastic depth leaves nothing out.
    """
    net, rows = shapes_only(spec).eval(), []

    def add_row(name, kind, output, parameters=0, is_new=True):
        shape = "×".join(map(str, output.shape[1:]))
        rows.append([name, kind, shape, parameters, 0, FLOAT32 * output.numel() * is_new])

    for name, module in net.named_modules():
        if not list(module.children()):
            kind, parameters = type(module).__name__, sum(parameter.numel() for parameter in module.parameters())

            def after(_, inputs, output, name=name, kind=kind, parameters=parameters):
                add_row(name, kind, output, parameters, output is not inputs[0])

            module.register_forward_hook(after)
    for name, module in net.named_modules():
        if isinstance(module, Block) and module.shortcut is not None:

            def before(_, inputs, name=name):
                add_row(name, "addition", inputs[0])

            module.activation.register_forward_pre_hook(before)  # the sum is what the activation is given
    image = torch.empty(1, spec.in_channels, spec.image_size, spec.image_size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(image)
    frame = pd.DataFrame(rows, columns=["module", "kind", "shape", "parameters", "multiply_adds", "activation_bytes"])
    flops = {name: sum(by_operator.values()) for name, by_operator in counter.get_flop_counts().items()}
    is_layer = frame["kind"] != "addition"
    frame["multiply_adds"] = [flops.get(f"{type(net).__name__}.{name}", 0) // 2 for name in frame["module"]] * is_layer
    return frame


def presets():
    """A row a net of `FAMILY`. Columns: name, depth, image ("3×224×224"), parameters, multiply_adds (for one image), source."""
    return pd.DataFrame([_preset(name) for name in FAMILY])


@cache
def _preset(name):
    spec, layers = FAMILY[name], complexity(FAMILY[name])
    return {
        "name": name,
        "depth": spec.depth,
        "image": f"{spec.in_channels}×{spec.image_size}×{spec.image_size}",
        "parameters": layers["parameters"].sum(),
        "multiply_adds": layers["multiply_adds"].sum(),
        "source": SOURCE[name],
    }
