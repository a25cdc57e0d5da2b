"""Numbers of a tensor that need no wait for a GPU, and the one transfer that brings them home."""

import math

import pandas as pd
import torch


def rms(x):
    """Root mean square of a tensor: √mean(x²), exact for gradients as small as 1e-40, whose squares float32 would lose."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and 2**12 <= x.numel() <= 2**17:
        norm = torch.linalg.vector_norm(x)  # up to four times as fast, and good to six digits while the squares that count are in range
        if 1e-15 < norm.item() < 1e18:
            return norm / math.sqrt(x.numel())
    dtype = torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    return torch.linalg.vector_norm(x, dtype=dtype) / math.sqrt(max(x.numel(), 1))


def mean(x):
    """Mean of a tensor."""
    return x.mean(dtype=torch.promote_types(x.dtype, torch.float32))  # a half-precision sum would overflow


def dead(x):
    """Fraction of units that are exactly 0 for the whole batch. A unit is a channel at any place: dimension 1 of x."""
    others = [dim for dim in range(x.dim()) if dim != 1]
    return (x.abs().sum(others) == 0).mean(dtype=torch.float32)  # sums, not maxima: seven times as fast on a CPU


# Name → function of a tensor that returns a 0-dim tensor on the same device. Pass others to `capture`.
ACTIVATION_STATISTICS = {"rms": rms, "mean": mean, "dead": dead}
GRADIENT_STATISTICS = {"rms": rms}


def count(x, edges):
    """How many elements of x lie below the edges, in each bin left ≤ x < right, at or above the last edge, and are NaN: (edges + 2,)."""
    x = x.flatten().contiguous()
    place = torch.bucketize(x, edges, right=True).where(~x.isnan(), len(edges) + 1)
    return torch.zeros(len(edges) + 2, dtype=torch.int64, device=x.device).scatter_add_(0, place, torch.ones_like(place))


def to_host(tensors):
    """The values of many tensors of one shape, as Python's numbers or lists of them: one transfer for each device and dtype."""
    places = {}
    for i, tensor in enumerate(tensors):
        places.setdefault((tensor.device, tensor.dtype), []).append(i)
    values = {}
    for here in places.values():
        values |= zip(here, torch.stack([tensors[i] for i in here]).tolist(), strict=True)
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
