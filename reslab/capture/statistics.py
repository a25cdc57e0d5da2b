"""Statistics of a tensor, computed without waiting for a GPU, and one transfer of all to the host."""

import functools
import math

import pandas as pd
import torch
from torch import nn
from torch.nn.parameter import is_lazy


def rms(x):
    """Root mean square of a tensor: √mean(|x|²), NaN of an empty one.

    It is exact for gradients as small as 1e-40, whose squares float32 would lose. x may be complex, sparse (its zeros
    count), or hold whole numbers. Returns a 0-dim tensor on the same device.
    """
    size, x = x.numel(), _stored(x)
    if _may_wait_for(x) and x.dtype == torch.float32 and x.numel() <= 2**17:
        # up to four times as fast; exact to six digits while the squares are within the range of float32
        norm = torch.linalg.vector_norm(x)
        if 1e-15 < norm.item() < 1e18:
            return norm / math.sqrt(size)
    dtype = torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    # Not a list of norms: glibc would put each of them behind the float64 copy of its piece, and could not use the
    # memory of that copy again. So the process grew by all of these copies, twice the tensor.
    of_pieces = (torch.linalg.vector_norm(_numbers(piece), dtype=dtype) for piece in pieces(x, range(x.dim())))
    norm = functools.reduce(lambda one, other: torch.linalg.vector_norm(torch.stack([one, other])), of_pieces)
    return norm / math.sqrt(size)  # 0 / 0 is NaN


def mean(x):
    """Mean of a tensor, NaN of an empty one."""
    if x.dtype in (torch.float32, torch.float64):
        return x.mean()
    # a half-precision sum would overflow
    return sum(_numbers(piece).sum(dtype=torch.float32) for piece in pieces(x, range(x.dim()))) / x.numel()


def dead(x):
    """Fraction of units that are exactly 0 for the whole batch, NaN of an empty one.

    A unit is a channel at any place: dimension 1 of x. Returns a 0-dim float32 tensor on the same device.
    """
    if not x.numel():
        return x.new_full((), math.nan, dtype=torch.float32)
    others = [dim for dim in range(x.dim()) if dim != 1]
    few = len(x) // 8 if x.dim() > 1 and x.numel() <= 2**20 else 0
    if few and _may_wait_for(x) and x[:few].abs().sum(others).all():
        return x.new_zeros((), dtype=torch.float32)  # the first examples alone show that every unit is alive
    units = x.shape[1] if x.dim() > 1 else 1
    some = x.split(_limit(x), 1) if x.dim() > 1 else [x]  # units, all of them but where a layer has millions
    return sum(_dead(part, others) for part in some) / units


def _dead(x, others):
    """How many units are 0 in all other dimensions."""
    # sums, not maxima: seven times as fast on a CPU
    total = sum(_numbers(piece).abs().sum(others) for piece in pieces(x, others))
    return (total == 0).sum(dtype=torch.float32)


# Name → function of a tensor that returns a 0-dim tensor on the same device. Pass others to `capture`.
ACTIVATION_STATISTICS = {"rms": rms, "mean": mean, "dead": dead}
GRADIENT_STATISTICS = {"rms": rms}


def count(x, edges):
    """How many elements of x lie below the edges, in each bin left ≤ x < right, at or above the last edge, and are NaN.

    edges: (E,), rising. Returns (E + 2,) int64.
    """
    counts = torch.zeros(len(edges) + 2, dtype=torch.int64, device=x.device)
    one = counts.new_ones(())
    for piece in pieces(x, range(x.dim())):
        piece = piece.to(edges.dtype).flatten().contiguous()
        place = torch.bucketize(piece, edges, right=True).masked_fill_(piece.isnan(), len(edges) + 1)
        counts.scatter_add_(0, place, one.expand_as(place))
    return counts


def pieces(x, dims):
    """A tensor as views of at most a 500th of it (or 2¹⁷ elements), so that results of each take little memory.

    It is cut along `dims`, first along the one with the largest stride, so that a dense tensor gives dense pieces.
    """
    limit = _limit(x)

    def cut(part):
        long = [dim for dim in dims if part.shape[dim] > 1]
        if part.numel() <= limit or not long:
            yield part
            return
        dim = max(long, key=part.stride)
        for piece in part.split(max(1, limit * part.shape[dim] // part.numel()), dim):
            yield from cut(piece)

    return cut(x)


def _limit(x):
    """The most elements of a piece of a tensor."""
    return max(2**17, x.numel() // 512)


def _may_wait_for(x):
    """Whether reading a value of x needs no wait for a GPU, and saves more time than it takes."""
    return x.device.type == "cpu" and x.numel() >= 2**12


def _stored(x):
    """The values that a tensor stores: of a sparse one those that are not 0."""
    if x.layout is torch.strided:
        return x
    return x.coalesce().values() if x.layout is torch.sparse_coo else x.values()


def _numbers(x):
    """The numbers of a dense tensor as real floats: both parts of complex ones."""
    if x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    # PyTorch cannot sum float8, and sums whole numbers as whole numbers
    return x if x.is_floating_point() and x.element_size() > 1 else x.float()


def to_host(tensors):
    """The values of many tensors of one shape, as Python's numbers or lists of them.

    There is one transfer for each device and dtype. A tensor on the meta device has no values: they are NaN.
    """
    places = {}
    for i, tensor in enumerate(tensors):
        places.setdefault((tensor.device, tensor.dtype), []).append(i)
    values = {}
    for (device, _), here in places.items():
        stacked = torch.stack([tensors[i] for i in here])
        stacked = torch.full(stacked.shape, math.nan) if device.type == "meta" else stacked
        values |= zip(here, stacked.tolist(), strict=True)
    return [values[i] for i in range(len(tensors))]


def weight_gradients(model):
    """The gradients that a backward pass left on the parameters, one row each.

    A shared parameter has one row, under its first name.
    Columns: parameter, shape ("16×3×3×3"), weight_rms, gradient_rms (NaN without a gradient), gradient_norm (L2, =
    rms·√elements). A lazy parameter, which has no shape before the first forward pass, has "" and NaN. RMS of complex
    numbers is that of |z|. TypeError for what is no nn.Module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}.")
    parameters = dict(model.named_parameters())
    # The numbers of nested tensors have no one shape.
    known = {name: p for name, p in parameters.items() if not is_lazy(p) and not p.is_nested}
    weight = dict(zip(known, to_host([rms(p.detach()) for p in known.values()]), strict=True))
    with_gradient = {name: p for name, p in known.items() if p.grad is not None}
    gradient = dict(zip(with_gradient, to_host([rms(p.grad.detach()) for p in with_gradient.values()]), strict=True))
    frame = pd.DataFrame({"parameter": list(parameters)})
    frame["shape"] = ["×".join(map(str, p.shape)) if name in known else "" for name, p in parameters.items()]
    frame["weight_rms"] = [weight.get(name, math.nan) for name in parameters]
    frame["gradient_rms"] = [gradient.get(name, math.nan) for name in parameters]
    sizes = [known[name].numel() if name in known else 0 for name in parameters]
    frame["gradient_norm"] = frame["gradient_rms"] * [math.sqrt(size) for size in sizes]
    return frame
