"""Both sides of every addition of two paths, in any model: equal to autograd's numbers, in place or not."""

import operator

import pandas as pd
import pytest
import torch
import torchvision
from capture_reference import (  # noqa: F401
    COLUMNS,
    PARTS,
    exact_rms,
    hooks_of,
    hooks_on,
    images,
    loss_of,
    one_thread_and_seed,
    small_net,
    sums,
)
from torch import nn
from torchvision.models.resnet import BasicBlock

from reslab.capture import capture
from reslab.nets import Block


class Adds(nn.Module):
    """branch(x) added to shortcut(x) in one of the ways to write it."""

    def __init__(self, add):
        super().__init__()
        self.branch, self.shortcut, self.add = nn.Linear(3, 3), nn.Linear(3, 3), add

    def forward(self, x):
        return self.add(self.branch(x), self.shortcut(x)).tanh()


def augmented(a, b):
    a += b
    return a


WAYS = {
    "+": operator.add,
    "+=": augmented,
    "torch.add": torch.add,
    "torch.add, by name": lambda a, b: torch.add(input=a, other=b),
    "Tensor.add": lambda a, b: a.add(b),
    "Tensor.add_": lambda a, b: a.add_(b),
    "sum": lambda a, b: sum([a, b]),
    "FloatFunctional": lambda a, b: torch.ao.nn.quantized.FloatFunctional().add(a, b),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_add_equals_autograd(way):
    model, x = Adds(WAYS[way]).double(), torch.randn(4, 3).double()
    left, right = model.branch(x), model.shortcut(x)
    total = left + right
    gradients = torch.autograd.grad(loss_of(total.tanh()), [left, right, total])
    with capture(model, additions=True) as trace:
        loss_of(model(x)).backward()
    frame = trace.frame()
    assert list(frame.columns) == [*COLUMNS[:3], "part", *COLUMNS[3:]]
    assert list(frame["part"]) == ["output", "output", *PARTS]
    assert list(frame["module"]) == ["branch", "shortcut", "Adds", "Adds", "Adds"]
    assert list(frame["index"]) == [1, 2, 3, 3, 3]
    assert set(frame["shape"]) == {"4×3"}
    expected = zip([left, right, left, right, total], [*gradients[:2], *gradients], strict=True)
    for row, (value, gradient) in zip(frame.itertuples(), expected, strict=True):
        assert row.activation_rms == pytest.approx(exact_rms(value), rel=1e-12)
        assert row.activation_mean == pytest.approx(value.mean().item(), rel=1e-10)
        assert row.gradient_rms == pytest.approx(exact_rms(gradient), rel=1e-12)


def test_without_asking_the_frame_is_as_ever():
    model, x = small_net(), images()
    frames = []
    for additions in (False, True):
        with capture(model, additions=additions) as trace:
            loss_of(model(x)).backward()
        frames.append(trace.frame())
    without, asked = frames
    assert list(without.columns) == COLUMNS
    outputs = asked[asked["part"] == "output"].drop(columns=["part", "index"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(outputs, without.drop(columns="index"))


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_left_is_the_branch_and_right_the_shortcut_of_our_blocks(shortcut):
    model = small_net(depth=14, shortcut=shortcut).double()
    with capture(model, [Block, "**.branch", "**.shortcut"], additions=True) as trace:
        loss_of(model(images().double())).backward()
    frame = trace.frame().set_index(["module", "part"])
    blocks = [f"stage{s}.block{b}" for s in (1, 2, 3) for b in (1, 2)]
    measured = ["shape", "activation_rms", "activation_mean", "activation_dead", "gradient_rms"]
    for block in blocks:
        assert frame.loc[(block, "left"), measured].equals(frame.loc[(f"{block}.branch", "output"), measured])
        assert frame.loc[(block, "right"), measured].equals(frame.loc[(f"{block}.shortcut", "output"), measured])
    ratio = (
        trace.frame()
        .pivot(index=["step", "index", "module"], columns="part", values="activation_rms")
        .eval("left / right")
        .dropna()
    )
    assert list(ratio.index.get_level_values("module")) == blocks
    assert ratio.gt(0).all()


def test_a_plain_net_adds_nothing():
    model = small_net(skip=False)
    with capture(model, additions=True) as trace:
        loss_of(model(images())).backward()
    assert list(trace.frame().columns) == [*COLUMNS[:3], "part", *COLUMNS[3:]]
    assert set(trace.frame()["part"]) == {"output"}


def test_what_is_no_sum_of_two_paths():
    class Adding(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias, self.places = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(4, 3))

        def forward(self, x):
            y = x + self.bias  # other shapes
            y = y + self.places  # a parameter
            y = 1 + y + 2.0  # numbers
            y = y + torch.ones(4, 3, dtype=torch.int64)  # whole numbers
            y = torch.add(y.sum(), y.mean()) + y  # numbers on the device, which have no shape
            return y - x  # a difference

    model = nn.Sequential(Adding())
    x = torch.randn(4, 3)
    with capture(model, additions=True) as trace:
        model(x) + model(x)  # outside of the model
        x + x
    assert set(trace.frame()["part"]) == {"output"}


def test_what_statistics_and_hooks_add_up_is_not_the_models():
    model = Adds(operator.add)
    calls = []
    twice = {"twice": lambda x: (x + x).sum()}
    with capture(model, additions=True, activation=twice, gradient=twice) as trace:
        model(torch.randn(4, 3)).sum().backward()
        calls.append(len(trace.frame()))
    assert calls == [5]
    assert hooks_of(model) == 0


def test_nested_captures_see_the_models_additions_and_not_each_others():
    model, x = Adds(operator.add), torch.randn(4, 3)
    adds = {"activation": {"twice": lambda x: (x + x).sum()}}
    with capture(model, additions=True, **adds) as outer, capture(model, additions=True, **adds) as inner:
        model(x).sum().backward()
    assert list(outer.frame()["part"]) == ["output", "output", *PARTS]
    pd.testing.assert_frame_equal(outer.frame(), inner.frame())


def test_generators_that_end_in_the_order_they_began():
    """PyTorch keeps modes on a stack: the first generator to end must not take off the mode of the second."""
    model = Adds(operator.add)

    def watched():
        with capture(model, (), additions=True) as trace:
            model(torch.randn(4, 3))
            yield trace
            model(torch.randn(4, 3))
            yield trace

    first, second = watched(), watched()
    next(first)
    trace = next(second)
    first.close()
    assert next(second) is trace
    second.close()
    assert list(trace.frame()["part"]) == PARTS * 2
    assert torch.overrides._get_current_function_mode_stack() == []
    assert hooks_of(model) == 0


def test_an_addition_belongs_to_the_innermost_module_even_after_an_exception_that_the_model_caught():
    class Fails(nn.Module):
        def forward(self, x):
            raise ArithmeticError

    class Catches(nn.Module):
        def __init__(self):
            super().__init__()
            self.adds, self.fails = Adds(augmented), Fails()

        def forward(self, x):
            try:
                self.fails(x)
            except ArithmeticError:
                y = self.adds(x)
            return y + x

    model = Catches()
    for _ in range(2):
        assert sums(model, torch.randn(4, 3)) == ["adds", "Catches"]


def test_a_frozen_shortcut_has_no_gradient():
    model = Adds(augmented)
    model.shortcut.requires_grad_(False)
    with capture(model, (), additions=True) as trace:
        model(torch.randn(4, 3)).sum().backward()
    assert list(trace.frame()["gradient_rms"].isna()) == [False, True, False]


def test_additions_leave_no_hook_and_change_no_number():
    def trained(watched):
        torch.manual_seed(3)
        model = torchvision.models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            with capture(model, additions=True) if watched else torch.enable_grad():
                output = model(images(4, 32))
                optimizer.zero_grad()
                loss_of(output).backward()
            optimizer.step()
        assert hooks_of(model) == hooks_on(output) == 0
        return [
            *model.state_dict().values(),
            *(p.grad for p in model.parameters()),
            output.detach(),
            torch.get_rng_state(),
        ]

    assert all(torch.equal(a, b) for a, b in zip(trained(False), trained(True), strict=True))


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["forward", "left", "gradient", "with block"])
def test_nothing_is_left_whatever_happens(where, error):
    def fail(*_):
        raise error

    model = Adds(fail if where == "forward" else augmented)
    statistics = {"left": {"activation": {"bad": fail}}, "gradient": {"gradient": {"bad": fail}}}.get(where, {})
    running = []

    def run():
        with capture(model, (), additions=True, **statistics):
            running.extend(torch.overrides._get_current_function_mode_stack())
            model(torch.randn(4, 3)).sum().backward()
            raise error

    with pytest.raises(error):
        run()
    assert len(running) == 1
    assert torch.overrides._get_current_function_mode_stack() == []
    assert hooks_of(model) == 0
    model.add = augmented
    assert sums(model, torch.randn(4, 3)) == ["Adds"]
