"""Lesson 07: which pixels a net's answer depends on, as maps made with captum: numpy arrays and frames come out.

A map says for every pixel how much it speaks for a class (above 0) or against it (below 0). It is of the class's logit,
in eval mode, and relative to the mean picture: a pixel that is taken away becomes the mean of the training pictures, 0
where images are normalised as `Split.batch` does it.

- Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391, §3): the channels of the last block, each times the mean of its
  gradient, summed and enlarged; here with its sign.
- integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365, §3): the gradient on the way from the mean picture
  to the picture, times the distance. They add up to the difference of the logits ("completeness").
- saliency (Simonyan et al. 2014, arXiv:1312.6034, §3): the size of the gradient; it has no sign.
- occlusion (Zeiler & Fergus 2014, arXiv:1311.2901, §4.2): how far the logit falls when a small square is taken away.

Whether a map can be trusted is measured in `experiments.deletion`. captum is imported when a map is asked for.
"""

import numbers
import textwrap
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.experiments.features import SMALL, BatchNorm, recalibrated
from reslab.experiments.representations import labelled
from reslab.nets import Block, build
from reslab.nets.skeleton import copy_of
from reslab.nets.weights import origin
from reslab.progress import progress_bar
from reslab.train.device import device_of, layout_of, settings
from reslab.train.forward import check_logits, check_model, eval_mode, explained

METHODS = ("Grad-CAM", "integrated gradients", "saliency", "occlusion")
STEPS = 32  # between the mean picture and the picture
BATCH = 64  # images in one forward pass
OTHER_WEIGHTS = 1000  # added to a net's seed: the seed of the untrained net that it is compared with


def maps(
    net, x, target=None, method="Grad-CAM", *, layer=None, steps=STEPS, smooth=0, noise=0.2, seed=0, progress=True
):
    """The maps of some images, (N, S, S) float32, summed over the channels of the images.

    net: any nn.Module that makes logits (N, K) of images. x: (N, C, S, S), normalised. target: the class of each,
    (N,) integers; by default the net's own answers. method: one of METHODS. layer: the name of the module that Grad-CAM
    looks at, by default `last_block(net)`. steps: of integrated gradients. smooth: so many noisy copies of each image,
    whose maps are averaged (SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825), 0 for none; noise: their standard
    deviation, in those of the training images; seed: of the noise. ValueError for an unknown method or layer, a model
    that makes no logits, and one that a method cannot explain: its output does not depend on the images, or the layer
    is not called.
    """
    checks.choice("method", method, METHODS)
    checks.integer("smooth", smooth, 0)
    checks.seed("seed", seed)
    noise, steps = checks.number("noise", noise, 0), checks.integer("steps", steps, 1)
    with _ready(net, x) as x:
        with _in_words(net, method):
            target = _targets(net, x, target)
        attributed, options = _attribution(net, method, layer, x, steps)
        found = []
        with _in_words(net, method):
            for some in progress_bar(range(0, len(x), BATCH), desc=method, disable=not progress or len(x) <= BATCH):
                part = x[some : some + BATCH].clone().requires_grad_()
                how = options | {"target": target[some : some + BATCH]}
                if smooth:
                    found.append(_smoothed(attributed, part, how, smooth, noise, seed + some))
                else:
                    found.append(attributed.attribute(part, **how).detach())
            raw = torch.cat(found)
            if method == "Grad-CAM":
                raw = nn.functional.interpolate(raw, x.shape[2:], mode="bilinear")
        return raw.sum(1).cpu().numpy()


def last_block(net):
    """The name of the module whose channels Grad-CAM weighs: the last block of a net of `build`; of a model of your
    own, the last convolution. ValueError for a model without one."""
    for kind in (Block, nn.Conv2d):
        names = [name for name, module in net.named_modules() if isinstance(module, kind)]
        if names:
            return names[-1]
    raise ValueError("Grad-CAM needs a convolution, and this model has none; the other methods take any model.")


def completeness(net, x, target=None, *, steps=STEPS):
    """Whether integrated gradients add up: one row per image.

    Columns: image, target, total (the sum of the map), difference (of the logits, picture minus mean picture), gap
    (|total - difference| as a fraction of |difference|). It is 0 for infinitely many steps.
    """
    with _ready(net, x) as x:
        target = _targets(net, x, target)
        total = maps(net, x, target, "integrated gradients", steps=steps, progress=False).sum((1, 2))
        with torch.no_grad():
            logits, mean = net(x), net(torch.zeros_like(x[:1]))
        difference = (logits - mean).gather(1, target[:, None])[:, 0].cpu().numpy()
    gap = np.abs(total - difference) / np.maximum(np.abs(difference), 1e-12)
    columns = {"image": range(len(total)), "target": target.cpu().numpy(), "total": total}
    return pd.DataFrame(columns | {"difference": difference, "gap": gap})


def conductance(net, x, target=None, *, steps=STEPS, progress=True):
    """How much of an answer passes through every block (Dhamdhere et al. 2019, arXiv:1805.12233): one row per block.

    net: of `build`. Columns: as `representations.labelled` has them; module, index (from 1), images; difference (of
    the logits, picture minus mean picture, the mean over the images), whole (the conductance of all units of the
    block's output, as a fraction of it: 1, but for the steps), branch (that of its branch: in a plain net the same as
    whole; in a residual net the rest goes along the skip), map (H, W: that of the block's output at each place, summed
    over its channels, the mean over the images).
    """
    from captum.attr import LayerConductance

    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)]
    rows = []
    with _ready(net, x) as x:
        target = _targets(net, x, target)
        with torch.no_grad():
            difference = (net(x) - net(torch.zeros_like(x[:1]))).gather(1, target[:, None]).mean().item()
        x = x.clone().requires_grad_()
        for index, name in enumerate(progress_bar(blocks, desc="blocks", disable=not progress), 1):
            how = {"baselines": 0.0, "target": target, "n_steps": steps, "internal_batch_size": BATCH}
            block = net.get_submodule(name)
            whole = LayerConductance(net, block).attribute(x, **how).detach()
            row = {"module": name, "index": index, "images": len(x), "difference": difference}
            row |= {"whole": (whole.sum() / len(x) / difference).item(), "map": whole.sum(1).mean(0).cpu().numpy()}
            if block.shortcut is not None:
                branch = LayerConductance(net, block.branch).attribute(x, **how).detach()
                rows.append(row | {"branch": (branch.sum() / len(x) / difference).item()})
            else:
                rows.append(row | {"branch": row["whole"]})
    return labelled(pd.DataFrame(rows), net)


def quality(net, x, target=None, method="Grad-CAM", *, noise=0.2, draws=10, seed=0, progress=True):
    """Two numbers of captum's on every map (Yeh et al. 2019, arXiv:1901.09392): one row per image.

    Columns: image, method, infidelity (the mean square of what the map says that noise changes, minus what it does
    change, with the map on its best scale; 0 is best), sensitivity (how far the map moves, relative to its length, when
    the picture does by at most 0.02). noise: standard deviation. draws: of the noise.
    """
    from captum.metrics import infidelity, sensitivity_max

    def perturbed(inputs, *_):
        change = noise * torch.randn_like(inputs)
        return change, inputs - change

    def explained(inputs, target):
        found = torch.from_numpy(maps(net, inputs.detach(), target, method, progress=False)).to(inputs)
        return found[:, None].expand_as(inputs) / inputs.shape[1]

    def made(inputs, target):
        return (explained(inputs[0], target),)

    with _ready(net, x) as x, _drawn(seed, x.device):
        target, rows = _targets(net, x, target), []
        for some in progress_bar(range(0, len(x), BATCH), desc="quality", disable=not progress or len(x) <= BATCH):
            part, wanted = x[some : some + BATCH], target[some : some + BATCH]
            with torch.no_grad():
                how = {"target": wanted, "n_perturb_samples": draws, "normalize": True}
                wrong = infidelity(net, perturbed, part, explained(part, wanted), **how)
                moved = sensitivity_max(made, (part,), target=wanted, n_perturb_samples=draws)
            numbers = zip(wrong.tolist(), moved.tolist(), strict=True)
            rows += [{"infidelity": one, "sensitivity": other} for one, other in numbers]
    return pd.DataFrame({"image": range(len(x)), "method": method} | dict(pd.DataFrame(rows).items()))


# --- other weights ----------------------------------------------------------------------------------------------------


def untrained(net, x):
    """A copy of a net with untrained weights, in eval mode. `net` stays as it is, to the bit.

    Of a net of `build`: drawn with OTHER_WEIGHTS added to its seed; of another model, or one whose layers were replaced
    since: as its layers draw theirs. Its BatchNorm has the statistics of the images x (N, C, S, S): untrained ones
    would do next to nothing.
    """
    return _with_statistics(_fresh(net), x)


def randomised(net, x):
    """Yield (module, copy): the net's layers re-initialised one after the other, from the last one to the first
    (Adebayo et al. 2018, arXiv:1810.03292, §3, "cascading randomisation"); first ("", the net itself).

    A module is the classifier, a block, or the stem; of another model, a module with weights of its own. x: as in
    `untrained`; here BatchNorm gathers its statistics again in every copy. `net` stays as it is, to the bit.
    """
    yield "", net
    fresh, current = _fresh(net), copy_of(net)
    for name in reversed(_layers(net)):
        current.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
        yield name, _with_statistics(copy_of(current), x)


def _layers(net):
    """Names of the modules that are re-initialised one after the other, from the first to the last."""
    if any(isinstance(module, Block) for module in net.modules()):
        ends = ("stem", "final", "head", "fc")
        return [n for n, m in net.named_modules() if isinstance(m, Block) or (n in ends and m is not None)]
    return [n for n, m in net.named_modules() if n and hasattr(m, "reset_parameters") and list(m.parameters(False))]


def _fresh(net):
    """An untrained net of the same layers."""
    if spec := origin(net)[0]:
        return build(spec, seed=(net.seed or 0) + OTHER_WEIGHTS).to(device_of(net))
    fresh = copy_of(net)
    with _drawn(OTHER_WEIGHTS, device_of(net)):
        for module in fresh.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return fresh


@torch.no_grad()
def _with_statistics(net, x):
    """The net, its BatchNorm with the statistics of images x, in eval mode."""
    net.eval()
    with recalibrated([module for module in net.modules() if isinstance(module, BatchNorm)]):
        net(x.to(device_of(net)).contiguous(memory_format=layout_of(net)))
    return net


# --- captum -----------------------------------------------------------------------------------------------------------


def _attribution(net, method, layer, x, steps):
    """(an attribution of captum's, the arguments of its `attribute`)."""
    from captum.attr import IntegratedGradients, LayerGradCam, Occlusion, Saliency

    if method == "Grad-CAM":
        name = layer or last_block(net)
        checks.choice("layer", name, dict(net.named_modules()))
        return LayerGradCam(net, net.get_submodule(name)), {}
    if method == "integrated gradients":
        how = {"baselines": 0.0, "n_steps": steps, "internal_batch_size": max(BATCH, steps)}
        return IntegratedGradients(net), how
    if method == "saliency":
        return Saliency(net), {}
    channels, size = x.shape[1], x.shape[-1]
    side = max(2, size // 8)  # pixels of the square
    how = {"sliding_window_shapes": (channels, side, side), "strides": (channels, side // 2, side // 2)}
    return Occlusion(net), how | {"baselines": 0.0, "perturbations_per_eval": 8}


def _smoothed(attributed, x, how, copies, noise, seed):
    """The mean of the attributions of noisy copies of each image."""
    from captum.attr import NoiseTunnel

    with _drawn(seed, x.device):
        tunnel = NoiseTunnel(attributed)
        return tunnel.attribute(x, nt_samples=copies, nt_samples_batch_size=1, stdevs=noise, **how).detach()


@contextmanager
def _ready(net, x):
    """The net in eval mode with gradients, and the images where it is, as the `with` block's value."""
    check_model(net)
    if not isinstance(x, torch.Tensor) or x.dim() != 4 or not x.is_floating_point():
        given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"a {type(x).__name__}"
        raise ValueError(f"the images are {given}; they must be a tensor of floats (N, C, S, S), as split.batch gives.")
    checks.integer("the number of images", len(x), 1)
    device = device_of(net)
    threads = 1 if device.type == "cpu" and x.numel() < SMALL else torch.get_num_threads()
    with explained(net, x), settings(threads), eval_mode(net), torch.enable_grad():
        yield x.detach().to(device).contiguous(memory_format=layout_of(net))


@contextmanager
def _in_words(net, method):
    """ValueError in one sentence for a model that captum cannot explain."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, RuntimeError) as error:  # captum asserts what it expects of a model
        reason = textwrap.shorten(str(error).strip().partition("\n")[0], 120, placeholder=" ...").rstrip(".")
        raise ValueError(f"{method} cannot explain {type(net).__name__}: {reason}.") from error


@contextmanager
def _drawn(seed, device):
    """Random numbers of a seed within the block; the random state is put back afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(checks.seed("seed", seed))
        yield


def _targets(net, x, target):
    """The class of each image, (N,); ValueError for a net that makes no logits."""
    with torch.no_grad():
        if target is None:
            return torch.cat([check_logits(net, some, net(some), None).argmax(1) for some in x.split(BATCH)])
        classes = check_logits(net, x[:1], net(x[:1]), None).shape[1]
    if hasattr(target, "reshape"):
        target = target.reshape(-1)
    (target,) = checks.several(target=[target] if isinstance(target, numbers.Number) else target)
    if len(target) != len(x):
        raise ValueError(f"target has {len(target)} classes for {len(x)} images; give one class per image, or None.")
    return torch.tensor([checks.integer("a target", each, 0, classes - 1) for each in target], device=x.device)
