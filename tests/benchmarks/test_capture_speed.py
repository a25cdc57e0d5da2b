"""How much capture slows a training. Ratios are between steps taken in turn, in the same run.

All of it runs in one thread, so that times are those of the processor: another busy process disturbs them less than
those of the clock.
"""

# ruff: noqa: I001
import gc
import importlib.util
import itertools
import statistics
import time
import tracemalloc
from contextlib import nullcontext

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
import torch
import torch.nn.functional as F

from reslab import NetSpec, TrainSpec, build
from reslab.capture import capture, rms
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")
RMS = {"activation": {"rms": rms}, "gradient": {"rms": rms}}


def seconds(function, *arguments):
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def net_and_batch(split):
    """resnet-56 of width 8 and 128 digits, as `train` lays them out."""
    net = build(NetSpec(depth=56, width=8, **split.shape)).to(memory_format=torch.channels_last)
    x, y = split.batch(slice(128), "train")
    return net, x.contiguous(memory_format=torch.channels_last), y


def steps(split, every=0, frame=False, **watched):
    """Steps of SGD, every so many of which are watched (0: none); yields after each."""
    net, x, y = net_and_batch(split)
    optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4, fused=True)
    for step in itertools.count():
        with capture(net, **watched) if every and step % every == 0 else nullcontext() as trace:
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        if frame and trace is not None:
            trace.frame()
        yield


def costs(bare, watched, rounds=20):
    """How many times as long ten watched steps take as ten bare ones taken in turn with them: quartiles; and a bare
    step in ms."""
    for _ in range(10):  # whole tens, so that the tenth step of each stepper falls where it should
        next(bare), next(watched)
    ratios, milliseconds = [], []
    for _ in range(rounds):
        taken = [(seconds(next, bare), seconds(next, watched)) for _ in range(10)]
        alone, beside = map(sum, zip(*taken, strict=True))
        ratios.append(beside / alone)
        milliseconds.append(100 * alone)
    low, middle, high = statistics.quantiles(ratios, n=4)
    bare_step = f"a bare step of {statistics.median(milliseconds):.1f} ms"
    return f"{middle:.3f} times {bare_step} (quartiles {low:.3f} to {high:.3f})"


@pytest.mark.parametrize(
    ("what", "watched"),
    [
        ("nothing at all (the error of these measurements)", None),
        ("RMS of activation and gradient, every step", {"every": 1, **RMS}),
        ("RMS of activation and gradient, every tenth", {"every": 10, **RMS}),
        ("all default statistics, every step", {"every": 1}),
        ("all default statistics, every tenth", {"every": 10}),
        ("all default statistics with a frame each, every step", {"every": 1, "frame": True}),
        ("all default statistics with a frame each, every tenth", {"every": 10, "frame": True}),
        ("RMS of both sides and the sum too, every step", {"every": 1, "additions": True, **RMS}),
    ],
)
def test_watching_every_block_of_resnet_56(split, report, what, watched):
    report(f"capture, {what}: {costs(steps(split), steps(split, **(watched or {})))}")


@pytest.mark.parametrize("every", [1, 10])
def test_watching_a_training(split, report, every):
    """Through `train`, with the frames that its events carry."""
    spec = NetSpec(depth=56, width=8, **split.shape)
    how = {"epochs": 30, "test_every": 10_000}
    bare, watched = (train(build(spec), split, TrainSpec(**how, capture_every=n)) for n in (0, every))
    report(f"train(capture_every={every}): {costs(bare, watched)}")


# torchlens says that batch norm is in training mode, as it is in every step here
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_against_a_full_trace_of_torchlens(split, report):
    """Of the forward pass alone, which it saves every operation of; ours is that of forward and backward, every
    block."""
    if importlib.util.find_spec("torchlens") is None:
        report("torchlens is not installed: no comparison")
        return
    import torchlens

    net, x, y = net_and_batch(split)
    whole = torchlens.options.CaptureOptions(unwrap_when_done=True)  # or every later call of torch would be slower

    def step():
        F.cross_entropy(net(x), y).backward()

    def watched():
        with capture(net) as trace:
            step()
        trace.frame()

    ways = (step, watched, lambda: torchlens.trace(net, x, capture=whole))
    rounds = [[seconds(way) for way in ways] for _ in range(4)][1:]
    ours, theirs = (statistics.median(taken[i] / taken[0] for taken in rounds) for i in (1, 2))
    report(
        f"capture of every block, and its frame: {ours:.2f} times bare; "
        f"torchlens {torchlens.__version__}'s trace: {theirs:.0f} times"
    )


@pytest.mark.filterwarnings("ignore:nothing was captured")
def test_a_thousand_times_on_and_off(split, report):
    net, *_ = net_and_batch(split)

    def on_and_off():
        with capture(net):
            pass

    def hooks():
        return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())

    taken = seconds(lambda: [on_and_off() for _ in range(1000)])
    tracemalloc.start()
    on_and_off()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(1000):
        on_and_off()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    report(
        f"capture on and off: {taken:.2f} ms; after a thousand of them {hooks()} hooks "
        f"and {(after - before) / 1000:.1f} kB are left"
    )
