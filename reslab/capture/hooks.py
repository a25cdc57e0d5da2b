"""The one entrance: `capture` hooks into a model, and takes every hook out again."""

import warnings
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from reslab.capture.additions import Additions
from reslab.capture.modules import choose, first_tensor, named_modules
from reslab.capture.statistics import ACTIVATION_STATISTICS, GRADIENT_STATISTICS
from reslab.capture.trace import Trace


@contextmanager
def capture(
    model, layers=None, *, activation=ACTIVATION_STATISTICS, gradient=GRADIENT_STATISTICS, additions=False, bins=None, keep=False
):
    """Watch the outputs of a model's modules, forward and backward, for as long as the `with` block lasts; yields a `Trace`.

    layers: None for reslab's blocks, or for a model that has none, its leaf modules; or which modules: a name or a pattern ("layer[34].*";
    a * stops at a dot, "**" does not), a module or its class, a predicate (name, module) → bool, or a list of these.
    activation, gradient: name → function of the output tensor (of its gradient) to a 0-dim tensor; columns are named
    activation_NAME and gradient_NAME. The first tensor of a tuple, list, dict or dataclass counts as a module's output.
    additions: also see left + right, wherever in the model's forward pass two tensors of one shape are added, in place or not; "left"
    and "right" are as they are written. In reslab's blocks left is the branch F(x) and right the shortcut; `x + attention(x)` has
    them the other way round. Parameters that are added, and tensors that broadcast, are no such sides.
    bins: rising edges of the bins for `Trace.histogram`. keep: True, or which of the modules to keep whole tensors of, said as for layers.

    What a row is. Every forward pass of the model is a step, so with gradient accumulation every part of the batch is one. A module that
    is called twice in a step has two rows. Of several backward passes through one forward pass the last counts, as their gradients are
    not added up here. Gradients are those of what `backward` was called on: with a GradScaler, divide by its get_scale().

    What needs care. A compiled model runs uncompiled inside the block (everything that torch.compile made does, in this process). The
    recomputation of activation checkpointing is seen as what it is, and makes no rows; with use_reentrant=True PyTorch shows
    no gradients inside of the checkpoint, and gradients are NaN there. nn.TransformerEncoder does not pack padded sequences inside the
    block, so that in eval mode its output at padding is not 0.

    The model, its mode, its gradients and the random state are left as they are, and no hook outlives the block, exceptions included.
    Raises ValueError if no module is chosen, with the names near what was asked for, and TypeError for what is no choice at all.
    """
    compiled = any("_orig_mod" in module._modules or module._compiled_call_impl for module in model.modules())
    model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    named = named_modules(model)
    names = {module: name for name, module in named}
    chosen = choose(named, layers)
    kept = chosen if keep is True else choose(named, keep, "keep") if keep else []
    watched = dict.fromkeys(module for _, module in chosen + kept)
    trace = Trace(activation, gradient, bins, {name for name, _ in (named if keep is True else kept)}, additions)
    passes = calls = 0  # of the model, and of its watched modules

    def begin(_module, _inputs):
        nonlocal passes
        if _recomputing():
            return
        passes += 1
        trace.step += 1
        trace._index = 0
        paths.places.clear()
        # The tensors of passes gone by are freed, and their hooks with them.
        tensor_handles[:] = [handle for handle in tensor_handles if handle.id in (handle.hooks_dict_ref() or ())]

    def watch(module, _inputs, output):
        nonlocal calls
        calls += 1
        output = first_tensor(output)
        if output is not None:
            paths.places.append(None)
            see(module, "output", output)
            paths.places.pop()

    def see(module, part, tensor):
        if _recomputing():
            return
        trace._index += part in ("output", "left")  # the parts of an addition have one index
        row = trace._see(names[module], part, tensor)
        if tensor.requires_grad and trace._wants_gradient(row):
            watch_gradient(tensor, row)

    def watch_gradient(tensor, row):
        outlives_its_pass = tensor.is_leaf  # it is a parameter or an input

        def measure(grad):
            trace._see_gradient(row, grad)
            if outlives_its_pass:
                handle.remove()  # its next gradient belongs to the row of the next pass

        # A hook on the tensor, not a full backward hook on the module: those break under in-place operations.
        handle = tensor.register_hook(measure)
        tensor_handles.append(handle)

    paths, module_handles, tensor_handles = Additions(see), [], []
    packing = [module for module in names if isinstance(module, nn.TransformerEncoder) and module.use_nested_tensor]
    with ExitStack() as stack:
        if compiled:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if additions:
            stack.enter_context(paths)
        try:
            for encoder in packing:
                encoder.use_nested_tensor = False
            module_handles.append(model.register_forward_pre_hook(begin))
            if additions:
                module_handles.extend(module.register_forward_pre_hook(paths.enter) for module in names)
                module_handles.extend(module.register_forward_hook(paths.leave, always_call=True) for module in names)
            module_handles.extend(module.register_forward_hook(watch) for module in watched)
            yield trace
        finally:
            for handle in module_handles + tensor_handles:
                handle.remove()
            for encoder in packing:
                encoder.use_nested_tensor = True
    if passes and not calls:
        warnings.warn(
            f"{named[0][0]} ran, and none of the modules watched was called ({', '.join(names[m] for m in watched)}). "
            "If the model is compiled, give capture what torch.compile returned; TorchScript calls no hooks at all.",
            stacklevel=3,
        )


def _recomputing():
    """Whether a backward pass is running: a forward pass inside it is the second one of activation checkpointing."""
    return torch._C._current_graph_task_id() != -1  # as in torch.utils.module_tracker
