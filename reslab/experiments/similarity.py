"""Lesson 04: the similarity of a block's output to its input, by three measures, each invariant to more changes.

- cosine: channel by channel, pixel by pixel. With the channels in another order, it falls to that of unrelated images;
- linear CKA (centred kernel alignment, Kornblith et al. 2019, arXiv:1905.00414, §3): are the same images near each
  other? Invariant to any rotation of the channels;
- R² of predicting the input from the output by the best linear map of the channels, the same at every pixel (a 1×1
  convolution): invariant to any invertible linear map of the channels.
"""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

# A direction of the channels with less of the largest one's variance is rounding of 32-bit numbers.
LEAST_VARIANCE = 1e-13
MEASURES = ("cosine", "cka", "r2")


def along(outputs):
    """`measures` of each block of a net. outputs: (N, C, H, W) each, of what comes before the first block, then of the
    blocks in order."""
    features = map(_Features, outputs)  # two are in memory at a time: on photographs each has tens of megabytes
    return [_measures(before, after) for before, after in pairwise(features)]


def measures(before, after):
    """{"cosine", "cka", "r2"} of a block's input and output, both (N, C, H, W); all NaN where the shape changes, or
    where a number is not finite."""
    return along([before, after])[0]


def cosine(before, after):
    """The cosine of the angle between the two as vectors, the mean over the images; 1/π for unrelated normal numbers
    after ReLU."""
    return F.cosine_similarity(before.flatten(1), after.flatten(1)).mean().item()


def cka(before, after):
    """Linear CKA of (N, ...) and (N, ...): 1 if one is a rotation of the other, times a number."""
    return _cka(_kernel(before), _kernel(after))


def readable(before, after):
    """R² of the best linear map (with a constant) from the channels of `after` to those of `before`, over all images
    and pixels: 1 if `before` can be computed from `after` exactly, 0 if the map is not better than the mean."""
    return _readable(_pixels(before), _pixels(after))


class _Features:
    """The output of a block, and what the measures need of it: a net's blocks share it, as one's output is the next
    one's input."""

    def __init__(self, output):
        self.output, self.is_finite = output, bool(output.isfinite().all())
        self.kernel, self.pixels = (_kernel(output), _pixels(output)) if self.is_finite else (None, None)


def _measures(before, after):
    if before.output.shape != after.output.shape or not (before.is_finite and after.is_finite):
        return dict.fromkeys(MEASURES, np.nan)
    return {
        "cosine": cosine(before.output, after.output),
        "cka": _cka(before.kernel, after.kernel),
        "r2": _readable(before.pixels, after.pixels),
    }


def _kernel(output):
    """(N, N), the products of the images' centred features: they give ‖YᵀX‖² without the (D, D) matrix."""
    features = output.flatten(1).double()
    features = features - features.mean(0)
    return features @ features.T


def _pixels(output):
    """(N·H·W, C), centred."""
    pixels = output.double().movedim(1, -1).flatten(0, -2)
    return pixels - pixels.mean(0)


def _cka(before, after):
    return ((before * after).sum() / (before.norm() * after.norm()).clamp_min(1e-12)).item()


def _readable(before, after):
    # Least squares by the (C, C) matrix of products: many times quicker than by the (N·H·W, C) one. With dead channels
    # it has not full rank, so in the directions that are there.
    variances, directions = torch.linalg.eigh(after.T @ after)
    there = variances > LEAST_VARIANCE * variances.max()
    shared = directions[:, there].T @ (after.T @ before)
    explained = (shared.square() / variances[there, None]).sum()
    return (explained / before.square().sum().clamp_min(1e-12)).item()
