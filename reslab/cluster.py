"""A sweep's trainings on a Ray cluster: one a task, on as much of a GPU as it asks for, again elsewhere when its worker dies.

Ray comes with `pip install reslab[cluster]`, on every node. This is the one module that knows it, and imports it when it is asked to.
"""

import logging
from contextlib import suppress
from dataclasses import replace

RETRIES = 3  # of a training whose worker died: its process, its node, or for want of memory
POLL = 1.0  # seconds between looks at how far the trainings are


def train(jobs, tell, *, address, cpus, gpus):
    """Train the jobs as Ray tasks; yields (run, remarks) as they finish, each job once.

    address: "auto", "local", or "ray://host:port"; a Ray that this process has joined already is used as it is. A worker saves the
    checkpoints in the store's folder: where the nodes share it, a training whose worker died goes on elsewhere, else it begins anew.
    ModuleNotFoundError without Ray, ConnectionError without a cluster, ValueError for resources that the cluster has not.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a sweep on a cluster needs Ray: pip install 'reslab[cluster]'") from error
    joined = ray.is_initialized()
    if not joined:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        for what, asked in (("CPU", cpus), ("GPU", gpus)):
            if asked > (there := ray.cluster_resources().get(what, 0)):
                raise ValueError(f"a training asks for {asked:g} {what}, and the cluster has {there:g}.")
        yield from _as_they_finish(ray, jobs, tell, {"num_cpus": cpus, "num_gpus": gpus, "max_retries": RETRIES})
    finally:
        if not joined:
            ray.shutdown()


def _as_they_finish(ray, jobs, tell, options):
    splits = {job.split: ray.put(job.split) for job in jobs}  # once, not with every task
    news = ray.remote(num_cpus=0)(_News).remote()
    task = ray.remote(**options)(_train)
    waiting = {task.remote(replace(job, split=None), splits[job.split], news, number): job for number, job in enumerate(jobs)}
    try:
        while waiting:
            finished, _ = ray.wait(list(waiting), timeout=POLL)
            with suppress(ray.exceptions.RayError):  # its node died: the bar then moves with the runs alone
                for work, said in ray.get(news.since_last.remote()):
                    tell(work, said)
            for ref in finished:
                job = waiting.pop(ref)
                try:
                    run, remarks = ray.get(ref)
                except ray.exceptions.RayError as error:  # its worker died once too often
                    run, remarks = job.failure(error), []
                yield run, remarks + job.keep(run)
    finally:
        for ref in waiting:
            ray.cancel(ref, force=True)


def _train(job, split, news, number):
    """The task, in a worker."""
    done = 0

    def tell(work, said):
        nonlocal done
        done += work
        news.tell.remote(number, done, said)  # not waited for: no training hangs on it

    return replace(job, split=split).train(tell)


class _News:
    """An actor that gathers how far the trainings are."""

    def __init__(self):
        self.done, self.told = {}, {}

    def tell(self, number, done, said):
        self.done[number] = done, said

    def since_last(self):
        """(work, said) of each training since the last call; less than nothing where a worker died and another began anew."""
        news = [(done - self.told.get(number, 0), said) for number, (done, said) in self.done.items()]
        self.told = {number: done for number, (done, _) in self.done.items()}
        return [(work, said) for work, said in news if work]
