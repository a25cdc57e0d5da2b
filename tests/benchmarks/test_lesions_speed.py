"""How long lesions take: all 27 of a resnet-56 of CIFAR-10's size on 200 pictures, and one click."""

import time

import pytest
import torch

from reslab.experiments import lesions
from reslab.nets import FAMILY, build

pytestmark = pytest.mark.benchmark


def test_all_lesions_of_resnet_56_and_one_click(record_property):
    net = build(FAMILY["resnet-56"]).eval()  # weights do not change how long it takes
    x = torch.randn(200, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    begun = time.perf_counter()
    cached = lesions.CachedNet(net, x)
    clicks = []
    for block in cached.blocks:
        start = time.perf_counter()
        logits = cached.logits([block])
        clicks.append(time.perf_counter() - start)
    whole = time.perf_counter() - begun
    assert logits.shape == (200, 10)
    assert len(clicks) == 27
    for name, seconds in {"all 27": whole, "slowest click": max(clicks), "mean click": sum(clicks) / 27}.items():
        record_property(name, round(seconds, 2))
        print(f"{name}: {seconds:.2f} s")
