"""Settings of the whole process while a `with capture` block is open: set by the first block, undone by the last.

Blocks may be open in several threads at once, and close in any order.
"""

import copyreg
import sys
import threading
from collections import OrderedDict
from contextlib import ExitStack

import torch

_lock = threading.Lock()
_blocks = []  # for each open block, the list of its handles, which may still grow
_undo = ExitStack()
_eager = False  # whether the stance is in _undo


def enter(handles):
    """While a block is open, torch.compile is off and copies of modules are made without its hooks."""
    global _eager
    with _lock:
        if not _eager and "torch._dynamo" in sys.modules:  # else nothing is compiled yet, and the import takes a second
            # a compiled function would not call new hooks
            _undo.enter_context(torch.compiler.set_stance("force_eager"))
            _eager = True
        if not _blocks:
            _undo.callback(_put_reducer, copyreg.dispatch_table.get(OrderedDict))
            _put_reducer(_reduce_without_hooks)
        _blocks.append(handles)


def leave(handles):
    global _eager
    with _lock:
        del _blocks[next(i for i, block in enumerate(_blocks) if block is handles)]
        if not _blocks:
            _eager = False
            _undo.close()


def _put_reducer(reducer):
    """Set how copy and pickle reduce an OrderedDict: torch keeps the hooks of a module in one."""
    if reducer is None:
        copyreg.dispatch_table.pop(OrderedDict, None)
    else:
        copyreg.dispatch_table[OrderedDict] = reducer


def _reduce_without_hooks(hooks):
    made, arguments, state, items, pairs = hooks.__reduce__()
    ours = {handle.id for block in _blocks for handle in block if _belongs(handle, hooks)} if hooks else ()
    return made, arguments, state, items, (pair for pair in pairs if pair[0] not in ours) if ours else pairs


def _belongs(handle, hooks):
    return handle.hooks_dict_ref() is hooks or any(reference() is hooks for reference in handle.extra_dict_ref)
