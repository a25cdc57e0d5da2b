"""A sweep on a real Ray cluster of several nodes, one of which is killed: each run arrives once, with its numbers."""

import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest

from reslab import cluster
from reslab.datasets import digits
from reslab.nets import NetSpec
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, fit

SEEDS = range(4)
SPEC, HOW = {"depth": 8, "width": 4}, {"epochs": 5, "batch_size": 50, "capture_every": 10}

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
    def train(self, report):
        os._exit(1)

folder, seeds, spec, how = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
split = digits().subset(200, 60)
spec, how = NetSpec(**spec, **split.shape), TrainSpec(**how)
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
lasting, mortal = nodes.add_node(num_cpus=1, num_gpus=1, **memory), nodes.add_node(num_cpus=1, **memory)
reported, arrived = [], []

def killing(jobs, report, **options):
    def listen(work, status):
        reported.append(work)
        report(work, status)

    for run, remarks in train(jobs, listen, **options):
        if not arrived:
            nodes.remove_node(mortal, allow_graceful=False)
        yield run, remarks

train, cluster.train = cluster.train, killing
options = {"device": "cpu", "progress": False}
kept = {"store": Store(folder), "save_every": 0}
for run in sweep([spec], split, how, seeds=seeds, address=nodes.address, **kept, **options):
    arrived.append(run.seed)
cluster.train = train

ray.init(nodes.address, log_to_driver=False)  # from here on, the sweeps use what this process has joined
fraction = [run.outcome for run in sweep([spec], split, how, address="auto", cpus=0.5, gpus=0.25, **options)]
try:
    list(sweep([spec], split, how, address="auto", gpus=2, progress=False))
except ValueError as error:
    too_much = str(error)
cluster.RETRIES = 0
job = Doomed(spec=spec, split=split, how=how, seed=0, device="cpu")
((doomed, _),) = cluster.train([job], lambda *_: None, address="auto", cpus=1, gpus=0)
ray.shutdown()
nodes.shutdown()
results = dict(arrived=arrived, reported=sum(reported), work=job.work, fraction=fraction, too_much=too_much)
results["doomed"] = [doomed.outcome, doomed.cause]
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
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY, *arguments], capture_output=True, text=True, timeout=1800, env=environment
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")] or [
        f"nothing: {done.stdout}{done.stderr}"
    ]
    return json.loads(line.removeprefix("RESULT "))


def test_a_node_is_killed_and_every_run_arrives_once(result, store):
    assert sorted(result["arrived"]) == list(SEEDS)
    assert sorted(run.seed for run in store.runs()) == list(SEEDS)
    assert store.unfinished() == []


def alone(seed):
    """The same training in a process of its own, like the runs on the cluster: what ran before can change last bits."""
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
    assert result["reported"] == len(SEEDS) * result["work"]


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
    with pytest.raises(
        ModuleNotFoundError, match=r"a sweep on a cluster needs Ray: in reslab's checkout, pip install -e"
    ):
        list(sweep([NetSpec(depth=8, **split.shape)], split, TrainSpec(batch_size=50), address="auto", progress=False))


# Joining


class Ray:
    """A Ray whose `init` fails so many times, each time leaving processes behind as a slow Ray does."""

    def __init__(self, failures, leaves=("raylet", "gcs_server"), says="The current node timed out during startup."):
        self.failures, self.leaves, self.says, self.asked, self.left = failures, leaves, says, [], []

    def init(self, address, **options):
        self.asked.append(address)
        if len(self.asked) <= self.failures:
            for name in self.leaves:
                wait = "import time; print('there', flush=True); time.sleep(600)"
                process = subprocess.Popen([sys.executable, "-c", wait, f"/ray/{name}"], stdout=subprocess.PIPE)
                process.stdout.readline()
                self.left.append(process)
            raise Exception(self.says + "\nAnd more.")


@pytest.fixture
def slow_ray():
    """Makes a Ray."""
    made = []

    def make(*arguments, **options):
        made.append(Ray(*arguments, **options))
        return made[-1]

    yield make
    for ray in made:
        for process in ray.left:
            process.kill()
            process.wait()
            process.stdout.close()


def test_a_ray_that_is_slow_to_start_is_waited_for_and_what_it_left_is_ended(slow_ray):
    ray = slow_ray(failures=2)
    with pytest.warns(UserWarning, match="as on a slow or busy machine: waiting for Ray once more, attempt") as warned:
        cluster._join(ray, "local")
    assert ray.asked == ["local"] * 3
    assert [str(warning.message)[-15:] for warning in warned] == ["attempt 2 of 4.", "attempt 3 of 4."]
    assert len(ray.left) == 4
    assert not any(
        psutil.pid_exists(process.pid) and psutil.Process(process.pid).status() != "zombie" for process in ray.left
    )


@pytest.mark.filterwarnings("ignore:Ray's processes run")
def test_a_ray_that_never_starts_is_one_sentence(slow_ray):
    ray = slow_ray(failures=9)
    sentence = (
        "Ray does not start here: The current node timed out during startup. Without address, a sweep needs no Ray."
    )
    with pytest.raises(ConnectionError, match=f"^{re.escape(sentence)}$"):
        cluster._join(ray, "local")
    assert len(ray.asked) == cluster.STARTS


def test_a_ray_whose_processes_have_died_is_not_waited_for(slow_ray):
    ray = slow_ray(failures=9, leaves=())
    with pytest.raises(ConnectionError, match="Ray does not start here"):
        cluster._join(ray, "local")
    assert ray.asked == ["local"]


def test_a_cluster_that_is_not_there_is_one_sentence(slow_ray):
    ray = slow_ray(failures=9, leaves=(), says="Could not find any running Ray instance.")
    said = "Could not find any running Ray instance."
    sentence = f"no Ray cluster can be joined at 'auto': {said} `ray start --head` starts one."
    with pytest.raises(ConnectionError, match=f"^{re.escape(sentence)}$"):
        cluster._join(ray, "auto")
    assert ray.asked == ["auto"]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nothing_listens_ray_is_not_asked(slow_ray, scheme):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        ray = slow_ray(failures=9, leaves=(), says="never")
        with pytest.raises(ConnectionError, match=f"no Ray cluster can be joined at '{address}': Connection refused"):
            cluster._join(ray, address)
    assert ray.asked == []
