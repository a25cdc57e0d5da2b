"""A sweep's trainings on a Ray cluster: each is a task, on a part of a GPU, and runs again when its worker dies.

Ray comes with `pip install -e '.[cluster]'`, on every node. Only this module uses Ray, and it imports Ray when a sweep
needs it.
"""

import logging
import socket
import warnings
from contextlib import suppress
from dataclasses import replace

RETRIES = 3  # of a training whose worker died (its process or node ended, or memory ran out)
POLL = 1.0  # seconds between two requests for the progress
STARTS = 4  # attempts to start Ray; Ray ends each after 30 seconds
ANSWER = 10.0  # seconds to connect to the address of a cluster; Ray itself would try for minutes


def train(jobs, report, *, address, cpus, gpus):
    """Train the jobs as Ray tasks; yields (run, remarks) as they finish, each job once.

    address: "auto", "local", or "ray://host:port"; if this process has joined a Ray already, that one is used. report:
    as of `Job.train`. A worker saves the checkpoints in the store's folder: where the nodes share it, a training whose
    worker died goes on elsewhere, else it begins again.
    ModuleNotFoundError without Ray, ConnectionError where no Ray answers or starts, ValueError for resources that the
    cluster does not have.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a sweep on a cluster needs Ray: in reslab's checkout, pip install -e '.[cluster]'"
        ) from error
    joined = ray.is_initialized()
    if not joined:
        _join(ray, address)
    try:
        for what, asked in (("CPU", cpus), ("GPU", gpus)):
            if asked > (there := ray.cluster_resources().get(what, 0)):
                raise ValueError(f"a training asks for {asked:g} {what}, and the cluster has {there:g}.")
        yield from _as_they_finish(ray, jobs, report, {"num_cpus": cpus, "num_gpus": gpus, "max_retries": RETRIES})
    finally:
        if not joined:
            ray.shutdown()


def _join(ray, address):
    """Join a cluster, or start one here, again if its processes were only slow; ConnectionError if there is none."""
    options = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        options["include_dashboard"] = False
    _check_that_it_answers(address)
    for start in range(1, STARTS + 1):
        before = _ray_processes()
        try:
            ray.init(address=address, **options)
            return
        except Exception as error:  # of any class: a bare Exception where Ray's node is slow
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            if address != "local":
                raise _no_cluster(address, reason) from error
            started = _ray_processes() - before
            _end(started)
            if not started or start == STARTS:  # nothing of it still runs, so waiting would not help
                message = f"Ray does not start here: {reason}. Without address, a sweep needs no Ray."
                raise ConnectionError(message) from error
            warnings.warn(
                "Ray's processes run and are not ready, as on a slow or busy machine: "
                f"waiting for Ray once more, attempt {start + 1} of {STARTS}.",
                stacklevel=4,
            )


def _check_that_it_answers(address):
    """ConnectionError where nothing takes a connection at HOST:PORT or ray://HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise _no_cluster(address, getattr(error, "strerror", None) or str(error)) from error


def _no_cluster(address, reason):
    return ConnectionError(f"no Ray cluster can be joined at {address!r}: {reason}. `ray start --head` starts one.")


def _ray_processes():
    """The processes of Ray that this one has started; psutil comes with Ray."""
    import psutil

    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline()).replace("\\", "/")
            if "/ray/" in command or "ray::" in command:
                found.add(process)
    return found


def _end(processes):
    """End what a failed start left running, which Ray itself would keep until this process exits."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes)


def _as_they_finish(ray, jobs, report, options):
    splits = {job.split: ray.put(job.split) for job in jobs}  # once, not with every task
    node = ray.get_runtime_context().get_node_id()
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True)
    progress = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(_Progress).remote()
    task = ray.remote(**options)(_train)
    waiting = {
        task.remote(replace(job, split=None), splits[job.split], progress, number): number
        for number, job in enumerate(jobs)
    }
    done = [0] * len(jobs)

    def update(number, work, status=""):
        report(work - done[number], status)  # negative where a worker died and another began again
        done[number] = work

    try:
        while waiting:
            finished, _ = ray.wait(list(waiting), timeout=POLL)
            # The actor died too: until it is back, the bar moves with the runs alone.
            with suppress(ray.exceptions.RayError):
                for number, (work, status) in ray.get(progress.take.remote()).items():
                    update(number, work, status)
            for ref in finished:
                number = waiting.pop(ref)
                job = jobs[number]
                try:
                    run, remarks = ray.get(ref)
                except ray.exceptions.RayError as error:  # its worker died more than RETRIES times
                    run, remarks = job.failure(error), []
                update(number, job.work)
                yield run, remarks + job.keep(run)
    finally:
        for ref in waiting:
            ray.cancel(ref, force=True)


def _train(job, split, progress, number):
    """The task, in a worker."""
    done = 0

    def report(work, status):
        nonlocal done
        done += work
        progress.update.remote(number, done, status)  # not waited for, so it cannot hold up the training

    return replace(job, split=split).train(report)


class _Progress:
    """A Ray actor on the node of the sweep; it collects the progress of the trainings."""

    def __init__(self):
        self.latest = {}

    def update(self, number, done, status):
        self.latest[number] = done, status

    def take(self):
        latest, self.latest = self.latest, {}
        return latest
