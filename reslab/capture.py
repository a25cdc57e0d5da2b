"""What happens inside a net: activation and gradient statistics of every block, at every step.

    with capture(net) as trace:
        F.cross_entropy(net(x), y).backward()
    trace.frame()

Works on any `nn.Module`. Statistics are reduced inside the hooks, stay on the device, and come to the host once, in `frame()`.
"""

import math
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
import torch

from reslab.nets import Block


def rms(x):
    """Root mean square of a tensor: √mean(x²), exact for gradients as small as 1e-40, whose squares float32 would lose."""
    dtype = torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    return torch.linalg.vector_norm(x, dtype=dtype) / math.sqrt(max(x.numel(), 1))


def mean(x):
    """Mean of a tensor."""
    return x.mean(dtype=torch.promote_types(x.dtype, torch.float32))  # a half-precision sum would overflow


def dead(x):
    """Fraction of units that are exactly 0 for the whole batch. A unit is a channel at any place: dimension 1 of x."""
    others = [dim for dim in range(x.dim()) if dim != 1]
    return (x.abs().sum(others) == 0).float().mean()  # sums, not maxima: seven times as fast on a CPU


# Name → function of a tensor that returns a 0-dim tensor on the same device. Pass others to `capture`.
ACTIVATION_STATISTICS = {"rms": rms, "mean": mean, "dead": dead}
GRADIENT_STATISTICS = {"rms": rms}


@dataclass
class _Row:
    """One module's output at one forward pass, with the statistics still on the device."""

    step: int
    module: str
    index: int
    shape: tuple
    statistics: dict = field(default_factory=dict)  # column → 0-dim tensor

    def measure(self, prefix, statistics, tensor):
        tensor = tensor.detach()
        for name, statistic in statistics.items():
            self.statistics[f"{prefix}_{name}"] = statistic(tensor).clone()  # a view would change in place with the tensor


class Trace:
    """What `capture` saw. `step` counts forward passes of the whole model, from 0; set it, and the next pass counts on from there."""

    def __init__(self, columns):
        self.step = -1
        self._columns = columns
        self._rows = []

    def frame(self):
        """One row per step × module, in the order of the forward pass.

        Columns: step, module (its name in the model), index (1 for the first captured output of the step), shape ("128×8×8×8"),
        activation_rms, activation_mean, activation_dead, and gradient_rms: the RMS over the elements of ∂loss/∂output (NaN
        where no backward pass came through).
        """
        columns = {name: [math.nan] * len(self._rows) for name in self._columns}
        values = [(i, name, tensor) for i, row in enumerate(self._rows) for name, tensor in row.statistics.items()]
        for (i, name, _), number in zip(values, _to_host([tensor for *_, tensor in values]), strict=True):
            columns[name][i] = number
        where = {
            "step": [row.step for row in self._rows],
            "module": [row.module for row in self._rows],
            "index": [row.index for row in self._rows],
            "shape": ["×".join(map(str, row.shape)) for row in self._rows],
        }
        return pd.DataFrame(where | columns)

    def clear(self):
        """Forget the rows seen so far, and go on counting steps."""
        self._rows.clear()


@contextmanager
def capture(model, layers=None, *, activation=ACTIVATION_STATISTICS, gradient=GRADIENT_STATISTICS):
    """Watch the outputs of a model's modules, forward and backward, for as long as the `with` block lasts; yields a `Trace`.

    layers: None for reslab's blocks, or for a model that has none, its leaf modules; or a predicate (name, module) → bool.
    activation, gradient: name → function of the output tensor (of its gradient) to a 0-dim tensor; columns are named
    activation_NAME and gradient_NAME. The first tensor of a tuple, list or dict counts as a module's output.
    The model, its mode and its gradients are left as they are, and no hook outlives the block, exceptions included.
    Raises ValueError if no module is chosen.
    """
    chosen = {module: name for name, module in _choose(model, layers)}
    trace = Trace([f"activation_{name}" for name in activation] + [f"gradient_{name}" for name in gradient])
    seen = 0  # outputs captured since the model's forward pass began

    def begin(_module, _inputs):
        nonlocal seen
        trace.step += 1
        seen = 0
        # The tensors of passes gone by are freed, and their hooks with them.
        tensor_handles[:] = [handle for handle in tensor_handles if handle.id in (handle.hooks_dict_ref() or ())]

    def watch(module, _inputs, output):
        nonlocal seen
        output = _first_tensor(output)
        if output is None:
            return
        seen += 1
        row = _Row(trace.step, chosen[module], seen, tuple(output.shape))
        trace._rows.append(row)
        row.measure("activation", activation, output)
        if gradient and output.requires_grad:
            watch_gradient(output, row)

    def watch_gradient(output, row):
        outlives_its_pass = output.is_leaf  # it is a parameter or an input

        def measure(grad):
            row.measure("gradient", gradient, grad)
            if outlives_its_pass:
                handle.remove()  # its next gradient belongs to the row of the next pass

        # A hook on the tensor, not a full backward hook on the module: those break under in-place operations.
        handle = output.register_hook(measure)
        tensor_handles.append(handle)

    module_handles, tensor_handles = [], []
    try:
        module_handles.append(model.register_forward_pre_hook(begin))
        module_handles.extend(module.register_forward_hook(watch) for module in chosen)
        yield trace
    finally:
        for handle in module_handles + tensor_handles:
            handle.remove()


def _choose(model, layers):
    """(name, module) of the modules to watch."""
    named = [(name or type(model).__name__, module) for name, module in model.named_modules()]
    if layers is not None:
        picked = [(name, module) for name, module in named if layers(name, module)]
    else:
        picked = [(name, module) for name, module in named if isinstance(module, Block)]
        picked = picked or [(name, module) for name, module in named if not any(module.children())]
    if not picked:
        raise ValueError(f"no module of {type(model).__name__} was chosen; its modules are {', '.join(name for name, _ in named[:8])} ...")
    return picked


def _first_tensor(output):
    """The first floating-point tensor in a module's output, or None."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() else None
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((tensor for tensor in map(_first_tensor, parts) if tensor is not None), None)


def _to_host(tensors):
    """The values of many 0-dim tensors as floats, in one transfer."""
    dtype = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
    return torch.stack([tensor.to(dtype) for tensor in tensors]).tolist() if tensors else []


def weight_gradients(model):
    """The gradients that a backward pass left on the parameters, one row each.

    Columns: parameter, shape ("16×3×3×3"), weight_rms, gradient_rms (NaN without a gradient), gradient_norm (L2, = rms·√elements).
    """
    parameters = dict(model.named_parameters())
    weight = _to_host([rms(p.detach()) for p in parameters.values()])
    nothing = torch.tensor(math.nan)
    gradient = _to_host([nothing.to(p.device) if p.grad is None else rms(p.grad) for p in parameters.values()])
    frame = pd.DataFrame({"parameter": list(parameters), "shape": ["×".join(map(str, p.shape)) for p in parameters.values()]})
    frame["weight_rms"], frame["gradient_rms"] = weight, gradient
    frame["gradient_norm"] = frame["gradient_rms"] * [math.sqrt(p.numel()) for p in parameters.values()]
    return frame
