"""Capture under torch.func, on the meta device, and where autograd is asked for many gradients at once."""

import pandas as pd
import torch
from capture_reference import (  # noqa: F401
    COLUMNS,
    Adds,
    X,
    chain,
    frame_of,
    one_thread_and_seed,
    warns,
)
from torch.func import functional_call, grad, vmap

from reslab.capture import capture


def test_the_meta_device_has_shapes_and_no_numbers():
    model = chain().to("meta")
    frame = frame_of(model, model, X.to("meta"))
    assert list(frame["shape"]) == ["4×3", "4×3", "4×2"]
    assert frame[COLUMNS[4:]].isna().all(axis=None)


def of_one(model):
    return lambda parameters, x: functional_call(model, parameters, (x[None],)).square().sum()


def test_gradients_of_each_example_by_vmap():
    model = chain()
    parameters = dict(model.named_parameters())
    expected = vmap(grad(of_one(model)), (None, 0))(parameters, X)
    with warns(r"^what ran inside of torch\.func\.vmap was not captured"), capture(model) as trace:
        seen = vmap(grad(of_one(model)), (None, 0))(parameters, X)
    assert trace.frame().empty
    assert all(torch.equal(seen[name], expected[name]) for name in expected)
    adding = Adds()
    with warns(r"^what ran inside of torch\.func\.vmap"), capture(adding, (), additions=True) as trace:
        vmap(adding)(X)
    assert trace.frame().empty


def test_many_gradients_at_once():
    model = chain()
    with warns(r"^what ran inside of torch\.func\.vmap"), capture(model) as trace:
        torch.autograd.functional.jacobian(lambda x: model(x).sum(0), X, vectorize=True)
    assert trace.frame()["activation_rms"].gt(0).all()
    assert trace.frame()["gradient_rms"].isna().all()


def test_torch_func_grad_equals_backward():
    model = chain()
    expected = frame_of(model, lambda x: model(x[None]).square().sum(), X[0])
    with capture(model) as trace:
        grad(of_one(model))(dict(model.named_parameters()), X[0])
    pd.testing.assert_frame_equal(trace.frame(), expected, rtol=1e-6)
