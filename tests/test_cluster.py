"""A sweep on a real Ray cluster of several nodes, one of which is killed meanwhile: every run arrives once, with its own numbers."""

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from reslab.datasets import digits
from reslab.nets import NetSpec
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit

SEEDS = range(4)
SPEC, HOW = {"depth": 8, "width": 4}, {"epochs": 10, "batch_size": 50, "capture_every": 20}

# In a process of its own: Ray leaves warnings, sockets and threads behind.
ON_RAY = """
import json, os, sys, warnings
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from reslab import cluster
from reslab.datasets import digits
from reslab.job import Job
from reslab.nets import NetSpec
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec

class Doomed(Job):
    def train(self, tell):
        os._exit(1)

folder, seeds, spec, how = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
split = digits().subset(200, 60)
spec, how = NetSpec(**spec, **split.shape), TrainSpec(**how)
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
lasting, mortal = nodes.add_node(num_cpus=1, num_gpus=1, **memory), nodes.add_node(num_cpus=1, **memory)
told, arrived = [], []

def killing(jobs, tell, **options):
    def listen(work, news):
        told.append(work)
        tell(work, news)

    for run, remarks in train(jobs, listen, **options):
        if not arrived:
            nodes.remove_node(mortal, allow_graceful=False)
        yield run, remarks

train, cluster.train = cluster.train, killing
for run in sweep([spec], split, how, seeds=seeds, address=nodes.address, store=Store(folder), save_every=0, progress=False):
    arrived.append(run.seed)
cluster.train = train

ray.init(nodes.address, log_to_driver=False)  # from here on, the sweeps use what this process has joined
fraction = [run.outcome for run in sweep([spec], split, how, seeds=[0], address="auto", cpus=0.5, gpus=0.25, progress=False)]
try:
    list(sweep([spec], split, how, address="auto", gpus=2, progress=False))
except ValueError as error:
    too_much = str(error)
cluster.RETRIES = 0
job = Doomed(spec=spec, split=split, how=how, seed=0)
((doomed, _),) = cluster.train([job], lambda *_: None, address="auto", cpus=1, gpus=0)
ray.shutdown()
nodes.shutdown()
results = dict(arrived=arrived, told=sum(told), work=job.work, fraction=fraction, too_much=too_much, doomed=[doomed.outcome, doomed.cause])
print("RESULT", json.dumps(results))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def result(store):
    """What happened on the cluster."""
    arguments = [str(store.path), json.dumps(list(SEEDS)), json.dumps(SPEC), json.dumps(HOW)]
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run([sys.executable, "-c", ON_RAY, *arguments], capture_output=True, text=True, timeout=600, env=environment)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")] or [f"nothing: {done.stdout}{done.stderr}"]
    return json.loads(line.removeprefix("RESULT "))


def test_a_node_is_killed_and_every_run_arrives_once(result, store):
    assert sorted(result["arrived"]) == list(SEEDS)
    assert sorted(run.seed for run in store.runs()) == list(SEEDS)
    assert store.unfinished() == []


def alone(seed):
    """The same training in a process of its own, as a run on the cluster has it: what else has run in this one can change last bits."""
    split = digits().subset(200, 60)
    return fit(NetSpec(**SPEC, **split.shape), split, TrainSpec(**HOW), seed=seed, device="cpu", progress=False)


def test_the_numbers_are_those_of_a_process_alone(result, store):
    runs = store.runs()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        alones = list(process.map(alone, [run.seed for run in runs]))
    for run, alone_run in zip(runs, alones, strict=True):
        columns = run.history.columns.drop("seconds")
        assert run.outcome == "finished"
        assert run.history[columns].equals(alone_run.history[columns])
        assert run.layers.equals(alone_run.layers)


def test_the_bar_ends_where_all_the_work_is_done(result):
    assert result["told"] == len(SEEDS) * result["work"]


def test_a_training_takes_a_fraction_of_a_gpu_and_not_more_than_there_is(result):
    assert result["fraction"] == ["finished"]
    assert result["too_much"] == "a training asks for 2 GPU, and the cluster has 1."


def test_a_worker_that_dies_once_too_often_is_a_failed_run_with_its_cause(result):
    outcome, cause = result["doomed"]
    assert outcome == "failed"
    assert cause.startswith("WorkerCrashedError: ")


def test_without_ray_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    split = digits().subset(200, 60)
    with pytest.raises(ModuleNotFoundError, match=r"a sweep on a cluster needs Ray: in reslab's checkout, pip install -e"):
        list(sweep([NetSpec(depth=8, **split.shape)], split, TrainSpec(batch_size=50), address="auto", progress=False))
