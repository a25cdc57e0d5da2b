"""Where PyTorch computes, and with how many threads."""

import threading
from contextlib import contextmanager

import torch

from reslab import checks
from reslab.nets import ResNet


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
    """The layout of a model's images: the nets of `build` are a tenth faster so on CPUs, more on CUDA; others may not expect it."""
    fast = isinstance(model, ResNet) and device_of(model).type != "mps"
    return torch.channels_last if fast else torch.contiguous_format


def device_of(model):
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


_lock, _users, _usual = threading.Lock(), 0, 1


@contextmanager
def threads(count):
    """torch with `count` threads in this Python thread. Several trainings may be inside at once; the last one out restores."""
    global _users, _usual
    with _lock:
        if not _users:
            _usual = torch.get_num_threads()
        _users += 1
    try:
        torch.set_num_threads(count)
        yield
    finally:
        with _lock:
            _users -= 1
        torch.set_num_threads(_usual)
