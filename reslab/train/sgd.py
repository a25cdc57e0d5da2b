"""SGD with momentum, without torch.optim's classes: making one of them imports torch._dynamo, 90 MB and seconds."""

import torch
from torch.optim.sgd import sgd


class SGD:
    """torch.optim.SGD of groups of parameters, equal to the bit.

    groups: dicts of params and lr; a parameter is in one group. momentum, weight_decay: of all. fused: whether one call
    updates all parameters of a group. state: parameter → {"momentum_buffer": tensor of its shape}, zero before the
    first step; without momentum, {}.
    """

    def __init__(self, groups, *, momentum=0.0, weight_decay=0.0, fused=False):
        self.param_groups, self.momentum, self.weight_decay = groups, momentum, weight_decay
        self.fused = fused
        # From the start: the fused step wants a buffer for all parameters or for none
        self.state = {
            parameter: {"momentum_buffer": torch.zeros_like(parameter, requires_grad=False)} if momentum else {}
            for group in groups
            for parameter in group["params"]
        }

    def zero_grad(self):
        """Forget the gradients."""
        for parameter in self.state:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            params = [parameter for parameter in group["params"] if parameter.grad is not None]
            sgd(
                params,
                [parameter.grad for parameter in params],
                [self.state[parameter].get("momentum_buffer") for parameter in params],
                fused=self.fused,
                foreach=False,
                lr=group["lr"],
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
