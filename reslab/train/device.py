"""PyTorch's device, threads, precision and memory format, and compilation."""

import inspect
import os
import threading
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController

from reslab import checks
from reslab.nets import NetSpec

AUTO = ("cuda", "mps", "cpu")  # what device="auto" means: the first of these that the machine has


def pick_device(device="auto"):
    """The torch.device of a name: "auto" takes CUDA, else Apple's MPS, else the CPU; ValueError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name in AUTO if there[name]))
    kind = str(device).split(":")[0]
    checks.choice("device", kind, ["auto", *there])
    if not there[kind]:
        raise ValueError(f"device is {str(device)!r}, and this machine has none; device='auto' takes what there is.")
    return torch.device(device)


def layout_of(model):
    """The memory format of a model and its images: channels_last for the nets of `build`, a tenth faster on a CPU.

    Other models may use .view, which needs the contiguous format.
    """
    fast = isinstance(getattr(model, "spec", None), NetSpec) and device_of(model).type != "mps"
    return torch.channels_last if fast else torch.contiguous_format


def device_of(model):
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def compiled(model):
    """The model compiled by torch.compile, with the same weights. CUDA graphs are `train.cuda_graph`'s, not its own."""
    # Without isolate_recompiles all nets of a class share a limit of eight compilations, and the ninth net runs
    # uncompiled.
    apart = "isolate_recompiles" in inspect.signature(torch.compile).parameters
    return torch.compile(model, **({"isolate_recompiles": True} if apart else {}))


# cuBLAS is deterministic only with this variable, which must be set before its first matrix product.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

# OpenMP's thread limit. torch.set_num_threads would clear oneDNN's cache of convolutions, 0.7 ms a step. It is looked
# for at the import, not in a training's thread: the search holds the dynamic linker's lock and waits for Python, and
# another thread that imports a compiled module holds Python and waits for that lock: neither would go on.
_OPENMP = ThreadpoolController().select(user_api="openmp")

_lock, _users, _usual = threading.Lock(), 0, None


@contextmanager
def settings(threads, deterministic=False):
    """PyTorch's settings during training: the number of threads of this Python thread; float32 convolutions in float32,
    and not in cuDNN's TF32; and either deterministic algorithms (an operation that has none raises) or the fastest.

    All but the threads are settings of the whole process. Several trainings may use them at once: if one of them is
    deterministic, all are. The last one restores the settings.
    """
    global _users, _usual
    torch.get_num_threads()  # PyTorch sets the threads of a Python thread at its first call there: do it before ours
    with _lock:
        if not _users:
            _usual = _switches()
        if deterministic or not _users:
            mode = 2 if deterministic else torch.get_deterministic_debug_mode()
            _switch(mode, mode == 0, "ieee")
        _users += 1
    try:
        with _OPENMP.limit(limits=threads):
            yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _switch(*_usual)


def _switches():
    return (
        torch.get_deterministic_debug_mode(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.conv.fp32_precision,
    )


def _switch(mode, benchmark, precision):
    torch.set_deterministic_debug_mode(mode)  # 2: an operation that is not deterministic raises
    torch.backends.cudnn.benchmark, torch.backends.cudnn.conv.fp32_precision = benchmark, precision
