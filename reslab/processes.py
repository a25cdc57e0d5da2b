"""The trainings of a sweep in processes of this machine. Threads of one process would wait for each other (the GIL).

This is Python's process pool, and a worker saves its training when it is stopped, or ended because another worker died.
joblib's loky would make `_without_main_module` unnecessary. It is not used because it ends all workers with SIGKILL
when one dies, so none could save, and because it ends a worker that grew by 300 MB, as a training may.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType

# PyTorch is imported inside functions: a worker must ignore Ctrl-C before it spends a second on imports.

REPORT_EVERY = 0.2  # seconds between the progress reports of a training


def train(jobs, report, *, workers):
    """Train the jobs, `workers` at a time, in a process each; yields (run, remarks) as they finish, each job once.

    report(work, status) is called as in `Job.train`, from one thread. The processes share PyTorch's threads, and the
    images in a file. They do not import the program that sweeps, so a script needs no `if __name__ == "__main__"`. When
    the generator is closed, or its process has ended, even by a kill, the trainings stop at their next event, and save.

    When a process dies, most likely because memory ran out, the others save as well (on Windows they are ended, and
    have what they saved last), and the trainings left go on with half as many at a time. A training whose process dies
    while it runs alone has failed. RuntimeError if no process can be started, OSError if there is no room for the file.
    """
    import torch

    if sys.platform == "win32":
        workers = min(workers, 61)  # Windows can wait for no more
    threads, at_once, progress = max(1, torch.get_num_threads() // workers), workers, _Progress(report)
    with tempfile.TemporaryDirectory(prefix="reslab-", ignore_cleanup_errors=True) as folder:
        files = {split: Path(folder, str(number)) for number, split in enumerate({job.split for job in jobs})}
        for split, file in files.items():
            torch.save(split, file)
        waiting = {number: (replace(job, split=None), files[job.split]) for number, job in enumerate(jobs)}
        while waiting:
            at_once = min(at_once, len(waiting))
            try:
                for number, run, remarks in _train_all(waiting, progress, at_once, threads, folder):
                    del waiting[number]
                    yield run, remarks
            except BrokenProcessPool as death:
                if at_once > 1:
                    at_once //= 2
                    died = f"A training's process died, perhaps because memory ran out: going on, {at_once} at a time."
                    warnings.warn(died, stacklevel=3)
                elif not progress.work_done:
                    raise _cannot_start(death) from death
                else:
                    number = next(iter(waiting))
                    del waiting[number]
                    progress.update(number, jobs[number].work)
                    run = jobs[number].failure(ChildProcessError("its process died, perhaps because memory ran out"))
                    at_once = workers
                    yield run, jobs[number].keep(run)


def _cannot_start(error):
    return RuntimeError(f"processes for the trainings do not start here ({error}); workers=1 trains in this one.")


def _train_all(waiting, progress, workers, threads, folder):
    """Yields (number, run, remarks); BrokenProcessPool when a process dies, once the others have stopped."""
    spawn = get_context("spawn")
    progress_reader, progress_writer = spawn.Pipe(duplex=False)
    # nothing is sent: closing the writer tells workers to stop
    shutdown_reader, shutdown_writer = spawn.Pipe(duplex=False)
    listener = threading.Thread(target=progress.listen, args=(progress_reader,), name="reslab-sweep")
    futures, pool, death = {}, None, None
    try:
        try:
            worker = progress_writer, shutdown_reader, threads, folder
            pool = ProcessPoolExecutor(workers, spawn, initializer=_start_worker, initargs=worker)
            with _without_main_module():
                # starts them
                futures = {pool.submit(_train, number, *task): number for number, task in waiting.items()}
        except (OSError, AssertionError, NotImplementedError) as error:  # no semaphores, no more processes, or a daemon
            raise _cannot_start(error) from error
        progress_writer.close()  # the workers alone hold it now, so that the listener ends with the last of them
        listener.start()
        for future in as_completed(list(futures)):
            try:
                result = future.result()
            except BrokenProcessPool as error:
                death = error  # every training that had not ended raises it; others may still come
            else:
                if result:
                    yield futures.pop(future), *result
    finally:
        shutdown_writer.close()
        progress_writer.close()
        if pool:
            pool.shutdown(cancel_futures=True)
        if listener.ident:
            listener.join()
        progress_reader.close()
        shutdown_reader.close()
        for future in futures:  # that ended, or were saved, while the sweep was being stopped
            _, remarks = (not future.cancelled() and not future.exception() and future.result()) or (None, [])
            for remark in remarks:
                warnings.warn(remark, stacklevel=4)
    if death:
        raise death


_main_module = threading.Lock()


@contextmanager
def _without_main_module():
    """Without this, each new process would first run the program's file, as spawn does: a script that sweeps at its top
    level would start its sweep again in every worker."""
    with _main_module:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class _Progress:
    """The work done in each training. A thread listens to the workers, so that they do not wait for the caller."""

    def __init__(self, report):
        self.report, self.work_done = report, {}

    def listen(self, reader):
        with suppress(EOFError, OSError):  # the last worker has ended
            while True:
                self.update(*reader.recv())

    def update(self, number, work, status=""):
        more = work - self.work_done.get(number, 0)  # negative where a process died and another began again
        self.work_done[number] = work
        try:
            self.report(more, status)
        except Exception:  # a progress bar that fails must not stop a training
            self.report = lambda *_: None


# --- in a worker ------------------------------------------------------------------------------------------------------

_shutdown = threading.Event()  # stop at the next event of the training
_training = threading.Lock()  # held while a training may still have to be saved


def _start_worker(progress_writer, shutdown_reader, threads, folder):
    global _progress_writer
    _progress_writer = progress_writer
    os.environ["OMP_NUM_THREADS"] = str(threads)  # PyTorch, and all that it calls, reads it when it is imported
    # Ctrl-C reaches all processes of a terminal; the sweep answers, and stops us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_save_and_exit, daemon=True).start())
    threading.Thread(target=_wait_for_shutdown, args=(shutdown_reader, folder), daemon=True).start()


def _wait_for_shutdown(shutdown_reader, folder):
    """Stop when the sweep is closed, and exit when its process has ended: a pool's worker would wait for ever."""
    with suppress(EOFError, OSError):
        shutdown_reader.recv()
    _shutdown.set()
    parent_process().join()
    shutil.rmtree(folder, ignore_errors=True)
    _save_and_exit()


def _save_and_exit():
    _shutdown.set()
    with _training:
        os._exit(1)


def _train(number, job, file):
    """(run, remarks); None if the worker is shutting down."""
    done, reported = 0, time.monotonic()

    def send(work, status=""):
        with suppress(OSError):  # the sweep has ended: the shutdown channel stops this training, and it is saved
            _progress_writer.send((number, work, status))  # short enough to be written in one piece

    def report(work, status):
        nonlocal done, reported
        done += work
        if time.monotonic() - reported >= REPORT_EVERY:
            send(done, status)
            reported = time.monotonic()

    with _training:
        if _shutdown.is_set():
            return None
        send(0)
        job = replace(job, split=_split(file))
        run = job.stored()  # it may have ended in a process that ended with another's death
        run, remarks = (replace(run, recorded=False), []) if run else job.train(report, _shutdown.is_set)
        send(done if run.outcome == "stopped" else job.work)
        return run, remarks + job.keep(run)


@cache
def _split(file):
    import torch

    return torch.load(file, mmap=True, weights_only=False)  # this sweep's own file; mapped, so memory holds it once
