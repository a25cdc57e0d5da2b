"""`reslab.capture` removes its hooks, changes nothing in the model, and never waits for a GPU."""

import collections
import copy
import copyreg
import gc
import io
import pickle
import weakref

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from capture_reference import (  # noqa: F401
    Offset,
    hooks_of,
    hooks_on,
    images,
    is_leaf,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn
from torch.optim.swa_utils import AveragedModel

from reslab.capture import capture
from reslab.nets import Block


class Breaking(nn.Module):
    """Keeps its hidden tensors, and breaks where it is told to."""

    def __init__(self, where=None):
        super().__init__()
        self.first, self.second, self.where, self.kept = nn.Linear(3, 3), nn.Linear(3, 3), where, []

    def forward(self, x):
        h = self.first(x)
        self.kept.append(h)
        if self.where == "backward":
            h.register_hook(self.fail)
        if self.where == "forward":
            self.fail(h)
        self.kept.append(self.second(h))
        return self.kept[-1]

    def fail(self, _tensor):
        raise ArithmeticError(self.where)


@pytest.mark.parametrize("where", ["forward", "backward", "statistic", "gradient statistic", "with block"])
def test_no_hook_survives_an_exception(where):
    def fail(_tensor):
        raise ArithmeticError(where)

    model = Breaking(where)
    chosen = {"statistic": {"activation": {"bad": fail}}, "gradient statistic": {"gradient": {"bad": fail}}}.get(
        where, {}
    )
    watched = []

    def run():
        with capture(model, **chosen):
            watched.append(hooks_of(model))
            output = model(torch.randn(2, 3))
            watched.append(hooks_on(output))
            output.sum().backward()
            raise ArithmeticError("with block")

    with pytest.raises(ArithmeticError, match=where):
        run()
    assert watched[0] == 3  # the hooks were there: one before the model, one after each layer
    assert watched[1:] == ([] if where in ("forward", "statistic") else [1])
    assert hooks_of(model) == 0
    # 1: its own
    assert [hooks_on(tensor) for tensor in model.kept] == ([1, 0] if where == "backward" else [0] * len(model.kept))


def test_no_hook_survives_a_normal_exit():
    model = Breaking()
    with capture(model):
        for _ in range(3):
            model(torch.randn(2, 3)).sum().backward()
        assert hooks_of(model) == 3
        assert all(hooks_on(tensor) == 1 for tensor in model.kept)
    assert hooks_of(model) == 0
    assert not any(hooks_on(tensor) for tensor in model.kept)


def test_leaving_before_the_backward_pass_leaves_no_hook_and_no_gradient():
    model = Breaking()
    x = torch.randn(2, 3)
    with capture(model) as trace:
        output = model(x)
    assert not any(hooks_on(tensor) for tensor in model.kept)
    loss_of(output).backward()
    assert trace.frame()["gradient_rms"].isna().all()
    plain = copy.deepcopy(model.first), copy.deepcopy(model.second)
    for layer in plain:
        layer.zero_grad()
    loss_of(plain[1](plain[0](x))).backward()
    assert torch.equal(plain[0].weight.grad, model.first.weight.grad)


def test_the_hooks_of_others_stay():
    model = small_net()
    calls = []
    model.stem.register_forward_hook(lambda *_: calls.append("stem"))
    model.register_forward_pre_hook(lambda *_: calls.append("model"))
    with capture(model, lambda name, _module: name == "stem"):
        output = model(images())
        output.register_hook(lambda _gradient: calls.append("output"))
    model(images())
    output.sum().backward()
    assert calls == ["model", "stem", "model", "stem", "output"]
    assert hooks_of(model) == 2


def test_nested_captures_see_the_same_and_do_not_disturb_each_other():
    model = small_net().double()
    with capture(model) as outer:
        loss_of(model(images().double())).backward()
        with capture(model) as inner:
            loss_of(model(images().double())).backward()
        with capture(model, is_leaf) as leaves:
            model(images().double())
        loss_of(model(images().double())).backward()
    frame = outer.frame()
    assert list(frame["step"].unique()) == [0, 1, 2, 3]
    pd.testing.assert_frame_equal(frame[frame["step"] == 1].assign(step=0).reset_index(drop=True), inner.frame())
    assert frame.loc[frame["step"] == 3, "gradient_rms"].gt(0).all()
    assert set(leaves.frame()["step"]) == {0}
    assert hooks_of(model) == 0


def test_mode_gradients_and_requires_grad_are_left_as_they_were():
    model = small_net()
    model.stage2.eval()
    model.fc.requires_grad_(False)
    loss_of(model(images())).backward()

    def snapshot():
        modes = [module.training for module in model.modules()]
        gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        return modes, [p.requires_grad for p in model.parameters()], gradients

    before = snapshot()
    with capture(model):
        with torch.no_grad():
            model(images())
        model(images())
    after = snapshot()
    assert before[:2] == after[:2]
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(before[2], after[2], strict=True))
    assert model.fc.weight.grad is None


def test_training_is_the_same_with_and_without_capture_to_the_bit():
    def trained(watched):
        torch.manual_seed(3)
        model = nn.Sequential(small_net(), nn.Dropout(0.3), nn.ReLU(inplace=True))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            x, y = images(8), torch.randint(10, (8,))
            with capture(model, is_leaf if watched == "leaves" else None) if watched else torch.enable_grad():
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
        return [
            *model.state_dict().values(),
            *(p.grad for p in model.parameters()),
            loss.detach(),
            torch.get_rng_state(),
        ]

    plain = trained(None)
    assert plain[-2].isfinite()
    for watched in ("blocks", "leaves"):
        assert all(torch.equal(a, b) for a, b in zip(plain, trained(watched), strict=True))


def test_nothing_grows_over_100_steps():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.offset = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)), Offset()

        def forward(self, x):
            return self.body(x) + self.offset(x)

    def alive():
        gc.collect()
        kinds = [type(thing) for thing in gc.get_objects()]
        return kinds.count(torch.utils.hooks.RemovableHandle), kinds.count(torch.Tensor), len(kinds)

    model = Model()
    counts = []
    with capture(model) as trace:
        for step in range(1, 101):
            loss = loss_of(model(torch.randn(2, 3)))
            if step % 3:  # every third pass has no backward
                loss.backward()
            trace.clear()
            if step in (32, 98):
                counts.append(alive())
        assert trace.step == 99
        assert hooks_of(model) == 4
    (handles, tensors, objects), (handles_later, tensors_later, objects_later) = counts
    assert 4 <= handles == handles_later
    assert tensors == tensors_later
    assert objects_later - objects < 100
    assert hooks_on(model.offset.value) == 0


def test_nothing_but_the_statistics_is_kept():
    model = small_net()
    references = []

    def remember(x):
        references.append(x.untyped_storage().data_ptr())
        return x.flatten()[0]

    with capture(model, activation={"first": remember}) as trace:
        loss_of(model(images())).backward()
        kept = [tensor for row in trace._rows for tensor in row.statistics.values()]
    assert len(kept) == 6
    assert all(
        tensor.numel() == 1 and tensor.untyped_storage().nbytes() <= 8 and not tensor.requires_grad for tensor in kept
    )
    assert not {tensor.untyped_storage().data_ptr() for tensor in kept} & set(references)


def test_many_captures_leave_no_handle_and_no_memory():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), Residual()), torch.randn(2, 3)
    everything = {"additions": True, "bins": [-1, 0, 1], "keep": True}
    alive, references = [], []
    for step in range(1, 201):
        with capture(model, **everything) as trace:
            output = model(x)
            if step % 3:  # every third has no backward pass
                loss_of(output).backward()
        references.append(weakref.ref(trace))
        del trace, output
        if step in (30, 200):
            gc.collect()
            kinds = [type(thing) for thing in gc.get_objects()]
            alive.append((kinds.count(torch.utils.hooks.RemovableHandle), kinds.count(torch.Tensor), len(kinds)))
    (handles, tensors, objects), (handles_later, tensors_later, objects_later) = alive
    assert (handles, tensors) == (handles_later, tensors_later)
    assert objects_later - objects < 250  # the weak references themselves
    assert not any(reference() for reference in references)
    assert hooks_of(model) == hooks_on(x) == 0


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


def test_a_kept_tensor_lives_as_long_as_its_trace():
    model = nn.Sequential(nn.Linear(3, 3))
    with capture(model, keep=True) as trace:
        output = model(torch.randn(2, 3))
        output.sum().backward()
    activation = weakref.ref(output)
    del output
    assert activation() is None  # what is kept is a copy, and no graph with it
    kept = weakref.ref(trace.tensors["0"][0].activation)
    trace.clear()
    assert kept() is None


def test_a_trace_goes_with_its_last_reference_and_needs_no_garbage_collector():
    model = nn.Sequential(nn.Linear(3, 3), Residual())
    gc.disable()
    try:
        with capture(model, keep=True, additions=True) as trace:
            model(torch.randn(2, 3)).sum().backward()
        kept = [weakref.ref(trace), *(weakref.ref(row.gradient) for rows in trace.tensors.values() for row in rows)]
        assert len(kept) == 6
        del trace
        assert not any(reference() for reference in kept)
    finally:
        gc.enable()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Linear(3, 3)

    def forward(self, x):
        y = self.branch(x)
        y += x
        return y


# nothing is waited for


def test_no_number_comes_to_the_host_before_the_frame(monkeypatch):
    """All that would wait for a GPU raises here; tensors on the meta device have no numbers to transfer."""

    def wait(*_args, **_kwargs):
        raise AssertionError("the host waited for the device")

    def run(device):
        model, x = small_net().to(device), images().to(device)
        with (
            capture(model, ["stem", Block], additions=True, bins=[-1, 0, 1], keep=True) as trace,
            monkeypatch.context() as patch,
        ):
            for name in (
                "item",
                "tolist",
                "cpu",
                "numpy",
                "nonzero",
                "__bool__",
                "__int__",
                "__float__",
                "__index__",
                "__array__",
            ):
                patch.setattr(torch.Tensor, name, wait)
            for _ in range(2):
                model(x).square().sum().backward()
        assert [row.gradient.device.type for row in trace.tensors["stem"]] == [device] * 2
        return trace

    run("meta")
    assert run("cpu").frame().notna().all(axis=None)
