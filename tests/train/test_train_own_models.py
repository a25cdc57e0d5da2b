"""A person's own model trains, with checkpoints and weights, or one sentence says why not and it stays as it was."""

import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from trainings import HOW, PlainTensor, Wrapped, assert_one_sentence, assert_same_tensors, plain, state_of

from reslab.nets import replace
from reslab.train import evaluate, train


class StoresActivation(Wrapped):
    def forward(self, x):
        self.last = self.net(x)
        return self.last


class HoldsLock(Wrapped):
    def __init__(self):
        super().__init__()
        self.lock, self.calls = threading.Lock(), (x for x in range(10**6))

    def forward(self, x):
        with self.lock:
            next(self.calls)
            return super().forward(x)


class InsideOut(Wrapped):
    """Its parts return a dict, a list and None, and take two inputs."""

    class Part(nn.Module):
        def __init__(self, output):
            super().__init__()
            self.output = output

        def forward(self, x, y=None):
            return self.output(x)

    def __init__(self):
        super().__init__()
        self.dict, self.list = self.Part(lambda x: {"x": x * 1}), self.Part(lambda x: [x, {}, None])
        self.none = self.Part(lambda x: None)

    def forward(self, x):
        assert self.none(x) is None
        return self.net(self.list(self.dict(x, x)["x"])[0])


class TiedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x.flatten(1)).relu())[:, :10]


class Draws(Wrapped):
    """Draws from PyTorch's own generator in each pass, and counts its passes in a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return super().forward(x + 0.01 * torch.randn_like(x))


class OwnState(Wrapped):
    """Keeps more than tensors with its weights."""

    def get_extra_state(self):
        return {"words": ["of", "a", "vocabulary"]}

    def set_extra_state(self, state):
        assert state == self.get_extra_state()


def pruned():
    model = plain()
    prune.l1_unstructured(model[1], "weight", amount=0.3)
    model(torch.randn(2, 1, 8, 8))  # from here on its weight is not a leaf
    return model


def with_item_in_hooks():
    model, seen = plain(), []
    model[1].register_forward_hook(lambda module, inputs, output: seen.append(output.mean().item()))
    model[3].register_full_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0].norm().item()))
    return model


def weight_normed():
    model = plain()
    parametrizations.weight_norm(model[1])
    return model


MODELS = {
    "stored activation": StoresActivation,
    "lock": HoldsLock,
    "plain tensor": PlainTensor,
    "parts of any output": InsideOut,
    "tied weights": TiedWeights,
    "draws": Draws,
    "pruned": pruned,
    "hooks with .item()": with_item_in_hooks,
    "weight norm": weight_normed,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_it_trains_and_its_weights_and_checkpoints_are_its_own(split, make):
    model = make()
    how = replace(HOW, epochs=4, capture_every=6)
    *_, last = train(model, split, how)
    assert last.run().final_train_error < 0.4  # chance is 0.9
    before = state_of(model)
    checkpoint, weights = last.checkpoint(), last.weights()
    assert_same_tensors(model.state_dict(), before)  # asking for them changed nothing
    assert_same_tensors({name[6:]: t for name, t in checkpoint.tensors.items() if name.startswith("model.")}, before)
    assert weights.train_error == pytest.approx(last.run().final_train_error, abs=0.02)

    halved = make()  # half precision is what the errors of the weights are of
    halved.load_state_dict(weights.tensors)
    if make is not Draws:
        assert (weights.train_error, weights.test_error) == (evaluate(halved, split, "train"), evaluate(halved, split))
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert {weights.tensors[name].dtype for name in parameters} == {torch.float16}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_it_goes_on_from_a_checkpoint(split, make):
    if make is Draws:
        make = Wrapped  # what PyTorch's generator draws next is not part of a checkpoint
    *_, whole = train(make(), split, HOW)
    events = train(make(), split, HOW)
    checkpoint = [next(events) for _ in range(5)][-1].checkpoint()
    *_, resumed = train(make(), split, HOW, resume=checkpoint)
    assert_same_tensors(resumed.checkpoint().tensors, whole.checkpoint().tensors)


def test_trying_a_model_moves_no_generator_and_no_buffer(split):
    model = Draws()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(model, split, HOW)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.passes == 0


def test_states_that_are_not_tensors_train_and_have_no_files(split):
    *_, last = train(OwnState(), split, HOW)
    assert last.state == "finished"
    for keep in (last.checkpoint, last.weights):
        with pytest.raises(
            TypeError, match="_extra_state of OwnState is not a tensor that a safetensors file can hold"
        ) as error:
            keep()
        assert_one_sentence(error)
