"""Many trainings at once: `sweep` trains each spec with each seed on each dataset, and yields runs as they finish."""

import itertools
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from reslab import checks, cluster, processes
from reslab.datasets import Split
from reslab.job import Job
from reslab.nets import NetSpec, replace
from reslab.progress import progress_bar
from reslab.store import Store
from reslab.train import TrainSpec, check_fit, pick_device, ranks

# Milliseconds of work per worker. Longer sweeps end sooner in processes, though these need seconds to start.
PROCESSES_FROM = 40_000


def sweep(
    specs, split, how=None, *, seeds=(0,), device="auto", workers=None, store=None, save_every=30.0,
    weights=False, again=False, address=None, cpus=1.0, gpus=0.0, progress=True,
):  # fmt: skip
    """Train each spec with each seed on each split; a generator of Runs, in the order in which they finish.

    split: a Split, or several, to which each spec is then fitted (in_channels, image_size, classes).
    store: a Store. A run that it has is returned and not trained again (unless `again`); a new run is added when it
    ends. Every `save_every` seconds of training it gets a checkpoint: a sweep that was stopped or killed goes on there.
    weights: whether the store also keeps the trained weights, for `store.net`.
    workers: trainings at a time; None: one per core of a CPU, one on a GPU. They run in threads of this process. Long
    ones on a CPU, and those on a GPU without its graphs, have a process each (see `reslab.processes`): threads would
    wait for each other for a seventh of the time.
    address: of a Ray cluster; "auto": the one of this machine; "local": a new one, for this sweep (see
    `reslab.cluster`). Each training is then a task that takes `cpus` and `gpus`, which may be fractions.
    progress: a bar with the time left. Under torchrun, the processes train one net together: give one net and one seed.

    A training that fails is a Run too, its outcome "failed" and its cause named, with a warning; the others go on.
    Closing the generator, or interrupting it, stops the trainings at their next event, and saves where they are.
    On a CPU the numbers of a run depend on its spec, split and seeds alone, not on other trainings or on where it was
    stopped and resumed (up to rounding, if a step has several threads). On a GPU that holds with `deterministic=True`;
    without it, two runs of the same training differ by rounding, which training amplifies.
    Bad arguments raise ValueError, those of a wrong type TypeError, here and not at the first run; a cluster that
    cannot be reached raises ConnectionError at the first run.
    """
    specs, splits, how = list(specs), [split] if isinstance(split, Split) else list(split), how or TrainSpec()
    for part in splits:
        if not isinstance(part, Split):
            raise TypeError(
                f"split must be a Split, or several, not {type(part).__name__}; datasets.load('digits') gives one."
            )
    seeds = [checks.seed("a seed", seed) for seed in seeds]
    for spec in specs:
        if not isinstance(spec, NetSpec):
            raise TypeError(
                f"sweep takes NetSpecs, not {type(spec).__name__}; names are looked up with FAMILY['resnet-20']."
            )
    if store is not None and not isinstance(store, Store):
        raise TypeError(f"store must be a Store, not {type(store).__name__}; Store(path) keeps runs in a folder.")
    checks.number("save_every", save_every)
    if checks.flag("weights", weights) and store is None:
        raise ValueError("weights are kept in a store: give one, Store(path).")
    if address is None:
        device = pick_device(device)  # on a cluster, each worker has its own
        usual = (os.cpu_count() or 1) if device.type == "cpu" else 1
        workers = usual if workers is None else checks.integer("workers", workers, 1)
        train_all = partial(_on_this_machine, workers=workers)
    elif workers is None:
        train_all = partial(
            cluster.train, address=address, cpus=checks.number("cpus", cpus), gpus=checks.number("gpus", gpus)
        )
    else:
        raise ValueError("workers is for one machine; on a cluster, say with cpus and gpus what a training takes.")
    jobs, keeping = [], {"store": store, "save_every": save_every, "weights": weights, "again": again}
    for part, spec, seed in itertools.product(splits, specs, seeds):
        spec = replace(spec, **part.shape) if len(splits) > 1 else spec
        check_fit(spec, part, how)
        jobs.append(Job(spec=spec, split=part, how=how, seed=seed, device=device, **keeping))
    if ranks.world() > 1 and (len(jobs) > 1 or address is not None):
        raise ValueError(
            f"torchrun's processes train one net together, and here are {len(jobs)} trainings; "
            "sweep them without torchrun."
        )
    jobs.sort(key=lambda job: -job.work)  # the longest first, so that no long net is left for the end
    return _sweep(jobs, train_all, progress)


def _sweep(jobs, train_all, progress):
    stored = {job: run for job in jobs if (run := job.stored())}
    yield from stored.values()
    todo = [job for job in jobs if job not in stored]
    layout = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left{postfix}"
    total = sum(job.work for job in todo)
    bar = progress_bar(
        total=total, desc=f"{len(todo)} nets", bar_format=layout, disable=not (progress and todo),
        miniters=max(1, total // 200),  # a notebook's bar sends a message each time; some clients hold 1,000 a cell
    )  # fmt: skip
    done, failed, latest, lock = 0, 0, "", threading.Lock()

    def report(work, status=""):
        """Move the bar by `work`; may be called from any thread."""
        nonlocal latest
        with lock:
            latest = status or latest
            known = f"{done} of {len(todo)} done" * bool(done), f"{failed} failed" * bool(failed), latest
            bar.set_postfix_str(", ".join(filter(None, known)), refresh=not work)
            bar.update(work)

    with bar:
        for run, remarks in train_all(todo, report):
            done, failed = done + 1, failed + (run.outcome == "failed")
            if run.outcome == "failed":
                remarks = [*remarks, f"{run.name}, seed {run.seed}, on {run.dataset} failed: {run.cause}"]
            _warn(remarks)
            report(0)
            yield run
        if not failed:  # a notebook shows a bar in red that ends before its total; a diverged training is no failure
            bar.total = bar.n


def _on_this_machine(jobs, report, *, workers):
    """Train so many jobs at a time; yields (run, remarks) as they finish."""
    workers = min(workers, len(jobs))
    train = processes.train if workers > 1 and _apart(jobs, workers) else _in_threads
    return train(jobs, report, workers=workers)


def _apart(jobs, workers):
    """Whether to train in processes, which need seconds to start, or in threads, which share Python's lock (the GIL).

    On a GPU a recorded step takes that lock for one launch, and threads share the card better than processes, which
    it serves in turns.
    """
    if any(job.device.type == "cuda" for job in jobs):
        return not all(job.how.cuda_graph for job in jobs)
    return any(job.device.type != "cpu" for job in jobs) or sum(job.work for job in jobs) > PROCESSES_FROM * workers


def _in_threads(jobs, report, *, workers):
    """Train the jobs in threads of this process; yields (run, remarks) as they finish."""
    stop = threading.Event()

    def work(job):
        run, remarks = job.train(report, stop.is_set)
        return run, remarks + job.keep(run)  # here: a run that ends while the sweep is being stopped is kept too

    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="reslab")
    futures = [pool.submit(work, job) for job in jobs]
    unseen = set(futures)
    try:
        for future in as_completed(futures):
            unseen.remove(future)
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        _warn(remark for future in unseen if not future.cancelled() for remark in future.result()[1])


def _warn(remarks):
    for remark in remarks:
        warnings.warn(remark, stacklevel=3)
