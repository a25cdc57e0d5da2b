"""Checks before a training begins: that model, split, TrainSpec and checkpoint are compatible."""

import warnings
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from reslab.runs import Checkpoint
from reslab.specs import TrainSpec
from reslab.train.forward import check_logits, check_model, eval_mode, try_forward


def check_fit(spec, split, how):
    """ValueError if the net of a spec (None for an own model) or the TrainSpec does not fit the split."""
    differ = {name: value for name, value in split.shape.items() if spec and getattr(spec, name) != value}
    if differ:
        has = ", ".join(f"{name} {getattr(spec, name)}" for name in differ)
        gives = ", ".join(f"{name} {value}" for name, value in differ.items())
        raise ValueError(
            f"the net has {has}, and {split.name} gives {gives}; make it with NetSpec(..., **split.shape)."
        )
    images = len(split.y_train)
    if how.batch_size > images:
        raise ValueError(
            f"batch_size is {how.batch_size}, and {split.name} has {images} training images; take at most those."
        )


def check_device(how, device):
    """ValueError if a device cannot train as a TrainSpec says."""
    if how.compile and how.deterministic and device.type == "cuda":
        raise ValueError(
            "compile times a GPU's kernels and takes the fastest, so it is not deterministic there; "
            "leave one of the two out."
        )


def check_resume(checkpoint, model, spec, split, how):
    """ValueError if a checkpoint belongs to another training."""
    if not isinstance(checkpoint, Checkpoint):
        kind = type(checkpoint).__name__
        raise TypeError(f"resume must be a Checkpoint, not {kind}; Checkpoint.load reads one from a file.")
    run = checkpoint.run
    ours = {f"model.{name}": getattr(tensor, "shape", None) for name, tensor in model.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
    same = {
        "net": run.spec == spec and ours == theirs,
        "dataset": (run.dataset, run.data) == (split.name, split.fingerprint),
        "TrainSpec": TrainSpec.from_dict(run.how) == how,
    }
    if not all(same.values()):
        differ = " and another ".join(what for what, is_same in same.items() if not is_same)
        raise ValueError(
            f"the checkpoint, of {run.name} on {run.dataset}, has another {differ}; "
            "resume with those that it was made with."
        )


def check_parameters(model):
    """ValueError if a model has nothing to train, or parameters that SGD cannot."""
    name = type(model).__name__
    check_model(model)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"{name} has nothing to train: no parameter has requires_grad.")
    for parameter, tensor in model.named_parameters():
        if tensor.is_inference():
            raise ValueError(f"{parameter} of {name} was made in torch.inference_mode; make the model outside of it.")
        if any(size > 1 and not step for size, step in zip(tensor.shape, tensor.stride(), strict=True)):
            raise ValueError(
                f"{parameter} of {name} has one number in many places (expand), which cannot be trained one by one; "
                "make it of .clone(), or keep it small and expand it in forward."
            )
    for layer, module in model.named_modules():
        if getattr(module, "sparse", False) and isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            raise ValueError(
                f"{layer or name} of {name} makes sparse gradients, which SGD with weight decay does not take; "
                "sparse=False computes the same."
            )


def mention_untrained(model):
    """A warning for the layers and tensors in a model that PyTorch does not see, so that nothing trains them."""
    seen = {*model.modules(), *model.parameters()}
    hidden = [
        f"{path}.{name}".removeprefix(".")
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if not name.startswith("_") and any(_wants_training(part) and part not in seen for part in _parts(value))
    ]
    if hidden:
        warnings.warn(
            f"PyTorch does not see {', '.join(hidden[:3])}{' ...' * (len(hidden) > 3)} of {type(model).__name__}, so "
            "nothing there is trained: nn.ModuleList, nn.ModuleDict and nn.Parameter show layers and weights to it; "
            "requires_grad_(False) says that this is meant.",
            stacklevel=4,
        )


def _parts(value):
    """An attribute of a module, or what a list, tuple or dict there holds."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else [value]


def _wants_training(part):
    if isinstance(part, nn.Module):
        return any(parameter.requires_grad for parameter in part.parameters())
    return isinstance(part, torch.Tensor) and part.requires_grad and part.is_leaf


def check_forward(model, split, batch_size, described):
    """ValueError if a model cannot take the images of a split, or does not return logits; it stays as it was.

    described: whether a NetSpec describes the model, so that it is known to return logits.
    """
    if not described:
        _try(model, split, images=2, mode=eval_mode)
    if batch_size == 1:  # in training mode, BatchNorm refuses one value per channel
        _try(model, split, images=1, mode=nullcontext)


def _try(model, split, images, mode):
    x = split.batch(slice(images))[0]
    check_logits(model, x, try_forward(model, x, mode), split.shape["classes"])


@contextmanager
def left_as_it_was_if_refused(model):
    """If the `with` block raises, the model's parameters, buffers and modes are as they were, on their devices."""
    modes = [(module, module.training) for module in model.modules()]
    members = [members for module in model.modules() for members in (module._parameters, module._buffers)]
    slots = [(slot, name, tensor) for slot in members for name, tensor in slot.items() if tensor is not None]
    gradients = [(tensor, tensor.grad) for *_, tensor in slots if tensor.is_leaf and tensor.grad is not None]
    # model.to(device) gives a parameter and its gradient other data, and replaces a buffer.
    data = [(t, t.data) for t in [*(tensor for *_, tensor in slots), *(gradient for _, gradient in gradients)]]
    try:
        yield
    except BaseException:
        for tensor, before in data:
            tensor.data = before
        for tensor, gradient in gradients:
            tensor.grad = gradient
        for slot, name, tensor in slots:
            slot[name] = tensor
        for module, training in modes:
            module.training = training
        raise
