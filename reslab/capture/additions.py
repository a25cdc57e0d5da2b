"""Sees both sides of an addition: the branch F(x) and the shortcut x of a block are operands of a +, not outputs."""

import threading
from contextlib import contextmanager

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode

# The functions that PyTorch reports for + and +=, torch.add, the methods, and the graphs of torch.export.
ADDITIONS = {torch.add, torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__add__, torch.Tensor.__iadd__}
ADDITIONS |= {torch.ops.aten.add, torch.ops.aten.add_, torch.ops.aten.add.Tensor, torch.ops.aten.add_.Tensor}

_measuring = threading.local()  # .depth: how many captures are computing statistics in this thread


@contextmanager
def measuring():
    """While statistics are computed, no capture sees their additions: they are not the model's."""
    _measuring.depth = getattr(_measuring, "depth", 0) + 1
    try:
        yield
    finally:
        _measuring.depth -= 1


class Additions(TorchFunctionMode):
    """While it is entered, sees the additions in the forward passes of modules.

    see(module, part, tensor) is called three times for each addition, with part "left", "right" and "sum"; for both
    sides before the addition, which may be in place. In PyTorch such a mode belongs to one thread: in other threads
    than the one that entered it, it is entered for each forward pass.
    """

    def __init__(self, see):
        super().__init__()
        self.see = see  # None once it is over
        self.here = threading.local()

    def __enter__(self):
        self.here.entered = True
        return super().__enter__()

    def __exit__(self, *_error):
        self.see = None
        self._take_off()

    def _take_off(self):
        """Remove it from this thread's stack of modes, also from below: blocks in generators close in any order."""
        above = []
        if any(mode is self for mode in _get_current_function_mode_stack()):
            while (mode := _pop_mode()) is not self:
                above.append(mode)
        for mode in reversed(above):
            _push_mode(mode)

    def places(self):
        """The modules whose forward runs in this thread, innermost last; None for one whose additions are not seen."""
        if not hasattr(self.here, "places"):
            self.here.places = []
        return self.here.places

    def begin_pass(self):
        """Forget the modules of a pass that was interrupted."""
        self.places().clear()

    def enter(self, module, _inputs):
        if self.see and not getattr(self.here, "entered", False):
            self.here.entered = self.here.for_this_pass = True
            super().__enter__()
        self.places().append(module)

    def leave(self, module, _inputs, _output):
        places = self.places()
        while module in places and places.pop() is not module:
            pass  # those of a pass that was interrupted
        if not places and getattr(self.here, "for_this_pass", False):
            self.here.entered = self.here.for_this_pass = False
            self._take_off()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        see, places = self.see, self.places() if func in ADDITIONS else ()
        if not see or not places or places[-1] is None or getattr(_measuring, "depth", 0):
            return func(*args, **kwargs)
        left = args[0] if args else kwargs["input"]
        right = args[1] if len(args) > 1 else kwargs.get("other")
        if not _adds_paths(left, right):
            return func(*args, **kwargs)
        place = places[-1]
        see(place, "left", left)
        see(place, "right", right)
        total = func(*args, **kwargs)
        see(place, "sum", total)
        return total


def _adds_paths(left, right):
    """Whether these are two paths through a net: tensors of one shape, neither of them a parameter."""
    for side in (left, right):
        if not isinstance(side, torch.Tensor) or isinstance(side, nn.Parameter):
            return False
        if not side.is_floating_point() or side.is_nested or side.layout is not torch.strided:
            return False
    return 0 < left.dim() == right.dim() and left.shape == right.shape
