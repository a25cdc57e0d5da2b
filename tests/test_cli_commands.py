"""Every command that `reslab` prints can be pasted into a shell, and makes or resumes that very run."""

import dataclasses
import itertools
import re
import shlex
import uuid

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_runs import make_run, provenance
from sklearn.datasets import load_digits
from torch import nn

from reslab import cli
from reslab.cli import options, reproduce
from reslab.datasets import digits, from_arrays, load
from reslab.job import Job
from reslab.nets import FAMILY, build
from reslab.specs import PRESETS, NetSpec, TrainSpec, replace
from reslab.store import Store, recorded
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

ODD = 'it\'s a "store"; $HOME 数 &'  # what a shell must not read
SHORT = ["--width", "3", "--epochs", "0.1"]


@pytest.fixture(autouse=True)
def usual(tmp_path, monkeypatch):
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "usual"))
    monkeypatch.chdir(tmp_path)
    return Store()


def reslab(words, exit_code=0):
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == exit_code, result.output
    return result.stdout


def pasted(printed):
    """The words behind "reslab" in the last line that is a command, as a shell makes them."""
    line = next(line for line in reversed(printed.splitlines()) if line.startswith("  reslab "))
    return shlex.split(line)[1:]


def stop(store, spec, split, how, seed=0):
    """Leave a checkpoint of a training in the store, as a sweep that was stopped after two steps does."""
    for event in train(build(spec, seed=seed), split, how, device="cpu"):
        if event.step == 2:
            store.save_checkpoint(event.checkpoint())
            return


@pytest.fixture
def images(tmp_path):
    """An .npz file with 60 digits, in a folder whose name a shell would not leave alone."""
    stored = load_digits()
    file = tmp_path / ODD / "my birds.npz"
    file.parent.mkdir()
    np.savez(file, x=stored.images[:60].astype(np.uint8), y=stored.target[:60])
    return file


@pytest.mark.parametrize("suffix", ["", "-30+10@3", "-16px", "-30+10-16px"])
@pytest.mark.parametrize("is_relative", [True, False])
def test_a_run_on_ones_own_images_is_made_again_by_what_is_shown(tmp_path, images, monkeypatch, suffix, is_relative):
    dataset = f"{images.relative_to(tmp_path) if is_relative else images}{suffix}"
    folder = tmp_path / f"of {ODD}"
    words = ["--dataset", dataset, "--store", str(folder), "--batch-size", "20", "--seed", "3"]
    said = reslab(["train", "plain-8", *SHORT, *words])
    listed = shlex.split(re.search(r"; (reslab runs list .*) shows them", said)[1])[1:]
    monkeypatch.chdir("/")
    assert "birds" in reslab(listed)
    again = pasted(reslab(["runs", "show", "plain-8", "--store", str(folder)]))
    (run,) = Store(folder).runs()
    assert not re.search(re.escape(str(tmp_path)), run.to_json())  # a run names no place
    assert "it was there" not in reslab(again)
    assert_repeated(run, Store(folder))


def assert_repeated(run, store):
    """The store has one run: this one, with the same numbers, trained again."""
    (same,) = store.runs()
    assert same.history["loss"].equals(run.history["loss"])
    assert not same.history["seconds"].equals(run.history["seconds"])
    assert (same.spec, same.how, same.data, same.seed) == (run.spec, run.how, run.data, run.seed)


NETS = [
    ["plain-8"],
    ["resnet-8", "--norm", "none", "--init", "fixup"],
    ["preact-resnet-110", "--depth", "8"],
    ["resnet-50", "--depth", "11", "--stem", "cifar"],
]
HOWS = [
    [],
    ["--augment", "none", "--lr", "0.033"],
    ["--preset", "paper", "--batch-size", "16"],
    ["--label-noise", "0.1", "--data-seed", "3"],
    ["--precision", "bf16"],
]
PARTS = ["", "-290+30", "-290+30@2", "-290+30-6px", "-10px-160+30"]


@given(
    net=st.sampled_from(NETS),
    seed=st.integers(1000, 2**31),
    dataset=st.sampled_from([f"digits{part}" for part in PARTS]),
    how=st.sampled_from(HOWS),
    more=st.lists(st.sampled_from(["--weights", "--deterministic"]), unique=True),
    folder=st.sampled_from(["runs", ODD, "-runs", "größe"]),
)
@settings(
    max_examples=6, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a store of its own each time
)  # fmt: skip
def test_whatever_was_trained_is_trained_again_by_what_is_shown(tmp_path, net, seed, dataset, how, more, folder):
    store = Store(tmp_path / str(uuid.uuid4()) / folder)
    words = [*net, "--width", "2", "--epochs", "0.02", "--dataset", dataset, "--seed", str(seed), *how, *more]
    reslab(["train", *words, "--store", str(store.path)])
    (run,) = store.runs()
    again = pasted(reslab(["runs", "show", str(seed), "--store", str(store.path)]))
    reslab(again)
    assert_repeated(run, store)
    assert store.has_weights(run) == ("--weights" in more) == ("--weights" in again)


def test_a_stopped_training_is_resumed_by_what_is_listed(tmp_path, images):
    folder = tmp_path / ODD / "runs"
    how = TrainSpec(
        epochs=1.2345678901234567, batch_size=8, lr=1 / 30, momentum=0.87654321, milestones=(), schedule="step"
    )
    for dataset in (str(images), "digits-40+20@5"):
        split, store = load(dataset), Store(folder)
        store.remember_dataset(split, reproduce.dataset_path(dataset) or dataset)
        stop(store, NetSpec(depth=8, width=3, **split.shape), split, how, seed=7)
        (begun,) = store.unfinished()
        reslab(pasted(reslab(["runs", "list", "--store", str(folder)])))
        assert store.unfinished() == []
        (run,) = store.runs(dataset=begun.dataset)
        assert (
            run.history["seconds"].tolist()[:2] == begun.history["seconds"].tolist()
        )  # it was resumed, not trained again


def test_the_numbers_of_a_command_are_those_of_the_run_to_the_last_digit():
    values = {
        "lr": 0.1 + 0.2,
        "epochs": 1 / 3,
        "weight_decay": 1e-17,
        "milestones": (1 / 3, 2 / 3),
        "label_noise": 5e-324,
    }
    words = reproduce.flags(TrainSpec, values)
    read = cli.main.commands["train"].make_context("train", words).params
    assert {name: read[name] for name in values} == values | {"milestones": [1 / 3, 2 / 3]}


def test_the_usual_store_is_not_named_and_another_is(usual, tmp_path):
    for folder, store in (("usual", []), ("other", ["--store", str(tmp_path / "other")])):
        reslab(["train", "plain-8", *SHORT, "--store", str(tmp_path / folder)])
        shown = reslab(["runs", "show", "plain-8", "--store", folder])
        again = ["train", "plain-8", *SHORT, "--dataset", "digits", "--seed", "0", "--again", *store]
        assert pasted(shown) == again
    shown = reslab(["runs", "show", "digits/plain-20.width8.seed0", "--store", "recorded"])
    assert "--store" not in pasted(shown)  # it would be recorded again in one's own


def test_a_stopped_training_that_was_to_keep_its_weights_keeps_them(usual):
    split, how = load("digits-60+20"), TrainSpec(epochs=2, batch_size=10)
    spec, where = NetSpec(depth=8, width=3, **split.shape), {"device": "cpu", "store": usual}
    job = Job(spec=spec, split=split, how=how, seed=1, **where, weights=True)
    calls = iter([False, True])
    job.train(stopped=lambda: next(calls))
    resume = pasted(reslab(["runs", "list"]))
    assert "--weights" in resume
    reslab(resume)
    (run,) = usual.runs()
    assert usual.has_weights(run)


def test_a_command_names_the_device_and_the_processes_of_its_run():
    where = provenance(device="cpu, then cuda", processes=2)
    run = make_run(spec=NetSpec(), how=TrainSpec().to_dict(), provenance=where)
    words = shlex.split(reproduce.command([run]))
    assert words[:7] == ["torchrun", "--nproc-per-node", "2", "-m", "reslab", "train", "resnet-20"]
    assert words[words.index("--device") + 1] == "cuda"
    assert "--device" not in reproduce.command([dataclasses.replace(run, provenance=provenance(device="cpu"))])


# What no command makes


def own_checkpoint(store):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    event = next(iter(train(model, digits(), TrainSpec(epochs=0.3), device="cpu")))
    store.save_checkpoint(event.checkpoint())
    store.add(event.run())


def test_an_own_model_is_listed_with_what_goes_on_with_it(usual):
    own_checkpoint(usual)
    listed = reslab(["runs", "list"])
    assert (
        "Stopped at step 1: Sequential on digits, seed None. "
        "No command goes on with it: Sequential is a model of your own" in listed
    )
    path = re.search(r"train\(model, split, how, resume=Checkpoint\.load\('(.*)'\)\)", listed)[1]
    assert path == str(usual.checkpoint_path(usual.unfinished()[0]))
    assert "Again\n  in Python: Sequential is a model of your own" in reslab(["runs", "show", "Sequential"])
    assert reslab(["runs", "list", "--json"]).count("\n") == 2
    reslab(["train", "plain-8", *SHORT])
    table = reslab(["runs", "list"])
    assert re.search(r"plain-8 +digits +0 +finished", table)  # not 0.0, beside a run without a seed


@pytest.mark.parametrize(
    "make",
    [
        lambda: digits().subset(40, 20),
        lambda: digits().subset(None, 20).resized(10),
        lambda: replace(digits().subset(40, 20), name="my birds"),
        lambda: digits(seed=1),
        lambda: digits(test=1000),
        lambda: replace(digits(), y_train=digits().y_train.flip(0)),
        lambda: replace(digits(), mean=(0.0,), std=(1.0,)),
        lambda: replace(load("digits-40+20"), x_test=digits().x_test[:20]),
        lambda: from_arrays(torch.zeros(60, 8, 8).bernoulli_(), [0, 1] * 30, name="digits"),
    ],
)
def test_images_that_python_made_are_said_to_be_so(usual, make):
    split = make()
    stop(usual, NetSpec(depth=8, width=3, **split.shape), split, TrainSpec(epochs=3, batch_size=20))
    listed = reslab(["runs", "list"])
    assert re.search(r"No command goes on with it: .*Python", listed)
    assert "\n  reslab " not in listed


def test_the_recorded_runs_have_commands():
    store = recorded()
    for run in store.runs():
        words = shlex.split(reproduce.command([run]))
        assert words[words.index("--dataset") + 1] == run.dataset


# Every field


def read(words):
    """(the NetSpec, the TrainSpec, the seed) that `reslab train` makes of a command's words, on grey images."""
    values = cli.main.commands["train"].make_context("train", words[2:]).params
    net = replace(FAMILY[values["name"]], **options.given(values, NetSpec), in_channels=1, image_size=32, classes=10)
    return net, replace(PRESETS[values["preset"]], **options.given(values, TrainSpec)), values["seed"]


def values_of(field):
    """Values that a field's setting allows, for hypothesis."""
    choices, low, above, high = (field.metadata[name] for name in ("choices", "low", "above", "high"))
    if choices:
        return st.sampled_from(choices)
    if field.type is tuple:
        return st.lists(st.floats(0, 1), max_size=3).map(tuple)
    if field.type is bool:
        return st.booleans()
    if field.type is int:
        return st.integers(low, high)
    return st.floats(low if above is None else above, high or 1e300, exclude_min=above is not None)


@given(st.fixed_dictionaries({field.name: values_of(field) for field in dataclasses.fields(TrainSpec)}))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_a_command_says_every_field_of_a_training_to_the_last_digit(fields):
    how = TrainSpec(**fields)
    run = make_run(spec=NetSpec(in_channels=1), how=how.to_dict(), source="")
    assert read(shlex.split(reproduce.command([run]))) == (run.spec, how, run.seed)


def test_a_command_says_every_field_of_a_net():
    others = {
        "depth": (8, 11, 16, 22, 47),
        "width": (1, 3, 1000),
        "widen": (1, 4),
        "groups": (1, 2),
        "stochastic_depth": (0.0, 1 / 3),
    }
    seen = set()
    bases = ("plain-56", "resnet-50", "wide-resnet-28-10", "fixup-resnet-110", "vgg-16-bn")
    for name, field in itertools.product(bases, dataclasses.fields(NetSpec)):
        base = replace(FAMILY[name], in_channels=1, image_size=32, classes=10)
        for value in field.metadata["choices"] or others.get(field.name) or ():
            try:
                spec = replace(base, **{field.name: value})
            except ValueError:  # not together with the others of this net
                continue
            run = make_run(name=spec.name, spec=spec, how=TrainSpec().to_dict())
            assert read(shlex.split(reproduce.command([run])))[0] == spec
            seen.add(field.name)
    assert seen >= {*NetSpec.choices(), *others}
