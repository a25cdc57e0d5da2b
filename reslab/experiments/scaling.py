"""Lesson 11: the cost of a training on this machine, stopping and resuming, and several trainings at once."""

import importlib.util
import itertools
import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pandas as pd
import torch

from reslab import checks
from reslab.datasets import Split, or_digits
from reslab.experiments.degradation import small_net
from reslab.job import Job
from reslab.nets import FAMILY, build, replace
from reslab.progress import progress_bar
from reslab.results.scaling import losses, same_numbers, verdict  # noqa: F401 – a lesson takes it from here
from reslab.runs import Provenance
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit, pick_device, train

PAPER_STEPS = 64_000  # He et al. 2015 (arXiv:1512.03385), §4.2, of 128 images each
# seconds without progress, then a training by torchrun is ended: without a network it can wait for ever
TIMEOUT = 300


def paper_recipe(names=("resnet-20", "resnet-56", "resnet-110"), *, precision="fp32", steps=2, device="auto"):
    """The time of the CIFAR-10 trainings of He et al. 2015 (§4.2) on this machine, from a few steps on images of noise.

    The time of a step does not depend on the images. The first step is slower and not counted. precision: as in
    `TrainSpec`. Columns: name, depth, skip, precision, step_seconds (the fastest of `steps`: other programs only slow
    it), hours (of 64,000 steps), device, machine.
    """
    (names,) = checks.several(names=names)
    known = {name: FAMILY[checks.choice("a net", name, FAMILY)] for name in names}
    steps = checks.integer("steps", steps, 1)
    device, rows = pick_device(device), []
    split, how = noise(), TrainSpec(epochs=steps + 1, test_every=steps + 2, precision=precision)
    for name, spec in progress_bar(known.items(), desc="nets"):
        events = train(build(spec), split, how, device=device)
        seconds = [event.seconds for event in itertools.islice(events, steps + 1)]
        step = min(after - before for before, after in itertools.pairwise(seconds))
        row = {"name": name, "depth": spec.depth, "skip": spec.skip, "precision": precision, "step_seconds": step}
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.assign(
        hours=frame["step_seconds"] * PAPER_STEPS / 3600, device=device.type, machine=Provenance.here(device).machine
    )


def noise(images=256, size=32):
    """A Split of random pixels in CIFAR-10's format, two batches of them: to time a step, not to learn from."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, generator=generator)
    y = torch.randint(0, 10, (images,), generator=generator)
    names = tuple(map(str, range(10)))
    test = {"x_test": x[:128], "y_test": y[:128]}
    return Split(name="noise", x_train=x, y_train=y, **test, class_names=names, scale=255, source="random pixels")


def stopped(depth=20, *, at=(15, 40), seed=0, split=None, how=None, device="auto"):
    """Train a residual net twice: without a stop, and stopped after the steps `at`, each time resumed from the
    checkpoint in a file.

    The tidy frame of `Run.frame` for the two, with different names.
    """
    (at,) = checks.several(at=at)
    split, how = or_digits(split), how or TrainSpec()
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
    times = {1: "once", 2: "twice"}.get(len(at), f"{len(at)} times")
    runs = {f"{spec.name}, in one go": whole, f"{spec.name}, stopped {times}": parts}
    return pd.concat([replace(run, name=name).frame() for name, run in runs.items()], ignore_index=True)


def throughput(workers=(1, 2), *, nets=4, depth=20, split=None, how=None):
    """Train the same nets with one worker, two, ... on the CPU; columns: workers, nets, seconds, nets_per_minute, speed
    (times that of the first row)."""
    (workers,), nets = checks.several(workers=workers), checks.integer("nets", nets, 1)
    split, how = or_digits(split), how or TrainSpec(epochs=2, test_every=100)
    spec, rows = replace(small_net(split), depth=depth), []
    list(sweep([spec], split, replace(how, epochs=0.2), device="cpu", progress=False))  # imports are not timed
    for count in workers:
        began = time.perf_counter()
        list(sweep([spec], split, how, seeds=range(nets), device="cpu", workers=count, progress=False))
        rows.append({"workers": count, "nets": nets, "seconds": time.perf_counter() - began})
    frame = pd.DataFrame(rows)
    frame["nets_per_minute"] = 60 * frame["nets"] / frame["seconds"]
    return frame.assign(speed=frame["nets_per_minute"] / frame["nets_per_minute"].iloc[0])


def torchrun(command, processes=(1, 2), *, timeout=TIMEOUT):
    """Run a `reslab train` command with PyTorch's torchrun, with each number of processes; each has one thread and a
    share of every batch.

    The columns of `Run.frame`, and where ("1 process", "2 processes"). A command without a run, or without progress for
    `timeout` seconds, gives a warning and no rows.
    """
    (processes,) = checks.several(processes=processes)
    processes = [checks.integer("a number of processes", count, 1) for count in processes]
    runs = {}
    for count in processes:
        where = f"{count} process{'es' * (count > 1)}"
        try:
            runs[where] = [_torchrun(count, shlex.split(command), timeout)]
        except (OSError, RuntimeError) as error:
            warnings.warn(f"torchrun with {where} trained nothing here: {error}", stacklevel=2)
    return _by_place(runs)


def _torchrun(count, words, timeout):
    """The run of a command; RuntimeError with the first printed error, or the reason, if there is none."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    start += ["--nproc-per-node", str(count), "-m", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        keep = ["--store", folder, "--save-every", "1"]
        options = {"stdout": subprocess.DEVNULL, "stderr": errors, "env": environment}
        with subprocess.Popen([*start, *keep], **options) as process:
            try:
                _wait_while_it_moves(process, Path(folder), errors, timeout)
            finally:
                process.terminate()  # if it still runs: so its workers end too; a kill would not end them
        errors.seek(0)
        runs = Store(folder).runs()
        if not runs:
            lines = [line for line in errors if "Error" in line]  # the workers' errors come before torchrun's own
            raise RuntimeError(lines[0].strip() if lines else f"it ended with code {process.returncode}.")
        if runs[0].outcome == "failed":
            raise RuntimeError(runs[0].cause)
    return replace(runs[0], recorded=False)  # it was measured live


def _wait_while_it_moves(process, folder, errors, timeout):
    """Wait until a process ends; RuntimeError if it writes no checkpoint and no message for `timeout` seconds."""
    seen, since = None, time.monotonic()
    while process.poll() is None:
        written = [os.fstat(errors.fileno()).st_size]
        for path in sorted(folder.rglob("*")):
            with suppress(FileNotFoundError):  # a file that was temporary
                written.append(path.stat().st_mtime_ns)
        if written != seen:
            seen, since = written, time.monotonic()
        elif time.monotonic() - since > timeout:
            raise RuntimeError(f"nothing came of it in {timeout} s")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)


def clustered(seeds=(0, 1, 2, 3), *, split=None, how=None):
    """Train a residual net without BatchNorm with each seed, as tasks of a Ray that is started for this, and again
    without Ray.

    The columns of `Run.frame`, and where ("on Ray", "without Ray"); no rows if Ray is not installed. If Ray does not
    start, there is a warning, and only the rows without Ray.
    """
    (seeds,) = checks.several(seeds=seeds)
    if importlib.util.find_spec("ray") is None:
        return _by_place({})
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a lesson sends no usage statistics
    split, how = or_digits(split), how or TrainSpec(epochs=2)
    spec = replace(small_net(split), depth=8, norm="none")
    runs = {}
    for where, address in (("on Ray", "local"), ("without Ray", None)):
        try:
            runs[where] = list(sweep([spec], split, how, seeds=seeds, device="cpu", address=address))
        except ConnectionError as error:
            warnings.warn(f"trained without Ray alone: {error}", stacklevel=2)
    return _by_place(runs)


def _by_place(runs):
    frames = [run.frame().assign(where=where) for where, some in runs.items() for run in some]
    empty = pd.DataFrame(columns=["name", "seed", "step", "loss", "where"])
    return pd.concat(frames, ignore_index=True) if frames else empty
