"""What a capture keeps in memory, and for how long: the statistics, and tensors that were asked for."""

import gc
import subprocess
import sys
import weakref

import pytest
import torch
from capture_reference import (  # noqa: F401
    Offset,
    Residual,
    hooks_of,
    hooks_on,
    images,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn

from reslab.capture import capture


def test_nothing_grows_over_100_steps():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.offset = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)), Offset()

        def forward(self, x):
            return self.body(x) + self.offset(x)

    def alive():
        gc.collect()
        kinds = [type(thing) for thing in gc.get_objects()]
        return kinds.count(torch.utils.hooks.RemovableHandle), kinds.count(torch.Tensor), len(kinds)

    model = Model()
    counts = []
    with capture(model) as trace:
        for step in range(1, 101):
            loss = loss_of(model(torch.randn(2, 3)))
            if step % 3:  # every third pass has no backward
                loss.backward()
            trace.clear()
            if step in (32, 98):
                counts.append(alive())
        assert trace.step == 99
        assert hooks_of(model) == 4
    (handles, tensors, objects), (handles_later, tensors_later, objects_later) = counts
    assert 4 <= handles == handles_later
    assert tensors == tensors_later
    assert objects_later - objects < 100
    assert hooks_on(model.offset.value) == 0


def test_nothing_but_the_statistics_is_kept():
    model = small_net()
    references = []

    def remember(x):
        references.append(x.untyped_storage().data_ptr())
        return x.flatten()[0]

    with capture(model, activation={"first": remember}) as trace:
        loss_of(model(images())).backward()
        kept = [tensor for row in trace._rows for tensor in row.statistics.values()]
    assert len(kept) == 6
    assert all(
        tensor.numel() == 1 and tensor.untyped_storage().nbytes() <= 8 and not tensor.requires_grad for tensor in kept
    )
    assert not {tensor.untyped_storage().data_ptr() for tensor in kept} & set(references)


def test_many_captures_leave_no_handle_and_no_memory():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), Residual()), torch.randn(2, 3)
    everything = {"additions": True, "bins": [-1, 0, 1], "keep": True}
    alive, references = [], []
    for step in range(1, 201):
        with capture(model, **everything) as trace:
            output = model(x)
            if step % 3:  # every third has no backward pass
                loss_of(output).backward()
        references.append(weakref.ref(trace))
        del trace, output
        if step in (30, 200):
            gc.collect()
            kinds = [type(thing) for thing in gc.get_objects()]
            alive.append((kinds.count(torch.utils.hooks.RemovableHandle), kinds.count(torch.Tensor), len(kinds)))
    (handles, tensors, objects), (handles_later, tensors_later, objects_later) = alive
    assert (handles, tensors) == (handles_later, tensors_later)
    assert objects_later - objects < 250  # the weak references themselves
    assert not any(reference() for reference in references)
    assert hooks_of(model) == hooks_on(x) == 0


def test_a_kept_tensor_lives_as_long_as_its_trace():
    model = nn.Sequential(nn.Linear(3, 3))
    with capture(model, keep=True) as trace:
        output = model(torch.randn(2, 3))
        output.sum().backward()
    activation = weakref.ref(output)
    del output
    assert activation() is None  # what is kept is a copy, and no graph with it
    kept = weakref.ref(trace.tensors["0"][0].activation)
    trace.clear()
    assert kept() is None


def test_a_trace_is_freed_with_its_last_reference_and_needs_no_garbage_collector():
    model = nn.Sequential(nn.Linear(3, 3), Residual())
    gc.disable()
    try:
        with capture(model, keep=True, additions=True) as trace:
            model(torch.randn(2, 3)).sum().backward()
        kept = [weakref.ref(trace), *(weakref.ref(row.gradient) for rows in trace.tensors.values() for row in rows)]
        assert len(kept) == 6
        del trace
        assert not any(reference() for reference in kept)
    finally:
        gc.enable()


GROWTH = """
import sys
import pytest
import torch
from torch import nn
from reslab.capture import capture

kind, dtype, layout = sys.argv[1:]
x = torch.ones(64, 64, 128, 1024 // getattr(torch, dtype).itemsize // 2, dtype=getattr(torch, dtype))
x = x.to(memory_format=getattr(torch, layout)).requires_grad_()
gradient, model = torch.ones_like(x), nn.Sequential(nn.Identity())
how = {"bins": torch.linspace(-3, 3, 61), "activation": {}, "gradient": {}} if kind == "bins" else {}

def largest():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))

with capture(model, **how) as trace:  # imports, and memory for a small tensor
    model(torch.ones(2, 2, 4, 4, requires_grad=True)).sum().backward()
model(x).backward(gradient)  # without a capture
x.grad = None
before = largest()
with capture(model, **how) as trace:
    model(x).backward(gradient)
print(x.nbytes / 2**20, largest() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory that a process has had is read from /proc")
@pytest.mark.parametrize(
    ("kind", "dtype", "layout"),
    [
        ("statistics", "float32", "contiguous_format"),
        ("statistics", "float32", "channels_last"),
        ("statistics", "bfloat16", "contiguous_format"),
        ("bins", "float32", "contiguous_format"),
    ],
)
def test_a_process_grows_by_less_than_a_tenth_of_the_activation(kind, dtype, layout):
    """In memory of the process, not of PyTorch's allocator: 0 to 20 MB of 256. RMS took 510 before its norms were added
    up one by one."""
    command = [sys.executable, "-c", GROWTH, kind, dtype, layout]
    size, grown = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert size == 256
    assert grown < 0.1 * size
