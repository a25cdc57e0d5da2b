"""Diverging, stopping, failing and resuming: what a training leaves behind, and that it resumes to the same numbers."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from trainings import (
    DEVICES,
    HOW,
    RESUMABLE,
    Linear,
    assert_one_sentence,
    assert_same_history,
    assert_same_tensors,
    state_of,
)

from reslab.datasets import digits
from reslab.nets import build, replace
from reslab.runs import Checkpoint, Provenance
from reslab.train import TrainSpec, fit, train

# Divergence, stopping, and what is left behind


@pytest.mark.parametrize("log_every", [1, 5])
def test_divergence_is_a_state_with_its_history_and_no_exception(split, spec, log_every):
    net = build(replace(spec, norm="none"))
    how = replace(HOW, lr=1e6, schedule="constant", epochs=20, log_every=log_every, capture_every=2)
    events = list(train(net, split, how))
    assert [event.state for event in events] == ["running"] * (len(events) - 1) + ["diverged"]
    last, run = events[-1], events[-1].run()
    assert not math.isfinite(last.loss)
    assert math.isnan(last.test_error)
    assert last.step < last.steps
    assert (run.outcome, len(run.history)) == ("diverged", len(events))
    assert math.isnan(run.final_train_error)
    assert run.history["step"].tolist() == [event.step for event in events]
    assert all(math.isfinite(event.loss) for event in events[:-1])
    assert len(run.layers)


def test_divergence_at_the_very_last_step_is_divergence_too(split):
    events = list(train(Linear(), split, replace(HOW, epochs=1e-6)))
    assert events[0].state == "finished"
    model = Linear()
    nn.init.constant_(model.weight, math.inf)
    (event,) = train(model, split, replace(HOW, epochs=1e-6))
    assert (event.state, event.step, event.steps) == ("diverged", 1, 1)
    assert math.isnan(event.run().final_train_error)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_threads_are_few_inside_a_small_step_and_as_before_outside(split, spec):
    net, inside = build(spec), []
    handle = net.register_forward_pre_hook(lambda *_: inside.append(torch.get_num_threads()))
    for event in train(net, split, HOW, device="cpu"):
        assert torch.get_num_threads() == 3
        assert event.run().provenance.threads == 1
    assert torch.get_num_threads() == 3
    assert set(inside) == {1}
    handle.remove()


@pytest.mark.usefixtures("three_threads")
def test_large_steps_have_all_threads():
    large = digits().subset(1024, 10)
    event = next(train(Linear(), large, TrainSpec(batch_size=1024), device="cpu"))
    assert event.run().provenance.threads == 3
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_generator_closed_early_leaves_nothing_behind(split, spec):
    net = build(spec)
    events = train(net, split, replace(HOW, capture_every=1))
    event = [next(events) for _ in range(3)][-1]
    events.close()
    assert torch.get_num_threads() == 3
    assert list(events) == []
    for module in net.modules():
        assert not {**module._forward_hooks, **module._forward_pre_hooks, **module._backward_hooks}
    run = event.run()
    assert (run.outcome, len(run.history)) == ("stopped", 3)
    assert math.isnan(run.final_train_error)
    assert run.layers["step"].unique().tolist() == [1, 2, 3]


@pytest.mark.usefixtures("three_threads")
def test_an_exception_in_a_step_surfaces_and_leaves_nothing_behind(split, spec):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    net = build(spec)
    events = train(net, split, replace(HOW, capture_every=1))
    next(events)
    handle = net.fc.register_forward_pre_hook(interrupt)
    with pytest.raises(Interrupted):
        next(events)
    handle.remove()
    assert torch.get_num_threads() == 3
    for module in net.modules():
        assert not {**module._forward_hooks, **module._forward_pre_hooks, **module._backward_hooks}


# Resuming


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("stop", "log_every"), [(1, 1), (4, 1), (6, 1), (9, 1), (12, 1), (17, 1), (10, 5), (14, 7)])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_resumed_training_has_the_same_numbers_to_the_bit(split, spec, tmp_path, stop, log_every, momentum, device):
    how = replace(RESUMABLE, log_every=log_every, momentum=momentum, deterministic=True)
    whole = build(spec, seed=2)
    file = tmp_path / "part.safetensors"
    for uninterrupted in train(whole, split, how, device=device):
        if uninterrupted.step == stop:
            uninterrupted.checkpoint().save(file)
            event = uninterrupted
    net = build(spec, seed=99)  # its weights come from the checkpoint, and so does its seed
    resumed = list(train(net, split, how, device=device, resume=Checkpoint.load(file)))
    assert resumed[0].step == min(stop + log_every, 18)
    assert_same_tensors(net.state_dict(), whole.state_dict())
    assert_same_tensors(resumed[-1].checkpoint().tensors, uninterrupted.checkpoint().tensors)
    assert_same_history(resumed[-1].run(), uninterrupted.run())
    assert any(name.startswith("momentum.") for name in uninterrupted.checkpoint().tensors) == (momentum > 0)
    assert resumed[0].seconds > event.seconds


def test_a_checkpoint_in_memory_is_not_moved_by_the_training_that_goes_on(split, spec):
    events = train(build(spec), split, RESUMABLE)
    checkpoint = [next(events) for _ in range(4)][-1].checkpoint()
    *_, end = events
    for _ in range(2):  # and a resumed training does not move it either
        *_, resumed = train(build(spec), split, RESUMABLE, resume=checkpoint)
        assert_same_tensors(resumed.checkpoint().tensors, end.checkpoint().tensors)
        assert_same_history(resumed.run(), end.run())


def test_the_run_of_a_resumed_training_names_both_machines(split, spec):
    *_, end = train(build(spec), split, HOW)
    part = next(train(build(spec), split, HOW)).checkpoint()
    there = replace(end.run().provenance, machine="another machine", torch="2.11.0")
    part, whole = (replace(some, run=replace(some.run, provenance=there)) for some in (part, end.checkpoint()))
    here = Provenance.here()
    run = fit(spec, split, HOW, resume=part, progress=False)
    assert run.provenance.machine == f"another machine, then {here.machine}"
    assert run.provenance.torch == f"2.11.0, then {here.torch}"
    assert fit(spec, split, HOW, resume=whole, progress=False).provenance == there  # no step was taken here


def test_a_training_that_has_ended_gives_no_more_events_and_fit_its_run(split, spec):
    *_, end = train(build(spec), split, HOW)
    checkpoint = end.checkpoint()
    net = build(spec, seed=5)
    assert list(train(net, split, HOW, resume=checkpoint)) == []
    assert_same_tensors(
        net.state_dict(), {name[6:]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
    )
    run = fit(spec, split, HOW, resume=checkpoint, progress=False)
    assert_same_history(run, checkpoint.run)
    assert run.outcome == "finished"


def test_fit_resumes(split, spec):
    *_, end = train(build(spec, seed=4), split, HOW)
    part = next(train(build(spec, seed=4), split, HOW)).checkpoint()
    assert_same_history(fit(spec, split, HOW, resume=part, progress=False), end.run())


def test_a_checkpoint_from_before_a_field_was_there_resumes(split, spec):
    *_, end = train(build(spec), split, HOW)
    part = next(train(build(spec), split, HOW)).checkpoint()
    older = {
        name: value
        for name, value in part.run.how.items()
        if name not in ("augment", "precision", "compile", "deterministic")
    }
    older = dataclasses.replace(part, run=dataclasses.replace(part.run, how=older))
    *_, resumed = train(build(spec), split, HOW, resume=older)
    assert_same_tensors(resumed.checkpoint().tensors, end.checkpoint().tensors)
    with pytest.raises(ValueError, match="another TrainSpec;"):
        train(build(spec), split, replace(HOW, augment="crop-flip"), resume=older)


@pytest.mark.parametrize(
    ("net", "data", "how", "says"),
    [
        ({"depth": 14}, {}, {}, "net"),
        ({"skip": False}, {}, {}, "net"),  # whose weights would fit
        ({"width": 8}, {}, {}, "net"),
        ({}, {}, {"lr": 0.2}, "TrainSpec"),
        ({}, {}, {"epochs": 4}, "TrainSpec"),
        ({}, {"name": "letters"}, {}, "dataset"),
        ({}, {"n_train": 100}, {}, "dataset"),  # of the same name
        ({}, {"y_train": torch.arange(200) % 10}, {}, "dataset"),  # as large, and of the same name
        ({"init": "torch"}, {"name": "letters"}, {"label_noise": 0.0}, "net and another dataset and another TrainSpec"),
    ],
)
def test_resuming_with_something_else_is_refused_and_touches_nothing(split, spec, net, data, how, says):
    checkpoint = next(train(build(spec), split, RESUMABLE)).checkpoint()
    net = build(replace(spec, **net), seed=7).eval()
    data = split.subset(**data) if "n_train" in data else dataclasses.replace(split, **data)
    before = state_of(net)
    with pytest.raises(ValueError, match=f"resnet-8 on digits, has another {says}; resume with") as error:
        train(net, data, replace(RESUMABLE, **how), resume=checkpoint)
    assert_one_sentence(error)
    assert_same_tensors(net.state_dict(), before)
    assert not net.training
    assert net.seed == 7


def test_a_persons_own_model_resumes_and_another_is_refused_before_any_weight_is_taken(split):
    def own(hidden):
        torch.manual_seed(hidden)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, hidden), nn.Linear(hidden, 10))

    *_, end = train(own(12), split, HOW)
    events = train(own(12), split, HOW)
    checkpoint = [next(events) for _ in range(5)][-1].checkpoint()
    *_, resumed = train(own(12), split, HOW, resume=checkpoint)
    assert_same_tensors(resumed.checkpoint().tensors, end.checkpoint().tensors)
    stranger = own(13)  # its first layer would fit
    before = state_of(stranger)
    with pytest.raises(ValueError, match="another net;"):
        train(stranger, split, HOW, resume=checkpoint)
    assert_same_tensors(stranger.state_dict(), before)
