"""One training step, as a function of static inputs: batch, forward pass, loss, backward pass, update."""

import torch
import torch.nn.functional as F

from reslab.train import cuda_graph
from reslab.train.device import compiled
from reslab.train.forward import check_logits
from reslab.train.sgd import SGD


class Stepper:
    """SGD with momentum on a model. `step` takes one step; the caller chooses images, labels and learning rate.

    model: on its device, in its layout; spec: its NetSpec, or None. how: a TrainSpec. ranks: the `Ranks` that share
    each batch. batches: the `Batches` of the training. classes: of the labels. stream: on a GPU, the training's.
    """

    def __init__(self, model, spec, how, ranks, batches, *, classes, stream=None):
        self.model, self.how, self.device = model, how, ranks.device
        self.batches, self.classes = batches, classes
        every_parameter = spec is not None and not spec.stochastic_depth  # each forward pass uses them all
        self.net = ranks.wrap(model, every_parameter)
        self.compiled = compiled(self.net) if how.compile else self.net
        records = cuda_graph.records(model, how, ranks, described=spec is not None)
        self.recorded = cuda_graph.RecordedStep(model, stream) if records else None
        fused = self.device.type in ("cpu", "cuda") and all(map(fuses, model.parameters()))
        self.optimizer = SGD(
            parameter_groups(model, how), momentum=how.momentum, weight_decay=how.weight_decay, fused=fused
        )
        if self.recorded:
            for group in self.optimizer.param_groups:
                group["lr"] = torch.zeros((), device=self.device)  # a replay reads what it holds then

    def begin(self):
        """Called before a sequence of steps: takes over what was changed in the model since the last one.

        ValueError for new parameters, which the optimiser does not have.
        """
        mine = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        if new := [name for name, parameter in self.model.named_parameters() if id(parameter) not in mine]:
            raise ValueError(
                f"{new[0]} of {type(self.model).__name__} is new since its training began, which does not train it; "
                "begin a new training."
            )
        if self.recorded:
            self.recorded.forget_if_changed()

    def step(self, inputs, lr, *, hooked=False):
        """Take one step on a batch; (loss, mistakes) before the update, (2,) float32 on the device.

        hooked: whether hooks watch this step, which a compiled model and a CUDA graph would not call.
        """
        for group in self.optimizer.param_groups:
            if self.recorded:
                group["lr"].fill_(lr * group["multiple"])
            else:
                group["lr"] = lr * group["multiple"]
        if self.recorded and not hooked:
            return self.recorded.take(self._step, inputs)
        return self._step(*inputs, hooked=hooked)

    def _step(self, *inputs, hooked=False):
        x, y = self.batches.batch(*inputs)  # (N, C, H, W) and (N,)
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.how.precision == "bf16"):
            logits = (self.net if hooked else self.compiled)(x)
        check_logits(self.model, x, logits, self.classes)
        loss = F.cross_entropy(logits.float(), y)
        if not loss.requires_grad:
            if not torch.is_grad_enabled():
                raise ValueError("gradients are off (torch.no_grad or inference_mode); ask for events outside of it.")
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


def fuses(parameter):
    """Whether PyTorch's fused SGD can update a parameter.

    It takes no complex numbers, and goes through the memory of a parameter as through one block: for a slice of a
    larger tensor that would be other numbers, some of them past its end.
    """
    block = torch.empty_like(parameter, device="meta")  # has the order of the dimensions, and no gaps
    strides = zip(parameter.shape, parameter.stride(), block.stride(), strict=True)
    return parameter.is_floating_point() and all(size == 1 or own == dense for size, own, dense in strides)


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
