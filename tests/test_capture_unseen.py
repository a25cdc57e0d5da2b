"""`reslab.capture` has the same rows however the model is called; a warning says what it does not see."""

import sys
from dataclasses import dataclass

import pandas as pd
import pytest
import torch
from capture_reference import (  # noqa: F401
    COLUMNS,
    Adds,
    X,
    chain,
    frame_of,
    hooks_of,
    one_thread_and_seed,
    warns,
)
from torch import nn
from torch.masked import MaskedTensor
from torch.nn.utils import parametrizations, parametrize, prune

from reslab.capture import capture

# compiled functions, whose rows are those of a plain call


def test_a_step_function_compiled_around_the_model_beforehand():
    torch._dynamo.reset()
    model = chain()
    expected = frame_of(model, model, X)
    step = torch.compile(lambda x: model(x).sum(), backend="eager")
    step(X)
    pd.testing.assert_frame_equal(frame_of(model, step, X), expected)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    step(X)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs  # afterwards it is the compiled one again
    whole = torch.compile(model, backend="eager")
    whole(X)
    pd.testing.assert_frame_equal(frame_of(model, whole, X), expected)  # given to capture as it was before


def test_compiling_is_off_as_long_as_any_block_is_open():
    def compiled(x):
        return x + 1 if torch.compiler.is_compiling() else x - 1

    torch._dynamo.reset()
    function = torch.compile(compiled, backend="eager")
    first, second = capture(nn.Identity()), capture(nn.Identity())
    for block in (first, second):
        block.__enter__()
    with warns("^nothing was captured"):
        first.__exit__(None, None, None)  # as blocks of two threads may end
    assert function(torch.tensor(1.0)) == 0
    with warns("^nothing was captured"):
        second.__exit__(None, None, None)
    assert function(torch.tensor(1.0)) == 2


def test_the_first_compiled_function_of_a_process_does_not_hide_the_hooks(monkeypatch):
    torch._dynamo.reset()
    model, step = chain(), torch.compile(lambda x: model(x).sum(), backend="eager")
    block = capture(model)
    with monkeypatch.context() as patch:
        # as before the first use of torch.compile, which takes a second to import it
        patch.delitem(sys.modules, "torch._dynamo")
        trace = block.__enter__()
    step(X)
    with warns("^forward passes that only traced the model"):
        block.__exit__(None, None, None)
    step(X)
    assert trace.frame().empty


# parametrised layers, whose rows are those of the layer with that weight


def lora(layer):
    class LowRank(nn.Module):
        def forward(self, weight):
            return weight * 1 + weight * 0.5  # a sum of two tensors that are no parameters

    parametrize.register_parametrization(layer, "weight", LowRank())


WAYS = {
    "weight_norm": lambda layer: parametrizations.weight_norm(layer),
    "spectral_norm": lambda layer: parametrizations.spectral_norm(layer),
    "orthogonal": lambda layer: parametrizations.orthogonal(layer),
    "an own one that adds": lora,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_parametrised_layer_is_a_leaf(way):
    model = nn.Sequential(Adds(), nn.Tanh())
    WAYS[way](model[0].branch)
    model.eval()  # spectral_norm iterates at every call in training
    plain = nn.Sequential(Adds(), nn.Tanh())
    plain[0].branch.weight.data, plain[0].branch.bias.data = model[0].branch.weight.data, model[0].branch.bias.data
    expected = frame_of(plain, plain, X, additions=True)
    assert list(expected["module"]) == ["0.branch", "0", "0", "0", "1"]
    pd.testing.assert_frame_equal(frame_of(model, model, X, additions=True), expected, rtol=1e-6)


class Mixture(nn.Module):
    """Its weights are in a list, which is never called."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([torch.eye(3), torch.ones(3, 3)])

    def forward(self, x):
        return x @ (self.weights[0] + self.weights[1])


def test_a_module_whose_parts_only_hold_its_weights_is_a_leaf():
    model = nn.Sequential(nn.Tanh(), Mixture())
    assert list(frame_of(model, model, X)["module"]) == ["0", "1"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
def test_the_packed_weights_of_a_quantised_layer():
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 3), nn.Tanh()), {nn.Linear})
    with warns(r"^Sequential ran, and 0\._packed_params, .*, was not called .*: watch that parent"), capture(model):
        model(X)
    with capture(model, ["0", "1"]) as trace:
        model(X)
    assert list(trace.frame()["module"]) == ["0", "1"]


def test_what_computes_a_weight_can_be_chosen_by_name():
    model = chain()
    parametrizations.weight_norm(model[0])
    frame = frame_of(model, model, X, layers="0.parametrizations.weight.0")
    assert list(frame["shape"]) == ["3×3"]


# names


def test_a_shared_module_can_be_chosen_by_each_of_its_names():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    expected = frame_of(model, model, X, layers="0")
    assert list(expected["module"]) == ["0", "0"]
    for layers in ("2", shared, ["0", "2"], lambda name, _module: name == "2"):
        pd.testing.assert_frame_equal(frame_of(model, model, X, layers=layers), expected)


@pytest.mark.parametrize("name", ["a[0]", "what?", "a*", "[!x]"])
def test_an_exact_name_chooses_that_module_alone(name):
    class Calls(nn.ModuleDict):
        def forward(self, x):
            for module in self.values():
                x = module(x)
            return x

    model = Calls({name: nn.Tanh(), "a0": nn.Tanh(), "whatx": nn.Tanh(), "b": nn.Tanh()})
    assert list(frame_of(model, model, X.clone().requires_grad_(), layers=name)["module"]) == [name]


# what is not seen


def test_a_block_in_which_nothing_ran():
    with (
        warns(r"^nothing was captured: no module of Sequential was called\. Call it inside of the block"),
        capture(chain()) as trace,
    ):
        pass
    assert trace.frame().empty
    with pytest.raises(ArithmeticError), capture(chain()):
        raise ArithmeticError  # which says enough


def test_a_module_of_weights_that_nobody_called():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.called, self.read, self.unused = nn.Linear(3, 3), nn.Linear(3, 3), nn.Dropout()

        def forward(self, x):
            return nn.functional.linear(self.called(x), self.read.weight)

    model = Reads()
    with warns(r"^Reads ran, and read, of the 3 modules watched, was not called and has no row\. "):
        assert list(frame_of(model, model, X)["module"]) == ["called"]
    with warns(r"^Reads ran, and unused was not called and has no row\. "):
        assert frame_of(model, model, X, layers="unused").empty
    # a part alone: the others were not meant to run
    assert list(frame_of(model, model.called, X)["module"]) == ["called"]


@pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, X)])
def test_what_torch_jit_made(make, whole):
    model = make(chain()) if whole else nn.Sequential(nn.Linear(3, 3), make(chain()))
    with warns(r" was made by torch\.jit, and calls no hooks of the modules inside of it"):
        frame = frame_of(model, model, X)
    traced = isinstance(model if whole else model[1], torch.jit.TopLevelTracedModule)
    assert list(frame["module"]) == ([] if whole else ["0"]) + (
        ["TopLevelTracedModule" if whole else "1"] if traced else []
    )
    assert hooks_of(model) == 0


def test_what_torch_export_made_and_what_it_adds():
    model = torch.export.export(nn.Sequential(Adds(), nn.Tanh()), (X,)).module()
    with warns(r"^GraphModule ran, and 0\.branch.* was not called and has no row\. What torch\.export"):
        frame = frame_of(model, model, X, additions=True)
    assert list(frame["part"]) == ["left", "right", "sum"]


@pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated")
@pytest.mark.parametrize(
    "trace_it", [lambda m: torch.export.export(m, (X,)), lambda m: torch.jit.trace(m, X, check_trace=False)]
)
def test_passes_that_only_trace_the_model(trace_it):
    model = chain()
    plain = frame_of(model, model, X)
    with warns(r"^forward passes that only traced the model \(.*\) have no rows"), capture(model) as trace:
        trace_it(model)
        model(X).sum().backward()
    columns = [name for name in COLUMNS if name != "step"]
    pd.testing.assert_frame_equal(trace.frame()[columns], plain[columns])


@dataclass
class Counted:
    numbers: torch.Tensor


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: x.to(torch.cfloat), "a tensor of torch.complex64"),
        (lambda x: x.argmax(1), "a tensor of torch.int64"),
        (lambda x: (None, {"mask": x > 0}), "a tensor of torch.bool"),
        (lambda x: x.to_sparse(), "a sparse tensor of torch.float32"),
        pytest.param(
            lambda x: MaskedTensor(x.detach(), x > 0),
            "a masked tensor of torch.float32",
            marks=pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors is in prototype stage"),
        ),
        (lambda x: Counted(x.argmax(1)), "a tensor of torch.int64"),
        (lambda x: (part for part in x), "a generator"),
    ],
)
def test_outputs_without_real_numbers(make, words):
    model = nn.Sequential(nn.Tanh(), Returns(make))
    with (
        warns(rf"^1, of the 2 modules watched, has no row: its output is {words}; only dense tensors"),
        capture(model) as trace,
    ):
        model(X)
    assert list(trace.frame()["module"]) == ["0"]
    with warns("^Returns has no row"), capture(model[1]) as trace:
        model[1](X)
    assert list(trace.frame().columns) == COLUMNS


def test_a_module_added_inside():
    model = chain()
    with warns(r"^3, 4\.0 joined Sequential inside of the block, and was not watched; change"), capture(model):
        model.append(nn.Linear(2, 2)).append(nn.Sequential(nn.ReLU()))
        model(X)
    with capture(model, "[01]"):  # the new one is none of these
        model.append(nn.ReLU())
        model(X)


def test_a_module_replaced_inside():
    model = chain()
    with (
        warns(r"^2, of the 3 modules watched, was replaced inside of the block, and its replacement was not"),
        capture(model),
    ):
        model(X)
        model[2] = nn.Linear(3, 2)
        model(X)
    assert hooks_of(model) == 0
