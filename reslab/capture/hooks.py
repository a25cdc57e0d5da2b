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

    layers: None for reslab's blocks, or for a model that has none, its leaf modules; or a name or pattern ("layer[34].*"; a * stops at
    a dot, "**" does not), a module, its class, a predicate (name, module) → bool, or a list of these.
    activation, gradient: name → function of the output tensor (of its gradient) to a 0-dim tensor; columns are named
    activation_NAME and gradient_NAME. The first tensor of a tuple, list, dict or dataclass counts as a module's output.
    additions: see also both sides and the sum wherever in the model two tensors of one shape are added, in place or not; layers=()
    watches nothing else. "left" and "right" are as written: in reslab's blocks the branch F(x) is left and the shortcut right,
    in x + attention(x) the other way round. Numbers, parameters, and what broadcasts to the shape of the other are no such sides.
    bins: rising edges of the bins for `Trace.histogram`.
    keep: True, or which modules to keep whole tensors of (and watch), said as layers are, for `Trace.tensors`.

    Every forward pass of the model is a step, so with gradient accumulation each part of a batch is one; a module called twice has two
    rows. Of several backward passes through one forward pass the last counts: they are not added up. Gradients are of what backward()
    was called on, so divide by get_scale() where a GradScaler scaled the loss.

    A compiled model runs uncompiled inside the block, and so does all else that torch.compile made in this process. Forward passes
    inside a backward pass, as of activation checkpointing, have no rows; with use_reentrant=True PyTorch shows no
    gradient inside of the checkpoint, and it is NaN there. nn.TransformerEncoder does not pack padded sequences inside the block, so
    that in eval mode its outputs at padding are not 0.

    The model, its mode, its gradients and the random state are left as they are, and no hook outlives the block, exceptions included.
    Raises ValueError if no module is chosen, with the names near the one asked for, and TypeError for what cannot be a choice.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}.")
    named, compiled = named_modules(model)
    name, model = named[0]  # not what torch.compile wrapped around it
    chosen = choose(named, layers)
    kept = (named if keep is True else choose(named, keep, "keep")) if keep else []
    watched = [module for _, module in (chosen if keep is True else dict.fromkeys(chosen + kept))]
    if not watched and not additions:
        raise ValueError(f"layers is {layers!r}, which chooses no module; only with additions=True is there anything else to see.")
    trace = Trace(activation, gradient, bins, {name for name, _ in kept}, additions)
    hooks = _Hooks(dict(map(reversed, named)), trace)
    packing = [module for _, module in named if isinstance(module, nn.TransformerEncoder) and module.use_nested_tensor]
    with ExitStack() as stack:
        if compiled:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if additions:
            stack.enter_context(hooks.additions)
        try:
            for encoder in packing:
                encoder.use_nested_tensor = False
            hooks.install(model, watched, additions)
            yield trace
        finally:
            hooks.remove()
            for encoder in packing:
                encoder.use_nested_tensor = True
    if watched and hooks.passes and not hooks.calls:
        warnings.warn(
            f"{name} ran, and none of the {len(watched)} modules watched was called. If it is compiled, "
            "give capture what torch.compile returned; what torch.jit made calls no hooks.",
            stacklevel=3,
        )


class _Hooks:
    """What runs inside of the passes."""

    def __init__(self, names, trace):
        self.names, self.trace = names, trace  # module → name
        self.passes = self.calls = 0  # of the model, and of the modules watched
        self.additions = Additions(self.see)
        self.on_modules, self.on_tensors = [], []  # handles

    def install(self, model, watched, additions):
        self.on_modules.append(model.register_forward_pre_hook(self.begin))
        for module in self.names if additions else ():
            self.on_modules.append(module.register_forward_pre_hook(self.additions.enter))
            self.on_modules.append(module.register_forward_hook(self.additions.leave, always_call=True))
        for module in watched:
            self.on_modules.append(module.register_forward_hook(self.watch))

    def remove(self):
        for handle in self.on_modules + self.on_tensors:
            handle.remove()
        self.additions = None  # they and these refer to each other, and would keep the trace until the garbage is collected

    def begin(self, _model, _inputs):
        if _in_backward():
            return
        self.passes += 1
        self.trace._begin()
        self.additions.places.clear()
        # The tensors of passes gone by are freed, and their hooks with them.
        self.on_tensors = [handle for handle in self.on_tensors if handle.id in (handle.hooks_dict_ref() or ())]

    def watch(self, module, _inputs, output):
        self.calls += 1
        tensor = first_tensor(output)
        if tensor is not None:
            self.additions.places.append(None)
            self.see(module, "output", tensor)
            self.additions.places.pop()

    def see(self, module, part, tensor):
        if _in_backward():
            return
        row = self.trace._see(self.names[module], part, tensor)
        if tensor.requires_grad and self.trace._wants_gradient(row):
            self.watch_gradient(tensor, row)

    def watch_gradient(self, tensor, row):
        outlives_its_pass = tensor.is_leaf  # it is a parameter or an input

        def measure(gradient):
            self.trace._see_gradient(row, gradient)
            if outlives_its_pass:
                handle.remove()  # its next gradient belongs to the row of the next pass

        # A hook on the tensor, not a full backward hook on the module: those break under in-place operations.
        handle = tensor.register_hook(measure)
        self.on_tensors.append(handle)


def _in_backward():
    """Whether a backward pass is running in this thread, as torch.utils.module_tracker asks."""
    return torch._C._current_graph_task_id() != -1
