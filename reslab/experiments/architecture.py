"""The layers of nets as a tidy frame for the architecture map: kind, costs, block and path of each."""

import math

import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.capture import capture
from reslab.nets import FAMILY, Block, NetSpec
from reslab.nets.complexity import REST, complexity
from reslab.nets.layers import ZeroPad
from reslab.nets.skeleton import image_of, inputs, run, skeleton

COLUMNS = (
    *("net", "skip", "module", "block", "shortcut", "path", "label", "kind"),
    *("output_shape", "parameters", "multiply_adds", "memory"),
)
INPUT = "image"  # the first row of every net, which is no module
IMAGE = (3, 224, 224)  # input of a module of your own, if none is given
SHORTCUTS = ("downsample", "shortcut", "skip")  # the names of shortcuts in blocks of other libraries


def layers(nets, *, images=None):
    """A row for the image, its mean subtracted, and one row per layer of each net, in the order of the forward pass.

    nets: names of FAMILY, or a dict name → NetSpec or nn.Module. images: name → what a module takes, (channels, height,
    width), or a list of shapes for several inputs: see `complexity`. By default (3, 224, 224).
    Columns: net, skip (whether anything is added in it), module, block (the name of the block that it is in, "" for
    none), shortcut (of that block: "", "identity", "zero padding" or "projection"), path ("branch" or "shortcut"),
    label ("3×3 conv, 128, /2"; "" for a norm, an activation, an addition), kind, output_shape, parameters,
    multiply_adds, memory (bytes of its output), all for one image in float32. What no layer's call accounts for has a
    row and the label "parameters" or "operations": see `complexity`, which also says what is not counted.
    The blocks of a module that is not reslab's are those whose forward pass adds two tensors of one shape, and the
    shortcut in such a block is the part called downsample, shortcut or skip.
    Raises ValueError for a module that does not take the images, cannot be copied, or asks for the values of a tensor,
    and for an unknown name; TypeError for other kinds of arguments.
    """
    images = {} if images is None else images
    if isinstance(nets, (str, NetSpec, nn.Module)) or not isinstance(images, dict):
        example = "layers({'mine': net}, images={'mine': (3, 32, 32)})"
        raise TypeError(f"layers takes several nets: names of FAMILY, or a dict with a name for each, as in {example}.")
    nets = nets if isinstance(nets, dict) else {name: FAMILY[checks.choice("a net", name, FAMILY)] for name in nets}
    for name, net in nets.items():
        if not isinstance(net, (NetSpec, nn.Module)):
            raise TypeError(f"{name} is {net!r}; it must be a NetSpec, as FAMILY[...] is, or an nn.Module.")
    frames = [_layers(name, net, images.get(name, IMAGE)) for name, net in nets.items()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _layers(name, net, image):
    image = image if isinstance(net, nn.Module) else image_of(net)
    frame = complexity(net, image, name=name).rename(columns={"shape": "output_shape", "activation_bytes": "memory"})
    built = skeleton(net)
    built.eval()
    blocks = reslab_blocks(built) or adding_blocks(built, image, name)  # name → (its shortcut, the shortcut's module)
    frame["block"] = [_innermost(module, blocks) for module in frame["module"]]
    frame["shortcut"] = [blocks[block][0] if block else "" for block in frame["block"]]
    where = list(zip(frame["module"], frame["block"], strict=True))
    is_beside = [bool(block) and _is_inside(module, blocks[block][1]) for module, block in where]
    frame["path"] = ["shortcut" if beside else "branch" for beside in is_beside]
    kinds = zip(frame["module"], frame["kind"], strict=True)  # of an addition, the label is the block's: ""
    frame["label"] = [kind if kind in REST else label(built.get_submodule(module)) for module, kind in kinds]
    frame = pd.concat([pd.DataFrame([_input(image)]), frame], ignore_index=True)
    return frame.assign(net=name, skip=any(shortcut for shortcut, _ in blocks.values()))[list(COLUMNS)]


def _input(image):
    """The row of the image, or of all inputs of a net."""
    shapes = [tuple(one.shape[1:]) if isinstance(one, torch.Tensor) else one for one in inputs(image)]
    row = {
        "module": INPUT,
        "label": "image − its mean",
        "kind": "image",
        "block": "",
        "shortcut": "",
        "path": "branch",
    }
    memory = 4 * sum(map(math.prod, shapes))
    return row | {"output_shape": "×".join(map(str, shapes[0])), "parameters": 0, "multiply_adds": 0, "memory": memory}


def reslab_blocks(net):
    """name → (kind of its shortcut, the shortcut's name) of the blocks of a net of `build`."""
    kinds = {type(None): "", nn.Identity: "identity", ZeroPad: "zero padding", nn.Sequential: "projection"}
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Block)}
    return {name: (kinds[type(block.shortcut)], f"{name}.shortcut") for name, block in blocks.items()}


def adding_blocks(net, image, name):
    """The same for any other module: its blocks are the modules whose forward pass has an addition."""
    with capture(net, (), activation={}, gradient={}, additions=True) as trace:
        run(net, image, name=name)
    frame = trace.frame()
    blocks = {}
    adding = frame.loc[frame["part"] == "sum", "module"].unique()
    for name in adding[adding != type(net).__name__]:  # the whole net is not a block
        parts = [part for part, module in net.get_submodule(name).named_children() if part in SHORTCUTS]
        blocks[name] = ("projection", f"{name}.{parts[0]}") if parts else ("identity", f"{name}.")
    return blocks


def _innermost(module, blocks):
    while module and module not in blocks:
        module = module.rpartition(".")[0]
    return module


def _is_inside(module, outer):
    return module == outer or module.startswith(f"{outer}.")


def label(module):
    """The label of a layer on the map, "3×3 conv, 128, /2"; "" if it is drawn as part of the layer before it."""
    if isinstance(module, nn.Conv2d):
        size, groups = "×".join(map(str, module.kernel_size)), module.groups
        kind = "depthwise" if groups == module.in_channels > 1 else "conv"
        cardinality = f", {groups} groups" if kind == "conv" and groups > 1 else ""
        return f"{size} {kind}, {module.out_channels}{cardinality}{_stride(module.stride)}"
    if isinstance(module, nn.Linear):
        return f"fc, {module.out_features}"
    if isinstance(module, nn.MultiheadAttention):
        return f"attention, {module.num_heads} heads"
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        return f"{'max' if isinstance(module, nn.MaxPool2d) else 'avg'} pool{_stride(module.stride)}"
    return "avg pool" if isinstance(module, nn.AdaptiveAvgPool2d) else ""


def _stride(stride):
    stride = stride if isinstance(stride, int) else stride[0]
    return f", /{stride}" if stride > 1 else ""
