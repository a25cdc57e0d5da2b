"""Gradients at neighbouring inputs: a net of flags, slopes against finite differences, and known autocorrelations."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reslab import build, digits, replace
from reslab.experiments import shattering
from reslab.experiments.degradation import small_net
from reslab.experiments.shattering import ScalarNet, along_a_line, autocorrelation, noise, on_a_grid


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=256, n_test=128)


def net(split, **changes):
    return replace(small_net(split), **changes)


def test_a_scalar_net_is_its_flags():
    x = torch.linspace(-1, 1, 7)[:, None]
    state = torch.random.get_rng_state()
    plain, residual = (ScalarNet(5, skip=skip, norm="none", width=16, seed=3) for skip in (False, True))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), residual.parameters(), strict=True))
    assert plain(x).shape == (7, 1)
    first, *hidden, last = plain.linears
    h = k = first(x)
    for linear in hidden:
        h, k = linear(F.relu(h)), k + 0.5 * linear(F.relu(k))
    torch.testing.assert_close(plain(x), last(F.relu(h)))
    residual.scale = 0.5
    torch.testing.assert_close(residual(x), last(F.relu(k)))
    assert sum(isinstance(module, nn.BatchNorm1d) for module in ScalarNet(5).modules()) == 5
    assert not any(linear.bias.any() for linear in ScalarNet(3, bias=False).linears)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 0}, "depth is 0; it must be at least 1"),
        ({"depth": 2, "norm": "layer"}, "norm is 'layer'; it can be 'batch', 'none'"),
        ({"depth": 2, "skip": 1}, "skip is 1; it must be True or False"),
        ({"depth": 2, "scale": math.nan}, "scale is nan"),
    ],
)
def test_an_impossible_scalar_net_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        ScalarNet(**options)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_gradient_is_the_slope_of_the_function_that_is_drawn(norm):
    """Against finite differences, with BatchNorm held at the statistics of the grid."""
    frame = on_a_grid({"net": {"skip": True, "norm": norm}}, depths=(3,), seeds=(4,))
    assert len(frame) == shattering.POINTS
    x = torch.linspace(-2, 2, shattering.POINTS).double()
    model = ScalarNet(3, skip=True, norm=norm, seed=4).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(x[:, None])
        model.eval()
        rise = (model(x[:, None] + 1e-6) - model(x[:, None] - 1e-6))[:, 0] / 2e-6
    np.testing.assert_allclose(frame["x"], x, rtol=1e-6)
    # a kink may lie in between, at a few
    np.testing.assert_allclose(np.median(abs(frame["gradient"] - rise.numpy())), 0, atol=1e-6)


def test_the_gradient_along_a_line_is_of_one_logit(split):
    spec = net(split, depth=8, norm="none")
    frame = along_a_line(spec, split, seed=1)
    assert frame["x"].iloc[[0, -1]].tolist() == [0, 1]
    (start, end), labels = split.batch(slice(2), "train")
    t = torch.tensor(frame["x"].iloc[40], dtype=torch.float64, requires_grad=True)
    logit = build(spec, seed=1).double()((start + t * (end - start).double())[None])[0, labels[0]]
    assert torch.autograd.grad(logit, t)[0].item() == pytest.approx(frame["gradient"].iloc[40])


def test_autocorrelation_of_what_is_known():
    def frame(gradient):
        labels = {"name": "net", "skip": False, "depth": 1, "seed": 0, "origin": ""}
        return pd.DataFrame({"x": range(len(gradient)), "gradient": gradient}).assign(**labels)

    table = autocorrelation(frame([1.0, -1.0] * 50), lags=3)
    np.testing.assert_allclose(table["autocorrelation"], [1, -0.99, 0.98])
    assert autocorrelation(frame([2.0] * 9), lags=3)["autocorrelation"].isna().all()
    shuffled = frame(np.arange(9.0)).sample(frac=1, random_state=0)  # the order is that of x, not of the rows
    pd.testing.assert_frame_equal(autocorrelation(shuffled, lags=3), autocorrelation(frame(np.arange(9.0)), lags=3))


def test_the_noises_are_what_they_are_called():
    frame = noise(seeds=(0, 1))
    white, brown = (
        frame[(frame["name"] == f"{name} noise") & (frame["seed"] == 1)]["gradient"].to_numpy()
        for name in ("white", "brown")
    )
    np.testing.assert_allclose(np.diff(brown), white[1:])
    assert (frame["depth"] == 0).all()
