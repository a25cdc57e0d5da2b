"""Which modules are meant: by name, by class, by a predicate; and the tensor that a module's output is about."""

import dataclasses
import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase

import torch
from torch import nn

from reslab.nets import Block


def named_modules(model):
    """(name, module) of all modules of a model, first itself under the name of its class, and whether any of them is compiled.

    What torch.compile wraps around a module is none itself, so that compiled or not, the names are the same.
    """
    named = list(model.named_modules())
    compiled = any("_orig_mod" in module._modules or module._compiled_call_impl for _, module in named)
    if compiled:
        named = [(f".{name}".replace("._orig_mod", "")[1:], module) for name, module in named if "_orig_mod" not in module._modules]
    return [(name or type(module).__name__, module) for name, module in named], compiled


def choose(named, wanted, what="layers"):
    """Those of the (name, module) pairs that are meant: by None, reslab's blocks, else the leaves, else see `capture`."""
    if wanted is None:
        return [pair for pair in named if isinstance(pair[1], Block)] or [pair for pair in named if _is_leaf(pair[1])]
    picked = set()
    for one in wanted if isinstance(wanted, (tuple, list)) else [wanted]:
        test = _test(one, what)
        hits = {name for name, module in named if test(name, module)}
        if not hits:
            raise ValueError(_nothing(named, one))
        picked |= hits
    return [(name, module) for name, module in named if name in picked]


def _is_leaf(module):
    return next(module.children(), None) is None or isinstance(module, nn.MultiheadAttention)  # which calls none of its parts


def _test(wanted, what):
    """The predicate (name, module) of one way to say which."""
    if isinstance(wanted, str):  # as many dots as the pattern has, so that no star can cross one
        return lambda name, _: fnmatchcase(name, wanted) and ("**" in wanted or name.count(".") == wanted.count("."))
    if isinstance(wanted, type):
        return lambda _, module: isinstance(module, wanted)
    if isinstance(wanted, nn.Module):
        return lambda _, module: module is wanted
    if callable(wanted):
        return wanted
    ways = "a name or pattern, a module, its class, a predicate (name, module), or a list of these"
    raise TypeError(f"{what} is {wanted!r}; it can be {ways}.")


def _nothing(named, wanted):
    """The sentence for a choice that chooses nothing."""
    names = [name for name, _ in named]
    none, its = f"no module of {names[0]}", f"its modules are {', '.join(names[:8])} ..."
    if isinstance(wanted, type):
        return f"{none} is of class {wanted.__name__}; {its}"
    if not isinstance(wanted, str):
        return f"{none} was chosen; {its}"
    close = difflib.get_close_matches(wanted, names, cutoff=0.5)
    near = [name for name in names if fnmatchcase(name, f"*{wanted}*")] or [name for name in names if name in close]
    hint = f"near it are {', '.join(near[:3])} (* stops at a dot, ** does not)." if near else its
    return f"{none} is called {wanted!r}; {hint}"


def first_tensor(output):
    """The first dense floating-point tensor in a module's output, or None."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() and output.layout is torch.strided and not output.is_nested else None
    if isinstance(output, Mapping):
        parts = output.values()
    elif dataclasses.is_dataclass(output):
        parts = [getattr(output, field.name, None) for field in dataclasses.fields(output)]
    else:
        parts = output if isinstance(output, (tuple, list)) else ()
    return next((tensor for tensor in map(first_tensor, parts) if tensor is not None), None)
