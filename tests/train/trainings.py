"""What the tests of training share: a short training, a small model, and when two trainings are the same."""

import math

import pandas as pd
import torch
from torch import nn

from reslab.train import TrainSpec

# On 200 images: 6 steps an epoch, 12 in all, and 8 images left over each time
HOW = TrainSpec(epochs=2, batch_size=32, lr=0.1)
# 18 steps, 6 an epoch
RESUMABLE = TrainSpec(epochs=3, batch_size=32, lr=0.1, capture_every=3, label_noise=0.1, warmup=2)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Linear(nn.Module):
    """A person's own model, in one module, so that a forward pass of it is one call."""

    def __init__(self, inputs=64, outputs=10):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


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


class PlainTensor(Wrapped):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(64)

    def forward(self, x):
        return super().forward(x.flatten(1) * self.mask)


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_tensors(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def assert_same_history(ours, theirs):
    pd.testing.assert_frame_equal(
        ours.history.drop(columns="seconds"), theirs.history.drop(columns="seconds"), check_exact=True
    )
    pd.testing.assert_frame_equal(ours.layers, theirs.layers, check_exact=True)
    assert (ours.outcome, ours.seed, ours.parameters) == (theirs.outcome, theirs.seed, theirs.parameters)
    assert ours.final_train_error == theirs.final_train_error or math.isnan(
        ours.final_train_error + theirs.final_train_error
    )


def assert_one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert len(message) < 250
