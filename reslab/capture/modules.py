"""Chooses modules by name, by class or by a predicate; and finds the tensor in a module's output."""

import dataclasses
import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.masked import MaskedTensor

from reslab.nets import Block

PARAMETRIZATIONS = "parametrizations"  # where torch.nn.utils.parametrize keeps the modules that compute a weight


def named_modules(model):
    """(name, module) of all modules of a model, first itself under the name of its class.

    A shared module comes once for each of its names. The wrapper of torch.compile is left out, so a compiled model has
    the same names.
    """
    named = []

    def walk(name, module):
        if "_orig_mod" in module._modules:
            return walk(name, module._modules["_orig_mod"])
        named.append((name or type(module).__name__, module))
        for part, child in module._modules.items():
            if child is not None:
                walk(f"{name}.{part}" if name else part, child)

    walk("", model)
    return named


def choose(named, wanted, what="layers"):
    """name → module, for the (name, module) pairs that are chosen, each under its first name.

    wanted: None for reslab's blocks or, if there are none, the leaves; for others see `capture`. A shared module can be
    chosen by any of its names.
    """
    if wanted is None:
        picked = {module for _, module in named if isinstance(module, Block)} or leaves(named)
    else:
        picked = set()
        for one in wanted if isinstance(wanted, (tuple, list)) else [wanted]:
            test = _test(one, what, {name for name, _ in named})
            hits = {module for name, module in named if test(name, module)}
            if not hits:
                raise ValueError(_nothing(named, one))
            picked |= hits
    chosen = {}
    for name, module in named:
        if module in picked:
            chosen.setdefault(module, name)
    return {name: module for module, name in chosen.items()}


def chosen_now(model, wanted):
    """What `choose` would choose of a model that may have changed: nothing where it would refuse."""
    try:
        return choose(named_modules(model), wanted)
    except ValueError:
        return {}


def leaves(named):
    """The modules that call no other module of the net; a parametrised layer is one, with all inside it."""
    found = {module for _, module in named if _is_leaf(module)}
    inside = {part for module in found for part in module.modules() if part is not module}
    return found - inside


def _is_leaf(module):
    calls_none = isinstance(module, (nn.MultiheadAttention, torch.jit.ScriptModule))  # none that has hooks
    parts = {name: part for name, part in module._modules.items() if part is not None and name != PARAMETRIZATIONS}
    return calls_none or all(map(_only_holds, parts.values()))


def _only_holds(module):
    """Whether the classes of a module and of all in it have no forward: a ParameterList or ParameterDict.

    What is of no class of its own does not count: with these torch.export replaces modules that have had a forward.
    """
    return all(type(part).forward is nn.Module.forward and type(part) is not nn.Module for part in module.modules())


def _test(wanted, what, names):
    """The predicate (name, module) → bool of one choice."""
    if isinstance(wanted, str):
        if wanted in names:
            return lambda name, _: name == wanted
        # as many dots as in the pattern: a * does not match a dot
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
    """The error message for a choice without a module."""
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


def tensors(output):
    """The tensors in a module's output: of tuples, lists, sets, dicts, dataclasses, and the attributes of others."""
    if isinstance(output, torch.Tensor):
        yield output
    elif not isinstance(output, (nn.Module, type)):
        if isinstance(output, Mapping):
            parts = output.values()
        elif dataclasses.is_dataclass(output):
            parts = [getattr(output, field.name, None) for field in dataclasses.fields(output)]
        elif isinstance(output, (tuple, list, set, frozenset)):
            parts = output
        else:
            parts = [value for value in getattr(output, "__dict__", {}).values() if isinstance(value, torch.Tensor)]
        for part in parts:
            yield from tensors(part)


def first_tensor(output):
    """The first dense floating-point tensor in a module's output, or None."""
    return next(filter(_is_measured, tensors(output)), None)


def _is_measured(tensor):
    is_dense = tensor.layout is torch.strided and not tensor.is_nested and not isinstance(tensor, MaskedTensor)
    return is_dense and tensor.is_floating_point()
