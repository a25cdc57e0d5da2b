"""Photos of CIFAR-10's size and number, on the device that device="auto" picks: ours against the loop of every
tutorial, and against what the device's memory could carry at best. Made for a GPU; on a CPU a few steps show that it
runs."""

# ruff: noqa: I001
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import reslab  # before torch, as in a lesson
import numpy as np
import pytest
import torch
from timing import seconds, textbook
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from reslab import FAMILY, TrainSpec, build
from reslab.datasets import from_arrays
from reslab.nets.complexity import complexity
from reslab.train import pick_device, train

DEVICE = pick_device("auto")
ON_GPU = DEVICE.type == "cuda"
STEPS, WARM = (200, 50) if ON_GPU else (3, 1)
REPEATS = 3
WAYS = (
    {  # the most informative first
        "bf16, graph": {"precision": "bf16"},
        "bf16, graph, compiled": {"precision": "bf16", "compile": True},
        "bf16": {"precision": "bf16", "cuda_graph": False},
        "fp32, graph": {},
        "fp32": {"cuda_graph": False},
    }
    if ON_GPU
    else {"fp32": {}, "bf16": {"precision": "bf16"}, "fp32, compiled": {"compile": True}}
)


@pytest.fixture(scope="module")
def photos():
    """As many random images as CIFAR-10 has for training, and one batch to test."""
    images = 50_000 if ON_GPU else 1_024
    x = np.random.default_rng(0).integers(0, 256, (images + 128, 32, 32, 3), dtype=np.uint8)
    return x, from_arrays(x, np.arange(len(x)) % 10, test=128)


class Photos(Dataset):
    """What a tutorial reads CIFAR-10 with: an image at a time through PIL, cropped, flipped and normalised on the
    CPU."""

    def __init__(self, images):
        self.images = images
        steps = [
            transforms.ToPILImage(),
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
        self.transform = transforms.Compose([*steps, transforms.Normalize((0.5,) * 3, (0.25,) * 3)])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), i % 10


def tutorial(net, images):
    """The textbook loop on such a dataset."""
    workers = min(os.cpu_count() or 1, 8) if ON_GPU else 0
    loader = DataLoader(Photos(images), 128, shuffle=True, drop_last=True, num_workers=workers, pin_memory=ON_GPU)
    return textbook(net, loader, WARM + REPEATS * STEPS, device=DEVICE)


def ours(net, split, **how):
    """Steps of ours, STEPS of them an event, without an end."""
    return train(
        net,
        split,
        TrainSpec(epochs=1000, lr=0.1, augment="crop-flip", log_every=STEPS, test_every=10**6, **how),
        device=DEVICE,
    )


@pytest.mark.parametrize("name", ["resnet-56", "resnet-20", "resnet-18"] if ON_GPU else ["resnet-20"])
def test_images_a_second(name, photos, report):
    images, split = photos
    spec = (
        FAMILY[name] if name != "resnet-18" else reslab.replace(FAMILY[name], stem="cifar", image_size=32, classes=10)
    )
    steps = tutorial(build(spec), images[: len(split.y_train)])
    list(islice(steps, WARM))
    slow = [seconds(list, islice(steps, STEPS)) for _ in range(REPEATS)]
    report(
        f"{name}, photos, {DEVICE.type}: the textbook loop {128 * STEPS / statistics.median(slow):,.0f} images a second"
    )
    least = bytes_a_step(spec) / bandwidth()
    for way, how in WAYS.items():
        events = ours(build(spec), split, **how)
        first = seconds(next, events)
        fast = [seconds(next, events) for _ in range(REPEATS)]
        ratios = [a / b for a, b in zip(slow, fast, strict=True)]
        times = f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})"
        bound = statistics.median(fast) / STEPS / least
        rate = 128 * STEPS / statistics.median(fast)
        report(
            f"    ours, {way}: {rate:,.0f}, {times}; {bound:.1f} times what memory alone needs; first {STEPS} steps"
            f" {first:.0f} s"
        )


@pytest.mark.parametrize("nets", [4, 2, 8] if ON_GPU else [2])
def test_several_nets_at_once(nets, photos, report):
    """In threads of this process, a stream each; against one alone."""
    _, split = photos
    spec = FAMILY["resnet-56" if ON_GPU else "resnet-20"]

    def rate(count):
        trainings = [ours(build(spec, seed=seed), split, precision="bf16") for seed in range(count)]
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(next, trainings))  # recorded
            return [count * 128 * STEPS / seconds(lambda: list(threads.map(next, trainings))) for _ in range(REPEATS)]

    alone, together = rate(1), rate(nets)
    ratios = sorted(b / a for a, b in zip(alone, together, strict=True))
    report(
        f"{nets} nets like {spec.name} at once, {DEVICE.type}: {statistics.median(together):,.0f} images a second "
        f"together, {statistics.median(ratios):.1f} times one ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    )


def test_captures_every_hundredth_step(photos, report):
    """Every block captured in every 100th step, against a training that captures none."""
    _, split = photos
    spec = FAMILY["resnet-56" if ON_GPU else "resnet-20"]
    bare, watched = (ours(build(spec), split, capture_every=every, precision="bf16") for every in (0, 100))
    for events in (bare, watched):
        next(events)
    ratios = sorted(seconds(next, watched) / seconds(next, bare) for _ in range(REPEATS))
    report(
        f"{spec.name}, {DEVICE.type}: a step costs {statistics.median(ratios):.2f} times a bare one "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}) with every block captured in every 100th"
    )


@pytest.mark.skipif(not ON_GPU, reason="kernels are a GPU's")
def test_kernels_a_step(photos, report):
    _, split = photos
    for way in ("bf16", "bf16, graph, compiled"):
        events = ours(build(FAMILY["resnet-56"]), split, **WAYS[way])
        next(events)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            next(events)
        kernels = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        busy = sum(event.device_time for event in kernels) / 1_000
        report(f"resnet-56, {way}: {len(kernels) / STEPS:,.0f} kernels a step, {busy / STEPS:.2f} ms on the device")


def bytes_a_step(spec, batch=128):
    """The least that has to go to and from memory in half precision: each convolution's output and its gradient,
    written and read once."""
    layers = complexity(spec)
    # of an image; they are counted in float32
    outputs = layers.loc[layers["kind"] == "Conv2d", "activation_bytes"].sum() / 2
    return 4 * batch * outputs


def bandwidth(size=2**28 if ON_GPU else 2**24):
    """Bytes a second that the device copies, counted both ways."""
    source = torch.ones(size, device=DEVICE)
    target, rates = torch.empty_like(source), []
    for _ in range(5):
        _wait()
        began = time.perf_counter()
        target.copy_(source)
        _wait()
        rates.append(2 * source.nbytes / (time.perf_counter() - began))
    return max(rates)


def _wait():
    if ON_GPU:
        torch.cuda.synchronize()
