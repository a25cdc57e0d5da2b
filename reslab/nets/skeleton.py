"""A module without its weights: a copy of its layers and shapes on the device "meta", and a forward pass of it."""

import copy
import functools
import numbers
import types
from collections import deque

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from reslab.nets.weights import shapes_only

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def skeleton(net):
    """The layers and shapes of a NetSpec, or of an nn.Module, which stays as it is; no weight is made or copied.

    Of a module: tensors that it keeps beside its weights (a stored activation, a mask) have no values either, what
    Python cannot copy (a lock, an open file) is shared, compiled parts are there as they were before torch.compile,
    and hooks are left out, but for those by which PyTorch makes weights (pruning, old weight_norm, lazy layers).
    Raises ValueError for a module that cannot be copied.
    """
    if not isinstance(net, nn.Module):
        return shapes_only(net)
    if any(isinstance(module, torch.jit.ScriptModule) for module in net.modules()):
        why = "a part of it was made by torch.jit, and cannot be looked into; take the module that it was made from"
        raise ValueError(f"{type(net).__name__} cannot be counted: {why}.")
    memo, compiled = _memo(net, _without_values)
    try:
        for module in reversed(compiled):  # an inner one before those around it
            memo[id(module)] = copy.deepcopy(module._orig_mod, memo)
        copied = copy.deepcopy(net, memo)
    except Exception as error:
        raise ValueError(f"{type(net).__name__} cannot be copied, and a copy is what is counted: {error}.") from error
    for module in copied.modules():
        module._compiled_call_impl = None  # of module.compile()
        for hooks in (getattr(module, kind) for kind in HOOKS):
            for key in [key for key, hook in hooks.items() if not _is_pytorchs(hook)]:
                del hooks[key]
    return copied


def copy_of(net):
    """A copy of an nn.Module that can be changed without changing the module.

    What Python cannot copy (a lock, an open file) is shared. Of a tensor that was computed and is kept (a stored
    activation, a pruned weight) the copy has the values alone. ValueError for a module that cannot be copied, TypeError
    for what is none.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module, not {type(net).__name__}.")
    memo, _ = _memo(net, lambda tensor: None if tensor.is_leaf else tensor.detach().clone())
    try:
        return copy.deepcopy(net, memo)
    except Exception as error:  # a class of somebody's own can raise anything
        raise ValueError(f"{type(net).__name__} cannot be copied: {error}.") from error


def _memo(net, of_tensor):
    """What deepcopy is to take for copies, by id, and the modules that torch.compile made, outermost first.

    of_tensor: tensor → what to take in its place; None: its copy. An object that cannot be copied is kept itself.
    """
    memo, compiled, seen, todo = {}, [], {}, [net]
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            continue  # deepcopy takes these as they are
        seen[id(value)] = value
        if isinstance(value, torch.Tensor):
            if not value.is_nested and (copied := of_tensor(value)) is not None:
                memo[id(value)] = copied
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            todo += value
        elif isinstance(value, types.MethodType):
            todo.append(value.__self__)
        elif isinstance(value, functools.partial):
            todo += [value.func, value.args, value.keywords]
        elif isinstance(value, nn.Module) or _is_copyable(value):
            if isinstance(value, nn.Module) and "_orig_mod" in value._modules:
                compiled.append(value)
            todo += [vars(value)] if hasattr(value, "__dict__") else []
        else:
            memo[id(value)] = value
    return memo, compiled


def _without_values(tensor):
    if isinstance(tensor, UninitializedTensorMixin):  # of a lazy layer: it learns its shape from the first image
        lazy = {"device": "meta", "dtype": tensor.dtype}
        return type(tensor)(requires_grad=tensor.requires_grad, **lazy)
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _is_copyable(value):
    if hasattr(type(value), "__deepcopy__"):
        return True
    try:
        value.__reduce_ex__(4)  # what deepcopy does
    except Exception:
        return False
    return True


def _is_pytorchs(hook):
    """Whether PyTorch itself wrote a hook: a function, a method, or an object that is called."""
    hook = hook if isinstance(hook, (types.FunctionType, types.MethodType)) else type(hook)
    return hook.__module__.split(".")[0] == "torch"


class OnMeta(TorchDispatchMode):
    """While it is entered, in this thread alone, an operator computes on "meta" if any tensor that it is given is
    there.

    So a forward may make tensors on the CPU, or take them from outside the module.
    """

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if len({tensor.is_meta for tensor in _tensors((*args, *kwargs.values()))}) > 1:
            args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
        output = function(*args, **kwargs)
        self.on_operator(function, args, kwargs, output)
        return output

    def on_operator(self, function, args, kwargs, output):
        """Called after each operator with what it was given and what it returned; to be overridden."""


def _tensors(values):
    """The tensors among an operator's arguments, and in lists of them."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def run(net, image, *, name=None, mode=None):
    """The forward pass of a skeleton on the shapes of one image (see `inputs`), in a mode of the class `OnMeta`.

    Raises ValueError, in one sentence that calls the net by `name` or its class, for whatever its forward raises.
    """
    dtypes = (parameter.dtype for parameter in net.parameters() if parameter.is_floating_point())
    dtype = next(dtypes, torch.get_default_dtype())
    shapes = inputs(image)
    try:
        given = [one.to("meta") if isinstance(one, torch.Tensor) else _empty(one, dtype) for one in shapes]
        with mode or OnMeta(), torch.no_grad():
            net(*given)
    except Exception as error:  # a forward of somebody's own can raise anything
        raise ValueError(_refusal(net, image, name, error)) from error


def _empty(shape, dtype):
    return torch.empty(1, *shape, dtype=dtype, device="meta")


def inputs(image):
    """The inputs of a net, as a list of shapes without the batch, or of tensors with it: one shape or tensor, or
    several.

    Raises ValueError for what is none of these.
    """
    if isinstance(image, torch.Tensor):
        return [image]
    sizes = list(image) if isinstance(image, (tuple, list, torch.Size)) else []
    if sizes and all(isinstance(one, (torch.Tensor, tuple, list)) for one in sizes):
        return [one for several in sizes for one in inputs(several)]
    if sizes and all(isinstance(size, numbers.Integral) and size > 0 for size in sizes):
        return [tuple(map(int, sizes))]
    ways = "(channels, height, width), or a list with such a shape, or a tensor, for each input"
    raise ValueError(f"an image is {image!r}; it can be {ways}.")


def image_of(spec):
    """(channels, height, width) of a NetSpec's images; ValueError for a module, which does not say."""
    if isinstance(spec, nn.Module):
        raise ValueError(
            f"a {type(spec).__name__} does not say which images it takes; give image=(channels, height, width)."
        )
    return spec.in_channels, spec.image_size, spec.image_size


def _refusal(net, image, name, error):
    called = name or type(net).__name__
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if not isinstance(error, RuntimeError):
        reason = f"{type(error).__name__}: {reason}"
    if any(word in reason for word in ("meta", "Meta", "fake impl")):
        why = "its forward needs the values of a tensor, or an operator that PyTorch cannot do on shapes alone"
        return f"{called} cannot be counted: {why} ({reason})."
    shapes = [tuple(one.shape) if isinstance(one, torch.Tensor) else one for one in inputs(image)]
    given = f"an image of {shapes[0]}" if len(shapes) == 1 else f"inputs of {' and '.join(map(str, shapes))}"
    where = f"images={{{name!r}: (channels, height, width)}}" if name else "image=(channels, height, width)"
    hint = f"say which it takes with {where}, or with a tensor, or with a list of these for several inputs"
    return f"{called} does not take {given}: {reason}; {hint}."
