"""Both sides of an addition: the branch F(x) and the shortcut x of a residual block are operands of a +, not outputs of modules."""

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

# What + and += of tensors, torch.add and the methods arrive as, in PyTorch's versions.
ADDITIONS = {torch.add, torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__add__, torch.Tensor.__iadd__}


class Additions(TorchFunctionMode):
    """While it is entered, sees the additions in the forward passes of modules; both sides before the sum, which may be in place.

    see(module, part, tensor) is called with part "left", "right" and "sum", three times for each addition.
    """

    def __init__(self, see):
        super().__init__()
        self.see = see
        self.places = []  # the modules whose forward passes are running, innermost last; None: nothing to see here

    def enter(self, module, _inputs):
        self.places.append(module)

    def leave(self, module, _inputs, _output):
        while module in self.places and self.places.pop() is not module:
            pass  # what a pass that was interrupted left behind

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        place = self.places[-1] if self.places and func in ADDITIONS else None
        left = args[0] if args else kwargs.get("input")
        right = args[1] if len(args) > 1 else kwargs.get("other")
        if place is None or not _adds_paths(left, right):
            return func(*args, **kwargs)
        self.places.append(None)  # what statistics add up is no part of the model
        self.see(place, "left", left)
        self.see(place, "right", right)
        total = func(*args, **kwargs)
        self.see(place, "sum", total)
        self.places.pop()
        return total


def _adds_paths(left, right):
    """Whether these are two paths through a net: tensors of one shape, neither of them a parameter (such as an embedding of places)."""
    for side in (left, right):
        if not isinstance(side, torch.Tensor) or isinstance(side, nn.Parameter):
            return False
        if not side.is_floating_point() or side.is_nested or side.layout is not torch.strided:
            return False
    return 0 < left.dim() == right.dim() and left.shape == right.shape
