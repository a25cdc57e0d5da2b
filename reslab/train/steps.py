"""One training step, as a function of its images and labels: forward pass, loss, backward pass, update."""

import torch
import torch.nn.functional as F

from reslab.train.device import compiled
from reslab.train.evaluation import check_logits


class Stepper:
    """SGD with momentum on a model. `step` takes one step; the caller chooses images, labels and learning rate.

    model: on its device, in its layout. how: a TrainSpec. ranks: the `Ranks` that share each batch. every_parameter:
    whether each forward pass uses all parameters. classes: of the labels.
    """

    def __init__(self, model, how, ranks, *, every_parameter, classes):
        self.model, self.how, self.device, self.classes = model, how, ranks.device, classes
        self.net = ranks.wrap(model, every_parameter)
        self.compiled = compiled(self.net, self.device, alone=ranks.world == 1) if how.compile else self.net
        fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.SGD(
            parameter_groups(model, how), how.lr, how.momentum, weight_decay=how.weight_decay, fused=fused
        )
        if how.momentum:
            # From the start: the fused step wants a buffer for all parameters or for none
            for parameter in model.parameters():
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter, requires_grad=False)

    def step(self, x, y, lr, *, hooked=False):
        """Take one step on images x (N, C, H, W) and labels y (N,); (loss, mistakes) before the update, (2,) float32 on
        the device.

        hooked: whether hooks watch this step, which a compiled model would not call.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["multiple"]
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.how.precision == "bf16"):
            logits = (self.net if hooked else self.compiled)(x)
        check_logits(self.model, x, logits, self.classes)
        loss = F.cross_entropy(logits.float(), y)
        if not loss.requires_grad:
            raise ValueError(
                f"the logits of {type(self.model).__name__} depend on no parameter that has requires_grad."
            )
        # else all trainings share one thread for a GPU's backward passes
        with torch.autograd.set_multithreading_enabled(False):
            loss.backward()
        self.optimizer.step()
        mistakes = (logits.detach().argmax(1) != y).sum()
        return torch.stack([loss.detach(), mistakes.float()])

    def momentum(self):
        """The momentum buffer of each parameter that has one, by the parameter's name."""
        buffers = {name: self.optimizer.state[p].get("momentum_buffer") for name, p in self.model.named_parameters()}
        return {name: buffer for name, buffer in buffers.items() if buffer is not None}


def parameter_groups(model, how):
    """The optimiser's groups, each with its `multiple` of the learning rate: one, or where `how.bias_lr` is not 1, two.

    The second holds the biases and scales, all parameters of fewer than two dimensions: BatchNorm's γ and β, Fixup's
    scalars (its authors train these at a tenth of the rate: github.com/hongyi-zhang/Fixup, cifar/cifar_train.py).
    """
    if how.bias_lr == 1:
        return [{"params": list(model.parameters()), "multiple": 1.0}]
    weights, biases = ([p for p in model.parameters() if (p.ndim < 2) == small] for small in (False, True))
    groups = [{"params": weights, "multiple": 1.0}, {"params": biases, "multiple": how.bias_lr}]
    return [group for group in groups if group["params"]]
