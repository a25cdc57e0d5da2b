"""Lessons 03 and 04: what the blocks of trained nets make of a photograph: x, F(x) and y of every channel."""

from pathlib import Path

import pandas as pd

from reslab import checks
from reslab.experiments import activations, lesions
from reslab.experiments.photographs import EXAMPLES, examples


def of_photographs(images=tuple(EXAMPLES), depth=20):
    """`activations.feature_maps` of photographs, in the recorded nets of CIFAR-10, plain and residual, as they are when
    they are used: one row per channel of a block, and a column image.

    images: names of EXAMPLES, or image files of your own, as `activations.picture` takes them. ValueError for a name
    that is neither, and for a depth that has no recorded nets.
    """
    (images,) = checks.several(images=images)
    split, frames = examples(), []
    named = {_name(image, place): _given(image, split) for place, image in enumerate(images, 1)}
    for skip in (False, True):
        run, net = lesions.longest(depth, skip)
        origin = f"recorded weights, {run.history['step'].iloc[-1]:,} steps on CIFAR-10"
        for name, image in named.items():
            maps = activations.feature_maps(net, split, image, run, evaluating=True)
            frames.append(maps.assign(image=name, origin=origin))
    return pd.concat(frames, ignore_index=True)


def _name(image, place):
    return image if isinstance(image, str) and image in EXAMPLES else f"your picture {place}"


def _given(image, split):
    """What `activations.feature_maps` takes: the place of one of EXAMPLES, or a picture of the learner's."""
    if isinstance(image, str) and not Path(image).is_file():
        return [*EXAMPLES].index(checks.choice("an image that is no file", image, EXAMPLES))
    return activations.picture(image, split)[0]
