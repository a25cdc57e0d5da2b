"""Killed at any moment, a training resumes to the numbers it would have had, and its store holds only whole files."""

import json
import subprocess
import sys

# In a process of its own, which forks: a child has torch imported already, and dies alone.
KILLER = """
import json, os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path

import torch
from reslab.datasets import digits
from reslab.job import Job
from reslab.nets import NetSpec, build
from reslab.runs import Checkpoint, Provenance, Run
from reslab.store import Store
from reslab.train import TrainSpec, train

torch.set_num_threads(1)
folder, split = Path(sys.argv[1]), digits().subset(200, 60)
spec, how = NetSpec(depth=8, width=4, **split.shape), TrainSpec(epochs=10, batch_size=50, capture_every=7, log_every=2)
Provenance.here()  # it asks git, once a process
train(build(spec), split, how, device="cpu")  # with its first optimiser, torch imports as much again

def job_of(seed, name):
    store = Store(folder / name / str(seed))
    return Job(spec=spec, split=split, how=how, seed=seed, device="cpu", store=store, save_every=0.0)

def child(job):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        run, remarks = job.train(lambda work, status: os.write(writer, b"."))
        remarks += job.keep(run)
        os._exit(1 if remarks or run.outcome != "finished" else 0)
    os.close(writer)
    return pid, reader

def events_kept(store):
    for path in store.path.rglob("*.json"):
        Run.load(path)
    for path in store.path.rglob("*.safetensors"):
        return int(Checkpoint.load(path).run.history["step"].iloc[-1]) // how.log_every
    return 0

def seconds_alone(job):
    began = time.perf_counter()
    pid, _ = child(job)
    assert os.waitpid(pid, 0)[1] == 0
    return time.perf_counter() - began

def kill_until_done(job, alone, moments):
    kept, lost, kills = 0, [], 0
    while True:
        pid, reader = child(job)
        time.sleep(alone * moments.uniform(0.02, 0.5))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        reported = len(os.read(reader, 1000))
        os.close(reader)
        kept, before = events_kept(job.store), kept
        if status != signal.SIGKILL:
            return kills, lost, os.waitstatus_to_exitcode(status)
        kills += 1
        if not job.store.runs():
            lost.append(before + reported - kept)

for seed in range(int(sys.argv[2])):
    alone = seconds_alone(job_of(seed, "alone"))
    job = job_of(seed, "killed")
    kills, lost, exit_code = kill_until_done(job, alone, random.Random(seed))
    (run,), (reference,) = job.store.runs(), job_of(seed, "alone").store.runs()
    columns = run.history.columns.drop("seconds")
    print(json.dumps({
        "kills": kills,
        "lost": lost,
        "exit_code": exit_code,
        "same": run.history[columns].equals(reference.history[columns]) and run.layers.equals(reference.layers),
        "final": run.final_train_error == reference.final_train_error,
        "files": [path.suffix for path in job.store.path.rglob("[!.]*") if path.is_file()],
    }))
"""


def test_killed_at_many_moments_nothing_but_the_last_interval_is_lost(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", KILLER, str(tmp_path), "5"],
        capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 5
    assert sum(result["kills"] for result in results) >= 10
    nothing_is_lost(results)


def nothing_is_lost(results):
    """Each training ends as one that was not killed, and lost at most the event whose checkpoint was being written."""
    for result in results:
        assert set(result["lost"]) <= {0, 1}  # events that were reported, and not yet in the checkpoint
        assert (result["exit_code"], result["same"], result["final"], result["files"]) == (0, True, True, [".json"])
