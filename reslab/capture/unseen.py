"""What a capture could not see: at the end of the block, one sentence each says what it was and what to do."""

import dataclasses
import numbers
from collections.abc import Collection

import torch
from torch.masked import MaskedTensor

from reslab.capture.modules import tensors


class Unseen:
    """Collects, while a block is open, what it cannot see; `sentences` returns the warnings."""

    def __init__(self):
        self.ran = False  # whether any module of the model was called
        self.traced = self.vmapped = self.replicas = False
        self.without_numbers = {}  # name of a module → its output, in words

    def has_no_numbers(self, tensor):
        """Whether a tensor has no numbers to measure; notes why."""
        if torch.jit.is_tracing() or isinstance(tensor, torch._subclasses.FakeTensor):
            self.traced = True
        elif is_batched(tensor):
            self.vmapped = True
        else:
            return False
        return True

    def sentences(self, named, watched, called, added, whole):
        """The warnings.

        named: the (name, module) pairs of the model, itself first. watched: name → module. called: those modules of
        them that were called. added: the names of new modules that would be watched. whole: whether a forward pass of
        the whole model ran.
        """
        name, model = named[0]
        scripted = [part for part, module in named if _is_jit(module)]
        if scripted:
            yield (
                f"{scripted[0]} was made by torch.jit, and calls no hooks of the modules inside of it: they have no "
                "rows. Give capture, and call, the module that it was made from."
            )
        elif not self.ran and not self.traced:
            yield (
                f"nothing was captured: no module of {name} was called. Call it inside of the block, in this process; "
                "what torch.export or a CUDA graph made of it calls no hooks, so call the module that it was made from."
            )
        never = [part for part, module in watched.items() if module not in called and not _is_jit(module)]
        if called:  # a Dropout or Identity that is never called needs no warning
            never = [part for part in never if watched[part].state_dict()]
        if whole and never:
            yield (
                f"{name} ran, and {_some(never, watched)} was not called and has no row. What torch.export or a CUDA "
                "graph made, or a parent that computes with its weights, calls no hooks: watch that parent, or call "
                "the module it was made from."
            )
        moved = [part for part, module in watched.items() if module not in (model, _part(model, part))]
        if moved:
            yield (
                f"{_some(moved, watched)} was replaced inside of the block, and its replacement was not watched; "
                "change the model first, and open a block for it then."
            )
        if added := [part for part in added if not any(f"{part}.".startswith(f"{one}.") for one in moved)]:
            yield (
                f"{', '.join(added[:3])}{' ...' * (len(added) > 3)} joined {name} inside of the block, and was not "
                "watched; change the model first, and open a block for it then."
            )
        if self.without_numbers:
            words = next(iter(self.without_numbers.values()))
            yield (
                f"{_some([*self.without_numbers], watched)} has no row: its output is {words}; only dense tensors "
                "of real floating-point numbers are measured: make it return one (torch.view_as_real, .float()), or "
                "watch other modules."
            )
        if self.vmapped:
            yield (
                "what ran inside of torch.func.vmap was not captured, because a tensor there is many tensors at once; "
                "call the model on the whole batch instead, without vmap, to see its rows."
            )
        if self.traced:
            yield (
                "forward passes that only traced the model (torch.compile, torch.export, torch.jit.trace, fake "
                "tensors) have no rows: they compute no numbers; compile or export it before the block, and call "
                "the model itself inside."
            )
        if self.replicas:
            yield (
                f"copies of {name} that share its hooks, such as the replicas of nn.DataParallel, ran and were not "
                "watched; call the module itself (model.module), or use DistributedDataParallel."
            )


def _is_jit(module):
    return isinstance(module, torch.jit.ScriptModule)


def is_batched(tensor):
    """Whether a tensor is one of torch.func.vmap, perhaps inside one of torch.func.grad."""
    functorch = torch._C._functorch
    if functorch.is_legacy_batchedtensor(tensor):  # of torch.autograd.grad(is_grads_batched=True)
        return True
    while functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor):
            return True
        tensor = functorch.get_unwrapped(tensor)
    return False


def _part(model, name):
    """The module that a model has under a name now, without the wrapper of torch.compile; or None."""
    here = model
    for part in name.split("."):
        if part not in here._modules or here._modules[part] is None:
            return None
        here = here._modules[part]
        while "_orig_mod" in here._modules:
            here = here._modules["_orig_mod"]
    return here


def _some(parts, watched):
    """The subject of a verb in the singular: "fc", or "each of 3 of the 53 modules watched (a, b, c)"."""
    if len(parts) == 1:
        return f"{parts[0]}, of the {len(watched)} modules watched," if len(watched) > 1 else parts[0]
    more = " ..." if len(parts) > 3 else ""
    return f"each of {len(parts)} of the {len(watched)} modules watched ({', '.join(parts[:3])}{more})"


def unmeasured(output):
    """The first tensor of an output that `first_tensor` passes over, in words ("a tensor of torch.int64"), or None."""
    for tensor in tensors(output):
        kind = "nested " if tensor.is_nested else "" if tensor.layout is torch.strided else "sparse "
        kind = "masked " if isinstance(tensor, MaskedTensor) else kind
        return f"a {kind}tensor of {tensor.dtype}"
    holds_none = isinstance(output, (type(None), numbers.Number, Collection)) or dataclasses.is_dataclass(output)
    return None if holds_none else f"a {type(output).__name__}"
