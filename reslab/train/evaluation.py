"""The error of a model on images, in eval mode; and the training or eval mode of its modules."""

import warnings

from reslab.datasets import check_split
from reslab.train.device import device_of, layout_of
from reslab.train.forward import check_logits, check_model, eval_mode, explained


def evaluate(model, split, part="test", *, batch_size=None):
    """The error (fraction) of a model on one part of a split, in eval mode; each module's own mode is put back
    afterwards.

    batch_size: images a pass; None takes 512, and on a GPU, which waits for Python else, 2,048 of 32 × 32.
    ValueError if the model does not take the images, or does not return logits, (N, classes).
    """
    check_model(model)
    check_split(split)
    images, classes = len(split.y_test if part == "test" else split.y_train), split.shape["classes"]
    if batch_size is None:
        pixels = split.shape["image_size"] ** 2
        batch_size = max(512, 2_048 * 32 * 32 // pixels) if device_of(model).type == "cuda" else 512
    with explained(model, split.batch(slice(2), part)[0]), eval_mode(model):
        batches = (split.batch(slice(i, i + batch_size), part) for i in range(0, images, batch_size))
        return (
            sum((logits_of(model, x, classes).argmax(1) != y.to(device_of(model))).sum() for x, y in batches).item()
            / images
        )


def logits_of(model, x, classes):
    """The logits (N, classes) of images x, on any device; classes and errors as of `check_logits`."""
    return check_logits(model, x, model(x.to(device_of(model)).contiguous(memory_format=layout_of(model))), classes)


class TrainingModes:
    """The mode of each module while a model trains: modules that a person put into eval mode stay in eval mode.

    So a BatchNorm in eval mode keeps its statistics. A model that is in eval mode as a whole was evaluated or loaded,
    and is trained in training mode, with a warning.
    """

    def __init__(self, model):
        self.modules = list(model.modules())
        in_eval = [module for module in self.modules if not module.training]
        model.train()  # not a loop over the modules: a model may override train() to keep some of them in eval mode
        if len(in_eval) < len(self.modules):
            for module in in_eval:
                module.training = False
        else:
            name = type(model).__name__
            warnings.warn(
                f"{name} is in eval mode as a whole, and is trained in training mode; "
                "to keep the statistics of a BatchNorm fixed, put that module alone into eval mode.",
                stacklevel=5,  # where train or fit was called
            )
        self.modes = [module.training for module in self.modules]

    def restore(self):
        """Called before a sequence of steps: set the modes again if the whole model was put into eval mode since."""
        modes = [module.training for module in self.modules]  # ten times as fast as model.train()
        if any(modes):
            self.modes = modes
        else:
            for module, training in zip(self.modules, self.modes, strict=True):
                module.training = training
