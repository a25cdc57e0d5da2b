"""What a model makes of images, and how often it is wrong."""

from contextlib import contextmanager

import torch

from reslab.train.device import device_of, layout_of


def evaluate(model, split, part="test", *, batch_size=512):
    """The error (fraction) of a model on one part of a split, in eval mode; its mode is put back as it was."""
    images = len(split.y_test if part == "test" else split.y_train)
    with eval_mode(model):
        batches = (split.batch(slice(i, i + batch_size), part) for i in range(0, images, batch_size))
        return sum((logits_of(model, x).argmax(1) != y.to(device_of(model))).sum() for x, y in batches).item() / images


def logits_of(model, x):
    """What a model makes of images, wherever they are, in the layout that suits it."""
    return model(x.to(device_of(model)).contiguous(memory_format=layout_of(model)))


@contextmanager
def eval_mode(model):
    """Eval mode and no gradients for the `with` block; every module's own mode is put back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():  # not inference mode: what a model keeps of it would be of no use in training
            yield
    finally:
        for module, training in modes:
            module.training = training
