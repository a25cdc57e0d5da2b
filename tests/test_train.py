"""`reslab.train`: a step is PyTorch's own, an event says what happened, and stopping, resuming and failing leave nothing behind."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reslab.datasets import digits
from reslab.nets import Block, NetSpec, build, replace
from reslab.runs import Checkpoint, Run
from reslab.train import TrainSpec, evaluate, fit, pick_device, train

HOW = TrainSpec(epochs=2, batch_size=32, lr=0.1)  # on 200 images: 6 steps an epoch, 12 in all, and 8 images left over each time


@pytest.fixture(scope="module")
def split():
    return digits().subset(200, 60)


@pytest.fixture
def spec(split):
    return NetSpec(depth=8, width=4, **split.shape)


@pytest.fixture
def shown(split, monkeypatch):
    """A list that fills with what each step of `train` sees: (indices of its images, its labels)."""
    everything, _ = split.batch(slice(None))
    place = {image.numpy().tobytes(): i for i, image in enumerate(everything)}  # the digits are all different
    steps, last, loss = [], None, F.cross_entropy

    def watch(_module, inputs):
        nonlocal last
        x = inputs[0]
        if torch.is_grad_enabled() and x.shape[1:] == everything.shape[1:] and x is not last:  # a stem is given the same x as its net
            last = x
            steps.append([place[image.numpy().tobytes()] for image in x])

    def watched_loss(logits, labels):
        steps[-1] = (steps[-1], labels.tolist())
        return loss(logits, labels)

    handle = nn.modules.module.register_module_forward_pre_hook(watch)
    monkeypatch.setattr(F, "cross_entropy", watched_loss)
    yield steps
    handle.remove()


class Linear(nn.Module):
    """A person's own model, in one module, so that a forward pass of it is one call."""

    def __init__(self, inputs=64, outputs=10):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_tensors(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def assert_same_history(ours, theirs):
    pd.testing.assert_frame_equal(ours.history.drop(columns="seconds"), theirs.history.drop(columns="seconds"), check_exact=True)
    pd.testing.assert_frame_equal(ours.layers, theirs.layers, check_exact=True)
    assert (ours.outcome, ours.seed, ours.parameters) == (theirs.outcome, theirs.seed, theirs.parameters)
    assert ours.final_train_error == theirs.final_train_error or math.isnan(ours.final_train_error + theirs.final_train_error)


def assert_one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert len(message) < 250


# TrainSpec


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr": math.nan}, "lr is nan; it must be a finite number above 0"),
        ({"lr": 0}, "above 0"),
        ({"lr": -0.1}, "above 0"),
        ({"lr": math.inf}, "finite"),
        ({"lr": "0.1"}, "lr is '0.1'; it must be a number"),
        ({"lr": None}, "lr is None"),
        ({"lr": True}, "lr is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": -1}, "epochs is -1"),
        ({"epochs": math.inf}, "epochs is inf"),
        ({"epochs": 1e300}, "epochs is 1e\\+300"),
        ({"momentum": 1.01}, "at most 1"),
        ({"momentum": -0.1}, "at least 0"),
        ({"weight_decay": -1e-4}, "at least 0"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"label_noise": 1.1}, "label_noise is 1.1; .* at most 1"),
        ({"label_noise": -0.1}, "at least 0"),
        ({"schedule": "one_cycle"}, "'one-cycle', 'step', 'constant'. Did you mean 'one-cycle'?"),
        ({"schedule": "steps"}, "Did you mean 'step'?"),
        ({"schedule": None}, "schedule is None"),
        ({"schedule": ["step"]}, "schedule is"),
        ({"milestones": (0.5, 1.5)}, "a milestone is 1.5; .* at most 1"),
        ({"milestones": (-0.1,)}, "a milestone is -0.1"),
        ({"milestones": (math.nan,)}, "a milestone is nan"),
        ({"milestones": 0.5}, "milestones is 0.5; it must be a sequence"),
        ({"milestones": None}, "milestones is None; it must be a sequence"),
        ({"milestones": "0.5"}, "a milestone is '0'"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"batch_size": True}, "batch_size is True; it must be a whole number"),
        ({"batch_size": 128.0}, "batch_size is 128.0; it must be a whole number"),
        ({"warmup": -1}, "warmup is -1"),
        ({"log_every": 0}, "log_every is 0"),
        ({"log_every": False}, "log_every is False"),
        ({"test_every": 0}, "test_every is 0"),
        ({"capture_every": -1}, "capture_every is -1"),
        ({"capture_every": "1"}, "capture_every is '1'"),
        ({"data_seed": -1}, "data_seed is -1"),
        ({"data_seed": 2**64}, "data_seed is 18446744073709551616"),
        ({"label_seed": 2**64}, "label_seed is 18446744073709551616"),
        ({"label_seed": 0.5}, "label_seed is 0.5"),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(change, says):
    with pytest.raises(ValueError, match=says) as error:
        TrainSpec(**change)
    assert_one_sentence(error)
    with pytest.raises(ValueError, match=says):  # the way an explorer or a person changes one
        replace(HOW, **change)


def test_a_field_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"Did you mean 'momentum'\?"):
        replace(HOW, momentun=0.5)


def test_a_spec_is_plain_values_whatever_numbers_it_was_made_of():
    milestones = iter([np.float64(0.5), 0.75])
    made = TrainSpec(epochs=np.int64(6), batch_size=np.int64(128), lr=np.float64(0.5), milestones=milestones, data_seed=np.uint8(3))
    plain = TrainSpec(epochs=6, lr=0.5, data_seed=3)
    assert made == plain
    assert hash(made) == hash(plain)
    values = made.to_dict()
    assert {type(value) for value in values.values()} <= {int, float, str, list}
    assert TrainSpec(**values) == made
    assert TrainSpec(milestones=[0.25]).milestones == (0.25,)


@pytest.mark.parametrize(
    ("epochs", "batch_size", "images", "expected"),
    [
        (6, 128, 1400, (10, 60)),
        (6, 1400, 1400, (1, 6)),
        (2, 32, 200, (6, 12)),
        (0.5, 128, 1400, (10, 5)),
        (1.25, 100, 1000, (10, 12)),  # 12.5 steps: half to even
        (1e-6, 128, 1400, (10, 1)),
        (164, 128, 50_000, (390, 63_960)),  # the paper's 64k, nearly
    ],
)
def test_steps_of_an_epoch_and_in_all(epochs, batch_size, images, expected):
    assert TrainSpec(epochs=epochs, batch_size=batch_size).steps(images) == expected


def test_one_cycle_rises_for_three_tenths_and_falls_to_nearly_nothing():
    how = TrainSpec(lr=0.2)
    assert how.learning_rate(1, 1000) == pytest.approx(0.2 * 0.0005 / 0.3)
    assert how.learning_rate(150, 1000) == pytest.approx(0.2 * 0.1495 / 0.3)
    assert how.learning_rate(300, 1000) == pytest.approx(0.2, rel=0.01)
    assert how.learning_rate(650, 1000) == pytest.approx(0.2 * (0.5 + 0.5 * math.cos(math.pi * 0.3495 / 0.7)))
    assert 0 < how.learning_rate(1000, 1000) < 1e-6
    rates = [how.learning_rate(step, 60) for step in range(1, 61)]
    top = rates.index(max(rates))
    assert top in (17, 18)
    assert rates == sorted(rates[: top + 1]) + sorted(rates[top + 1 :], reverse=True)


@given(steps=st.integers(1, 2000), part=st.floats(0, 1), lr=st.floats(1e-6, 10), warmup=st.integers(0, 50))
@settings(max_examples=200, deadline=None, database=None)
def test_one_cycle_is_never_zero_and_never_above_lr(steps, part, lr, warmup):
    step = 1 + round(part * (steps - 1))
    assert 0 < TrainSpec(lr=lr, warmup=warmup).learning_rate(step, steps) <= lr


def test_the_step_schedule_falls_tenfold_after_each_milestone_and_constant_never():
    how = TrainSpec(schedule="step", lr=1.0, milestones=(0.75, 0.5))  # in any order
    rates = [how.learning_rate(step, 100) for step in range(1, 101)]
    assert rates == [1.0] * 50 + [0.1] * 25 + [0.01] * 25
    assert {TrainSpec(schedule="constant", lr=0.3).learning_rate(step, 7) for step in range(1, 8)} == {0.3}
    assert {TrainSpec(schedule="step", lr=0.3, milestones=()).learning_rate(step, 7) for step in range(1, 8)} == {0.3}


@pytest.mark.parametrize("schedule", ["one-cycle", "step", "constant"])
def test_warm_up_is_a_tenth_of_lr_for_its_steps_and_then_the_schedule_as_if_there_had_been_none(schedule):
    plain, warmed = TrainSpec(schedule=schedule), TrainSpec(schedule=schedule, warmup=3)
    assert [warmed.learning_rate(step, 20) for step in (1, 2, 3)] == [plain.lr / 10] * 3
    assert [warmed.learning_rate(step, 20) for step in range(4, 21)] == [plain.learning_rate(step, 20) for step in range(4, 21)]


# A step is PyTorch's own


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        replace(HOW, schedule="step", weight_decay=0.01, warmup=2),
        replace(HOW, schedule="constant", lr=0.02, momentum=0.0),
        replace(HOW, label_noise=0.5),
    ],
    ids=["one-cycle", "step", "no momentum", "label noise"],
)
@pytest.mark.parametrize("skip", [True, False])
def test_training_equals_a_textbook_loop(split, spec, shown, how, skip):
    """The reference: plain SGD, one tensor at a time, in PyTorch's usual memory format, with numbers brought home at every step."""
    spec = replace(spec, skip=skip)
    net, reference = build(spec, seed=3), build(spec, seed=3)
    events = list(train(net, split, how, device="cpu"))
    seen = list(shown)  # the reference will add its own
    optimizer = torch.optim.SGD(reference.parameters(), 1.0, how.momentum, weight_decay=how.weight_decay, fused=False, foreach=False)
    x, _ = split.batch(slice(None))
    assert len(events) == len(seen) == 12
    for event, (index, labels) in zip(events, seen, strict=True):
        reference.train()
        optimizer.param_groups[0]["lr"] = event.lr
        logits = reference(x[index])
        loss = F.cross_entropy(logits, torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert event.loss == pytest.approx(loss.item(), rel=1e-4)
        assert event.train_error == (logits.argmax(1) != torch.tensor(labels)).sum().item() / 32
        if event.step in (6, 12):
            reference.eval()
            with torch.no_grad():
                x_test, y_test = split.batch(slice(None), "test")
                assert event.test_error == (reference(x_test).argmax(1) != y_test).sum().item() / 60
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, reference.state_dict()[name], rtol=1e-3, atol=1e-5, msg=name)


def test_events_say_where_the_training_is(split, spec):
    events = list(train(build(spec), split, HOW))
    assert [event.step for event in events] == list(range(1, 13))
    assert {event.steps for event in events} == {12}
    assert [event.state for event in events] == ["running"] * 11 + ["finished"]
    assert [event.epoch for event in events] == [step / 6 for step in range(1, 13)]
    assert [event.lr for event in events] == [HOW.learning_rate(step, 12) for step in range(1, 13)]
    assert [event.step for event in events if not math.isnan(event.test_error)] == [6, 12]
    assert all(earlier.seconds < later.seconds for earlier, later in pairwise(events))
    assert all(event.layers is None for event in events)


@pytest.mark.parametrize("schedule", ["step", "constant", "one-cycle"])
def test_the_optimizer_takes_the_learning_rate_that_the_event_names(split, schedule):
    """With no momentum, the weights move by lr times the gradient: the lr can be read off them."""
    model, how = Linear(), replace(HOW, schedule=schedule, warmup=2, momentum=0.0, weight_decay=0.0)
    before = model.weight.detach().clone()
    for event in train(model, split, how):
        moved = before - model.weight.detach()
        assert (moved.norm() / model.weight.grad.norm()).item() == pytest.approx(how.learning_rate(event.step, 12), rel=1e-4)
        before = model.weight.detach().clone()


def test_each_epoch_shows_the_images_in_another_order_and_none_twice(split, shown):
    list(train(Linear(), split, HOW))
    epochs = [[i for index, _ in shown[first : first + 6] for i in index] for first in (0, 6)]
    for order in epochs:
        assert len(order) == len(set(order)) == 192
        assert order != sorted(order)
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) != set(epochs[1])  # so the images left over are not always the same
    y = split.y_train.tolist()
    assert all(labels == [y[i] for i in index] for index, labels in shown)


def test_the_order_is_decided_by_the_data_seed_alone(split, spec, shown):
    def order(how, model=None):
        shown.clear()
        list(train(model or Linear(), split, how))
        return [index for index, _ in shown]

    torch.manual_seed(1)
    first = order(HOW)
    torch.manual_seed(2)
    assert order(replace(HOW, label_noise=0.5, label_seed=9, log_every=5, lr=0.01), build(spec, seed=8)) == first
    assert order(replace(HOW, data_seed=1)) != first
    assert order(replace(HOW, epochs=3))[:12] == first


def test_training_neither_reads_nor_moves_the_global_random_state(split, spec):
    how = replace(HOW, label_noise=0.3, capture_every=4)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    one = fit(spec, split, how, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert_same_history(fit(spec, split, how, progress=False), one)


# Label noise


def noisy_labels(split, shown, **noise):
    """The labels that a training saw, by image, over enough epochs to see every one."""
    shown.clear()
    list(train(Linear(), split, TrainSpec(epochs=8, batch_size=32, log_every=100, **noise)))
    seen = {}
    for index, labels in shown:
        for i, label in zip(index, labels, strict=True):
            assert seen.setdefault(i, label) == label  # an image keeps its label, right or wrong
    assert len(seen) == len(split.y_train)
    return torch.tensor([seen[i] for i in range(len(seen))])


@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0])
def test_label_noise_replaces_about_the_asked_fraction(split, shown, noise):
    before = split.y_train.clone()
    labels = noisy_labels(split, shown, label_noise=noise, label_seed=4)
    changed = (labels != split.y_train).float().mean().item()
    assert changed == pytest.approx(0.9 * noise, abs=0.1)  # a tenth of the random labels are right by chance
    assert torch.equal(split.y_train, before)
    assert labels.min() >= 0
    assert labels.max() <= 9


def test_label_noise_is_decided_by_its_seed(split, shown):
    one = noisy_labels(split, shown, label_noise=0.5, label_seed=4)
    assert torch.equal(noisy_labels(split, shown, label_noise=0.5, label_seed=4, data_seed=7), one)
    assert not torch.equal(noisy_labels(split, shown, label_noise=0.5, label_seed=5), one)
    assert torch.equal(noisy_labels(split, shown, label_seed=5), split.y_train)


def test_training_errors_count_by_the_labels_trained_on_and_test_errors_by_the_true_ones(split, shown):
    model = Linear()
    *_, last = train(model, split, TrainSpec(epochs=8, batch_size=32, log_every=100, label_noise=0.5))
    given = {i: label for index, labels in shown for i, label in zip(index, labels, strict=True)}
    labels = torch.tensor([given[i] for i in range(200)])
    x, y = split.batch(slice(None))
    predicted = model(x).argmax(1)
    assert last.run().final_train_error == (predicted != labels).sum().item() / 200
    assert last.run().final_train_error != (predicted != y).sum().item() / 200
    assert last.test_error == evaluate(model, split, "test")


# Logging, testing and capture


@pytest.mark.parametrize("log_every", [5, 6, 100])
def test_seldom_events_change_no_weight_and_are_means_of_those_they_stand_for(split, spec, log_every):
    each, seldom = build(spec), build(spec)
    events = list(train(each, split, HOW))
    rare = list(train(seldom, split, replace(HOW, log_every=log_every)))
    assert_same_tensors(each.state_dict(), seldom.state_dict())
    assert [event.step for event in rare] == sorted({*range(log_every, 13, log_every), 12})
    first = 0
    for event in rare:
        since = events[first : event.step]
        assert event.loss == pytest.approx(sum(e.loss for e in since) / len(since), rel=1e-12)
        assert event.train_error == pytest.approx(sum(e.train_error for e in since) / len(since), abs=1e-12)
        first = event.step
    assert rare[-1].test_error == events[-1].test_error


@pytest.mark.parametrize(
    ("how", "tested"),
    [
        (replace(HOW, test_every=2, epochs=5), [12, 24, 30]),
        (replace(HOW, test_every=100), [12]),
        (replace(HOW, epochs=0.5), [3]),
        (replace(HOW, log_every=4), [8, 12]),  # the epoch's end, at 6, is no event: the next one tells
        (replace(HOW, log_every=5, epochs=4), [10, 15, 20, 24]),
        (replace(HOW, log_every=9, epochs=4), [9, 18, 24]),
    ],
)
def test_test_errors_come_every_few_epochs_and_at_the_end_whatever_is_logged(split, how, tested):
    *_, last = train(Linear(), split, how)
    run = last.run()
    assert run.history.loc[run.history["test_error"].notna(), "step"].tolist() == tested


@pytest.mark.parametrize(("capture_every", "log_every"), [(1, 1), (3, 1), (3, 7), (5, 2), (4, 100), (100, 1)])
def test_captures_come_at_the_first_step_and_every_so_many_and_none_is_lost(split, spec, capture_every, log_every):
    net = build(spec)
    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)]
    events = list(train(net, split, replace(HOW, capture_every=capture_every, log_every=log_every)))
    expected = list(range(1, 13, capture_every))
    layers = events[-1].run().layers
    assert layers["step"].unique().tolist() == expected
    assert layers.groupby("step")["module"].apply(list).tolist() == [blocks] * len(expected)
    assert layers["index"].tolist() == [1, 2, 3] * len(expected)
    assert np.isfinite(layers["gradient_rms"]).all()
    pd.testing.assert_frame_equal(pd.concat([event.layers for event in events if event.layers is not None], ignore_index=True), layers)
    for event in events:  # an event has the captures since the one before
        due = [step for step in expected if event.step - log_every < step <= event.step]
        if event.step % log_every == 0:
            assert ([] if event.layers is None else event.layers["step"].unique().tolist()) == due


def test_capture_changes_no_weight_and_sees_the_numbers_of_that_very_step(split, spec):
    watched, unwatched = build(spec), build(spec)
    run = fit(spec, split, replace(HOW, capture_every=2), progress=False)
    list(train(watched, split, replace(HOW, capture_every=2)))
    list(train(unwatched, split, HOW))
    assert_same_tensors(watched.state_dict(), unwatched.state_dict())

    twin, seen = build(spec), [math.nan]  # the first block's output at each step from 1, by a hook of our own
    handle = twin.stage1.block1.register_forward_hook(lambda m, i, out: seen.append(out.square().mean().sqrt().item()))
    for _ in zip(range(5), train(twin, split, HOW), strict=False):
        pass
    handle.remove()
    first = run.layers[run.layers["index"] == 1].set_index("step")["activation_rms"]
    assert [first[step] for step in (1, 3, 5)] == pytest.approx([seen[step] for step in (1, 3, 5)], rel=1e-5)


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


RESUMABLE = replace(HOW, epochs=3, capture_every=3, label_noise=0.1, warmup=2)  # 18 steps, 6 an epoch


@pytest.mark.parametrize(("stop", "log_every"), [(1, 1), (4, 1), (6, 1), (9, 1), (12, 1), (17, 1), (10, 5), (14, 7)])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_resumed_training_has_the_same_numbers_to_the_bit(split, spec, tmp_path, stop, log_every, momentum):
    how = replace(RESUMABLE, log_every=log_every, momentum=momentum)
    whole = build(spec, seed=2)
    *_, uninterrupted = train(whole, split, how)

    file = tmp_path / "part.safetensors"
    events = train(build(spec, seed=2), split, how)
    for event in events:
        if event.step == stop:
            event.checkpoint().save(file)
            break
    events.close()
    net = build(spec, seed=99)  # its weights come from the checkpoint, and so does its seed
    resumed = list(train(net, split, how, resume=Checkpoint.load(file)))
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


def test_a_training_that_has_ended_gives_no_more_events_and_fit_its_run(split, spec):
    *_, end = train(build(spec), split, HOW)
    checkpoint = end.checkpoint()
    net = build(spec, seed=5)
    assert list(train(net, split, HOW, resume=checkpoint)) == []
    assert_same_tensors(net.state_dict(), {name[6:]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("model.")})
    run = fit(spec, split, HOW, resume=checkpoint, progress=False)
    assert_same_history(run, checkpoint.run)
    assert run.outcome == "finished"


def test_fit_resumes(split, spec):
    *_, end = train(build(spec, seed=4), split, HOW)
    part = next(train(build(spec, seed=4), split, HOW)).checkpoint()
    assert_same_history(fit(spec, split, HOW, resume=part, progress=False), end.run())


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


# Bad arguments, at the call


def test_a_split_that_the_net_was_not_made_for_is_refused_naming_both():
    net = build(NetSpec(depth=8, width=4, classes=100))
    before = state_of(net)
    has, gives = "in_channels 3, image_size 32, classes 100", "in_channels 1, image_size 8, classes 10"
    with pytest.raises(ValueError, match=f"the net has {has}, and digits gives {gives};") as error:
        train(net, digits())
    assert_one_sentence(error)
    assert_same_tensors(net.state_dict(), before)


def test_a_batch_larger_than_the_split_is_refused(split, spec):
    with pytest.raises(ValueError, match="batch_size is 201, and digits has 200 training images; take at most those"):
        train(build(spec), split, TrainSpec(batch_size=201))
    assert next(train(build(spec), split, TrainSpec(batch_size=200))).epoch == 1


def test_devices_are_named_and_those_not_there_refused(split, spec, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device().type == pick_device("cpu").type == "cpu"
    assert pick_device(torch.device("cpu")) == torch.device("cpu")
    for device in ("cuda", "cuda:1", "mps", torch.device("cuda")):
        with pytest.raises(ValueError, match="this machine has none; device='auto'") as error:
            train(build(spec), split, HOW, device=device)
        assert_one_sentence(error)
    with pytest.raises(ValueError, match=r"device is 'cdua'; .* Did you mean 'cuda'\?"):
        fit(spec, split, HOW, device="cdua")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == pick_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda spec, net, split: (spec, split, HOW), "model must be a Module, not NetSpec"),
        (lambda spec, net, split: (net, split.x_train, HOW), "split must be a Split, not Tensor"),
        (lambda spec, net, split: (net, split, {"lr": 0.1}), "how must be a TrainSpec, not dict"),
        (lambda spec, net, split: (net, split, spec), "how must be a TrainSpec, not NetSpec"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused_in_one_sentence(split, spec, arguments, says):
    with pytest.raises(TypeError, match=says) as error:
        train(*arguments(spec, build(spec), split))
    assert_one_sentence(error)


def test_what_is_no_checkpoint_is_not_resumed_from(split, spec):
    run = next(train(build(spec), split, HOW)).run()
    for wrong in ("part.safetensors", run):
        with pytest.raises(TypeError, match=r"resume must be a Checkpoint, not (str|Run); Checkpoint\.load"):
            train(build(spec), split, HOW, resume=wrong)


# A person's own model


class Own(nn.Module):
    """As in many a tutorial: with .view, which takes only PyTorch's usual layout, with dropout, and with a layer used now and then."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 8 * 8, 10)
        self.sometimes = nn.Linear(10, 10)
        self.frozen = nn.Parameter(torch.ones(10), requires_grad=False)
        self.spec, self.seed = "mine", torch.tensor(1)  # names that mean nothing here
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        x = self.norm(self.conv(x)).relu_()
        x = F.dropout(x, 0.1, self.training)
        x = self.fc(x.view(len(x), -1)) * self.frozen
        return x + self.sometimes(x) if self.passes % 3 == 0 else x


@pytest.mark.parametrize("channels", [1, 3])
def test_a_persons_own_model_trains(split, channels, tmp_path):
    if channels == 3:
        parts = {name: getattr(split, name).expand(-1, 3, -1, -1).contiguous() for name in ("x_train", "x_test")}
        split = dataclasses.replace(split, **parts, mean=(), std=(), name="colour")
    torch.manual_seed(0)
    *_, last = train(Own(channels), split, replace(HOW, epochs=4, capture_every=5))
    run = last.run()
    assert (run.name, run.spec, run.seed, run.outcome) == ("Own", None, None, "finished")
    assert run.final_train_error < 0.3  # chance is 0.9
    assert run.layers["module"].unique().tolist()[:2] == ["conv", "norm"]
    run.save(tmp_path / "own.json")
    assert Run.load(tmp_path / "own.json").name == "Own"


def test_the_plainest_model_trains(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    *_, last = train(model, split, replace(HOW, epochs=4))
    assert last.run().parameters == 650
    assert last.loss < 0.5  # ln 10 = 2.3 before


class Returns(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what, self.norm, self.fc = what, nn.BatchNorm2d(1), nn.Linear(64, 10)

    def forward(self, x):
        return self.what(self.fc(self.norm(x).flatten(1)))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda logits: logits[:, :5], r"makes \(2, 5\) of images \(2, 1, 8, 8\); it must return logits, \(2, 10\)"),
        (lambda logits: logits[:, :, None, None], r"makes \(2, 10, 1, 1\)"),
        (lambda logits: logits.mean(0, keepdim=True), r"makes \(1, 10\)"),
        (lambda logits: logits.sum(), r"makes \(\)"),
        (lambda logits: (logits, logits), "makes a tuple"),
        (lambda logits: {"logits": logits}, "makes a dict"),
        (lambda logits: None, "makes a NoneType"),
        (lambda logits: logits @ torch.ones(3, 10), r"does not take images \(2, 1, 8, 8\): .*mat1 and mat2 shapes cannot be multiplied"),
        (lambda logits: logits.view(7, 3), r"does not take images"),
    ],
)
def test_a_model_that_makes_no_logits_is_refused_at_the_call_and_left_as_it_was(split, what, says):
    model = Returns(what)
    before = state_of(model)
    with pytest.raises(ValueError, match=f"Returns {says}") as error:
        train(model, split, HOW)
    assert_one_sentence(error)
    assert_same_tensors(model.state_dict(), before)  # the running statistics of the norm too
    assert all(module.training for module in model.modules())


# evaluate and fit


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("batch_size", [512, 23, 20])
def test_evaluate_is_the_error_by_hand(split, spec, part, batch_size):
    net = build(spec)
    list(train(net, split, replace(HOW, epochs=0.5)))
    before = state_of(net)
    error = evaluate(net, split, part, batch_size=batch_size)
    assert_same_tensors(net.state_dict(), before)
    wrong = 0
    net.eval()
    with torch.no_grad():
        x, y = split.batch(slice(None), part)
        wrong = sum(int(logits.argmax()) != label for logits, label in zip(net(x), y.tolist(), strict=True))
    assert error == wrong / len(y)
    assert 0 < error < 1


def test_evaluate_puts_back_every_modules_own_mode(split, spec):
    net = build(spec)
    net.stage2.eval()  # as one who fine-tunes with fixed statistics
    modes = [module.training for module in net.modules()]
    assert len(set(modes)) == 2
    evaluate(net, split)
    assert [module.training for module in net.modules()] == modes
    with pytest.raises(ValueError, match=r"Did you mean 'test'\?"):
        evaluate(net, split, "tset")
    assert [module.training for module in net.modules()] == modes
    net.eval()
    evaluate(net, split)
    assert not any(module.training for module in net.modules())
    assert torch.is_grad_enabled()


def test_a_model_evaluated_first_can_still_be_trained(split):
    class Keeps(Linear):
        kept = None

        def forward(self, x):
            if self.kept is None:
                self.kept = torch.ones(64)  # as attention keeps its mask
            return (x.flatten(1) * self.kept * self.weight.mean().exp()) @ self.weight.T

    model = Keeps()
    fresh = digits().subset(200, 60)
    evaluate(model, fresh)
    *_, last = train(model, fresh, HOW)
    assert last.state == "finished"


def test_fit_returns_the_run_and_a_rerun_is_identical_but_for_the_time(split, spec):
    one, again = (fit(spec, split, RESUMABLE, seed=3, progress=False) for _ in range(2))
    assert isinstance(one, Run)
    assert (one.name, one.spec, one.how, one.dataset, one.seed) == ("resnet-8", spec, RESUMABLE.to_dict(), "digits", 3)
    assert one.outcome == "finished"
    assert one.parameters == sum(parameter.numel() for parameter in build(spec).parameters())
    assert one.history.columns.tolist() == ["step", "epoch", "lr", "loss", "train_error", "test_error", "seconds"]
    assert_same_history(one, again)
    assert not fit(spec, split, RESUMABLE, seed=4, progress=False).history["loss"].equals(one.history["loss"])
    net = build(spec, seed=3)
    *_, last = train(net, split, replace(HOW, epochs=3))
    assert last.run().final_train_error == evaluate(net, split, "train")


def test_fit_shows_a_bar_unless_told_not_to(split, spec, capsys):
    fit(spec, split, HOW)
    assert "resnet-8" in capsys.readouterr().err
    fit(spec, split, HOW, progress=False)
    assert capsys.readouterr().err == ""


def test_the_lessons_defaults(split):
    assert dataclasses.asdict(TrainSpec()) == {  # recorded runs and the lesson's sentence were made with these
        "epochs": 6.0,
        "batch_size": 128,
        "lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "one-cycle",
        "milestones": (0.5, 0.75),
        "warmup": 0,
        "data_seed": 0,
        "label_noise": 0.0,
        "label_seed": 0,
        "log_every": 1,
        "test_every": 1,
        "capture_every": 0,
    }
