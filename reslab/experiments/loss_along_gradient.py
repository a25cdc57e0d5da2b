"""Lesson 02: the loss along the gradient, early in training, after Santurkar et al. 2018 (arXiv:1805.11604), §3.

To first order, a step against the gradient lowers the loss by the rate times the gradient's squared length. How far
this prediction holds is measured: from the current weights, against the gradient of one batch, for several rates, the
loss of the same batch after the step.
"""

import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.features import unchanged
from reslab.experiments.gradient_flow import BATCH, first_steps_spec
from reslab.experiments.representations import jobs, labelled
from reslab.nets import build, replace
from reslab.train import train
from reslab.train.device import device_of, settings

RATES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1)  # the last is the one that training takes
STEPS = (0, 2, 5, 20)  # of training, after which the loss is followed; 0: before training


def in_training(
    nets=("plain-56", "resnet-56"), *, steps=STEPS, rates=RATES, seeds=(0, 1, 2), split=None, base=None, progress=True
):
    """The loss along the gradient after some of the first steps of training: one row per net × seed × step × rate.

    nets: names of FAMILY, of which depth and skip are taken; base: the NetSpec that all share but for those, by default
    width 8 on the digits. Training is that of `gradient_flow.first_steps`, on the CPU.
    Columns: name, skip, depth, norm, init, seed, step, origin, and those of `along`. A net that diverges has no rows
    after that. ValueError for an unknown name.
    """
    (steps,) = checks.several(steps=steps)
    split, frames = or_digits(split), []
    how = replace(first_steps_spec(split, max(steps)), capture_every=0, log_every=1)
    for spec, seed in jobs(nets, seeds, base or small_net(split), {}, progress):
        net = build(spec, seed=seed)
        if 0 in steps:
            frames.append(labelled(along(net, split, rates), net))
        for event in train(net, split, how, device="cpu"):
            if event.step in steps and event.state != "diverged":
                frames.append(labelled(along(net, split, rates), net, event.step))
    return pd.concat(frames, ignore_index=True)


def along(net, split, rates=RATES):
    """The loss of the first batch of training at a net's weights, and after a step of each rate against its gradient: a
    row a rate, 0 first.

    Columns: rate, loss (nats, in training mode), predicted (nats: the loss decrease to first order, the rate times the
    squared length of the gradient). Dropout leaves out the same values at every rate. The net is not changed.
    """
    check_split(split)
    (rates,) = checks.several(rates=rates)
    rates = [checks.number("a rate", rate) for rate in rates]
    order = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))[:BATCH]
    x, y = (part.to(device_of(net)) for part in split.to("cpu").batch(order, "train"))
    parameters = {name: p for name, p in net.named_parameters() if p.requires_grad}

    def loss(moved):
        return F.cross_entropy(torch.func.functional_call(net.train(), moved, x), y)

    with settings(threads=1):
        with unchanged(net):
            here = loss(parameters)
            found = torch.autograd.grad(here, [*parameters.values()], materialize_grads=True)  # 0 for an unused one
        gradients = dict(zip(parameters, found, strict=True))
        squared = sum(gradient.double().square().sum().item() for gradient in found)
        rows = [(0.0, here.item(), 0.0)]
        for rate in rates:
            with unchanged(net), torch.no_grad():  # each pass begins with the same random state
                there = loss({name: value - rate * gradients[name] for name, value in parameters.items()})
            rows.append((rate, there.item(), rate * squared))
    return pd.DataFrame(rows, columns=["rate", "loss", "predicted"])
