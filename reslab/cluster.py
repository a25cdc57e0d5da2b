"""A sweep's trainings on a Ray cluster: one a task, on as much of a GPU as it asks for, again elsewhere when its worker dies.

Ray comes with `pip install -e '.[cluster]'`, on every node. This is the one module that knows it, and imports it when it is asked to.
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
        raise ModuleNotFoundError("a sweep on a cluster needs Ray: in reslab's checkout, pip install -e '.[cluster]'") from error
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
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    news = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(_News).remote()
    task = ray.remote(**options)(_train)
    waiting = {task.remote(replace(job, split=None), splits[job.split], news, number): number for number, job in enumerate(jobs)}
    done = [0] * len(jobs)

    def tell_of(number, work, said=""):
        tell(work - done[number], said)  # less than nothing where a worker died and another began anew
        done[number] = work

    try:
        while waiting:
            finished, _ = ray.wait(list(waiting), timeout=POLL)
            with suppress(ray.exceptions.RayError):  # it died too: until it is back, the bar moves with the runs alone
                for number, (work, said) in ray.get(news.take.remote()).items():
                    tell_of(number, work, said)
            for ref in finished:
                number = waiting.pop(ref)
                job = jobs[number]
                try:
                    run, remarks = ray.get(ref)
                except ray.exceptions.RayError as error:  # its worker died once too often
                    run, remarks = job.failure(error), []
                tell_of(number, job.work)
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
    """An actor, beside the driver, that gathers how far the trainings are."""

    def __init__(self):
        self.news = {}

    def tell(self, number, done, said):
        self.news[number] = done, said

    def take(self):
        news, self.news = self.news, {}
        return news
