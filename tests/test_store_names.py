"""`reslab.store`: the file of a run is named by everything that decides its numbers, and found again by it."""

from dataclasses import dataclass, replace

import pytest
from made_runs import HOW, files

from reslab.datasets import digits
from reslab.specs import NetSpec, TrainSpec, setting

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "digits/resnet-8.width4.seed0."),
        ({"seed": 12}, "digits/resnet-8.width4.seed12."),
        ({"spec": NetSpec(depth=8, skip=False), "name": "plain-8"}, "digits/plain-8.seed0."),
        (
            {"spec": NetSpec(depth=8, norm="none", activation="leaky_relu")},
            "digits/resnet-8.normnone.activationleaky_relu.seed0.",
        ),
        ({"spec": None, "seed": None, "name": "MyNet"}, "digits/MyNet."),
        ({"dataset": "../../etc/my cats: \\ ☃"}, "etc-my-cats/resnet-8.width4.seed0."),
        ({"dataset": "..", "name": "/"}, "unnamed/unnamed.width4.seed0."),
        ({"dataset": "x" * 500}, "x" * 60 + "/resnet-8.width4.seed0."),
    ],
)
def test_names_of_files(store, run, changes, name):
    store.add(replace(run, **changes))
    assert files(store)[0].startswith(name)
    assert len(store.runs()) == 1


def test_trainings_that_differ_in_anything_do_not_share_a_file(store, run):
    others = [
        {"seed": 1},
        {"how": run.how | {"lr": 0.01}},
        {"spec": NetSpec(depth=8)},
        {"data": "0" * 16},
        {"dataset": "cifar10"},
    ]
    for changes in [{}, *others]:
        store.add(replace(run, **changes))
    assert len(files(store)) == 6


def test_a_new_field_renames_no_file_while_it_is_what_it_was_before_it_existed(store, run, monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Net(NetSpec):
        wormholes: int = setting(2, "through space", low=0, before=0)

    @dataclass(frozen=True, kw_only=True)
    class Training(TrainSpec):
        warp: float = setting(1.0, "of time", low=0, before=1.0)

    old = store.path_of(run)
    monkeypatch.setattr("reslab.store.names.TrainSpec", Training)
    assert store.path_of(run) == old
    nets = [
        replace(run, spec=Net.from_dict(run.spec.to_dict() | more)) for more in ({}, {"wormholes": 0}, {"wormholes": 2})
    ]
    assert [each.spec.wormholes for each in nets] == [0, 0, 2]
    assert [store.path_of(each) == old for each in nets] == [True, True, False]
    trainings = [replace(run, how=Training.from_dict(run.how | more).to_dict()) for more in ({}, {"warp": 2})]
    assert [store.path_of(each) == old for each in trainings] == [True, False]


def test_find_takes_what_fit_takes_and_nothing_like_it(store, split, run):
    store.add(run)
    assert store.find(run.spec, split, HOW, 0).to_json() == run.to_json()
    assert store.find(run.spec, digits().subset(200, 60), HOW).seed == 0  # the same images, another object
    assert store.find(run.spec, split, HOW, 1) is None
    assert store.find(replace(run.spec, width=5), split, HOW) is None
    assert store.find(replace(run.spec, skip=False), split, HOW) is None
    assert store.find(run.spec, split, replace(HOW, capture_every=0)) is None
    assert store.find(run.spec, digits().subset(199, 60), HOW) is None
    assert store.find(run.spec, replace(split, name="mine"), HOW) is None


def test_a_run_recorded_before_a_field_was_added_is_found_as_one_with_the_default(store, split, run):
    old_how = {name: value for name, value in run.how.items() if name != "label_noise"}
    store.add(replace(run, how=old_how))
    assert store.find(run.spec, split, HOW) is not None
    assert store.find(run.spec, split, replace(HOW, label_noise=0.5)) is None
    store.add(replace(run, how=run.how | {"warp": 9}, seed=1))
    with pytest.warns(UserWarning, match="was written by a newer reslab"):
        assert store.find(run.spec, split, HOW, 1) is None
