"""Lesson 11: what a training costs on this machine, that stopping it costs nothing, and what several at once bring."""

import itertools
import tempfile
import time

import pandas as pd
import torch

from reslab.datasets import Split, digits
from reslab.experiments.degradation import small_net
from reslab.job import Job
from reslab.nets import FAMILY, build, replace
from reslab.runs import Provenance
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit, pick_device, train

PAPER_STEPS = 64_000  # He et al. 2015 (arXiv:1512.03385), §4.2, of 128 images each


def paper_recipe(names=("resnet-20", "resnet-56", "resnet-110"), *, steps=2, device="auto"):
    """How long the CIFAR-10 trainings of He et al. 2015 (§4.2) would take here, from a few steps of each on images of noise.

    A step takes as long whatever is in the images. One step more, the first, is not counted: it is slower. Columns: name, depth, skip,
    step_seconds (the fastest of `steps`: what else runs on the machine only slows it), hours (of 64,000 steps), device, machine.
    """
    device, rows = pick_device(device), []
    split = noise()
    for name in names:
        events = train(build(FAMILY[name]), split, TrainSpec(epochs=steps + 1, test_every=steps + 2), device=device)
        seconds = [event.seconds for event in itertools.islice(events, steps + 1)]
        step = min(after - before for before, after in itertools.pairwise(seconds))
        rows.append({"name": name, "depth": FAMILY[name].depth, "skip": FAMILY[name].skip, "step_seconds": step})
    frame = pd.DataFrame(rows)
    return frame.assign(hours=frame["step_seconds"] * PAPER_STEPS / 3600, device=device.type, machine=Provenance.here(device).machine)


def noise(images=256, size=32):
    """A Split of random pixels in CIFAR-10's format, two batches of them: to time a step, not to learn from."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, generator=generator)
    y = torch.randint(0, 10, (images,), generator=generator)
    names = tuple(map(str, range(10)))
    return Split(name="noise", x_train=x, y_train=y, x_test=x[:128], y_test=y[:128], class_names=names, scale=255, source="random pixels")


def verdict(frame, name="resnet-56"):
    """How long one such training takes: "minutes", "hours" or "days"."""
    (hours,) = frame.loc[frame["name"] == name, "hours"]
    return "minutes" if hours < 1 else "hours" if hours < 24 else "days"


def stopped(depth=20, *, at=(15, 40), seed=0, split=None, how=None, device="auto"):
    """Train a residual net twice: in one go, and stopped after the steps `at`, each time going on from the checkpoint in a file.

    The tidy frame of `Run.frame` for the two, told apart by name.
    """
    split, how = split or digits(), how or TrainSpec()
    spec = replace(small_net(split), depth=depth)
    whole = fit(spec, split, how, seed=seed, device=device, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(spec=spec, split=split, how=how, seed=seed, device=device, store=Store(folder))
        step = 0
        for stop in at:
            seen = itertools.count(step + 1)
            job.train(stopped=lambda seen=seen, stop=stop: next(seen) >= stop)
            step = stop
        parts, _ = job.train()
    runs = {f"{spec.name}, in one go": whole, f"{spec.name}, stopped {len(at)} times": parts}
    return pd.concat([replace(run, name=name).frame() for name, run in runs.items()], ignore_index=True)


def same_numbers(frame):
    """Whether the runs of a frame have the same numbers in every row, to the last digit; the seconds aside."""
    runs = [run.drop(columns=["name", "seconds"]).reset_index(drop=True) for _, run in frame.groupby("name")]
    return all(run.equals(runs[0]) for run in runs)


def throughput(workers=(1, 2), *, nets=4, depth=20, split=None, how=None):
    """Train the same nets with one worker, two, ... on the CPU; columns: workers, nets, seconds, nets_per_minute, speed (times that
    of the first row)."""
    split, how = split or digits(), how or TrainSpec(epochs=2, test_every=100)
    spec, rows = replace(small_net(split), depth=depth), []
    list(sweep([spec], split, replace(how, epochs=0.2), device="cpu", progress=False))  # what is imported is imported
    for count in workers:
        began = time.perf_counter()
        list(sweep([spec], split, how, seeds=range(nets), device="cpu", workers=count, progress=False))
        rows.append({"workers": count, "nets": nets, "seconds": time.perf_counter() - began})
    frame = pd.DataFrame(rows)
    frame["nets_per_minute"] = 60 * frame["nets"] / frame["seconds"]
    return frame.assign(speed=frame["nets_per_minute"] / frame["nets_per_minute"].iloc[0])
