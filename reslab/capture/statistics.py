"""Numbers of a tensor that need no wait for the device, and the one transfer that brings them home."""

import functools
import math

import pandas as pd
import torch


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


def count(x, edges):
    """How many elements of x lie below the edges, in each bin left ≤ x < right, at or above the last edge, and are NaN: (edges + 2,)."""
    place = torch.bucketize(x, edges, right=True).where(~x.isnan(), len(edges) + 1).flatten()
    return torch.zeros(len(edges) + 2, dtype=torch.int64, device=x.device).scatter_add_(0, place, torch.ones_like(place))


def to_host(tensors):
    """The values of many tensors of one shape, as Python's numbers or lists of them: one transfer a device."""
    values = {}
    for device in {tensor.device for tensor in tensors}:
        here = [i for i, tensor in enumerate(tensors) if tensor.device == device]
        dtype = functools.reduce(torch.promote_types, {tensors[i].dtype for i in here})
        values |= zip(here, torch.stack([tensors[i].to(dtype) for i in here]).tolist(), strict=True)
    return [values[i] for i in range(len(tensors))]


def weight_gradients(model):
    """The gradients that a backward pass left on the parameters, one row each.

    Columns: parameter, shape ("16×3×3×3"), weight_rms, gradient_rms (NaN without a gradient), gradient_norm (L2, = rms·√elements).
    """
    parameters = dict(model.named_parameters())
    weight = to_host([rms(p.detach()) for p in parameters.values()])
    nothing = torch.tensor(math.nan)
    gradient = to_host([nothing.to(p.device) if p.grad is None else rms(p.grad) for p in parameters.values()])
    frame = pd.DataFrame({"parameter": list(parameters), "shape": ["×".join(map(str, p.shape)) for p in parameters.values()]})
    frame["weight_rms"], frame["gradient_rms"] = weight, gradient
    frame["gradient_norm"] = frame["gradient_rms"] * [math.sqrt(p.numel()) for p in parameters.values()]
    return frame
