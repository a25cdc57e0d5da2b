"""The output of each block of a net for a batch of images, as vectors ("features"); the net is not changed.

BatchNorm normalises by the statistics of these images, all in one batch, before and after training: in eval mode an
untrained BatchNorm does almost nothing. All else (dropout, stochastic depth) is in eval mode. Modes, running
statistics, gradients and the random state are not changed.
"""

from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from reslab import checks
from reslab.capture import capture
from reslab.nets import Block
from reslab.nets.layers import RandomModule
from reslab.train.device import device_of, layout_of, settings
from reslab.train.forward import check_model, explained

BatchNorm = nn.modules.batchnorm._BatchNorm  # of every number of dimensions, SyncBatchNorm too
LARGEST = 8  # pixels: larger feature maps are averaged down to 8 × 8 before they are compared
SMALL = 65_536  # numbers in a batch of images, below which a second thread costs more than it saves


def features(model, x, layers=None):
    """The output of each block for images, as vectors: {name of the module: (N, D) float32}, in the order of the
    forward pass.

    model, x, layers: as `outputs` takes them. Feature maps larger than LARGEST are averaged down.
    """
    return outputs(model, x, layers, _vectors)


def outputs(model, x, layers=None, reduce=lambda output: output.clone()):
    """The output of each block in one pass of `batch_forward`: {name of the module: reduce(its output)}, in the order
    of the pass.

    model: any nn.Module. x: (N, C, S, S), normalised as `Split.batch` does it. layers: modules, as `capture` takes
    them; by default the stem and the blocks of reslab's nets, or the leaves of a model of your own. Of a module that is
    called twice, the last call counts. reduce: called inside the pass, so that whole outputs are not kept. ValueError
    for fewer than two images.
    """
    checks.integer("the number of images", len(x), 2)
    kept = []

    def keep(output):
        kept.append(reduce(output.detach()))
        return output.new_zeros(())  # `capture` asks for a number

    check_model(model)
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError(f"{type(model).__name__} was made by torch.jit; take the module that it was made from.")
    layers = layers or stem_and_blocks(model)
    with explained(model, x), capture(model, layers, activation={"kept": keep}, gradient={}) as trace:
        batch_forward(model, x)
    return dict(zip(trace.frame()["module"], kept, strict=True))


def batch_forward(model, x):
    """One forward pass without gradients; BatchNorm normalises by this batch, all else is in eval mode."""
    device = device_of(model)
    threads = 1 if device.type == "cpu" and x.numel() < SMALL else torch.get_num_threads()
    with unchanged(model), settings(threads), torch.no_grad():
        batch_mode(model)
        return model(x.to(device).contiguous(memory_format=layout_of(model)))


def batch_mode(model):
    """Set BatchNorm to normalise by the batch, and all else to eval mode; gives the model."""
    for module in model.modules():
        module.training = isinstance(module, BatchNorm)
    return model


@contextmanager
def recalibrated(norms):
    """Let BatchNorm layers keep the statistics of the one batch that passes inside the `with` block, and of no other.

    Afterwards they are in eval mode. One without statistics of its own (track_running_stats=False) has none to keep.
    """
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()  # 0 times a NaN, of a net that diverged, would be NaN
        norm.train().momentum = 1.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.eval().momentum = momentum


@contextmanager
def unchanged(model):
    """Restore after the `with` block every module's mode and buffers (BatchNorm's running statistics), PyTorch's random
    state, and the number of draws of reslab's random layers (`nets.layers.RandomModule`)."""
    device = device_of(model)
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, dict(module._buffers)) for module, _ in modes if module._buffers]
    values = [(buffer, buffer.clone()) for _, named in buffers for buffer in named.values() if buffer is not None]
    draws = [(module, module.draws) for module, _ in modes if isinstance(module, RandomModule)]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        for module, training in modes:
            module.training = training
        for module, count in draws:
            module.draws = count
        for module, named in buffers:
            module._buffers.update(named)
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


def stem_and_blocks(model):
    """The stem and the blocks of a net of `build`; None, which is `capture`'s own choice, for other models."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}.")
    if any(isinstance(module, Block) for module in model.modules()):
        return lambda name, module: name == "stem" or isinstance(module, Block)
    return None


def _vectors(output):
    """(N, D) float32 of a batch's outputs, (N, C, H, W), (N, D) or others; maps are averaged down to LARGEST pixels."""
    output = output.float()
    if output.dim() == 4 and max(output.shape[2:]) > LARGEST:
        output = F.adaptive_avg_pool2d(output, LARGEST)
    return output.flatten(1)
