"""Recorded training steps, on a CPU: the code of a GPU with a stand-in for the graph itself.

The stand-in keeps to what a CUDA graph can do: a replay reads the static inputs and writes where the recording wrote,
and what Python would do in the step does not happen.
"""

import gc
import threading
import weakref

import pytest
import torch
from torch import nn
from trainings import HOW, Linear, assert_same_history, assert_same_tensors, state_of

from reslab.nets import build, replace
from reslab.train import cuda_graph, train
from reslab.train.ranks import Ranks

CPU = torch.device("cpu")


class StandIn:
    """A recorded step: what its recording read, and where it wrote."""

    def __init__(self, step, static_inputs):
        self.step, self.inputs, self.replays = weakref.WeakMethod(step), static_inputs, 0
        self.stepper = weakref.proxy(step.__self__)
        self.rates = [group["lr"] for group in self.stepper.optimizer.param_groups]
        changed = [*self.stepper.model.state_dict().values(), *self.stepper.momentum().values()]
        before = [tensor.clone() for tensor in changed]
        self.output = step(*static_inputs)
        for tensor, value in zip(changed, before, strict=True):  # a recording takes no step
            tensor.copy_(value)
        self.gradients = [parameter.grad for parameter in self.stepper.model.parameters()]

    def replay(self):
        self.replays += 1
        groups, parameters = self.stepper.optimizer.param_groups, list(self.stepper.model.parameters())
        held = [(group["lr"], parameter.grad) for group in groups for parameter in group["params"]]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate
        self.output.copy_(self.step()(*self.inputs))
        for parameter, recorded in zip(parameters, self.gradients, strict=True):
            if recorded is not None:
                recorded.copy_(parameter.grad)
        pairs = [(group, parameter) for group in groups for parameter in group["params"]]
        for (group, parameter), (rate, gradient) in zip(pairs, held, strict=True):
            group["lr"], parameter.grad = rate, gradient


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that trainings on this CPU record, as it were a GPU."""
    made, recording = [], threading.Lock()

    def record(step, static_inputs, stream):
        assert stream is None
        assert recording.acquire(blocking=False)  # one at a time
        try:
            made.append(StandIn(step, static_inputs))
            return made[-1], made[-1].output
        finally:
            recording.release()

    monkeypatch.setattr(cuda_graph, "DEVICES", ("cuda", "cpu"))
    monkeypatch.setattr(cuda_graph, "record", record)
    return made


def usual(how):
    """The same training without a graph."""
    return replace(how, cuda_graph=False)


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        replace(HOW, schedule="step", weight_decay=0.01, warmup=6),
        replace(HOW, schedule="constant", momentum=0.0),
        replace(HOW, augment="crop-flip", log_every=5),
        replace(HOW, bias_lr=0.1, label_noise=0.5),
        replace(HOW, capture_first=2, capture_every=3, log_every=4),
    ],
    ids=["one-cycle", "step", "no momentum", "augmented", "biases slower", "captured"],
)
def test_replayed_steps_are_those_of_a_training_without_a_graph(split, spec, graphs, how):
    net, plain = build(spec), build(spec)
    *_, last = train(net, split, how, device="cpu")
    *_, expected = train(plain, split, usual(how), device="cpu")
    assert_same_tensors(net.state_dict(), plain.state_dict())
    assert_same_history(last.run(), expected.run())
    hooked = sum(how.captured(step) for step in range(1, 13))
    assert [graph.replays for graph in graphs] == [12 - hooked - cuda_graph.WARM_UP]


def test_between_events_a_model_has_the_gradients_of_its_last_step(split, spec, graphs):
    net, plain = build(spec), build(spec)
    how = replace(HOW, capture_every=7)  # at steps 1 and 8
    for ours, theirs in zip(train(net, split, how), train(plain, split, usual(how)), strict=True):
        gradients = [{name: p.grad for name, p in model.named_parameters()} for model in (net, plain)]
        assert_same_tensors(*gradients)
        assert ours.loss == theirs.loss
    assert graphs[0].replays == 6


def test_a_checkpoint_resumes_to_the_same_numbers(split, spec, graphs):
    how = replace(HOW, capture_every=3)
    net, again, plain = build(spec), build(spec), build(spec)
    for event in train(net, split, how):
        if event.step == 7:
            checkpoint = event.checkpoint()
            event.weights()  # loads other weights into the model for a moment
    *_, resumed = train(again, split, how, resume=checkpoint)
    *_, expected = train(plain, split, usual(how))
    for model, last in ((net, event), (again, resumed)):
        assert_same_tensors(model.state_dict(), plain.state_dict())
        assert_same_history(last.run(), expected.run())
    assert len(graphs) == 1  # five steps were left: a warm-up and one that is captured


def in_eval_mode(net):
    net.stage1.block1.branch[1].eval()


def frozen(net):
    net.stem.conv.weight.requires_grad = False


def other_memory(net):
    net.stem.conv.weight.data = net.stem.conv.weight.data.clone()


@pytest.mark.parametrize("change", [in_eval_mode, frozen, other_memory])
def test_a_model_that_was_changed_between_events_is_recorded_again(split, spec, graphs, change):
    nets = []
    for how in (HOW, usual(HOW)):
        nets.append(net := build(spec))
        for event in train(net, split, how):
            if event.step == 6:
                change(net)
    assert_same_tensors(*[net.state_dict() for net in nets])
    assert [graph.replays for graph in graphs] == [2, 2]


def test_what_is_put_back_in_place_needs_no_other_recording(split, spec, graphs):
    nets = []
    for how in (HOW, usual(HOW)):
        nets.append(net := build(spec))
        for event in train(net, split, how):
            net.eval()
            if event.step == 6:
                net.load_state_dict(build(spec, seed=5).state_dict())
    assert_same_tensors(*[net.state_dict() for net in nets])
    assert [graph.replays for graph in graphs] == [8]


@pytest.mark.parametrize("whole", [False, True], ids=["a module's", "every module's"])
def test_hooks_are_called_at_every_step(split, spec, graphs, whole):
    net, calls = build(spec), []
    for event in train(net, split, HOW):
        if event.step == 6:
            hook = nn.modules.module.register_module_forward_hook if whole else net.fc.register_forward_hook
            handle = hook(lambda module, *_: calls.append(module))
    handle.remove()
    assert calls.count(net.fc) >= 6  # and those of the evaluation
    assert [graph.replays for graph in graphs] == [2]


def test_two_trainings_in_threads_are_each_as_alone(split, spec, graphs):
    nets, alone = ([build(spec, seed=seed) for seed in (1, 2)] for _ in range(2))
    threads = [threading.Thread(target=lambda net=net: list(train(net, split, HOW))) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for net, expected in zip(nets, alone, strict=True):
        list(train(expected, split, usual(HOW)))
        assert_same_tensors(net.state_dict(), expected.state_dict())
    assert [graph.replays for graph in graphs] == [8, 8]


def test_steps_that_python_must_take_are_not_recorded(split, spec, graphs):
    list(train(Linear(), split, HOW))
    list(train(build(replace(spec, stochastic_depth=0.5)), split, HOW))
    list(train(build(spec), split, usual(HOW)))
    assert graphs == []


def test_only_a_gpu_that_one_process_trains_on_records(spec):
    ranks, net = Ranks(CPU), build(spec)
    assert not cuda_graph.records(net, HOW, ranks, described=True)
    ranks.device = torch.device("cuda")
    assert cuda_graph.records(net, HOW, ranks, described=True)
    ranks.world = 2
    assert not cuda_graph.records(net, HOW, ranks, described=True)


def test_a_training_that_is_left_frees_its_model(split, spec, graphs):
    net = build(spec)
    events = train(net, split, HOW)
    for _ in range(8):
        next(events)
    there = weakref.ref(net)
    graphs.clear()
    gc.disable()
    try:
        del net, events
        assert there() is None
    finally:
        gc.enable()


def test_a_diverged_training_ends(split, spec, graphs):
    net, plain = build(spec), build(spec)
    how = replace(HOW, lr=1e30, schedule="constant", log_every=6)
    *_, last = train(net, split, how)
    *_, expected = train(plain, split, usual(how))
    assert last.state == expected.state == "diverged"
    assert last.step == expected.step
    assert state_of(net).keys() == state_of(plain).keys()
