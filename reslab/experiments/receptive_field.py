"""Lesson 10: how much of a picture one place of a feature map sees: what its layers allow, and what is measured.

The receptive field of a place is the square of pixels that can change it (theory). How much each of them does is the
gradient of the feature there with respect to the picture: its square, the mean over pictures and over random mixtures
of the channels, is large in the middle and falls off (Luo et al. 2016, arXiv:1701.04128, "effective receptive field").
Measured is the side of the smallest square around the place that holds a share of its sum.

A net of CIFAR's 32 × 32 pixels takes larger pictures, too: all its layers but the classifier are convolutions.
"""

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from reslab import checks
from reslab.arrays import LARGEST
from reslab.experiments import attribution, lesions
from reslab.experiments.photographs import MEAN, STD
from reslab.experiments.representations import labelled
from reslab.nets import Block, NetSpec, build
from reslab.nets.backbone import Backbone, backbone
from reslab.progress import progress_bar
from reslab.train.device import device_of, layout_of, settings
from reslab.train.forward import eval_mode

SHARE = 0.9  # of the squared gradient that the measured square holds
SIDE = 96  # pixels of a picture: more than the 81 that a place of 20 layers can see
WAYS = ("as it is", "the last strides become dilation", "the last strides left out, no dilation")
MIXTURES = 2  # random mixtures of the channels of a place, a picture


def pictures(side=SIDE):
    """(x, shown): scikit-learn's two photographs as squares of side × side, (2, 3, side, side) float32, normalised as
    CIFAR-10's training pictures are, and (2, side, side, 3) uint8. Sources: see `experiments.photographs`."""
    from sklearn.datasets import load_sample_images

    side, shown = checks.integer("side", side, 1, LARGEST), []
    for photo in load_sample_images().images:  # (427, 640, 3)
        left = (photo.shape[1] - photo.shape[0]) // 2
        square = Image.fromarray(photo[:, left : left + photo.shape[0]])
        shown.append(np.array(square.resize((side, side), Image.Resampling.BOX)))
    shown = np.stack(shown)
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (MEAN, STD))
    x = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
    return (x - mean) / std, shown


def theory(body):
    """What the layers of a body allow: a row for the stem and for each block: module, stride (pixels from one place of
    its map to the next), field (pixels: the side of its receptive field). body: a Backbone of a ResNet.

    field = 1 + Σ (kernel - 1) · dilation · (product of the strides before), along the branches.
    """
    rows, field, stride = [], 1, 1
    for name, part in _parts(body):
        layers = part.branch.modules() if isinstance(part, Block) else part.modules()
        for layer in layers:
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                size, step, apart = (_first(getattr(layer, key)) for key in ("kernel_size", "stride", "dilation"))
                field, stride = field + (size - 1) * apart * stride, stride * step
        rows.append({"module": name, "stride": stride, "field": field})
    return pd.DataFrame(rows)


def stages(spec, dilate=(3, 4)):
    """The receptive field at the end of each stage of a net, three ways: one row per way × stage.

    Columns: way (one of WAYS; the last with no dilation in place of the strides), stage, stride, field (pixels).
    dilate: as `backbone` takes it.
    """
    frames = []
    for way in WAYS:
        body = backbone(spec, dilate=() if way == WAYS[0] else dilate)
        if way == WAYS[2]:
            for layer in body.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.dilation = (1, 1)
        frame = theory(body)
        frame = frame.assign(stage=frame["module"].str.partition(".")[0], way=way).groupby("stage").last()
        frames.append(frame.reset_index().query("stage != 'stem'")[["way", "stage", "stride", "field"]])
    return pd.concat(frames, ignore_index=True)


def measured(body, x, blocks=None, *, draws=MIXTURES, seed=0):
    """The gradient of one place of a map with respect to the picture: {module: (energy, centre)}.

    body: a Backbone of a ResNet, in eval mode. x: (N, C, S, S), normalised. blocks: names of blocks, None: all.
    energy: (S, S) float64, the squared gradient, summed over the picture's channels, the mean over pictures and over
    `draws` random mixtures of the channels; its sum is 1. centre: (row, column), the pixel that the place is over.
    """
    parts, draws = dict(_parts(body)), checks.integer("draws", draws, 1)
    blocks = list(parts) if blocks is None else [checks.choice("a block", name, parts) for name in blocks]
    strides, found = theory(body).set_index("module")["stride"], {}
    random = torch.Generator().manual_seed(checks.seed("seed", seed))
    with settings(torch.get_num_threads()), eval_mode(body), torch.enable_grad():
        x = x.to(device_of(body)).contiguous(memory_format=layout_of(body)).requires_grad_()
        seen = x
        for name, part in parts.items():
            seen = part(seen)
            if name not in blocks:
                continue
            row = x.shape[-1] // 2 // strides[name]
            place = seen[:, :, row, row]  # (N, channels)
            energy = 0
            for _ in range(draws):
                mixture = torch.randn(place.shape, generator=random).to(place)
                (gradient,) = torch.autograd.grad((place * mixture).sum(), x, retain_graph=True)
                each = gradient.double().square().sum(1)  # (N, S, S)
                energy = energy + each / each.sum((1, 2), keepdim=True)
            pixel = int(row * strides[name])
            found[name] = (energy.mean(0) / draws).cpu().numpy(), (pixel, pixel)
    return found


def side_of(energy, centre, share=SHARE):
    """The side in pixels of the smallest square around a pixel that holds a share of the energy (S, S)."""
    rows, columns = (np.abs(np.arange(size) - at) for size, at in zip(energy.shape, centre, strict=True))
    distance = np.maximum(rows[:, None], columns)
    held = np.cumsum(np.bincount(distance.ravel(), energy.ravel())) / energy.sum()
    return 2 * int(np.searchsorted(held, checks.number("share", share, 0, 1) - 1e-12)) + 1


def by_block(net, blocks=None, *, side=SIDE, dilate=(), draws=MIXTURES, seed=0):
    """The receptive field of each block of a net, allowed and measured: one row per block.

    net: a ResNet of `build`, of 3 channels; TypeError for a model of your own, ValueError for other nets.
    Columns: as `representations.labelled` has them; module, index (0 for the
    stem), stride, field (allowed, pixels), side (measured, pixels), inside (the share of the squared gradient in the
    theory's square: 1 if the picture is large enough), places (in the map of a picture), energy (S, S), centre.
    """
    (x, _), seed = pictures(side), checks.seed("seed", seed)
    body = backbone(net, dilate=dilate)
    if body.spec.in_channels != x.shape[1]:
        takes = body.spec.in_channels
        raise ValueError(f"the pictures have {x.shape[1]} channels, and {body.spec.name} takes {takes}.")
    allowed, rows = theory(body).set_index("module"), []
    order = list(allowed.index)
    for name, (energy, centre) in measured(body, x, blocks, draws=draws, seed=seed).items():
        row = {"module": name, "index": order.index(name), **allowed.loc[name].to_dict()}
        row |= {"side": side_of(energy, centre), "places": (-(-side // row["stride"])) ** 2}
        rows.append(row | {"energy": energy, "centre": centre, "pictures": len(x)})
    return labelled(pd.DataFrame(rows), net)


def trained_and_untrained(depth=20, *, seeds=(0, 1, 2), blocks=None, side=SIDE, progress=True):
    """`by_block` of plain and residual nets, before and after training on CIFAR-10 (recorded, one seed of weights).

    seeds: of the untrained nets, whose BatchNorm has the statistics of the pictures. Column besides: trained.
    """
    (seeds,) = checks.several(seeds=seeds)
    seeds = [checks.seed("a seed", seed) for seed in seeds]
    x, _ = pictures(side)
    frames, jobs = [], [(skip, seed) for skip in (False, True) for seed in (None, *seeds)]
    for skip, seed in progress_bar(jobs, desc="nets", disable=not progress):
        if seed is None:
            run, net = lesions.longest(depth, skip)
            origin = f"weights recorded, {run.history['step'].iloc[-1]:,} steps on CIFAR-10; measured live"
            frames.append(by_block(net, blocks, side=side).assign(trained=True, seed=run.seed, origin=origin))
        else:
            net = attribution.untrained(build(NetSpec(depth=depth, skip=skip), seed=seed), x)
            frames.append(by_block(net, blocks, side=side).assign(trained=False, seed=seed))
    return pd.concat(frames, ignore_index=True)


def _parts(body):
    """[(name, module)]: the stem and the blocks of a body, in the order of the forward pass."""
    if not isinstance(body, Backbone) or body.spec.block == "vgg":
        raise ValueError("a receptive field is that of a backbone(...) of a ResNet.")
    parts = [("stem", body["stem"])]
    for name, stage in body.items():
        if name.startswith("stage"):
            parts += [(f"{name}.{block}", module) for block, module in stage.named_children()]
    return parts


def _first(value):
    return value[0] if isinstance(value, tuple) else value
