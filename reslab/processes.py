"""A sweep's trainings in processes of this machine: in threads of one process they wait for each other, for Python's lock."""

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

# PyTorch is imported where it is used: until a worker has told Ctrl-C not to mean it, a second of imports is a second too long.

TELL = 0.2  # seconds between a training's words on how far it is


def train(jobs, tell, *, workers):
    """Train the jobs, so many at a time, in a process each; yields (run, remarks) as they finish, each job once.

    The processes share PyTorch's threads out among themselves, and the images in a file. They import nothing of the program that
    sweeps, so a script needs no `if __name__ == "__main__"`. When the sweep is closed, or its process is gone, even killed, the
    trainings leave off at their next event, and save.

    Where a process dies, for want of memory most likely, the others save as well (on Windows they are ended, and have what they saved
    last), and what had not ended goes on with half as many at a time. A training whose process dies though it is alone has failed.
    RuntimeError where no process can be started, OSError where there is no room for the file.
    """
    import torch

    if sys.platform == "win32":
        workers = min(workers, 61)  # as many as Windows can wait for
    threads, at_once, board = max(1, torch.get_num_threads() // workers), workers, _Board(tell)
    with tempfile.TemporaryDirectory(prefix="reslab-", ignore_cleanup_errors=True) as folder:
        files = {split: Path(folder, str(number)) for number, split in enumerate({job.split for job in jobs})}
        for split, file in files.items():
            torch.save(split, file)
        waiting = {number: (replace(job, split=None), files[job.split]) for number, job in enumerate(jobs)}
        while waiting:
            at_once = min(at_once, len(waiting))
            try:
                for number, run, remarks in _train_all(waiting, board, at_once, threads, folder):
                    del waiting[number]
                    yield run, remarks
            except BrokenProcessPool as death:
                if at_once > 1:
                    at_once //= 2
                    warnings.warn(f"A training's process died, perhaps for want of memory: going on, {at_once} at a time.", stacklevel=3)
                elif not board.done:
                    raise _cannot_start(death) from death
                else:
                    number = next(iter(waiting))
                    del waiting[number]
                    board.take(number, jobs[number].work)
                    run = jobs[number].failure(ChildProcessError("its process died, perhaps for want of memory"))
                    at_once = workers
                    yield run, jobs[number].keep(run)


def _cannot_start(error):
    return RuntimeError(f"processes for the trainings do not start here ({error}); workers=1 trains in this one.")


def _train_all(waiting, board, workers, threads, folder):
    """Yields (number, run, remarks); BrokenProcessPool when a process dies, once the others have left off."""
    spawn = get_context("spawn")
    hears, tells = spawn.Pipe(duplex=False)
    stays, leave = spawn.Pipe(duplex=False)  # through which nothing is sent: its end, here, is what a worker waits for
    listener = threading.Thread(target=board.listen, args=(hears,), name="reslab-sweep")
    futures, pool, death = {}, None, None
    try:
        try:
            pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(tells, stays, threads, folder))
            with _nothing_of_the_program():
                futures = {pool.submit(_train, number, *task): number for number, task in waiting.items()}  # which starts the processes
        except (OSError, AssertionError, NotImplementedError) as error:  # no semaphores, no more processes, or not from this one
            raise _cannot_start(error) from error
        tells.close()  # from now on the workers' alone, so that listening ends with the last of them
        listener.start()
        for future in as_completed(list(futures)):
            try:
                result = future.result()
            except BrokenProcessPool as error:
                death = error  # of which every training hears that had not ended; there may be some left that had
            else:
                if result:
                    yield futures.pop(future), *result
    finally:
        leave.close()
        tells.close()
        if pool:
            pool.shutdown(cancel_futures=True)
        if listener.ident:
            listener.join()
        hears.close()
        stays.close()
        for future in futures:  # that ended, or were saved, while the sweep was being stopped
            _, remarks = (not future.cancelled() and not future.exception() and future.result()) or (None, [])
            for remark in remarks:
                warnings.warn(remark, stacklevel=4)
    if death:
        raise death


_program = threading.Lock()


@contextmanager
def _nothing_of_the_program():
    """A spawned process first runs the file of the program that spawned it; here a program that sweeps, and would again in each."""
    with _program:
        program, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


class _Board:
    """How far each training is; a thread listens to the workers, so that they never wait for whoever takes the runs."""

    def __init__(self, tell):
        self.tell, self.done = tell, {}

    def listen(self, hears):
        with suppress(EOFError, OSError):  # the last worker is gone
            while True:
                self.take(*hears.recv())

    def take(self, number, work, said=""):
        more = work - self.done.get(number, 0)  # less than nothing where a process died and another began anew
        self.done[number] = work
        try:
            self.tell(more, said)
        except Exception:  # a bar that can no longer be drawn holds up no training
            self.tell = lambda *_: None


# --- in a worker ------------------------------------------------------------------------------------------------------------

_leave = threading.Event()  # off, at the next event of the training
_busy = threading.Lock()  # while there is something to be saved


def _begin(tells, stays, threads, folder):
    global _tells
    _tells = tells
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which PyTorch, and all that it calls, reads when it is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C goes to all its processes; the sweep answers it, and says to leave
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_go, daemon=True).start())
    threading.Thread(target=_watch, args=(stays, folder), daemon=True).start()


def _watch(stays, folder):
    """Leave off when the sweep is closed, and go if it is gone, even killed: the pool's own workers would wait for it for ever."""
    with suppress(EOFError, OSError):
        stays.recv()
    _leave.set()
    parent_process().join()
    shutil.rmtree(folder, ignore_errors=True)
    _go()


def _go():
    _leave.set()
    with _busy:
        os._exit(1)


def _train(number, job, file):
    """(run, remarks); None if the worker is about to leave."""
    done, told = 0, time.monotonic()

    def say(work, said=""):
        with suppress(OSError):  # nobody hears it any more: that will be noticed elsewhere, and the training saved
            _tells.send((number, work, said))  # so short that the system writes it whole, whoever else writes

    def tell(work, said):
        nonlocal done, told
        done += work
        if time.monotonic() - told >= TELL:
            say(done, said)
            told = time.monotonic()

    with _busy:
        if _leave.is_set():
            return None
        say(0)
        job = replace(job, split=_split(file))
        run = job.stored()  # where another process died, this one's training may have ended meanwhile
        run, remarks = (replace(run, recorded=False), []) if run else job.train(tell, _leave.is_set)
        say(done if run.outcome == "stopped" else job.work)
        return run, remarks + job.keep(run)


@cache
def _split(file):
    import torch

    return torch.load(file, mmap=True, weights_only=False)  # a file of this sweep's own; mapped, its images are in memory once
