"""`reslab.capture` removes its hooks, changes nothing in the model, and never waits for a GPU."""

import copy

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from capture_reference import (  # noqa: F401
    hooks_of,
    hooks_on,
    images,
    is_leaf,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn

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
