"""What several trainings at a time bring, and what keeping the runs costs: in threads, in processes, and on a local
Ray."""

# ruff: noqa: I001
import itertools
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import reslab  # noqa: F401 (before torch, as in a lesson)
import pytest
import torch

from reslab import NetSpec, Store, TrainSpec, digits
from reslab.sweep import sweep

HOW = TrainSpec(epochs=2, test_every=100)  # 20 steps
A_WORKER = 12  # nets: at the end of a sweep some workers have nothing to do; with few nets that counts


def nets_per_second(split, depth, nets, **options):
    spec = NetSpec(depth=depth, width=8, **split.shape)
    began = time.perf_counter()
    runs = list(sweep([spec], split, HOW, seeds=range(nets), device="cpu", progress=False, **options))
    assert len(runs) == nets
    return nets / (time.perf_counter() - began)


@pytest.fixture(scope="module")
def split():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield digits()
    torch.set_num_threads(threads)


def alone(depth):
    """What one process trains while others, which share nothing with it, do as much."""
    torch.set_num_threads(1)
    return nets_per_second(digits(), depth, A_WORKER, workers=1)


@pytest.mark.parametrize("depth", [20, 56])
def test_workers_in_threads(split, depth, report):
    """Beside them as many processes that know nothing of each other: what the machine's cores have to give at all."""
    cores = os.cpu_count() or 1
    nets_per_second(split, depth, 2, workers=1)
    for workers in [n for n in (2, 4, 8, 16, 32) if n <= cores]:
        threads, processes = [], []
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(alone, [8] * workers))  # which imports PyTorch
            for _ in range(5):
                one = nets_per_second(split, depth, A_WORKER // 2, workers=1)
                threads.append(nets_per_second(split, depth, A_WORKER * workers, workers=workers) / one / workers)
                processes.append(statistics.mean(pool.map(alone, [depth] * workers)) / one)
        found = (
            f"{median(threads)} of {workers} times one worker's; as many processes, each by itself, {median(processes)}"
        )
        share = statistics.median(thread / process for thread, process in zip(threads, processes, strict=True))
        report(
            f"sweep, resnet-{depth}, {workers} threads on {cores} cores: {found}; so {share:.2f} of what the cores"
            " allow"
        )


def median(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def once_started(seconds, one, cores):
    """Text on workers that are started for a sweep: seconds(nets) is what it takes, one() what one worker trains a
    second without them.

    They import PyTorch: so the time that more nets take more, and what is left over, by itself.
    """
    few, many, ratios, starts, wholes = 4 * cores, 24 * cores, [], [], []
    for _ in range(5):
        alone = one()
        short, long = seconds(few), seconds(many)
        each = (long - short) / (many - few)
        ratios.append(1 / each / alone / cores)
        starts.append(short - few * each)
        wholes.append(many / long / alone / cores)
    found = (
        f"{median(ratios)} of {cores} times one worker's, after {statistics.median(starts):.1f} s in which they start"
    )
    return f"{found}; of {many} nets, the start included, {median(wholes)}"


@pytest.mark.parametrize("depth", [20, 56])
def test_workers_in_processes(split, depth, report, monkeypatch):
    monkeypatch.setattr("reslab.sweep.PROCESSES_FROM", 0)
    cores = os.cpu_count() or 1
    one = partial(nets_per_second, split, depth, A_WORKER, workers=1)
    report(
        f"sweep, resnet-{depth}, {cores} processes:"
        f" {once_started(lambda n: n / nets_per_second(split, depth, n), one, cores)}"
    )


def test_workers_on_a_local_ray(split, report):
    import ray

    cores = os.cpu_count() or 1
    one = partial(nets_per_second, split, 56, A_WORKER, workers=1)
    ray.init(address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
    try:
        found = once_started(lambda nets: nets / nets_per_second(split, 56, nets, address="local"), one, cores)
    finally:
        ray.shutdown()
    report(f"sweep, resnet-56, Ray with {cores} processes: {found}")


def test_keeping_the_runs(split, report, tmp_path):
    numbers, ratios = itertools.count(), []
    for _ in range(5):
        bare = nets_per_second(split, 20, 2, workers=1)
        kept = nets_per_second(split, 20, 2, workers=1, store=Store(tmp_path / str(next(numbers))), save_every=1.0)
        ratios.append(bare / kept)
    report(
        f"sweep into a store, a checkpoint a second, resnet-20: {statistics.median(ratios):.2f} times as long as"
        " without"
    )
