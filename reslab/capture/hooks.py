"""`capture`: hooks into a model, and removes every hook again."""

import threading
import warnings
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from reslab.capture import process
from reslab.capture.additions import Additions, measuring
from reslab.capture.modules import PARAMETRIZATIONS, choose, chosen_now, first_tensor, named_modules
from reslab.capture.statistics import ACTIVATION_STATISTICS, GRADIENT_STATISTICS
from reslab.capture.trace import Trace
from reslab.capture.unseen import Unseen, is_batched, unmeasured


@contextmanager
def capture(
    model,
    layers=None,
    *,
    activation=ACTIVATION_STATISTICS,
    gradient=GRADIENT_STATISTICS,
    additions=False,
    bins=None,
    keep=False,
):
    """Watch the outputs of a model's modules, forward and backward, while the `with` block lasts; yields a `Trace`.

    layers: None for reslab's blocks, or for a model that has none, its leaf modules; or a name or pattern
    ("layer[34].*"; a * stops at a dot, "**" does not), a module, its class, a predicate (name, module) → bool, or a
    list of these. A module with several names can be chosen by any of them, and its rows have the first. A parametrised
    layer, and a module whose parts only hold weights (a ParameterList), is a leaf.
    activation, gradient: name → function of the output tensor (of its gradient) to a 0-dim tensor; columns are named
    activation_NAME and gradient_NAME. The first tensor of a tuple, list, dict, dataclass or other object counts as a
    module's output.
    additions: see also both sides and the sum wherever the model adds two tensors of one shape, in place or not;
    layers=() watches nothing else. "left" and "right" are as in the code: in reslab's blocks the branch F(x) is left
    and the shortcut right, in x + attention(x) it is the other way round. Additions of numbers, of parameters, or of
    tensors that are broadcast do not count.
    bins: rising edges of the bins for `Trace.histogram`.
    keep: the modules whose whole tensors are kept (and watched), chosen as in layers, or True, for `Trace.tensors`.

    Every forward pass of the model is a step (with gradient accumulation, each part of a batch); a module that is
    called twice has two rows. Passes in other threads are seen too. Of several backward passes through one forward pass
    the last counts: they are not added up. If a GradScaler scaled the loss, divide the gradients by get_scale().

    Models of torch.compile run uncompiled while a block is open, in the whole process. Forward passes inside a backward
    pass (activation checkpointing) have no rows; with use_reentrant=True PyTorch gives no gradient inside the
    checkpoint: it is NaN there. nn.TransformerEncoder does not pack padded sequences inside the block, so in eval mode
    its outputs at padding are not 0.

    Not seen, and named in a UserWarning when the block ends: a model or a module that was not called; models of
    torch.jit, torch.export or a CUDA graph, which call no hooks; modules replaced or added inside the block; outputs
    that are complex, whole numbers, sparse or masked; torch.func.vmap; passes that only trace the model; the replicas
    of nn.DataParallel. torch.jit.script fails inside the block.

    The model, its mode, its gradients and the random state stay as they are. All hooks are removed at the end, after an
    exception too; copies and pickles that are made inside have none. Raises ValueError if no module is chosen, with
    similar names, or if a statistic changes its tensor in place, and TypeError for a choice of another kind.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}.")
    named = named_modules(model)
    _, model = named[0]  # not what torch.compile wrapped around it
    chosen = choose(named, layers)
    kept = (choose(named, nn.Module) if keep is True else choose(named, keep, "keep")) if keep else {}
    watched = chosen if keep is True else chosen | kept
    if not watched and not additions:
        raise ValueError(
            f"layers is {layers!r}, which chooses no module; only with additions=True is there anything else to see."
        )
    trace = Trace(activation, gradient, bins, set(kept), additions)
    hooks = _Hooks(named, watched, trace)
    with ExitStack() as stack:
        stack.callback(hooks.remove)
        process.enter(hooks.on_modules)
        stack.callback(process.leave, hooks.on_modules)
        if additions:
            stack.enter_context(hooks.additions)
        for _, module in named:
            if isinstance(module, nn.TransformerEncoder) and module.use_nested_tensor:
                module.use_nested_tensor = False
                stack.callback(setattr, module, "use_nested_tensor", True)
        hooks.install(model, additions)
        yield trace
    added = [name for name, module in chosen_now(model, layers).items() if module not in hooks.names]
    for sentence in hooks.unseen.sentences(named, watched, hooks.called, added, whole=hooks.passes > 0):
        warnings.warn(sentence, stacklevel=3)


class _Hooks:
    """The hooks, which run inside the passes, in any thread."""

    def __init__(self, named, watched, trace):
        self.names = {module: name for name, module in reversed(named)}  # the first name of each
        self.watched, self.trace = watched, trace  # name → module; None once the block is closed
        self.unseen, self.called, self.passes = Unseen(), set(), 0
        self.additions = Additions(self.see)
        self.on_modules, self.on_tensors = [], []  # handles
        self.lock = threading.Lock()  # of the steps and of on_tensors
        self.here = threading.local()  # .step and .index of the pass that runs in this thread

    def install(self, model, additions):
        def before(module, hook):
            self.on_modules.append(module.register_forward_pre_hook(hook))

        def after(module, hook, **how):
            self.on_modules.append(module.register_forward_hook(hook, **how))

        if _has_hooks(model):
            before(model, self.begin)
        for module in filter(_has_hooks, self.names if additions else ()):
            before(module, self.enter)
            after(module, self.leave, always_call=True)
        for module in filter(_has_hooks, self.watched.values()):
            after(module, self.watch)

    def remove(self):
        self.trace = None
        with self.lock:
            for handle in self.on_modules + self.on_tensors:
                handle.remove()
        # These two refer to each other, which would keep the trace in memory until the garbage collector runs.
        self.additions.see = None

    def begin(self, _model, _inputs):
        if torch.compiler.is_compiling():
            self.unseen.traced = True
        elif not _in_backward() and self.trace is not None:
            self.unseen.ran = True
            self.additions.begin_pass()
            with self.lock:
                self.passes += 1
                self.trace.step += 1
                self.here.step, self.here.index = self.trace.step, 0
                # The tensors of earlier passes are freed, and their hooks with them.
                self.on_tensors = [handle for handle in self.on_tensors if handle.id in (handle.hooks_dict_ref() or ())]

    def enter(self, module, inputs):
        if not torch.compiler.is_compiling():
            self.unseen.ran = True
            name = self.names.get(module, "")
            is_weight = f".{PARAMETRIZATIONS}." in f".{name}."  # what is added up there is a weight
            self.additions.enter(None if is_weight or not name else module, inputs)

    def leave(self, module, inputs, output):
        if not torch.compiler.is_compiling():
            self.additions.leave(module, inputs, output)

    def watch(self, module, _inputs, output):
        if torch.compiler.is_compiling():
            self.unseen.traced = True
            return
        self.unseen.ran = True
        if module not in self.names:
            self.unseen.replicas = True
            return
        self.called.add(module)
        tensor = first_tensor(output)
        if tensor is not None:
            self.see(module, "output", tensor)
        elif words := unmeasured(output):
            self.unseen.without_numbers[self.names[module]] = words

    def see(self, module, part, tensor):
        trace = self.trace
        if trace is None or _in_backward() or self.unseen.has_no_numbers(tensor):
            return
        here = self.here
        if not hasattr(here, "step"):  # a part of the model was called alone
            here.step, here.index = trace.step, 0
        here.index += part in ("output", "left")  # the parts of an addition have one index
        with measuring():
            row = trace._see(here.step, here.index, self.names[module], part, tensor)
        if tensor.requires_grad and trace._wants_gradient(row):
            self.watch_gradient(tensor, row)

    def watch_gradient(self, tensor, row):
        outlives_its_pass = tensor.is_leaf  # it is a parameter or an input

        def measure(gradient):
            trace = self.trace
            if trace is not None and is_batched(gradient):
                self.unseen.vmapped = True
            elif trace is not None:
                with measuring():
                    trace._see_gradient(row, gradient)
            if outlives_its_pass:
                handle.remove()  # its next gradient belongs to the row of the next pass

        # A hook on the tensor, not a full backward hook on the module: those break under in-place operations.
        handle = tensor.register_hook(measure)
        with self.lock:
            self.on_tensors.append(handle)


def _has_hooks(module):
    return not isinstance(module, torch.jit.ScriptModule) or isinstance(module, torch.jit.TopLevelTracedModule)


def _in_backward():
    """Whether a backward pass is running in this thread, as torch.utils.module_tracker asks."""
    return torch._C._current_graph_task_id() != -1
