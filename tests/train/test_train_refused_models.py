"""A model that cannot be trained is refused in one sentence, and stays as it was."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from trainings import HOW, PlainTensor, Wrapped, assert_one_sentence, assert_same_tensors, plain, state_of

from reslab.nets import NetSpec, build, replace
from reslab.train import compatibility, evaluate, train


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
    "complex": (lambda: Returns(lambda logits: logits + 0j), r"Returns makes complex numbers \(2, 10\) of images"),
    "sparse": (lambda: Returns(lambda logits: logits.to_sparse()), r"Returns makes a sparse tensor \(2, 10\) of"),
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
