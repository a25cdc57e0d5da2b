"""Where PyTorch computes, with how many threads, how exactly, and compiled to what."""

import inspect
import os
import threading
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

from reslab import checks
from reslab.nets import NetSpec
from reslab.nets.layers import Chance


def pick_device(device="auto"):
    """The torch.device of a name: "auto" takes CUDA, else Apple's MPS, else the CPU; ValueError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    kind = str(device).split(":")[0]
    checks.choice("device", kind, ["auto", *there])
    if not there[kind]:
        raise ValueError(f"device is {str(device)!r}, and this machine has none; device='auto' takes what there is.")
    return torch.device(device)


def layout_of(model):
    """The layout of a model's images: channels_last for the nets of `build`, a tenth faster so on CPUs; others may not expect it."""
    fast = isinstance(getattr(model, "spec", None), NetSpec) and device_of(model).type != "mps"
    return torch.channels_last if fast else torch.contiguous_format


def device_of(model):
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def compiled(model, device, *, alone=True):
    """The model as torch.compile makes it, with the same weights; alone: whether this process trains it by itself.

    On a GPU a small net is a queue of short kernels: as a CUDA graph they are launched at once. Not so where the forward pass draws
    numbers, for each draw would be a graph of its own; nor in several processes (pytorch#140395); nor before PyTorch 2.15, in which
    graphs belonged to one Python thread (pytorch#123177).
    """
    draws = any(isinstance(module, Chance) for module in model.modules())
    graphs = device.type == "cuda" and alone and not draws and torch.__version__ >= "2.15"
    # Where PyTorch cannot keep them apart, all nets of a class share eight programs: it logs that the ninth net runs uncompiled.
    options = {"isolate_recompiles": True} if "isolate_recompiles" in inspect.signature(torch.compile).parameters else {}
    return torch.compile(model, mode="reduce-overhead" if graphs else None, **options)


# cuBLAS is deterministic only with this, which must be there before its first product.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

_lock, _users, _usual = threading.Lock(), 0, None


@contextmanager
def settings(threads, deterministic=False):
    """PyTorch as a training wants it: so many threads in this Python thread; float32 convolutions in float32, not in the TF32 of
    cuDNN's choice; and either deterministic algorithms (or an error, where there are none) or the fastest.

    All but the threads are settings of the whole process. Several trainings may be inside at once: if one of them is deterministic
    all are, and the last one out restores.
    """
    global _users, _usual
    torch.get_num_threads()  # at its first use in a Python thread, PyTorch sets the threads there, so let it do so now
    with _lock:
        if not _users:
            _usual = _switches()
        if deterministic or not _users:
            mode = 2 if deterministic else torch.get_deterministic_debug_mode()
            _switch(mode, mode == 0, "ieee")
        _users += 1
    try:
        with _openmp().limit(limits=threads):
            yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _switch(*_usual)


@cache
def _openmp():
    """OpenMP's own switch: torch.set_num_threads forgets every convolution that oneDNN prepared, 0.7 ms a step on digits."""
    return ThreadpoolController().select(user_api="openmp")


def _switches():
    return torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark, torch.backends.cudnn.conv.fp32_precision


def _switch(mode, benchmark, precision):
    torch.set_deterministic_debug_mode(mode)  # 2: an operation that is not deterministic raises
    torch.backends.cudnn.benchmark, torch.backends.cudnn.conv.fp32_precision = benchmark, precision
