"""The reference for `reslab.capture`: autograd's own numbers on tensors that were kept."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from reslab.capture import capture
from reslab.nets import Block, NetSpec, build

COLUMNS = ["step", "module", "index", "shape", "activation_rms", "activation_mean", "activation_dead", "gradient_rms"]


@pytest.fixture(autouse=True)
def one_thread_and_seed():
    """One thread: small tensors are not faster with more, and then other programs do not slow them down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def small_net(**fields):
    return build(NetSpec(**{"depth": 8, "width": 4, "image_size": 8} | fields))


def images(n=3, size=8):
    return torch.randn(n, 3, size, size)


def loss_of(output):
    """A loss whose gradient differs from element to element."""
    return (output * torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view_as(output)).square().sum()


def is_block(_name, module):
    return isinstance(module, Block)


def is_leaf(_name, module):
    # which uses its parts without calling them
    return not any(module.children()) or isinstance(module, nn.MultiheadAttention)


def hooks_of(model):
    """How many hooks of any kind the modules of a model have."""
    kinds = [value for module in model.modules() for name, value in vars(module).items() if "hooks" in name]
    return sum(len(hooks) for hooks in kinds if isinstance(hooks, dict))


def hooks_on(tensor):
    return len(tensor._backward_hooks or ())


def exact_rms(tensor):
    return math.sqrt(np.square(tensor.detach().double().numpy()).mean())


def keep_outputs(model, layers, x):
    """(name, value, gradient) of the outputs of the chosen modules, in the order of the forward pass.

    Each output is kept and the net goes on with a copy, so in-place operations do not change what is kept.
    """
    kept, handles = [], []

    def keep(name):
        def hook(_module, _inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            kept.append((name, first.detach().clone(), first))
            if isinstance(output, tuple):
                return first.clone(), *output[1:]
            return output.clone()

        return hook

    for name, module in model.named_modules():
        if layers(name, module):
            handles.append(module.register_forward_hook(keep(name)))
    loss = loss_of(model(x))
    for handle in handles:
        handle.remove()
    wanted = [output for *_, output in kept if output.requires_grad]
    gradients = iter(torch.autograd.grad(loss, wanted, allow_unused=True))
    return [(name, value, next(gradients) if output.requires_grad else None) for name, value, output in kept]


def check_against_autograd(model, x, layers, relative, watch=None):
    """Capture and autograd agree on every output of the chosen modules; returns the frame."""
    torch.manual_seed(1)
    expected = keep_outputs(copy.deepcopy(model), layers, x)
    torch.manual_seed(1)
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
        assert row.activation_mean == pytest.approx(
            value.double().mean().item(), rel=relative, abs=relative * exact_rms(value)
        )
        assert row.activation_dead == pytest.approx(
            (value.transpose(0, 1).flatten(1) == 0).all(1).double().mean().item(), rel=1e-6
        )
        assert gradient is None or row.gradient_rms == pytest.approx(exact_rms(gradient), rel=relative)
        assert math.isnan(row.gradient_rms) == (gradient is None)
    assert hooks_of(model) == 0
    return frame


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


PARTS = ["left", "right", "sum"]
X = torch.linspace(-1, 1, 12).view(4, 3)


class Adds(nn.Module):
    """branch(x) + x, out of place."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Linear(3, 3)

    def forward(self, x):
        return self.branch(x) + x


def chain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))


def frame_of(model, call, *arguments, layers=None, **chosen):
    """The frame of a call whose result is summed and differentiated."""
    with capture(model, layers, **chosen) as trace:
        call(*arguments).sum().backward()
    return trace.frame()


def warns(sentence):
    return pytest.warns(UserWarning, match=sentence)


class Residual(nn.Module):
    """The same sum, in place."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Linear(3, 3)

    def forward(self, x):
        y = self.branch(x)
        y += x
        return y


def sums(model, x):
    """The modules that add, in order; every side and every sum has a gradient."""
    with capture(model, (), additions=True) as trace:
        loss_of(model(x.requires_grad_())).backward()
    frame = trace.frame()
    assert set(frame["part"]) <= set(PARTS)
    assert frame["gradient_rms"].notna().all()
    return list(frame.loc[frame["part"] == "sum", "module"])


def added(frame):
    """The rows of additions, as (module, part)."""
    return list(frame[frame["part"] != "output"][["module", "part"]].itertuples(index=False, name=None))
