"""`reslab.capture`: equal to autograd's own numbers on any model, and nothing of it left behind."""

import copy
import gc
import math
from collections import OrderedDict, namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from reslab.capture import capture, dead, mean, rms, weight_gradients
from reslab.nets import Block, NetSpec, build

COLUMNS = ["step", "module", "index", "shape", "activation_rms", "activation_mean", "activation_dead", "gradient_rms"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small gain nothing from more, and a busy neighbour costs them nothing with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def small_net(**fields):
    return build(NetSpec(**{"depth": 8, "width": 4, "image_size": 8} | fields))


def images(n=3, size=8):
    return torch.randn(n, 3, size, size)


def loss_of(output):
    """A loss whose gradient differs from element to element."""
    return (output * torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view_as(output)).square().sum()


def hooks_of(model):
    """How many hooks of any kind the modules of a model have."""
    kinds = [value for module in model.modules() for name, value in vars(module).items() if "hooks" in name]
    return sum(len(hooks) for hooks in kinds if isinstance(hooks, dict))


def hooks_on(tensor):
    return len(tensor._backward_hooks or ())


def exact_rms(tensor):
    return math.sqrt(np.square(tensor.detach().double().numpy()).mean())


def keep_outputs(model, layers, x):
    """Autograd's own numbers: (name, value, gradient) of the outputs of the chosen modules, in the order of the forward pass.

    Each output is kept, and a copy goes on in its place, so that nothing in place can reach what is kept.
    """
    kept, handles = [], []

    def keep(name):
        def hook(_module, _inputs, output):
            kept.append((name, output.detach().clone(), output))
            if output.requires_grad:
                output.retain_grad()
            return output.clone()

        return hook

    for name, module in model.named_modules():
        if layers(name, module):
            handles.append(module.register_forward_hook(keep(name)))
    loss_of(model(x)).backward()
    for handle in handles:
        handle.remove()
    return [(name, value, output.grad if output.requires_grad else None) for name, value, output in kept]


def check_against_autograd(model, x, layers, relative, watch=None):
    """Capture and autograd agree on every output of the chosen modules; returns the frame."""
    expected = keep_outputs(copy.deepcopy(model), layers, x)
    with capture(model, watch) as trace:
        loss_of(model(x)).backward()
    frame = trace.frame()
    assert list(frame.columns) == COLUMNS
    assert list(frame["module"]) == [name for name, *_ in expected]
    assert list(frame["index"]) == list(range(1, len(expected) + 1))
    assert list(frame["shape"]) == ["×".join(map(str, value.shape)) for _, value, _ in expected]
    assert set(frame["step"]) == {0}
    for row, (_, value, gradient) in zip(frame.itertuples(), expected, strict=True):
        assert row.activation_rms == pytest.approx(exact_rms(value), rel=relative)
        assert row.activation_mean == pytest.approx(value.double().mean().item(), rel=relative, abs=relative * exact_rms(value))
        assert row.activation_dead == pytest.approx((value.transpose(0, 1).flatten(1) == 0).all(1).double().mean().item(), rel=1e-6)
        assert gradient is None or row.gradient_rms == pytest.approx(exact_rms(gradient), rel=relative)
        assert math.isnan(row.gradient_rms) == (gradient is None)
    assert hooks_of(model) == 0
    return frame


def is_block(_name, module):
    return isinstance(module, Block)


def is_leaf(_name, module):
    return not any(module.children())


# statistics of a tensor


def test_statistics_of_a_tensor_worked_out_by_hand():
    x = torch.tensor([[3.0, 0.0, -1.0], [4.0, 0.0, 0.0]])
    assert rms(x).item() == pytest.approx(math.sqrt(26 / 6), rel=1e-15)
    assert mean(x).item() == 1.0
    assert dead(x).item() == pytest.approx(1 / 3, rel=1e-7)  # only the second unit is 0 for both examples


def test_a_dead_unit_is_exactly_zero_everywhere():
    x = torch.zeros(2, 4, 2, 2)
    assert dead(x).item() == 1
    x[1, 0, 1, 1] = 1e-45  # one pixel of one example, the smallest number there is
    x[:, 1] = -1  # negative is not dead
    x[0, 2] = torch.tensor([[1.0, -1.0], [0.0, 0.0]])  # the sum is 0, the unit is not
    assert dead(x).item() == 0.25
    x[0, 3, 0, 0] = math.nan
    assert dead(x).item() == 0


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 3, 2), (5, 4, 3, 2, 2)])
def test_a_unit_is_dimension_1(shape):
    x = torch.ones(shape)
    x[:, 2] = 0
    assert dead(x).item() == 0.25
    x[3] = 0  # an example of zeros makes no unit dead
    assert dead(x).item() == 0.25


def test_statistics_of_a_vector_and_of_a_number():
    assert [f(torch.tensor([1.0, -7.0])).item() for f in (rms, mean, dead)] == [pytest.approx(5, rel=1e-15), -3, 0]
    assert [f(torch.tensor(-3.0)).item() for f in (rms, mean, dead)] == [3, -3, 0]
    assert dead(torch.tensor(0.0)).item() == 1


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1.0, 1e30])
def test_rms_of_numbers_whose_squares_float32_cannot_hold(size):
    x = torch.full((7, 3), size) * torch.tensor([1.0, -1.0, 1.0])
    assert rms(x).item() == pytest.approx(x[0, 0].item(), rel=1e-14, abs=0)


def test_statistics_of_half_precision_do_not_overflow():
    x = torch.full((64, 2, 8), 60000.0, dtype=torch.float16)
    assert rms(x).item() == pytest.approx(x[0, 0, 0].item(), rel=1e-12)
    assert mean(x).item() == x[0, 0, 0].item()
    assert dead(x).item() == 0


# equal to autograd's own numbers


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


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_torchvision_resnet18_with_its_in_place_relus(dtype, relative):
    model = torchvision.models.resnet18(weights=None, num_classes=5).to(dtype)
    assert any(getattr(module, "inplace", False) for module in model.modules())
    frame = check_against_autograd(model, images(2, 64).to(dtype), is_leaf, relative)
    assert list(frame["module"][:4]) == ["conv1", "bn1", "relu", "maxpool"]
    assert list(frame["module"].iloc[-2:]) == ["avgpool", "fc"]
    assert frame["module"].value_counts()["layer1.0.relu"] == 2  # one module, called twice
    before, after = frame[frame["module"] == "bn1"].squeeze(), frame[frame["module"] == "relu"].squeeze()
    assert before["activation_mean"] < after["activation_mean"]  # what batch norm gave, not what ReLU made of it in place


def test_in_place_modules_equal_the_same_out_of_place():
    def frame(inplace):
        torch.manual_seed(1)
        chain = [nn.Linear(6, 6), nn.ReLU(inplace), nn.Linear(6, 6), nn.ELU(0.5, inplace), nn.BatchNorm1d(6), nn.Hardtanh(-1, 1, inplace)]
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


@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_encoder(training):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().train(training)
    frame = check_against_autograd(model, torch.randn(2, 5, 8).double(), is_leaf, 1e-10)
    once = ["dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2"]
    assert list(frame["module"]) == [f"layers.{i}.{name}" for i in (0, 1) for name in once]
    with capture(model, lambda name, _module: name.endswith("self_attn")) as trace:  # returns a tuple of tensor and None
        attended = model(torch.randn(2, 5, 8).double())
        loss_of(attended).backward()
    assert list(trace.frame()["module"]) == ["layers.0.self_attn", "layers.1.self_attn"]
    assert trace.frame()["gradient_rms"].gt(0).all()


Pair = namedtuple("Pair", "index hidden")


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
    ],
)
def test_the_first_tensor_of_a_tuple_list_or_dict_counts(wrap, unwrap):
    model = Wrapped(wrap)
    with capture(model, lambda _name, module: module is model) as trace:
        hidden = unwrap(model(torch.randn(4, 3)))
        hidden.retain_grad()
        loss_of(hidden).backward()
    (row,) = trace.frame().itertuples()
    assert (row.module, row.shape) == ("Wrapped", "4×2")
    assert row.activation_rms == pytest.approx(exact_rms(hidden), rel=1e-6)
    assert row.gradient_rms == pytest.approx(exact_rms(hidden.grad), rel=1e-6)


@pytest.mark.parametrize(
    "wrap", [lambda _h: None, lambda _h: (), lambda _h: torch.arange(3), lambda _h: {"n": 3}, lambda h: h.to(torch.cfloat)]
)
def test_an_output_without_real_numbers_has_no_row(wrap):
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


class Offset(nn.Module):
    """Returns its parameter: a tensor that lives on from pass to pass."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.ones(2, 3))

    def forward(self, _x):
        return self.value


class WithOffset(nn.Module):
    def __init__(self):
        super().__init__()
        self.offset = Offset()

    def forward(self, x):
        return (x * self.offset(x)).sum()


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


# what is chosen


def test_blocks_are_chosen_where_there_are_any_and_leaves_otherwise():
    def modules(model, x):
        with capture(model) as trace:
            model(x)
        return list(trace.frame()["module"])

    blocks = ["0.stage1.block1", "0.stage2.block1", "0.stage3.block1"]
    assert modules(nn.Sequential(small_net(), nn.ReLU()), images()) == blocks
    assert modules(nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Tanh()), torch.randn(2, 3)) == ["0.0", "0.1", "1"]
    assert modules(nn.Linear(3, 3), torch.randn(2, 3)) == ["Linear"]


def test_a_predicate_chooses_by_name_and_module():
    model = small_net()
    with capture(model, lambda name, module: name == "stem.conv" or isinstance(module, nn.Linear) or name == "ResNet") as trace:
        model(images())
    assert list(trace.frame()["module"]) == ["stem.conv", "fc", "ResNet"]


def test_choosing_nothing_is_refused_and_leaves_nothing():
    model = small_net()
    with (
        pytest.raises(ValueError, match=r"^no module of ResNet was chosen; its modules are ResNet, stem, stem\.conv, .*\.\.\.$"),
        capture(model, lambda _name, _module: False),
    ):
        pytest.fail("the block ran")  # pragma: no cover
    assert hooks_of(model) == 0


def test_statistics_of_ones_own():
    model = nn.Sequential(nn.Linear(3, 2))
    largest, smallest, positive = lambda x: x.abs().max(), torch.min, lambda gradient: (gradient > 0).sum()
    with capture(model, activation={"largest": largest}, gradient={"smallest": smallest, "positive": positive}) as trace:
        output = model(torch.randn(4, 3))
        (output * torch.arange(8.0).view(4, 2)).sum().backward()
    frame = trace.frame()
    assert list(frame.columns) == [*COLUMNS[:4], "activation_largest", "gradient_smallest", "gradient_positive"]
    assert list(frame.iloc[0, 4:]) == [output.abs().max().item(), 0, 7]


def test_a_statistic_that_is_a_view_is_not_changed_in_place_afterwards():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True))
    model[0].weight.data.copy_(-torch.eye(2))
    with capture(model, activation={"first": lambda x: x[0, 0]}) as trace:
        model(torch.ones(1, 2))
    assert list(trace.frame()["activation_first"]) == [-1, 0]


def test_statistics_can_be_left_out():
    model = small_net()
    with capture(model, activation={}) as trace:
        loss_of(model(images())).backward()
    assert list(trace.frame().columns) == [*COLUMNS[:4], "gradient_rms"]
    assert trace.frame()["gradient_rms"].gt(0).all()
    with capture(model, gradient={}) as trace:
        output = model(images())
        assert hooks_on(output) == 0
    assert list(trace.frame().columns) == COLUMNS[:-1]


def test_statistics_see_tensors_outside_the_graph():
    seen = []

    def remember(x):
        seen.append(x.requires_grad)
        return x.sum()

    model = small_net()
    with capture(model, activation={"sum": remember}, gradient={"sum": remember}) as trace:
        (gradient,) = torch.autograd.grad(loss_of(model(images())), model.stem.conv.weight, create_graph=True)
        assert len(seen) == 6
        gradient.sum().backward()
    assert not any(seen)
    assert trace.frame().notna().all(axis=None)


# nothing is left, nothing is changed


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
    chosen = {"statistic": {"activation": {"bad": fail}}, "gradient statistic": {"gradient": {"bad": fail}}}.get(where, {})
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
    assert [hooks_on(tensor) for tensor in model.kept] == ([1, 0] if where == "backward" else [0] * len(model.kept))  # 1: its own


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
        for _ in range(6):
            x, y = images(8), torch.randint(10, (8,))
            with capture(model, is_leaf if watched == "leaves" else None) if watched else torch.enable_grad():
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
        return [*model.state_dict().values(), *(p.grad for p in model.parameters()), loss.detach(), torch.get_rng_state()]

    plain = trained(None)
    assert plain[-2].isfinite()
    for watched in ("blocks", "leaves"):
        assert all(torch.equal(a, b) for a, b in zip(plain, trained(watched), strict=True))


def test_nothing_grows_over_300_steps():
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
        for step in range(1, 301):
            loss = loss_of(model(torch.randn(2, 3)))
            if step % 3:  # every third pass has no backward
                loss.backward()
            trace.clear()
            if step in (32, 299):
                counts.append(alive())
        assert trace.step == 299
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
    assert all(tensor.numel() == 1 and tensor.untyped_storage().nbytes() <= 8 and not tensor.requires_grad for tensor in kept)
    assert not {tensor.untyped_storage().data_ptr() for tensor in kept} & set(references)


# gradients of the weights


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_weight_gradients_equal_autograd(dtype, relative):
    model = small_net(shortcut="B", norm="none", init="torch").to(dtype)
    model.fc.requires_grad_(False)
    loss_of(model(images().to(dtype))).backward()
    frame = weight_gradients(model)
    assert list(frame.columns) == ["parameter", "shape", "weight_rms", "gradient_rms", "gradient_norm"]
    assert list(frame["parameter"]) == [name for name, _ in model.named_parameters()]
    assert frame["shape"][0] == "4×3×3×3"
    for row, parameter in zip(frame.itertuples(), model.parameters(), strict=True):
        assert row.weight_rms == pytest.approx(exact_rms(parameter), rel=relative)
        if parameter.grad is None:
            assert math.isnan(row.gradient_rms)
            assert math.isnan(row.gradient_norm)
        else:
            assert row.gradient_rms == pytest.approx(exact_rms(parameter.grad), rel=relative)
            assert row.gradient_norm == pytest.approx(math.sqrt(parameter.grad.double().square().sum().item()), rel=relative)
    assert list(frame["gradient_rms"].isna()) == [name.startswith("fc") for name in frame["parameter"]]


def test_weight_gradients_before_any_backward_pass():
    model = small_net()
    frame = weight_gradients(model)
    assert frame["gradient_rms"].isna().all()
    assert frame["gradient_norm"].isna().all()
    assert frame["weight_rms"].notna().all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_weight_gradients_do_not_lose_tiny_ones():
    model = nn.Linear(3, 2)
    (model(torch.ones(1, 3)) * 1e-30).sum().backward()
    assert list(weight_gradients(model)["gradient_rms"]) == pytest.approx([torch.tensor(1e-30).item()] * 2, rel=1e-12, abs=0)


def test_weight_gradients_of_a_shared_parameter_come_once_and_of_none_not_at_all():
    shared = nn.Linear(2, 2)
    assert list(weight_gradients(nn.Sequential(shared, nn.ReLU(), shared))["parameter"]) == ["0.weight", "0.bias"]
    frame = weight_gradients(nn.ReLU())
    assert frame.empty
    assert list(frame.columns) == ["parameter", "shape", "weight_rms", "gradient_rms", "gradient_norm"]
