"""Many trainings at once: `sweep` trains every spec with every seed and yields the runs as they finish."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm.auto import tqdm

from reslab import checks
from reslab.nets import NetSpec, build
from reslab.train import TrainSpec, check_fit, pick_device, train


def sweep(specs, split, how=None, *, seeds=(0,), device="auto", workers=None, progress=True):
    """Train each spec with each seed; a generator of Runs, in the order in which they finish.

    workers: trainings at a time; None for one a core on a CPU (threads suffice: PyTorch works outside Python's lock), one on a
    GPU. progress: a bar with the time left. Closing the generator, or interrupting it, stops the trainings at their next step.
    The numbers of a run depend on its spec, split and seeds alone, not on its neighbours. Bad arguments raise ValueError,
    those of a wrong type TypeError, here and not at the first run.
    """
    specs, seeds, how, device = list(specs), [checks.integer("a seed", seed, 0) for seed in seeds], how or TrainSpec(), pick_device(device)
    for spec in specs:
        if not isinstance(spec, NetSpec):
            raise TypeError(f"sweep takes NetSpecs, not {type(spec).__name__}; names are looked up with FAMILY['resnet-20'].")
        check_fit(spec, split, how)
    workers = checks.integer("workers", workers, 1) if workers is not None else (os.cpu_count() or 1) if device.type == "cpu" else 1
    jobs = [(spec, seed) for spec in specs for seed in seeds]
    jobs.sort(key=lambda job: -job[0].depth)  # the longest first, so that no core ends up waiting for one late, long net
    return _sweep(jobs, split, how, device, workers, progress)


def _sweep(jobs, split, how, device, workers, progress):
    _, steps = how.steps(len(split.y_train))
    stop, lock = threading.Event(), threading.Lock()

    def work(spec, seed):
        seen, net = 0, build(spec, seed=seed)
        for event in train(net, split, how, device=device):
            with lock:
                bar.update(spec.depth * (event.step - seen))
            seen = event.step
            if stop.is_set():
                return None
        return event.run()

    # The bar counts layers × steps, which is nearly time.
    layout = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left{postfix}"
    total = steps * sum(spec.depth for spec, _ in jobs)
    bar = tqdm(total=total, desc=f"{len(jobs)} nets", bar_format=layout, disable=not progress, leave=False)
    with bar, ThreadPoolExecutor(workers, thread_name_prefix="reslab") as pool:
        futures = [pool.submit(work, *job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                run = future.result()
                with lock:
                    bar.set_postfix_str(f"{done} of {len(jobs)} done")
                yield run
        finally:
            stop.set()
            for future in futures:
                future.cancel()
