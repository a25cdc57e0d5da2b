"""A person's own model trains, with checkpoints and weights, or one sentence says why not and it stays as it was."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune
from trainings import HOW, assert_one_sentence, assert_same_tensors, state_of

from reslab.nets import NetSpec, build, replace
from reslab.train import compatibility, evaluate, train


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class Wrapped(nn.Module):
    """A small net in a class of a person's own."""

    def __init__(self):
        super().__init__()
        self.net = plain()

    def forward(self, x):
        return self.net(x)


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


class PlainTensor(Wrapped):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(64)

    def forward(self, x):
        return super().forward(x.flatten(1) * self.mask)


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


class TwoInputs(Wrapped):
    def forward(self, x, mask):
        return super().forward(x * mask)


class Raises(Wrapped):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


class Returns(Wrapped):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output(super().forward(x))


def frozen():
    return plain().requires_grad_(False)


def on_meta():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10, device="meta"))


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))


def one_value_a_channel():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, 10))


REFUSED = {
    "dict": (lambda: Returns(lambda logits: {"logits": logits}), "Returns makes a dict of images"),
    "list": (lambda: Returns(lambda logits: [logits]), "Returns makes a list of images"),
    "None": (lambda: Returns(lambda logits: None), "Returns makes a NoneType of images"),
    "two inputs": (TwoInputs, r"does not take images \(2, 1, 8, 8\): .*missing 1 required positional argument: 'mask'"),
    "other size": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(3600, 10)),
        r"Sequential does not take images \(2, 1, 8, 8\): mat1 and mat2 shapes cannot be multiplied",
    ),
    "other channels": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10)), "Sequential does not take images",
    ),
    "assertion": (lambda: Raises(AssertionError("wrong image size")), "does not take images .*: wrong image size"),
    "silent": (lambda: Raises(KeyError()), "does not take images .*: no reason given"),
    "fp16": (lambda: plain().half(), r"does not take images .* its weights torch.float16: model.float\(\) makes them"),
    "fp64": (lambda: plain().double(), r"does not take images .* its weights torch.float64: model.float\(\) makes"),
    "frozen": (frozen, "Sequential has nothing to train: no parameter has requires_grad"),
    "no parameters": (nn.Flatten, "Flatten has nothing to train"),
    "lazy": (lazy, "Sequential has lazy parameters, .*; call it once on a batch first"),
    "meta": (on_meta, "Sequential has parameters on the device meta, which hold no numbers; make it on the CPU"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_is_one_sentence_at_the_call(split, make, says):
    assert_refused(make(), split, HOW, says)


def assert_refused(model, split, how, says):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    without = any(nn.parameter.is_lazy(tensor) or tensor.is_meta for tensor in tensors.values())
    values = {} if without else state_of(model)
    places = {name: tensor.untyped_storage().data_ptr() for name, tensor in tensors.items() if not without}
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    with pytest.raises(ValueError, match=says) as error:
        train(model, split, how)
    assert_one_sentence(error)
    now = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert all(now[name] is tensor for name, tensor in tensors.items())
    if not without:
        assert_same_tensors(model.state_dict(), values)
        assert {name: tensor.untyped_storage().data_ptr() for name, tensor in now.items()} == places
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("described", [False, True])
def test_batchnorm_with_a_batch_of_one_is_refused_where_a_channel_has_one_value(split, described):
    spec = NetSpec(depth=8, width=4, **split.shape)
    model = build(spec) if described else one_value_a_channel()
    how = replace(HOW, batch_size=1, epochs=0.02)
    if described:
        *_, last = train(model, split, how)  # its last blocks have 2 × 2 pixels
        assert (last.state, last.step) == ("finished", 4)
    else:
        assert_refused(
            model, split, how, r"does not take images \(1, 1, 8, 8\): Expected more than 1 value per channel"
        )
        model[2].eval()  # with statistics of its own it needs no second value
        *_, last = train(model, split, how)
        assert last.state == "finished"


def test_a_net_with_stochastic_depth_draws_the_same_after_it_was_tried(split):
    spec = NetSpec(depth=14, width=4, stochastic_depth=0.5, **split.shape)
    net = build(spec)
    before = state_of(net)
    train(net, split, replace(HOW, batch_size=1))
    assert_same_tensors(net.state_dict(), before)


def test_what_only_training_mode_shows_is_one_sentence_too(split):
    class Auxiliary(Wrapped):
        def forward(self, x):
            logits = super().forward(x)
            return (logits, logits) if self.training else logits

    class Detached(Wrapped):
        def forward(self, x):
            return super().forward(x).detach()

    for model, says in (
        (Auxiliary(), r"Auxiliary makes a tuple of images \(32, 1, 8, 8\); it must return logits"),
        (Detached(), "the logits of Detached depend on no parameter that has requires_grad"),
    ):
        before = state_of(model)
        with pytest.raises(ValueError, match=says) as error:
            next(train(model, split, HOW))
        assert_one_sentence(error)
        assert_same_tensors(model.state_dict(), before)


@pytest.mark.parametrize(
    "output", [lambda logits: {"logits": logits}, lambda logits: None, lambda logits: logits[:, :3]]
)
def test_evaluate_says_so_too(split, output):
    with pytest.raises(ValueError, match="it must return logits"):
        evaluate(Returns(output), split)


def test_a_model_that_was_moved_and_refused_is_back_where_it_was():
    """On a device that every machine has: "meta", where tensors have no values."""
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).to(torch.float64)
    F.mse_loss(model(torch.ones(3, 4, dtype=torch.float64)), torch.zeros(3, 4, dtype=torch.float64)).backward()
    before, gradients = state_of(model), [parameter.grad for parameter in model.parameters()]
    parameters = list(model.parameters())
    refusing = compatibility.left_as_it_was_if_refused(model)
    refusing.__enter__()
    model.to("meta").float().eval()
    assert not refusing.__exit__(KeyError, KeyError(), None)
    assert_same_tensors(model.state_dict(), before)
    assert all(ours is theirs for ours, theirs in zip(model.parameters(), parameters, strict=True))
    assert all(
        p.grad is gradient and p.grad.device.type == "cpu" for p, gradient in zip(parameters, gradients, strict=True)
    )
    assert {gradient.dtype for gradient in gradients} == {torch.float64}
    assert all(module.training for module in model.modules())


def test_a_plain_tensor_that_does_not_move_is_named(split):
    model = PlainTensor().to("meta")
    with pytest.raises(
        ValueError, match="Its tensor mask stays on cpu: register_buffer lets it follow the model"
    ) as error:
        compatibility.check_forward(model, split, 32, described=False)
    assert_one_sentence(error)
