"""Run a net without some of its blocks, or with its blocks in another order; its weights do not change.

Veit et al. 2016 (arXiv:1605.06431, §4) do both to trained nets. The modules stay in the net; inside a `with` block they
have another `forward`. So names, weights, modes and `state_dict` stay the same. It applies to all threads.
"""

import functools
import threading
from collections import Counter
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn

from reslab import checks
from reslab.nets.blocks import Block
from reslab.nets.skeleton import OnMeta, skeleton

_lock = threading.Lock()  # over `_changed`, and over the change of a forward
_changed = WeakKeyDictionary()  # module → the forwards that it has been given, the newest last


@contextmanager
def lesion(net, blocks):
    """Run a net without some of its blocks, inside the `with` block; gives the net.

    net: any nn.Module. blocks: names of modules in it ("stage2.block3"), or one name, or none; the modules themselves
    do as well. What is put in the place of a module depends on its kind:

    - a residual block of reslab: its branch is 0, so that y = activation(shortcut(x));
    - any other module (a plain block, a convolution of a VGG, a module of a model of your own): y = x. Where the module
      changes the shape, y has every stride-th pixel of x, and zeros for the channels that x does not have: shortcut A
      of He et al. 2015, §4.2.

    A deepcopy that is made inside the `with` block stays without these blocks; it has its own weights.
    Raises ValueError for a name that the net does not have (and says the nearest), and for the net itself; and, when
    the net runs, for a module whose output has a shape that strides and zeros cannot make of its input.
    """
    forwards = {}
    for name in names_of(net, blocks):
        module = net.get_submodule(name)
        is_residual = isinstance(module, Block) and module.shortcut is not None
        forwards[module] = functools.partial(_shortcut if is_residual else _Identity(module, name), module)
    with _replaced_forwards(forwards):
        yield net


@contextmanager
def reordered(net, order):
    """Run a net with its blocks in another order, inside the `with` block; gives the net.

    order: a dict: name of a place → name of the block that works there ({"stage1.block2": "stage1.block4",
    "stage1.block4": "stage1.block2"} swaps two).
    Raises ValueError for unknown names, for a block that would work twice or not at all, and for blocks of different
    shapes.
    """
    order = checks.named("order", order, "name of the block that works in its place", empty=True)
    places, workers = names_of(net, list(order)), names_of(net, list(order.values()))
    if Counter(places) != Counter(workers):
        missing = sorted({*places} - {*workers}) or sorted({*workers} - {*places})
        raise ValueError(f"the places and the blocks in an order must be the same ones; {missing[0]} is only in one.")
    forwards = {}
    for place, worker in zip(places, workers, strict=True):
        at, module = net.get_submodule(place), net.get_submodule(worker)
        if shapes(at) != shapes(module):
            raise ValueError(
                f"{worker} cannot work in the place of {place}: their weights have different shapes. Blocks of one "
                "stage can change places, but not the first of a stage that halves the image."
            )
        forwards[at] = functools.partial(_work_of, module, vars(module).get("forward"))
    with _replaced_forwards(forwards):
        yield net


def names_of(net, blocks):
    """The names of some modules of a net, as a list: of names, or modules, or one of them; ValueError for others."""
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module, not {type(net).__name__}.")
    if isinstance(net, torch.jit.ScriptModule):
        raise ValueError("no part of what torch.jit made can be replaced; take the module that it was made from.")
    known = {module: name for name, module in net.named_modules() if name}
    names, blocks = [], [blocks] if isinstance(blocks, (str, nn.Module)) else blocks
    if not hasattr(blocks, "__iter__"):
        raise TypeError(f"the blocks are {blocks!r}; they must be names or modules, or one of these.")
    for block in blocks:
        if block is net or block == "":
            raise ValueError(f"a {type(net).__name__} cannot be taken out of itself; name a module in it.")
        if isinstance(block, nn.Module):
            if block not in known:
                raise ValueError(f"this {type(block).__name__} is not in the {type(net).__name__}.")
            block = known[block]
        names.append(block)
    every = [name for name, _ in net.named_modules(remove_duplicate=False) if name]
    ours = [name for name, module in net.named_modules() if isinstance(module, Block)]
    for name in names:
        if name not in every:  # of a net of reslab, the message names its blocks, and not all 500 modules
            checks.choice("a block", name, ours or every)
    return list(dict.fromkeys(names))


def shapes(module):
    """What two blocks must have in common to change places: strides, and the shapes of all weights."""
    strides = [part.stride for part in module.modules() if hasattr(part, "stride")]
    return strides, [(name, tuple(value.shape)) for name, value in module.named_parameters()]


# --- what works in the place of a block -------------------------------------------------------------------------------


def _shortcut(block, x):
    """A residual block without its branch."""
    return block.activation(block.shortcut(x if block.before is None else block.before(x)))


def _work_of(module, own, *inputs, **named):
    """The forward pass of a module itself, also while it works as another one."""
    return own(*inputs, **named) if own else type(module).forward(module, *inputs, **named)


class _Identity:
    """x → x in the shape of a module's output, which is computed once for each shape of x."""

    def __init__(self, module, name):
        self.name, self.found = name, {}
        self.skeleton = skeleton(module)  # made before its forward is changed
        self.skeleton.eval()

    def __call__(self, module, *inputs, **named):
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        if not tensors:
            raise ValueError(f"{self.name} cannot be taken out: it is given no tensor that could be passed on.")
        x = tensors[0]
        if x.shape not in self.found:
            self.found[x.shape] = self._shape(inputs, named)
        return padded_to(x, self.found[x.shape], self.name)

    def _shape(self, inputs, named):
        with OnMeta(), torch.no_grad():
            output = self.skeleton(*(v.to("meta") if isinstance(v, torch.Tensor) else v for v in inputs), **named)
        if not isinstance(output, torch.Tensor):
            raise ValueError(f"{self.name} cannot be taken out: it returns a {type(output).__name__}, not a tensor.")
        return output.shape


def padded_to(x, shape, name="this module"):
    """x (N, C, ...) in another shape (N, D, ...): every stride-th place, and D - C channels of zeros; ValueError
    where that cannot be."""
    if x.shape == shape:
        return x
    can = x.dim() == len(shape) and x.dim() > 1 and x.shape[0] == shape[0] and x.shape[1] <= shape[1]
    if can:
        strides = [-(-size // wanted) for size, wanted in zip(x.shape[2:], shape[2:], strict=True)]  # rounded up
        taken = x[(slice(None), slice(None), *(slice(None, None, stride) for stride in strides))]
        can = taken.shape[2:] == shape[2:]
    if not can:
        raise ValueError(
            f"{name} cannot be taken out: it makes {tuple(shape[1:])} of {tuple(x.shape[1:])}, and what is passed on "
            "can lose pixels by a stride and gain channels of zeros, but not lose channels or gain pixels."
        )
    return F.pad(taken, [0, 0] * (x.dim() - 2) + [0, shape[1] - x.shape[1]])


# --- the change of a forward ------------------------------------------------------------------------------------------


@contextmanager
def _replaced_forwards(forwards):
    """Replace the forward of modules, {module: function}, and put it back at the end, also after an exception."""
    with _lock:
        for module, forward in forwards.items():
            given = _changed.setdefault(module, [vars(module).get("forward")])
            given.append(forward)
            module.forward = forward
    try:
        yield
    finally:
        with _lock:
            for module, forward in forwards.items():
                given = _changed[module]
                given.remove(forward)
                if given[-1] is not None:
                    module.forward = given[-1]
                else:
                    del module.forward
                if len(given) == 1:
                    del _changed[module]
