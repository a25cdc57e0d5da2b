"""Fixtures of all tests."""

# ruff: noqa: I001
import os
from itertools import chain, zip_longest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch reads it: there is one worker per core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
import torch
from click.testing import CliRunner
from draws import THREADS
from made_runs import HOW

from reslab import NetSpec, Store, cli, digits
from reslab.train import device, fit


STARTS_PROCESSES = (
    *("test_cluster.py", "test_scaling.py", "test_processes.py", "test_train_ranks.py", "test_wheel.py"),
    *("test_import.py", "test_kill.py", "test_faults.py"),
)
# Of the others, those that took longest: with what starts processes, half of the time of all that are no claims.
LONG = (
    *("test_train_device.py", "test_train_steps.py", "test_train_ends.py", "test_explorers_activations.py"),
    *("test_experiments_ready_made_served.py", "test_explorers_gradient_flow.py", "test_nets_family.py"),
)


def pytest_collection_modifyitems(items):
    """The longest files first: at the end, one core would wait for the other. These are the claims, which keep a core
    busy, and between them files that start processes, which wait much."""
    claims = dict.fromkeys(item.path.name for item in items if item.get_closest_marker("claims"))
    names = dict.fromkeys(chain(chain.from_iterable(zip_longest(claims, STARTS_PROCESSES)), LONG))
    order = {name: place for place, name in enumerate(names)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="module")
def one_thread():
    """One thread: small tensors are not faster with more, and then other programs do not slow them down.

    CLAIM_THREADS=2 tries the claims with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def what_auto_means():
    """What device="auto" means outside of the tests."""
    return device.AUTO


@pytest.fixture(scope="session", autouse=True)
def auto_is_the_cpu(what_auto_means):
    """device="auto" is the CPU, where the tests' own models and tensors are. A test of devices names its device.

    This holds in this process alone: tests that start another process give it device="cpu".
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "AUTO", ("cpu",))
        yield


@pytest.fixture(scope="session")
def split():
    """Few enough digits that a training of some steps takes no time: 200 to train with, 60 to test."""
    return digits().subset(200, 60)


@pytest.fixture(scope="session")
def spec(split):
    """The smallest net for them."""
    return NetSpec(depth=8, width=4, **split.shape)


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory):
    """A Store that all processes of this test run share: what the claims of one lesson have trained, those of another
    find there."""
    folder = tmp_path_factory.getbasetemp()
    return Store((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "trained")


@pytest.fixture(scope="module")
def run(split, spec):
    """A whole run of a small net, to be stored, copied and damaged."""
    return fit(spec, split, HOW, progress=False)


@pytest.fixture
def store(tmp_path):
    """A store that has no run yet, nor a folder."""
    return Store(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the usual store, which the command line records into."""
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(name="reslab")
def command_line(folder):
    """The command line: called with words, a list of them or a text with spaces between; the click Result, whose exit
    code must be the one given."""

    def call(words, exit_code=0):
        result = CliRunner().invoke(cli.main, words.split() if isinstance(words, str) else words)
        assert result.exit_code == exit_code, result.output
        return result

    return call
