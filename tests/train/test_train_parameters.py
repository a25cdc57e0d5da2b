"""Parameters of odd kinds: trained to the numbers of usual ones, or refused in one sentence before the first step."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from trainings import HOW, assert_one_sentence

from reslab.specs import replace
from reslab.train import train
from reslab.train.steps import fuses

SHORT = replace(HOW, epochs=1.0)


class Linear(nn.Module):
    """Logits of flat images by a given weight, (10, 64)."""

    def __init__(self, weight, use=lambda weight: weight):
        super().__init__()
        self.weight, self.use = nn.Parameter(weight), use

    def forward(self, x):
        return F.linear(x.flatten(1), self.use(self.weight))


def drawn(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(0)) / 8


def learned(model, split):
    *_, last = train(model, split, SHORT)
    assert last.state == "finished"
    return model.weight.detach()


def test_slices_of_a_larger_tensor_learn_what_a_copy_does_and_the_rest_of_it_stays(split):
    """The fused step of PyTorch goes through memory from end to end: from the second row it would be another's."""
    large = drawn(20, 128)
    before, weight = large.clone(), large[::2, 1::2]
    copied = learned(Linear(weight.clone()), split)
    assert not fuses(nn.Parameter(weight))
    torch.testing.assert_close(learned(Linear(weight), split), copied)
    large[::2, 1::2] = before[::2, 1::2]
    assert torch.equal(large, before)


def test_a_turned_weight_learns_what_an_upright_one_does(split):
    turned = drawn(64, 10).T
    copied = learned(Linear(turned.contiguous()), split)
    assert fuses(nn.Parameter(turned))
    torch.testing.assert_close(learned(Linear(turned), split), copied)


def test_complex_weights_learn(split):
    real = drawn(10, 64)
    assert not fuses(nn.Parameter(torch.complex(real, real)))
    as_pairs = learned(Linear(torch.stack([real, real], -1), lambda pairs: pairs[..., 0] + pairs[..., 1]), split)
    *_, last = train(model := Linear(torch.complex(real, real), lambda z: z.real + z.imag), split, SHORT)
    torch.testing.assert_close(torch.view_as_real(model.weight.detach()), as_pairs)
    assert last.weights().tensors["weight"].dtype == torch.complex64
    assert last.checkpoint().tensors["momentum.weight"].dtype == torch.complex64


def expanded():
    return Linear(drawn(1, 64).expand(10, 64))


def of_inference_mode():
    with torch.inference_mode():
        return Linear(drawn(10, 64))


class Bins(nn.Module):
    """Logits from the grey values of an image, as words."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(8, 10, sparse=True)

    def forward(self, x):
        return self.words(x.flatten(1).abs().long().clamp(0, 7)).mean(1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (expanded, "weight of Linear has one number in many places .*expand it in forward"),
        (of_inference_mode, "weight of Linear was made in torch.inference_mode; make the model outside"),
        (Bins, "words of Bins makes sparse gradients, .*; sparse=False computes the same"),
    ],
)
def test_what_sgd_cannot_train_is_one_sentence_at_the_call(split, make, says):
    with pytest.raises(ValueError, match=says) as error:
        train(make(), split, SHORT)
    assert_one_sentence(error)


def test_gradients_that_are_off_are_named(split):
    with torch.no_grad(), pytest.raises(ValueError, match=r"gradients are off \(torch.no_grad"):
        next(train(Linear(drawn(10, 64)), split, SHORT))


def test_a_layer_put_in_during_a_training_is_not_left_untrained_without_a_word(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    events = train(model, split, SHORT)
    next(events)
    model[1] = nn.Linear(64, 10)
    with pytest.raises(ValueError, match=r"1\.weight of Sequential is new since its training began") as error:
        next(events)
    assert_one_sentence(error)


@pytest.mark.parametrize("buffer", [torch.eye(3).to_sparse(), torch.zeros(3, dtype=torch.complex128)])
def test_a_state_that_no_file_can_hold_is_named(split, buffer):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model.register_buffer("table", buffer)
    *_, last = train(model, split, SHORT)
    for keep in (last.checkpoint, last.weights):
        with pytest.raises(TypeError, match="table of Sequential is not a tensor that") as error:
            keep()
        assert_one_sentence(error)


class Holding(Linear):
    """A model with something in an attribute that PyTorch may not see."""

    def __init__(self, held):
        super().__init__(drawn(10, 64))
        self.held = held


@pytest.mark.parametrize(
    "held",
    [[nn.Linear(2, 2)], {"a": nn.Linear(2, 2)}, (nn.ReLU(), nn.Linear(2, 2)), torch.ones(2, requires_grad=True)],
    ids=lambda held: type(held).__name__,
)
def test_what_pytorch_does_not_see_of_a_model_is_named(split, held):
    with pytest.warns(UserWarning, match=r"^PyTorch does not see held of Holding, so nothing there is trained: "):
        train(Holding(held), split, SHORT)


@pytest.mark.parametrize(
    "held",
    [nn.Linear(2, 2), [nn.ReLU()], [nn.Linear(2, 2).requires_grad_(False)], torch.ones(2), "text", None, [1, "a"]],
    ids=str,
)
def test_what_is_seen_or_has_nothing_to_train_is_not(split, held):
    train(Holding(held), split, SHORT)  # a warning would be an error here


def test_a_second_name_of_a_layer_in_a_list_is_seen(split):
    model = Holding(nn.Linear(2, 2))
    model.again = [model.held]
    train(model, split, SHORT)
