"""A store with models and weights of your own, files of a newer reslab, and names that are too long for a disk."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from made_runs import make_checkpoint, make_run
from torch import nn

from reslab.datasets import digits
from reslab.nets import build
from reslab.runs import Checkpoint, Run, Weights
from reslab.runs.files import digest
from reslab.specs import NetSpec, TrainSpec
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = TrainSpec(epochs=1, batch_size=50)  # on 200 images: 4 steps


@pytest.fixture(scope="module")
def images():
    return digits().subset(200, 60)


def linear(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


@pytest.fixture(scope="module")
def own(images):
    """The last events of three trainings of models that differ in their weights alone."""
    return [list(train(linear(seed), images, HOW, device="cpu"))[-1] for seed in range(3)]


def files(store):
    return sorted(path.name for path in store.path.rglob("*.*") if path.is_file() and path.name != ".lock")


# Own models


def test_every_own_model_has_a_run_and_weights_of_its_own(store, own):
    for event in own:
        store.add(event.run())
        store.save_weights(event.run(), event.weights())
    assert len(store.runs()) == 3
    for event in own:
        (run,) = [run for run in store.runs() if run.history.equals(event.run().history)]
        kept = store.weights(run).tensors
        assert all(torch.equal(kept[name], tensor) for name, tensor in event.weights().tensors.items())
    store.add(own[0].run())
    store.add(Run.load(store.path_of(own[0].run())))
    assert len(store.runs()) == 3  # the same run again is the same file


@pytest.mark.parametrize("what", ["add", "path_of", "has_weights", "weights", "net", "checkpoint_path"])
def test_what_is_no_run_is_refused_and_event_run_is_named(store, own, what):
    """A usual mistake: event.run, without its parentheses."""
    for wrong in (own[0].run, own[0], None):
        with pytest.raises(TypeError, match=rf"event\.run\(\) give them, not {type(wrong).__name__}\.$"):
            getattr(store, what)(wrong)
    assert not files(store)


@pytest.mark.parametrize("seed", [-1, "0", None, 1.0])
def test_a_run_of_no_seed_is_not_looked_for(store, images, seed):
    with pytest.raises(ValueError, match=r"^seed is .*whole number|^seed is -1; it must be from 0"):
        store.find(NetSpec(depth=8, **images.shape), images, HOW, seed)


def test_a_checkpoint_of_an_own_model_is_replaced_as_it_trains_and_goes_when_its_run_comes(store, images):
    for event in train(linear(0), images, HOW, device="cpu"):
        if event.state == "running":
            store.save_checkpoint(event.checkpoint())
    assert [run.summary()["steps"] for run in store.unfinished()] == [3]
    begun = Checkpoint.load(store.checkpoint_path(store.unfinished()[0]))
    *_, last = train(linear(0), images, HOW, device="cpu", resume=begun)
    store.add(last.run())
    assert store.unfinished() == []
    assert [run.outcome for run in store.runs()] == ["finished"]


def test_an_own_model_cannot_be_built_and_the_sentence_says_what_can_be_done(store, own):
    store.add(own[0].run())
    said = r"^Sequential is a model of your own, which the store cannot build; .*load_state_dict\(store\.weights\(run\)"
    with pytest.raises(ValueError, match=said):
        store.net(own[0].run())
    with pytest.raises(
        FileNotFoundError, match=r"no weights of Sequential; save_weights\(run, event\.weights\(\)\) would"
    ):
        store.weights(own[0].run())


def test_nets_with_weights_of_ones_own_do_not_share_a_file_either(store, images):
    """They have a spec but no seed: the weights of `build` were changed before the training."""
    spec, events = NetSpec(depth=8, width=3, **images.shape), []
    for scale in (0.5, 2.0):
        net = build(spec, seed=0)
        with torch.no_grad():
            net.fc.weight.mul_(scale)
        events.append(list(train(net, images, HOW, device="cpu"))[-1])
        with pytest.warns(UserWarning, match="Its run records no seed"):
            run = events[-1].run()
        store.add(run)
        store.save_weights(run, events[-1].weights())
    assert len(store.runs()) == 2
    for run in store.runs():
        weights = [event.weights().tensors["fc.weight"] for event in events]
        assert sum(torch.equal(store.net(run).fc.weight.half(), kept) for kept in weights) == 1


# Files of a newer reslab


def as_newer(path, edit=lambda content: content.update(format="reslab run 2")):
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["sha256"]
    edit(content)
    content["sha256"] = digest({name: value for name, value in content.items() if name != "format"})
    path.write_text(json.dumps(content), encoding="utf-8")
    return path.read_bytes()


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content.update(format="reslab run 2"),
        lambda content: content["spec"].update(squeeze_excitation=True),
        lambda content: content["spec"].update(init="orthogonal"),
        lambda content: content["how"].update(mixup=0.2),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_newer_run_stays_untouched_and_ours_is_kept_beside_it(store, edit, overwrite):
    run = make_run()
    path = store.add(run)
    newer = as_newer(path, edit)
    with pytest.warns(UserWarning, match="passed over: .* was written by a newer reslab, and stays as it is"):
        assert store.runs() == []
    with pytest.warns(UserWarning, match=r"was written by a newer reslab, and stays; this run is in .*\.older\.json"):
        beside = store.add(run, overwrite=overwrite)
    assert path.read_bytes() == newer
    assert Run.load(beside).to_json() == run.to_json()
    with pytest.warns(UserWarning, match="passed over"):
        assert [found.seed for found in store.runs()] == [3]
    as_newer(beside)
    with pytest.warns(UserWarning, match=r"older\.older\.json"):
        store.add(run, overwrite=overwrite)
    assert not [name for name in files(store) if name.endswith(".corrupt")]


def test_newer_checkpoints_and_weights_stay_untouched(store, monkeypatch):
    checkpoint, kept = make_checkpoint(), {}
    checkpoint = replace(checkpoint, run=replace(checkpoint.run, outcome="stopped"))
    run, weights = checkpoint.run, Weights(tensors={"weight": torch.ones(2)}, train_error=0.5, test_error=0.5)
    with monkeypatch.context() as newer:
        newer.setattr("reslab.runs.checkpoint.CHECKPOINT", "reslab checkpoint 2")
        newer.setattr("reslab.runs.checkpoint.WEIGHTS", "reslab weights file 2")
        store.save_checkpoint(checkpoint)
        store.save_weights(run, weights)
        kept = {path: path.read_bytes() for path in store.path.rglob("*.safetensors")}
    assert len(kept) == 2
    assert not store.has_weights(run)
    for _ in range(2):
        store.save_checkpoint(checkpoint)
        store.save_weights(run, weights)
    assert torch.equal(store.weights(run).tensors["weight"], weights.tensors["weight"])
    with pytest.warns(UserWarning, match="passed over: .* was written by a newer reslab"):
        assert [begun.outcome for begun in store.unfinished()] == ["stopped"]
    store.add(replace(run, outcome="finished"))
    assert store.unfinished() == []
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(list(store.path.rglob("*.safetensors"))) == 3  # theirs, and our weights


# Names of files


@pytest.mark.parametrize(
    "name", ["数" * 300, "é" * 300, "🧮" * 300, "a" * 300, "a/../b", "..", "", "con:*?<>|", "a\nb"]
)
def test_any_name_of_a_net_and_a_dataset_makes_a_file(store, name):
    changed = NetSpec(
        depth=47, stem="cifar", block="bottleneck", shortcut="D", order="relu-only-preact", norm="none",
        activation="leaky_relu",
        init="xavier", residual_scale="learned", stochastic_depth=0.123456789, width=4096, widen=64, groups=4096,
    )  # fmt: skip
    for spec in (changed, None):
        run = make_run(name=name, dataset=name, spec=spec, seed=4294967295, outcome="stopped")
        store.save_checkpoint(Checkpoint(run=run, tensors={"model.x": torch.ones(1)}))
        path = store.add(run)
        store.save_weights(run, Weights(tensors={"x": torch.ones(1)}, train_error=0.0, test_error=0.0))
        assert store.has_weights(run)
        assert path.parent.parent == store.path
        assert len(path.name.encode()) <= 255
    assert len(store.runs(seed=4294967295)) == len(store.unfinished()) == 2
    assert {run.name for run in store.runs()} == {name}


def test_datasets_whose_names_look_alike_do_not_share_a_file(store):
    for dataset in ("a b", "a-b", "a/b"):
        store.add(make_run(dataset=dataset, data=None))
    assert {run.dataset for run in store.runs()} == {"a b", "a-b", "a/b"}


# Filters


@pytest.mark.parametrize(
    "depths",
    [
        (8, 20), [8, 20], {8, 20}, frozenset({8, 20}), {8: "a", 20: "b"}, {8: "a", 20: "b"}.keys(),
        {"a": 8, "b": 20}.values(), range(8, 21, 12), (depth for depth in (8, 20)), iter([8, 20]),
        map(int, ["8", "20"]), np.array([8, 20]), pd.Series([8, 20]),
        pd.Index([8, 20]), torch.tensor([8, 20]), (np.int64(8), 20.0), range(8, 10**12, 12),
    ],
    ids=lambda depths: type(depths).__name__,
)  # fmt: skip
def test_a_filter_takes_any_collection(store, depths):
    for depth in (8, 14, 20):
        store.add(make_run(spec=NetSpec(depth=depth)))
    assert [run.spec.depth for run in store.runs(depth=depths, skip=True)] == [8, 20]


@pytest.mark.parametrize("depth", [14, 14.0, np.int64(14), np.array(14), torch.tensor(14)], ids=repr)
def test_a_filter_takes_any_number(store, depth):
    for each in (8, 14):
        store.add(make_run(spec=NetSpec(depth=each)))
    assert [run.spec.depth for run in store.runs(depth=depth)] == [14]


def test_filters_know_lists_none_and_fields_that_are_newer_than_a_run(store):
    store.add(make_run(how={"milestones": [0.5, 0.75]}))
    store.add(make_run(how={"milestones": [0.25]}, spec=None, seed=None))
    for one in ((0.5, 0.75), [0.5, 0.75], [(0.5, 0.75), (0.1,)], np.array([0.5, 0.75])):
        assert [run.seed for run in store.runs(milestones=one)] == [3]
    with pytest.raises(ValueError, match=r"milestones is '0.5'; it must be numbers, such as 0\.5,0\.75\."):
        store.runs(milestones="0.5")
    for none in (pd.NA, [[20, 56]], np.array([[20, 56]]), lambda depth: depth > 20):
        with pytest.raises(ValueError, match=r"depth is .*; it must be a number, or a collection of numbers"):
            store.runs(depth=none)
    assert [run.seed for run in store.runs(seed=None)] == [None]
    assert [run.seed for run in store.runs(depth=None)] == [None]
    assert [run.seed for run in store.runs(depth=())] == []
    assert len(store.runs(capture_first=0, epochs=6)) == 2


def test_a_filter_that_is_no_field_is_refused_with_no_runs_too(store):
    with pytest.raises(ValueError, match=r"a filter is 'dept'; it can be .* Did you mean 'depth'\?"):
        store.runs(dept=20)


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"skip": "no"}, "skip is 'no'; it must be True or False."),
        ({"skip": 2}, "skip is 2; it must be True or False."),
        ({"depth": "20"}, "depth is '20'; it must be a number, without quotes in Python."),
        ({"seed": (0, "1")}, "seed is '1'; it must be a number, without quotes in Python."),
        ({"dataset": 2024}, "dataset is 2024; it must be a text, as '2024'."),
        ({"norm": "bach"}, r"norm is 'bach'; it can be .* Did you mean 'batch'\?"),
        ({"outcome": "diverge"}, r"outcome is 'diverge'; it can be .* Did you mean 'diverged'\?"),
    ],
    ids=str,
)
def test_a_value_that_no_run_can_have_is_refused(store, filters, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        store.runs(**filters)


@pytest.mark.parametrize("skip", [np.True_, 1, np.array(True), torch.tensor(True), [True, None]], ids=repr)
def test_a_filter_takes_any_kind_of_bool(store, skip):
    store.add(make_run(spec=NetSpec(depth=8)))
    assert len(store.runs(skip=skip)) == 1


# Where datasets are


def test_where_a_dataset_is_is_noted_in_the_store_and_in_no_run(store, images):
    run = make_run(data=images.fingerprint)
    assert store.dataset_of(run) is None
    store.remember_dataset(images, "/home/ada/my birds.npz")
    store.remember_dataset(images, "/home/ada/birds.npz")
    assert store.dataset_of(run) == "/home/ada/birds.npz"
    assert store.dataset_of(make_run(data=None)) is None
    assert not re.search("ada", store.add(run).read_text(encoding="utf-8"))
    for damaged in ("{", "[1]", f'{{"{run.data}": ["noted in another way"]}}'):
        (store.path / "datasets.json").write_text(damaged, encoding="utf-8")
        assert store.dataset_of(run) is None
