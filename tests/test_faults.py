"""What goes wrong on a learner's machine: a full disk, a home that cannot be written, a clock that jumps, and two
notebooks on one store. No run is lost, and each fault is said in a sentence. Kills are in test_kill.py."""

import itertools
import json
import os
import subprocess
import sys
import time

import pytest
from jupyter_client.manager import start_new_kernel

from reslab import Store, build
from reslab.job import Job
from reslab.train import TrainSpec, train

HOW = TrainSpec(epochs=2, batch_size=50)  # on 200 images: 8 steps
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def job(split, spec, tmp_path):
    return Job(spec=spec, split=split, how=HOW, seed=0, device="cpu", store=Store(tmp_path / "runs"), save_every=0.0)


# In a process of its own: the limit is the whole process's. Writes beyond it fail in their middle, as on a full disk.
FULL = """
import json, resource, sys
from reslab import NetSpec, Store, digits
from reslab.job import Job
from reslab.train import TrainSpec

split, store = digits().subset(200, 60), Store(sys.argv[1])
job = Job(spec=NetSpec(depth=8, width=4, **split.shape), split=split, how=TrainSpec(epochs=2, batch_size=50), seed=0,
          device="cpu", store=store, save_every=0.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
run, remarks = job.train()
remarks += job.keep(run)
files = [path.name for path in store.path.rglob("*") if path.is_file() and path.stat().st_size]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
later = job.keep(run)
print(json.dumps([run.outcome, len(run.history), remarks, files, later, len(store.runs())]))
"""


def test_on_a_full_disk_a_training_ends_says_so_and_can_be_saved_later(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL, str(tmp_path / "runs")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    outcome, steps, remarks, files, later, runs = json.loads(done.stdout)
    assert (outcome, steps) == ("finished", 8)
    assert len(remarks) == 2  # of the checkpoints, once; of the run
    assert all("resnet-8, seed 0, could not be saved: " in remark for remark in remarks)
    assert files == []  # nothing half-written stays
    assert (later, runs) == ([], 1)


def test_with_a_home_that_cannot_be_written_all_works_but_saving(tmp_path):
    """/proc takes no new folder, whoever asks: an administrator may write anywhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESLAB")}
    environment = kept | {"HOME": "/proc/nobody"}
    words = [sys.executable, "-W", "error", "-m", "reslab", "train", "resnet-8", "--width", "3", "--epochs", "0.2"]
    done = subprocess.run(
        [*words, "--device", "cpu"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "resnet-8 on digits, seed 0, finished" in done.stdout
    assert done.stderr.count("\n") == 1
    assert "could not be saved: " in done.stderr
    assert "/proc/nobody" in done.stderr
    asked = [sys.executable, "-W", "error", "-c", "import reslab; print(len(reslab.recorded().runs()))"]
    found = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert int(found.stdout) > 40, found.stderr


def test_a_clock_that_jumps_changes_no_number_and_loses_nothing(job, split, spec, monkeypatch):
    """By days, back and forth, at every look: as after a sleep, or where a virtual machine sets it."""
    reference = list(train(build(spec), split, HOW, device="cpu"))[-1].run()
    real, jumps = time.time, itertools.cycle((0, -400, 3, 900, -2))
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * next(jumps))
    stopped, remarks = job.train(stopped=iter([False, False, True]).__next__)
    assert (stopped.outcome, remarks) == ("stopped", [])
    (begun,) = job.store.unfinished()
    assert len(begun.history) == len(stopped.history)
    run, remarks = job.train()
    assert (run.outcome, remarks + job.keep(run)) == ("finished", [])
    columns = run.history.columns.drop("seconds")
    assert run.history[columns].equals(reference.history[columns])
    assert run.history["seconds"].is_monotonic_increasing
    assert 0 < run.history["seconds"].iloc[-1] < 3600
    assert len(job.store.runs()) == 1


SWEEP = """
from reslab import NetSpec, Store, digits
from reslab.sweep import sweep
from reslab.train import TrainSpec

split, store = digits().subset(200, 60), Store({folder!r})
specs = [NetSpec(depth=8, width=width, **split.shape) for width in (2, 3, 4)]
how = TrainSpec(epochs=2, batch_size=50)
runs = list(sweep(specs, split, how, seeds=(0, 1), store=store, device="cpu", workers=1, progress=False))
assert len(runs) == 6 and all(run.outcome == "finished" for run in runs), runs
"""


def test_two_notebooks_on_one_store_get_every_run_and_keep_each_once(tmp_path):
    kernels = [start_new_kernel(env=os.environ | {"OMP_NUM_THREADS": "1"}) for _ in range(2)]
    try:
        asked = [(client, client.execute(SWEEP.format(folder=str(tmp_path / "runs")))) for _, client in kernels]
        for client, message in asked:  # both are at work
            while (reply := client.get_shell_msg(timeout=300))["parent_header"].get("msg_id") != message:
                pass
            assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    store = Store(tmp_path / "runs")
    found = store.runs()
    assert sorted((run.spec.width, run.seed) for run in found) == [(w, s) for w in (2, 3, 4) for s in (0, 1)]
    assert store.unfinished() == []
