"""Lesson 10: a frozen body as a feature extractor: a linear classifier on the output of each block (Alain & Bengio
2016, arXiv:1610.01644), plain against residual, trained against untrained.

The classifier is the ridge readout of `experiments.representations`; the body is not changed. As there, BatchNorm
normalises by the statistics of the pictures, trained or not, so that an untrained body has a fair chance.
"""

import dataclasses

import pandas as pd
import torch.nn.functional as F

from reslab import checks
from reslab.datasets import check_split, digits, or_digits
from reslab.experiments import lesions
from reslab.experiments.degradation import small_net
from reslab.experiments.representations import by_block, jobs, labelled
from reslab.nets import NetSpec, build
from reslab.progress import progress_bar
from reslab.shipped import shipped_json

NETS = ("plain-20", "resnet-20")
RECORDED = "backbones/recorded.json.gz"
PICTURES, TRAINING = 240, 480  # digits that the classifiers are tested on, and trained on, with photographs' bodies


def own(nets=NETS, *, seeds=(0, 1, 2), split=None, progress=True):
    """The probe on bodies that were trained on the same digits (recorded), and on untrained ones: one row per block.

    nets: names of FAMILY, of width 8. Columns: as `representations.labelled` has them, then those of `by_block`, and
    trained.
    """
    split, frames = or_digits(split), []
    for spec, seed in jobs(nets, seeds, small_net(split), {}, progress):
        for trained in (False, True):
            net = lesions.trained(spec, split, seed=seed) if trained else build(spec, seed=seed)
            frames.append(labelled(by_block(net, split), net).assign(trained=trained, seed=seed))
    return pd.concat(frames, ignore_index=True)


def photographs_bodies(split, depth=20, *, seeds=(0, 1, 2), progress=True):
    """The probe on bodies that were trained on CIFAR-10's photographs (recorded, one seed of weights), and on untrained
    ones of the same kind: the columns of `own`.

    split: pictures of three channels. seeds: of the untrained bodies.
    """
    (seeds,) = checks.several(seeds=seeds)
    frames, jobs = [], [(skip, seed) for skip in (False, True) for seed in (None, *seeds)]
    for skip, seed in progress_bar(jobs, desc="bodies", disable=not progress):
        trained = seed is None
        net = lesions.longest(depth, skip)[1] if trained else build(NetSpec(depth=depth, skip=skip), seed=seed)
        frame = labelled(by_block(net, split), net)
        frames.append(frame.assign(trained=trained, seed=0 if trained else seed))
    return pd.concat(frames, ignore_index=True)


def on_digits(side=32):
    """Digits that a body of photographs takes: TRAINING + PICTURES of them, enlarged to side × side pixels."""
    return enlarged(digits().subset(TRAINING, PICTURES), side)


def enlarged(split, side=32):
    """A split of grey pictures as one of three equal channels and side × side pixels."""
    check_split(split)

    def larger(x):
        x = F.interpolate(x.float(), (side, side), mode="bilinear", align_corners=False)
        return x.round().to(split.x_train.dtype).expand(-1, 3, -1, -1).contiguous()

    parts = {"x_train": larger(split.x_train), "x_test": larger(split.x_test)}
    shape = {"mean": split.mean * 3, "std": split.std * 3, "name": f"{split.name}, {side} × {side}"}
    return dataclasses.replace(split, **parts, **shape)


def recorded(name=RECORDED):
    """What `python data/record_backbones.py` recorded: {"probe", "segmenter", "field": the frame}, and "provenance", a
    dict. The probe's column pictures says on which: "digits" or "CIFAR-10", whose pictures may not be shipped.

    FileNotFoundError where it is not installed.
    """
    content = shipped_json(name)
    return {kind: pd.DataFrame(rows) for kind, rows in content["frames"].items()} | {
        "provenance": content["provenance"]
    }
