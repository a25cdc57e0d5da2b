"""`reslab.capture`: equal to autograd's own numbers, pass after pass. Nets of other libraries:
tests/test_capture_models.py."""

import dataclasses
import math
from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from capture_reference import (  # noqa: F401
    COLUMNS,
    WithOffset,
    check_against_autograd,
    exact_rms,
    hooks_on,
    images,
    is_block,
    is_leaf,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn

from reslab.capture import capture


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("skip", [True, False])
def test_blocks_equal_autograd(dtype, relative, norm, skip):
    model = small_net(depth=14, skip=skip, norm=norm).to(dtype)
    frame = check_against_autograd(model, images().to(dtype), is_block, relative)
    assert list(frame["module"]) == [f"stage{s}.block{b}" for s in (1, 2, 3) for b in (1, 2)]
    assert list(frame["shape"])[::2] == ["3×4×8×8", "3×8×4×4", "3×16×2×2"]
    assert frame["gradient_rms"].gt(0).all()


def test_every_module_of_a_net_equals_autograd():
    model = small_net(shortcut="B", activation="tanh").double()
    chosen = is_leaf, lambda name, _module: "branch" in name and name.count(".") == 2
    for layers in chosen:
        check_against_autograd(model, images().double(), layers, 1e-12, watch=layers)


def test_in_place_modules_equal_the_same_out_of_place():
    def frame(inplace):
        torch.manual_seed(1)
        chain = [
            nn.Linear(6, 6),
            nn.ReLU(inplace),
            nn.Linear(6, 6),
            nn.ELU(0.5, inplace),
            nn.BatchNorm1d(6),
            nn.Hardtanh(-1, 1, inplace),
        ]
        model = nn.Sequential(*chain, nn.Dropout(0.0, inplace), nn.Flatten())
        x = torch.randn(9, 6)
        with capture(model) as trace:
            loss_of(model(x)).backward()
        return trace.frame()

    pd.testing.assert_frame_equal(frame(True), frame(False), rtol=1e-7)


def test_a_residual_sum_carries_the_gradient_of_both_paths():
    class Sum(nn.Module):
        def __init__(self, inplace):
            super().__init__()
            self.first, self.second, self.inplace = nn.Linear(3, 3), nn.Linear(3, 3), inplace

        def forward(self, x):
            h = self.first(x)
            y = self.second(h)
            if self.inplace:
                y += h
                return y
            return y + h

    for inplace in (False, True):
        model = Sum(inplace).double()
        frame = check_against_autograd(model, torch.randn(4, 3).double(), is_leaf, 1e-12)
        assert list(frame["module"]) == ["first", "second"]
        x = torch.randn(4, 3).double()
        with capture(model) as trace:
            model(x).sum().backward()
        path = 1 + model.second.weight.detach().sum(0)  # identity, and through the weights
        assert trace.frame()["gradient_rms"][0] == pytest.approx(math.sqrt(path.square().mean().item()), rel=1e-12)
        assert trace.frame()["gradient_rms"][1] == 1


Pair = namedtuple("Pair", "index hidden")


@dataclasses.dataclass
class Output:
    loss: torch.Tensor | None
    logits: torch.Tensor


@dataclasses.dataclass
class ModelOutput(OrderedDict):
    """Both a dict and a dataclass, as in Hugging Face's transformers, where what is None has no key."""

    loss: torch.Tensor | None
    logits: torch.Tensor

    def __post_init__(self):
        self.update({name: value for name, value in vars(self).items() if value is not None})


class Wrapped(nn.Module):
    """A model whose body returns its hidden tensor inside of something."""

    def __init__(self, wrap):
        super().__init__()
        self.body, self.wrap = nn.Linear(3, 2), wrap

    def forward(self, x):
        return self.wrap(self.body(x))


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda h: (h, None), lambda out: out[0]),
        (lambda h: [h, h * 2], lambda out: out[0]),
        (lambda h: (None, "text", torch.arange(3), h), lambda out: out[3]),  # whole numbers are no activation
        (lambda h: {"labels": torch.tensor([1]), "logits": h}, lambda out: out["logits"]),
        (lambda h: OrderedDict(out=h, aux=h + 1), lambda out: out["out"]),
        (lambda h: Pair(torch.tensor(0), h), lambda out: out.hidden),
        (lambda h: ((), {"deep": [(h,)]}), lambda out: out[1]["deep"][0][0]),
        (lambda h: UserDict(out=h), lambda out: out["out"]),
        (lambda h: Output(None, h), lambda out: out.logits),
        (lambda h: ModelOutput(loss=None, logits=h), lambda out: out["logits"]),
        (lambda h: SimpleNamespace(loss=None, logits=h), lambda out: out.logits),
        (lambda h: torch.distributions.Normal(h, 1.0), lambda out: out.loc),
        (lambda h: {h}, lambda out: next(iter(out))),
    ],
)
def test_the_first_tensor_of_a_tuple_list_dict_or_object_counts(wrap, unwrap):
    model = Wrapped(wrap)
    with capture(model, lambda _name, module: module is model) as trace:
        hidden = unwrap(model(torch.randn(4, 3)))
        hidden.retain_grad()
        loss_of(hidden).backward()
    (row,) = trace.frame().itertuples()
    assert (row.module, row.shape) == ("Wrapped", "4×2")
    assert row.activation_rms == pytest.approx(exact_rms(hidden), rel=1e-6)
    assert row.gradient_rms == pytest.approx(exact_rms(hidden.grad), rel=1e-6)


@pytest.mark.parametrize("wrap", [lambda _h: None, lambda _h: (), lambda _h: {"n": 3}])
def test_an_output_without_a_tensor_has_no_row(wrap):
    model = Wrapped(wrap)
    with capture(model, lambda _name, _module: True) as trace:
        model(torch.randn(4, 3))
    assert list(trace.frame()["module"]) == ["body"]


def test_a_lstm_returns_its_sequence_first():
    model = nn.LSTM(3, 4)
    with capture(model) as trace:
        output, _state = model(torch.randn(5, 2, 3))
        loss_of(output).backward()
    (row,) = trace.frame().itertuples()
    assert (row.module, row.shape) == ("LSTM", "5×2×4")
    assert row.gradient_rms > 0


def test_a_shared_module_has_a_row_each_time_it_is_called():
    shared = nn.Linear(3, 3).double()
    model = nn.Sequential(OrderedDict(a=shared, between=nn.Tanh(), b=shared))
    with capture(model) as trace:
        loss_of(model(torch.randn(4, 3).double())).backward()
    frame = trace.frame()
    assert list(frame["module"]) == ["a", "between", "a"]
    assert list(frame["index"]) == [1, 2, 3]
    assert frame["gradient_rms"].nunique() == 3


def test_frozen_layers_have_a_gradient_only_behind_a_trainable_one():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Tanh()).double()
    model[0].requires_grad_(False)
    model[2].requires_grad_(False)
    frame = check_against_autograd(model, torch.randn(4, 3).double(), is_leaf, 1e-12)
    assert list(frame["gradient_rms"].isna()) == [True, False, False, False]
    assert model[0].weight.grad is None


def test_without_gradients_there_are_only_activations():
    model = small_net()
    x = images()
    for mode in (torch.no_grad, torch.inference_mode):
        with capture(model) as trace, mode():
            model(x)
        assert trace.frame()["gradient_rms"].isna().all()
        assert trace.frame()["activation_rms"].gt(0).all()


@pytest.mark.parametrize("size", [1e-30, 1e-40])
def test_tiny_gradients_are_not_lost(size):
    model = nn.Sequential(nn.Linear(3, 4))
    with capture(model) as trace:
        (model(torch.randn(5, 3)) * size).sum().backward()
    assert trace.frame()["gradient_rms"][0] == pytest.approx(torch.tensor(size).item(), rel=1e-12, abs=0)


def test_the_gradient_is_that_of_the_last_backward_pass():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    with capture(model) as trace:
        total = model(torch.randn(4, 3)).sum()
        total.backward(retain_graph=True)
        once = trace.frame()["gradient_rms"]
        (2 * total).backward()
    assert list(once) == pytest.approx(list(trace.frame()["gradient_rms"] / 2), rel=1e-6)


def test_a_module_that_returns_its_parameter_has_each_steps_own_gradient():
    model = WithOffset()
    with capture(model) as trace:
        for scale in (1.0, 10.0, 100.0):
            model(torch.full((2, 3), scale)).backward()
    assert list(trace.frame()["gradient_rms"]) == pytest.approx([1, 10, 100], rel=1e-6)
    assert hooks_on(model.offset.value) == 0


def test_a_module_that_returns_the_persons_own_input_has_each_steps_own_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    model = nn.Sequential(nn.Identity())
    with capture(model) as trace:
        for scale in (1.0, 10.0):
            (model(x) * scale).sum().backward()
        model(x)
    assert list(trace.frame()["gradient_rms"])[:2] == pytest.approx([1, 10], rel=1e-6)
    assert math.isnan(trace.frame()["gradient_rms"][2])
    assert hooks_on(x) == 0
    assert torch.equal(x.grad, torch.full((2, 3), 11.0))


# steps


def test_steps_are_forward_passes_of_the_whole_model():
    model = small_net()
    with capture(model) as trace:
        model.stage1(model.stem(images()))
        assert trace.step == -1  # parts of the model alone are no step
        trace.clear()
        for step in range(3):
            loss_of(model(images())).backward()
            assert trace.step == step
            assert len(trace.frame()) == 3 * (step + 1)
    frame = trace.frame()
    assert list(frame["step"]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert list(frame["index"]) == [1, 2, 3] * 3
    assert list(frame["module"]) == ["stage1.block1", "stage2.block1", "stage3.block1"] * 3
    assert frame["gradient_rms"].nunique() == 9


def test_steps_can_be_numbered_otherwise_and_forgotten():
    model = small_net()
    with capture(model) as trace:
        trace.step = 41
        loss_of(model(images())).backward()
        assert set(trace.frame()["step"]) == {42}
        trace.clear()
        assert trace.frame().empty
        assert list(trace.frame().columns) == COLUMNS
        loss_of(model(images())).backward()
    assert set(trace.frame()["step"]) == {43}
    assert trace.frame()["gradient_rms"].gt(0).all()


def test_two_passes_before_one_backward_each_have_their_own_gradient():
    model = nn.Sequential(nn.Linear(3, 2))
    with capture(model) as trace:
        first, second = model(torch.randn(4, 3)), model(torch.randn(4, 3))
        (first.sum() + 10 * second.sum()).backward()
    assert list(trace.frame()["gradient_rms"]) == pytest.approx([1, 10], rel=1e-6)
    assert list(trace.frame()["step"]) == [0, 1]


def test_the_frame_can_be_read_inside_after_and_again():
    model = small_net()
    with capture(model) as trace:
        assert list(trace.frame().columns) == COLUMNS
        output = model(images())
        assert trace.frame()["gradient_rms"].isna().all()
        loss_of(output).backward()
        inside = trace.frame()
    assert inside["gradient_rms"].gt(0).all()
    pd.testing.assert_frame_equal(inside, trace.frame())
    assert inside.dtypes[["step", "index"]].eq("int64").all()
    assert inside.dtypes[COLUMNS[4:]].eq("float64").all()
