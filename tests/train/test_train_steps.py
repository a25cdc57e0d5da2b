"""`reslab.train`: a step is PyTorch's own, an event says what happened, and the seeds alone decide what is shown."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from trainings import HOW, Linear, assert_same_history, assert_same_tensors, state_of

from reslab.nets import Block, build, replace
from reslab.train import TrainSpec, evaluate, fit, train

# A step is PyTorch's own


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        replace(HOW, schedule="step", weight_decay=0.01, warmup=2),
        replace(HOW, schedule="constant", lr=0.02, momentum=0.0),
        replace(HOW, label_noise=0.5),
        replace(HOW, bias_lr=0.1),
    ],
    ids=["one-cycle", "step", "no momentum", "label noise", "biases slower"],
)
@pytest.mark.parametrize("skip", [True, False])
def test_training_equals_a_textbook_loop(split, spec, shown, how, skip):
    """The reference: plain SGD, one tensor at a time, with numbers copied to the host at every step.

    In the same memory format: another one rounds differently, which may turn a ReLU on or off. And it takes over our
    weights after each step: training amplifies differences, by how much depends on the processor.
    """
    spec = replace(spec, skip=skip)
    net, reference = (build(spec, seed=3).to(memory_format=torch.channels_last) for _ in range(2))
    events, states = zip(*[(event, state_of(net)) for event in train(net, split, how, device="cpu")], strict=True)
    seen = list(shown)  # the reference will add its own
    small = [parameter for parameter in reference.parameters() if parameter.ndim < 2]
    large = [parameter for parameter in reference.parameters() if parameter.ndim >= 2]
    optimizer = torch.optim.SGD(
        [{"params": large}, {"params": small}], 1.0, how.momentum, weight_decay=how.weight_decay, fused=False,
        foreach=False,
    )  # fmt: skip
    x, _ = split.batch(slice(None))
    assert len(events) == len(seen) == 12
    for event, state, (index, labels) in zip(events, states, seen, strict=True):
        reference.train()
        for group, multiple in zip(optimizer.param_groups, (1, how.bias_lr), strict=True):
            group["lr"] = event.lr * multiple
        logits = reference(x[index].contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert event.loss == pytest.approx(loss.item(), rel=1e-4)
        assert event.train_error == (logits.argmax(1) != torch.tensor(labels)).sum().item() / 32
        theirs = reference.state_dict()
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-5, msg=name)
        reference.load_state_dict(state)
        if event.step in (6, 12):
            reference.eval()
            with torch.no_grad():
                x_test, y_test = split.batch(slice(None), "test")
                assert event.test_error == (reference(x_test).argmax(1) != y_test).sum().item() / 60


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
        assert (moved.norm() / model.weight.grad.norm()).item() == pytest.approx(
            how.learning_rate(event.step, 12), rel=1e-4
        )
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


@pytest.mark.parametrize(
    ("capture_first", "capture_every", "log_every"),
    [
        (0, 1, 1),
        (0, 3, 1),
        (0, 3, 7),
        (0, 5, 2),
        (0, 4, 100),
        (0, 100, 1),
        (4, 0, 1),
        (4, 3, 2),
        (5, 5, 1),
        (100, 6, 7),
    ],
)
def test_captures_come_at_the_first_steps_and_every_so_many_and_none_is_lost(
    split, spec, capture_first, capture_every, log_every
):
    net = build(spec)
    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)]
    how = replace(HOW, capture_first=capture_first, capture_every=capture_every, log_every=log_every)
    events = list(train(net, split, how))
    every = range(1, 13, capture_every) if capture_every else ()
    expected = sorted({*range(1, min(capture_first, 12) + 1), *every})
    layers = events[-1].run().layers
    assert layers["step"].unique().tolist() == expected
    assert layers.groupby("step")["module"].apply(list).tolist() == [blocks] * len(expected)
    assert layers["index"].tolist() == [1, 2, 3] * len(expected)
    assert np.isfinite(layers["gradient_rms"]).all()
    pd.testing.assert_frame_equal(
        pd.concat([event.layers for event in events if event.layers is not None], ignore_index=True), layers
    )
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
