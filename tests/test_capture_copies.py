"""Copies and pickles made inside a capture have the person's hooks and none of ours."""

import collections
import copy
import copyreg
import io
import pickle

import pytest
import torch
from capture_reference import (  # noqa: F401
    Residual,
    hooks_of,
    one_thread_and_seed,
)
from torch import nn
from torch.optim.swa_utils import AveragedModel

from reslab.capture import capture


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "pickle in Python": lambda model: pickle._loads(pickle._dumps(model)),
    "torch.save": saved,
    "a moving average": lambda model: AveragedModel(model).module,
    "a copy of a copy": lambda model: copy.deepcopy(copy.deepcopy(model)),
}


def check_shape(_module, inputs):  # a hook of the person's own, at the top level so that it can be pickled
    assert inputs[0].shape == (2, 3)


# which cannot be pickled
@pytest.mark.parametrize(("way", "parametrized"), [*((way, False) for way in COPIES), ("deepcopy", True)])
def test_copies_made_inside_have_the_persons_hooks_and_none_of_ours(way, parametrized):
    model, x = nn.Sequential(nn.Linear(3, 3), Residual()), torch.randn(2, 3)
    if parametrized:
        nn.utils.parametrizations.weight_norm(model[0])
    model.register_forward_pre_hook(check_shape)
    theirs = hooks_of(model)
    with capture(model, additions=True) as trace, capture(model) as inner:
        model(x)
        rows = len(trace.frame())
        copied = COPIES[way](model)
        assert hooks_of(copied) == theirs
        copied(x).sum().backward()
    assert len(trace.frame()) == rows
    assert len(inner.frame()) == 2
    assert torch.equal(copied(x), model(x))
    assert list(copied._forward_pre_hooks.values()) == [check_shape]
    assert hooks_of(model) == hooks_of(copied) == theirs
    assert collections.OrderedDict not in copyreg.dispatch_table


def test_a_copied_ordered_dict_of_the_persons_is_whole():
    model, x = nn.Sequential(nn.Linear(3, 3)), torch.randn(2, 3)
    with capture(model):
        model(x)
        # keys as our handles have
        own = collections.OrderedDict.fromkeys(range(2 * torch.utils.hooks.RemovableHandle.next_id))
        own.note = "kept"
        copied = [copy.deepcopy(own), pickle.loads(pickle.dumps(own))]
        state = copy.deepcopy(model.state_dict())
    assert all(one == own and one.note == "kept" for one in copied)
    assert list(state) == ["0.weight", "0.bias"]
    assert state._metadata == model.state_dict()._metadata
