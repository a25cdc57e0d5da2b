"""How long a map of the loss takes: 51 × 51 points around a resnet-56 of the digits, on a CPU.

Published times of other programs: loss-landscape (github.com/tomgoldstein/loss-landscape) took an hour on four GPUs for
51 × 51 points of a ResNet-56 on CIFAR-10; a rewrite in Julia four minutes. Those are of all 50,000 images of 32 × 32
pixels; this is of IMAGES digits of 8 × 8, so their ratio means nothing. A
machine with a GPU measures CIFAR-10's size there too, which was not measured yet.
"""

import pytest
import torch
from timing import seconds

from reslab import digits
from reslab.datasets import Split
from reslab.experiments import landscape
from reslab.experiments.degradation import small_net
from reslab.nets import FAMILY, build, replace

pytestmark = pytest.mark.benchmark
POINTS, IMAGES, ROWS = 51, 64, 6


def of_rows(net, split, device, images):
    """Seconds for a whole map, from ROWS of its rows after the first."""
    rows = landscape.grid_rows(net, split, points=POINTS, images=images, device=device)
    next(rows)
    return POINTS / ROWS * seconds(lambda: [next(rows) for _ in range(ROWS)])


def test_maps_of_resnet_56(record_property):
    split, x = digits(), torch.randint(256, (128, 3, 32, 32), dtype=torch.uint8)
    about = {"y_train": torch.arange(128) % 10, "y_test": torch.arange(128) % 10, "class_names": tuple("0123456789")}
    noise = Split(name="noise", x_train=x, x_test=x, **about, scale=255, source="noise, of the size of CIFAR-10's")
    jobs = {"digits, width 8, CPU": (replace(small_net(split), depth=56), split, "cpu", IMAGES)}
    if torch.cuda.is_available():
        jobs["CIFAR-10's size, width 16, GPU"] = (FAMILY["resnet-56"], noise, "cuda", 128)
    for name, (spec, images_of, device, images) in jobs.items():
        whole = of_rows(build(spec).eval(), images_of, device, images)  # weights do not change how long it takes
        record_property(name, round(whole, 1))
        print(f"{POINTS} × {POINTS} points of resnet-56, {name}, {images} images: {whole:.0f} s")
