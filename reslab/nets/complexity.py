"""What a net costs: parameters, multiply-adds and memory, layer by layer, with no weight made and no image shown.

The one counter of the project: whatever reslab says of costs comes from `complexity`. It counts on a copy of its own,
with nothing that another thread sees, so several threads may count at once.
"""

import re
from functools import cache
from itertools import groupby

import pandas as pd
import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from reslab.nets.blocks import Block
from reslab.nets.family import FAMILY, SOURCE
from reslab.nets.layers import ACTIVATIONS
from reslab.nets.skeleton import OnMeta, image_of, run, skeleton
from reslab.specs import NetSpec, replace, valid_depths

COLUMNS = ("module", "kind", "shape", "parameters", "multiply_adds", "activation_bytes")
FLOAT32 = 4  # bytes
SAME_SHAPE = (nn.BatchNorm2d, *ACTIVATIONS.values())
SECOND = re.compile(r"(stage\d+\.block)2(?![0-9])")  # the name of a module in the second block of a stage
REST = ("parameters", "operations")  # kinds of the rows for what no layer's call accounts for
aten = torch.ops.aten
PRODUCTS = {  # multiply-adds of products that PyTorch has no formula for
    aten.mv: lambda matrix, _: matrix.numel(),
    aten.addmv: lambda _, matrix, __, **___: matrix.numel(),
    aten.dot: lambda vector, _: vector.numel(),
    aten.vdot: lambda vector, _: vector.numel(),
    aten.addbmm: lambda _, left, right, **__: left.numel() * right.shape[-1],  # (B, N, M) and (B, M, P)
}


def complexity(net, image=None, *, name=None):
    """One row per call of a layer, and one for the addition of each of reslab's blocks, in the order of the forward
    pass.

    net: a NetSpec; or any nn.Module, and the shape of its images, (channels, height, width). A module with several
    inputs takes a list of such shapes; for an input that is not floats, give a tensor in place of its shape: the
    values are not read, and it is counted as it is, a batch of two as two images.
    name: what errors call it, and the key of its shape in `experiments.architecture.layers`; else they say its class.
    Columns: module (its name in the net; of an addition, the block's), kind ("Conv2d"; "addition"), shape (of its first
    output, for one image: "64×112×112"), parameters, multiply_adds (for one image), activation_bytes (of its outputs,
    for one image in float32; 0 where a layer hands on what it was given).

    multiply_adds are those of convolutions, linear layers, products of matrices and vectors, and attention, half of
    what torch.utils.flop_counter counts; so He et al. 2015 count too. Not counted: biases, norms, activations, pooling,
    and whatever else works element by element; nn.Bilinear, Fourier transforms and deformable convolutions; what a
    parametrisation (weight_norm, spectral_norm) does to make a weight; a person's own hooks, which are not run.

    In eval mode: stochastic depth leaves nothing out. Each parameter is in one row, that of the first call that uses
    it, so that they sum up to the net's own number. What no layer's call accounts for (a ViT's class token; the weights
    that Swin's attention takes from layers it does not call, and its products of matrices) is in rows of kind
    "parameters", or "operations" where there are no parameters: by the name of the module that it belongs to, at the
    end of the innermost call around it, with the shape of the layer before.

    Raises ValueError, in one sentence, for a module that cannot be copied, does not take such images, or asks for the
    values of a tensor in its forward.
    """
    image = image_of(net) if image is None else image
    if isinstance(net, NetSpec) and net.stem == "cifar" and net.blocks_per_stage[0] > 2:
        two = replace(net, depth=valid_depths(net.block, net.stem, net.widen)[1])  # two blocks in each stage
        return _with_blocks(net.blocks_per_stage[0], complexity(two, image, name=name))
    count = _Count(skeleton(net))
    count.net.eval()  # a person's own train() may return nothing
    run(count.net, image, name=name, mode=count)
    return count.frame()


def _with_blocks(blocks, frame):
    """The rows of a net with so many blocks a stage, from those with two: all but the first of a stage cost the same.

    resnet-1202 has 600 blocks, and to make and run each of them on "meta" takes over a second.
    """
    rows = []
    for is_second, group in groupby(frame.itertuples(index=False, name=None), lambda row: bool(SECOND.match(row[0]))):
        group = list(group)
        rows += group
        for block in range(3, blocks + 1) if is_second else ():
            rows += [(SECOND.sub(rf"\g<1>{block}", module), *numbers) for module, *numbers in group]
    return pd.DataFrame(rows, columns=COLUMNS)


class _Count(OnMeta):
    """Counts while it is entered, in this thread alone: operators here, rows in hooks on the net's modules."""

    def __init__(self, net):
        super().__init__()
        self.net, self.rows = net, []
        self.calls = [0]  # multiply-adds of each call that is running, innermost last, without those of calls inside it
        self.direct = {}  # of each module that holds others: multiply-adds that are in no call of these
        self.counted = set()  # the ids of the parameters in a row
        self.ends = {}  # how many rows there were when a module's first call ended
        self._watch(net, "", set())

    def on_operator(self, operator, args, kwargs, output):
        packet = operator.overloadpacket
        if packet in PRODUCTS:
            self.calls[-1] += PRODUCTS[packet](*args, **kwargs)
        elif packet in flop_registry:
            self.calls[-1] += flop_registry[packet](*args, **kwargs, out_val=output) // 2

    def _watch(self, module, name, watched):
        """Hooks on a module and those in it, each once."""
        if module in watched:
            return
        watched.add(module)
        if isinstance(module, ParametrizationList):
            self._around(module, lambda *_: None)  # what makes a weight is not counted
            return
        parts = dict(module.named_children())
        if is_layer(module):
            if type(module) in SAME_SHAPE and not getattr(module, "inplace", False):
                module.forward = torch.empty_like  # the same shapes, ten times as fast
            self._around(module, lambda _, given, output, called: self._add_layer(name, module, given, output, called))
            parts = {"parametrizations": parts["parametrizations"]} if "parametrizations" in parts else {}
        else:
            self._around(module, lambda _, given, output, called: self._end(name, called))
        if isinstance(module, Block) and module.shortcut is not None:  # the sum is what the activation is given
            module.activation.register_forward_pre_hook(lambda _, given: self._add(name, "addition", given))
        for part, inner in parts.items():
            self._watch(inner, f"{name}.{part}" if name else part, watched)

    def _around(self, module, end):
        module.register_forward_pre_hook(lambda *_: self.calls.append(0), prepend=True)
        # Not counted, either: what hooks did since (the old weight_norm and spectral_norm make a weight in one).
        module.register_forward_pre_hook(lambda *_: self.calls.__setitem__(-1, 0))
        module.register_forward_hook(lambda module, given, output: end(module, given, output, self.calls.pop()))

    def _add(self, name, kind, outputs, parameters=0, multiply_adds=0, given=()):
        tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
        shape = "×".join(map(str, tensors[0].shape[1:])) if tensors else ""
        numbers = sum(tensor.numel() for tensor in tensors if not any(tensor is one for one in tree_leaves(given)))
        self.rows.append([name, kind, shape, parameters, multiply_adds, FLOAT32 * numbers])

    def _add_layer(self, name, module, given, output, multiply_adds):
        self._add(name, kind(module), output, self._new_parameters(module), multiply_adds, given)

    def _end(self, name, multiply_adds):
        self.ends.setdefault(name, len(self.rows))
        self.direct[name] = self.direct.get(name, 0) + multiply_adds

    def _new_parameters(self, module, recurse=True):
        parameters = module.parameters(recurse)
        new = {id(parameter): parameter.numel() for parameter in parameters if id(parameter) not in self.counted}
        self.counted.update(new)
        return sum(new.values())

    def frame(self):
        rest = [
            (name, self._new_parameters(module, recurse=False), self.direct.get(name, 0))
            for name, module in self.net.named_modules()
        ]
        rest = sorted((row for row in rest if row[1] or row[2]), key=lambda row: self._place(row[0]))
        rows = list(self.rows)
        for name, parameters, multiply_adds in reversed(rest):  # from the last: insertions move what follows
            place = self._place(name)
            shape = rows[place - 1][2] if place else ""
            rows.insert(place, [name, REST[not parameters], shape, parameters, multiply_adds, 0])
        return pd.DataFrame(rows, columns=COLUMNS)

    def _place(self, name):
        """How many rows there were at the end of the innermost called module around a name ("" is the net itself)."""
        while name not in self.ends and name:
            name = name.rpartition(".")[0]
        return self.ends.get(name, len(self.rows))


def is_layer(module):
    """Whether a module is counted whole: it holds no others, or (attention) calls none of them."""
    parts = {name for name, _ in module.named_children()}
    return parts <= {"parametrizations"} or isinstance(module, nn.MultiheadAttention)


def kind(module):
    """The name of a layer's class; PyTorch gives a parametrised layer a new class of another name."""
    is_parametrized = "parametrizations" in module._modules
    return (type(module).__mro__[1] if is_parametrized else type(module)).__name__


def presets():
    """One row per net of `FAMILY`. Columns: name, depth, image ("3×224×224"), parameters, multiply_adds (for one
    image), source."""
    return pd.DataFrame([_preset(name) for name in FAMILY])


@cache
def _preset(name):
    spec, layers = FAMILY[name], complexity(FAMILY[name])
    return {
        "name": name,
        "depth": spec.depth,
        "image": "×".join(map(str, image_of(spec))),
        "parameters": layers["parameters"].sum(),
        "multiply_adds": layers["multiply_adds"].sum(),
        "source": SOURCE[name],
    }
