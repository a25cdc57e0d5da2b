"""Weights of torchvision and timm for our nets: which tensor of theirs is which of ours, and ImageNet weights by name.

| ours | torchvision's, of a ResNet | timm's, of a ResNet-D | torchvision's, of a VGG |
|---|---|---|---|
| stem.conv, stem.norm | conv1, bn1 | | |
| stem.conv1, .norm1, .conv2, .norm2, .conv3, .norm3 | | conv1.0, .1, .3, .4, .6, bn1 | |
| stage1.block1.branch.conv1, .norm1, ... | layer1.0.conv1, .bn1, ... | the same | features.0, features.1, ... |
| stage1.block1.shortcut.conv, .norm | layer1.0.downsample.0, .1 | layer1.0.downsample.1, .2 | |
| head.fc1, head.fc2, fc | fc | fc | classifier.0, .3, .6 |
"""

import hashlib
import os
import pickle
import re
from pathlib import Path

import torch

from reslab import checks
from reslab.downloads import TRIES, UNREADABLE, DownloadFailed, cache_root, with_retries
from reslab.nets.family import FAMILY
from reslab.nets.weights import allocated, shapes_only

PRETRAINED = {  # name in FAMILY → torchvision's
    "resnet-18": "resnet18",
    "resnet-34": "resnet34",
    "resnet-50": "resnet50",
    "resnet-101": "resnet101",
    "resnet-152": "resnet152",
    "resnext-50-32x4d": "resnext50_32x4d",
    "resnext-101-32x8d": "resnext101_32x8d",
    "resnext-101-64x4d": "resnext101_64x4d",
    "wide-resnet-50-2": "wide_resnet50_2",
    "wide-resnet-101-2": "wide_resnet101_2",
    "vgg-11": "vgg11",
    "vgg-13": "vgg13",
    "vgg-16": "vgg16",
    "vgg-19": "vgg19",
    "vgg-11-bn": "vgg11_bn",
    "vgg-13-bn": "vgg13_bn",
    "vgg-16-bn": "vgg16_bn",
    "vgg-19-bn": "vgg19_bn",
}

RANDOM = " build(FAMILY['{name}']) works with no network, with weights drawn at random, or"
FAILURES = (*UNREADABLE, EOFError, pickle.UnpicklingError)


class WeightsUnavailable(RuntimeError):
    """Weights are not in the cache and cannot be downloaded; the message says what works instead."""


def pretrained(name, *, version="IMAGENET1K_V1", progress=True, root=None):
    """The net of that name in `PRETRAINED` with torchvision's ImageNet weights, in eval mode; downloaded once, 45 to
    580 MB.

    version: IMAGENET1K_V1, the first that torchvision had; some nets have a V2, trained longer with a newer recipe.
    progress: show a bar while downloading. root: the folder to keep the file in, else `weights_folder()`.
    net.weights.transforms() prepares images as in training, and net.weights.meta["categories"] names the 1000 classes.
    Raises ValueError naming the nearest one, WeightsUnavailable.
    """
    import torchvision

    known = torchvision.models.get_model_weights(
        PRETRAINED[checks.choice("a pretrained net", name, PRETRAINED)]
    ).__members__
    weights = known[checks.choice(f"the version of {name}'s weights", version, known)]
    net = allocated(shapes_only(FAMILY[name]))
    load(net, fetch(name, weights, progress, root))
    net.weights = weights
    return net.eval()


def load(net, state):
    """Load a state dict of torchvision or timm into our net with the same layers; ValueError if the layers differ."""
    names = key_map(net.spec)
    shapes = {names[ours]: tensor.shape for ours, tensor in _tensors(net).items()}
    differ = [name for name in {**shapes, **state} if name not in state or state[name].shape != shapes.get(name)]
    if differ:
        others = f" and {len(differ) - 1} more do" if len(differ) > 1 else " does"
        raise ValueError(
            f"these weights are not those of a {net.spec.name}: {differ[0]}{others} not fit; take those of the same"
            " layers."
        )
    with torch.no_grad():
        for ours, tensor in _tensors(net).items():
            tensor.copy_(state[names[ours]])
    net.seed = None  # no seed drew these weights


def key_map(spec):
    """Our name → theirs, for every parameter and buffer of a net of `ResNet` or `VGG` (the table above)."""
    names = list(_tensors(shapes_only(spec)))
    if spec.block == "vgg":
        return {name: _vgg_name(name, spec) for name in names}
    return {name: _resnet_name(name, spec) for name in names}


def _resnet_name(name, spec):
    pooled = spec.shortcut == "D"  # their shortcut begins with the pool
    name = re.sub(r"^stem\.(conv|norm3?)\.", lambda m: f"{'conv1' if m[1] == 'conv' else 'bn1'}.", name)
    name = re.sub(r"^stem\.(conv|norm)([123])\.", lambda m: f"conv1.{3 * int(m[2]) - 3 + (m[1] == 'norm')}.", name)
    name = re.sub(r"^stage(\d)\.block(\d+)\.", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.", name)
    name = re.sub(r"\.shortcut\.(conv|norm)\.", lambda m: f".downsample.{pooled + (m[1] == 'norm')}.", name)
    return name.replace(".branch.", ".").replace(".norm", ".bn")


def _vgg_name(name, spec):
    """torchvision numbers all layers: per block a convolution, perhaps a norm, and an activation; per stage a pool."""
    linear = {"head.fc1.": "classifier.0.", "head.fc2.": "classifier.3.", "fc.": "classifier.6."}
    for ours, theirs in linear.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    stage, block, kind, tensor = re.fullmatch(r"stage(\d)\.block(\d)\.branch\.(conv|norm)1\.(\w+)", name).groups()
    before = sum(spec.blocks_per_stage[: int(stage) - 1]) + int(block) - 1
    layers = 3 if spec.norm == "batch" else 2
    return f"features.{layers * before + int(stage) - 1 + (kind == 'norm')}.{tensor}"


def _tensors(net):
    return dict(net.named_parameters()) | dict(net.named_buffers())


def weights_folder():
    """Where weights are looked for and kept: $RESLAB_WEIGHTS, else "weights" in `downloads.cache_root()`."""
    return Path(os.path.expanduser(os.environ.get("RESLAB_WEIGHTS") or cache_root() / "weights"))


def fetch(name, weights, progress=True, root=None, offline=RANDOM):
    """The state dict of torchvision's weights, from a folder or downloaded into it, with retries and its checksum.

    A file of that name with another checksum is not read; it stays until the right one has come. name: what the error
    calls them. root: the folder, else `weights_folder()`. offline: what else works without them, for the error.
    WeightsUnavailable.
    """
    file = (weights_folder() if root is None else Path(os.path.expanduser(root))) / weights.url.rpartition("/")[2]
    spoilt = _is_another(file)
    taken = file.with_name(f"new-{file.name}") if spoilt else file

    def download():
        how = {"check_hash": True, "map_location": "cpu", "weights_only": True}
        state = weights.get_state_dict(model_dir=file.parent, file_name=taken.name, progress=progress, **how)
        if spoilt:
            taken.replace(file)
        return state

    try:
        return with_retries(download, FAILURES)
    except DownloadFailed as failure:
        there = f" the file {file} is damaged or another one, its checksum does not match;" if spoilt else ""
        raise WeightsUnavailable(
            f"the weights of {name} could not be downloaded in {TRIES} tries ({failure});{there}"
            f"{offline.format(name=name)} put {weights.url} into {file.parent} by hand and call this again."
        ) from failure.__cause__


def _is_another(file):
    """Whether a file has not the checksum that is in its name."""
    wanted = re.search(r"-([0-9a-f]{8,})\.pth$", file.name)
    try:
        with open(file, "rb") as stream:
            return wanted is not None and not hashlib.file_digest(stream, "sha256").hexdigest().startswith(wanted[1])
    except OSError:  # not there, or it may not be read, which whoever reads it says
        return False
