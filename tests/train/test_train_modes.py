"""Training and eval mode: a part that a person put into eval mode stays so, and evaluation changes no mode."""

import pytest
import torch
from torch import nn
from trainings import HOW, assert_same_tensors, state_of

from reslab.nets import build, replace
from reslab.train import evaluate, train


def modes(model):
    return [module.training for module in model.modules()]


def fix_the_norms(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def statistics(model):
    return {name: tensor for name, tensor in state_of(model).items() if "running_" in name or "num_batches" in name}


@pytest.mark.parametrize("capture_every", [0, 1])
def test_a_batchnorm_in_eval_mode_keeps_its_statistics(split, spec, capture_every):
    net = build(spec)
    fix_the_norms(net)
    before, fixed = state_of(net), modes(net)
    for event in train(net, split, replace(HOW, capture_every=capture_every)):
        assert modes(net) == fixed
        if event.step == 7:
            evaluate(net, split)
            assert modes(net) == fixed
    assert_same_tensors(statistics(net), {name: before[name] for name in statistics(net)})
    assert not torch.equal(net.fc.weight, before["fc.weight"])


def test_its_step_is_that_of_a_textbook_loop_in_the_same_modes(split, spec, shown):
    net, reference = (build(spec, seed=3).to(memory_format=torch.channels_last) for _ in range(2))
    for model in (net, reference):
        model.stage2.eval()
    event = next(train(net, split, HOW))
    index, labels = shown[0]
    logits = reference(split.batch(torch.tensor(index))[0].contiguous(memory_format=torch.channels_last))
    assert event.loss == pytest.approx(nn.functional.cross_entropy(logits, torch.tensor(labels)).item(), rel=1e-5)
    for name, tensor in statistics(net).items():
        torch.testing.assert_close(tensor, reference.state_dict()[name], msg=name)


def test_a_nested_part_is_fixed_and_the_rest_is_not(split, spec):
    net = build(spec)
    net.stage2.eval()
    before = statistics(net)
    list(train(net, split, HOW))
    after = statistics(net)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if not name.startswith("stage2.")}


def test_frozen_parameters_in_eval_mode_stay_as_they_are_to_the_bit(split, spec):
    net = build(spec)
    net.stage1.eval().requires_grad_(False)
    before = state_of(net)
    *_, last = train(net, split, HOW)
    after = state_of(net)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]) == name.startswith("stage1."), name
    assert last.state == "finished"


def test_a_model_that_keeps_a_part_in_eval_mode_by_itself_may(split):
    class Fixed(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[0].eval()
            return self

    model = Fixed(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 10))
    before = statistics(model)
    list(train(model, split, HOW))
    assert_same_tensors(statistics(model), before)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_model_evaluated_between_two_events_goes_on_in_its_modes(split, spec, fixed):
    net, undisturbed = build(spec), build(spec)
    for model in (net, undisturbed):
        if fixed:
            model.stage1.eval()
    for _ in train(net, split, HOW):
        net.eval()
    list(train(undisturbed, split, HOW))
    assert_same_tensors(net.state_dict(), undisturbed.state_dict())


def test_a_part_put_into_eval_mode_between_two_events_is_fixed_from_there(split, spec):
    net = build(spec)
    for event in train(net, split, HOW):
        if event.step == 6:
            fix_the_norms(net)
            kept = statistics(net)
    assert_same_tensors(statistics(net), kept)


def test_a_model_in_eval_mode_as_a_whole_is_trained_and_that_is_said(split, spec):
    net, usual = build(spec).eval(), build(spec)
    with pytest.warns(UserWarning, match="in eval mode as a whole, and is trained in training mode") as warned:
        events = train(net, split, HOW)
    assert warned[0].filename == __file__
    list(events)
    list(train(usual, split, HOW))
    assert_same_tensors(net.state_dict(), usual.state_dict())
