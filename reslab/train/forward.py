"""The forward pass of a model that takes images and makes logits; in words, what is wrong with one that does not."""

import textwrap
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reslab.train.device import device_of, layout_of


@contextmanager
def explained(model, x):
    """If the `with` block raises because a model does not take images like x, a ValueError says so in one sentence; any
    other error stays. Before it, errors as of `check_model`."""
    check_model(model)
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception:
        try_forward(model, x[:2])
        raise


def check_model(model):
    """TypeError for what is no model, ValueError for one with parameters or buffers that have no numbers yet."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}.")
    name, tensors = type(model).__name__, [*model.parameters(), *model.buffers()]
    if any(map(is_lazy, tensors)):
        raise ValueError(f"{name} has lazy parameters, whose shapes are not known yet; call it once on a batch first.")
    if any(tensor.is_meta for tensor in tensors):
        raise ValueError(f"{name} has parameters on the device meta, which hold no numbers; make it on the CPU.")


def check_logits(model, x, output, classes):
    """The output of a model for images x; ValueError if it is not logits, (N, classes or more) floats.

    classes: None where any number of them will do.
    """
    made = f"a {type(output).__name__}"
    if isinstance(output, torch.Tensor):
        made, shape = tuple(output.shape), tuple(output.shape)
        if output.layout is not torch.strided or output.is_complex():
            made = f"{'complex numbers' if output.is_complex() else 'a sparse tensor'} {shape}"
        elif len(shape) == 2 and shape[0] == len(x) and shape[1] >= (classes or 1):
            return output
    images = f"images ({', '.join(map(str, x.shape))})"
    wanted = f"logits, ({len(x)}, {classes or 'classes'})"
    raise ValueError(f"{type(model).__name__} makes {made} of {images}; it must return {wanted}.")


@contextmanager
def eval_mode(model):
    """Eval mode and no gradients inside the `with` block; each module's own mode is put back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():  # not inference mode: tensors that a model keeps could then not be used in training
            yield
    finally:
        for module, training in modes:
            module.training = training


def try_forward(model, x, mode=eval_mode):
    """The output of one forward pass, in a `mode`; ValueError, in one sentence, for a model that does not take the
    images. Buffers, states and the global random state are put back afterwards."""
    name = type(model).__name__
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    own = [module for module in model.modules() if type(module).get_extra_state is not nn.Module.get_extra_state]
    states = [(module, module.get_extra_state()) for module in own]
    device = device_of(model)
    try:
        with mode(model), torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            return model(x.to(device).contiguous(memory_format=layout_of(model)))
    except Exception as error:  # of any kind: it is a person's own code
        lines = str(error).strip().splitlines()
        reason = textwrap.shorten(lines[0], 120, placeholder=" ...").rstrip(".") if lines else "no reason given"
        shape = ", ".join(map(str, x.shape))
        raise ValueError(f"{name} does not take images ({shape}): {reason}.{_hint(model)}") from error
    finally:
        for buffer, before in buffers:
            buffer.copy_(before)
        for module, state in states:
            module.set_extra_state(state)


def _hint(model):
    """A likely cause, and what to do."""
    device = device_of(model)
    if dtype := other_dtype(model):
        return f" Images are float32 and its weights {dtype}: model.float() makes them alike."
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor) and value.device != device:
                where = ".".join(filter(None, (path, name)))
                return f" Its tensor {where} stays on {value.device}: register_buffer lets it follow the model."
    return ""


def other_dtype(model):
    """A type of floats, that a parameter of the model has and images have not; None where all are float32."""
    dtypes = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return next((dtype for dtype in dtypes if dtype != torch.float32), None)
