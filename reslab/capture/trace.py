"""`Trace`: a row for every tensor of every forward pass, and frames of these rows."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import torch

from reslab.capture.statistics import count, to_host


@dataclass(slots=True)
class Row:
    """One tensor at one forward pass, with its statistics still on the device."""

    step: int
    module: str
    index: int
    part: str  # output; or left, right, sum of an addition
    shape: tuple
    # a copy of the tensor, and its gradient (None without one), if `keep` asks for them
    activation: torch.Tensor | None = None
    gradient: torch.Tensor | None = None
    statistics: dict = field(default_factory=dict)  # column → 0-dim tensor
    counts: torch.Tensor | None = None  # see `statistics.count`


class Trace:
    """The rows of a `capture`.

    `step` counts the forward passes of the whole model, from 0; you can set it, and the next pass counts on from it.
    """

    def __init__(self, activation, gradient, bins, keep, parts):
        self.step = -1
        self._rows = []
        self._activation, self._gradient = _columns("activation", activation), _columns("gradient", gradient)
        self._bins, self._edges = _checked(bins), {}  # (device, dtype) → the same edges there
        self._keep, self._parts = keep, parts  # names of modules; whether there are others than outputs

    def frame(self):
        """One row per step × module, in the order of the forward pass.

        Columns: step, module (its name in the model), index (1 for the first captured output of the step), shape
        ("128×8×8×8"), activation_rms, activation_mean, activation_dead, and gradient_rms: the RMS over the elements of
        ∂loss/∂output (NaN without a backward pass; of several backward passes, the last).

        With additions, a column part comes after index. It is "output" in the rows above. Every addition has three more
        rows, "left", "right" and "sum", with one index; their module is the innermost one whose forward pass adds. So

            frame.pivot(index=["step", "index", "module"], columns="part", values="activation_rms").eval("left / right")

        is |F(x)|/|x| at every block of `reslab.nets`.
        """
        rows = list(self._rows)  # those so far: passes may go on in other threads
        columns = {name: [math.nan] * len(rows) for name in self._activation | self._gradient}
        values = [(i, name, tensor) for i, row in enumerate(rows) for name, tensor in list(row.statistics.items())]
        for (i, name, _), number in zip(values, to_host([tensor for *_, tensor in values]), strict=True):
            columns[name][i] = number
        shape = {"shape": ["×".join(map(str, row.shape)) for row in rows]}
        return pd.DataFrame(self._where(rows) | shape | columns)

    def histogram(self):
        """How many elements of each activation lie in each of the `bins` of `capture`: a row per row of `frame` × bin.

        Columns: those of `frame` before shape; left, right, and count of left ≤ x < right. The first bin begins at -∞
        and the last one ends at ∞, so all elements are counted; NaNs, if any, have a row whose left and right are NaN.
        Raises ValueError if `capture` was given no bins.
        """
        if self._bins is None:
            raise ValueError(
                "nothing was counted; give capture the edges of the bins, such as bins=torch.linspace(-3, 3, 61)."
            )
        edges = [-math.inf, *self._bins.tolist(), math.inf]
        bins = [*itertools.pairwise(edges), (math.nan, math.nan)]
        rows = list(self._rows)
        counts = to_host([row.counts for row in rows])
        cells = [
            (row, *bin, n) for row, each in zip(rows, counts, strict=True) for bin, n in zip(bins, each, strict=True)
        ]
        cells = [cell for cell in cells if cell[3] or not math.isnan(cell[1])]
        numbers = {name: [cell[i] for cell in cells] for i, name in enumerate(("left", "right", "count"), 1)}
        return pd.DataFrame(self._where([row for row, *_ in cells]) | numbers)

    @property
    def tensors(self):
        """The whole tensors that `keep` asked for: name of the module → its Rows, in the order of the forward passes.

        So trace.tensors["layer4.1"][-1].activation is that of the last pass; .gradient, .step and .shape belong to it.
        """
        kept = {}
        for row in self._rows:
            if row.activation is not None:
                kept.setdefault(row.module, []).append(row)
        return kept

    def clear(self):
        """Forget the rows seen so far, and go on counting steps."""
        self._rows.clear()

    def _where(self, rows):
        columns = ("step", "module", "index", "part") if self._parts else ("step", "module", "index")
        return {name: [getattr(row, name) for row in rows] for name in columns}

    def _see(self, step, index, module, part, tensor):
        """A new row of a tensor, with its statistics."""
        row = Row(step, module, index, part, tuple(tensor.shape))
        tensor = tensor.detach()
        _measure(row, self._activation, tensor)
        if self._bins is not None:
            row.counts = self._count(tensor)
        if module in self._keep:
            row.activation = tensor.clone()  # the next layer may change it in place
        self._rows.append(row)  # only now that it is complete: frame() may be called in another thread
        return row

    def _count(self, tensor):
        dtype = torch.promote_types(tensor.dtype, torch.float32)  # what holds the edges
        where = tensor.device, dtype
        if where not in self._edges:
            self._edges[where] = self._bins.to(*where)
        return count(tensor, self._edges[where])

    def _see_gradient(self, row, gradient):
        gradient = gradient.detach()
        _measure(row, self._gradient, gradient)
        if row.activation is not None:
            row.gradient = gradient.clone()

    def _wants_gradient(self, row):
        return self._gradient or row.activation is not None


def _columns(prefix, statistics):
    """Column → statistic."""
    if not isinstance(statistics, Mapping) or not all(map(callable, statistics.values())):
        raise TypeError(
            f'{prefix} is {statistics!r}; it must be a dict of names and functions, such as {{"rms": rms}}.'
        )
    return {f"{prefix}_{name}": statistic for name, statistic in statistics.items()}


def _measure(row, statistics, tensor):
    for column, statistic in statistics.items():
        version = _version(tensor)
        value = statistic(tensor)
        if _version(tensor) != version:
            raise ValueError(f"{column} changes the tensor that it measures, and so the model; work on x.clone().")
        if not isinstance(value, torch.Tensor) or value.dim():
            got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            raise TypeError(
                f"{column} is a value of {got}; "
                "a statistic must return a tensor of no dimensions, such as x.abs().max()."
            )
        row.statistics[column] = value.clone()  # a view would change in place with the tensor


def _version(tensor):
    """How often a tensor was changed in place; PyTorch does not count it in inference mode."""
    return None if tensor.is_inference() else tensor._version


def _checked(bins):
    """The edges of the bins as a float64 tensor on the CPU; ValueError if they are no such thing."""
    if bins is None:
        return None
    try:
        edges = torch.as_tensor(bins, dtype=torch.float64, device="cpu").detach().clone()
    except (ValueError, TypeError, RuntimeError):  # no numbers: it has none that rise
        edges = torch.empty(0)
    if edges.dim() != 1 or len(edges) < 2 or not edges.isfinite().all() or not (edges.diff() > 0).all():
        raise ValueError(
            f"bins is {bins!r}; "
            "it must be two or more finite edges, in rising order, such as torch.linspace(-3, 3, 61)."
        )
    return edges
