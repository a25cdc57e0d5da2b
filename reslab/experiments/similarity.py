"""Lesson 04: the similarity of a block's output to its input, by three measures, each invariant to more changes.

- cosine: channel by channel, pixel by pixel. With the channels in another order, it falls to that of unrelated images;
- linear CKA (centred kernel alignment, Kornblith et al. 2019, arXiv:1905.00414, §3): are the same images near each
  other? Invariant to any rotation of the channels;
- R² of predicting the input from the output by the best linear map of the channels, the same at every pixel (a 1×1
  convolution): invariant to any invertible linear map of the channels.
"""

import numpy as np
import torch
import torch.nn.functional as F


def measures(before, after):
    """{"cosine", "cka", "r2"} of a block's input and output, both (N, C, H, W); all NaN where the shape changes, or
    where a number is not finite."""
    if before.shape != after.shape or not (before.isfinite().all() and after.isfinite().all()):
        return dict.fromkeys(("cosine", "cka", "r2"), np.nan)
    return {"cosine": cosine(before, after), "cka": cka(before, after), "r2": readable(before, after)}


def cosine(before, after):
    """The cosine of the angle between the two as vectors, the mean over the images; 1/π for unrelated normal numbers
    after ReLU."""
    return F.cosine_similarity(before.flatten(1), after.flatten(1)).mean().item()


def cka(before, after):
    """Linear CKA of (N, ...) and (N, ...): 1 if one is a rotation of the other, times a number."""
    kernels = []
    for features in (before, after):
        features = features.flatten(1).double()
        features = features - features.mean(0)
        kernels.append(features @ features.T)  # (N, N): they give ‖YᵀX‖² without the (D, D) matrix
    product, *sizes = (kernels[0] * kernels[1]).sum(), *(kernel.norm() for kernel in kernels)
    return (product / (sizes[0] * sizes[1]).clamp_min(1e-12)).item()


def readable(before, after):
    """R² of the best linear map (with a constant) from the channels of `after` to those of `before`, over all images
    and pixels: 1 if `before` can be computed from `after` exactly, 0 if the map is not better than the mean."""
    x, y = (part.double().movedim(1, -1).flatten(0, -2) for part in (before, after))  # (N·H·W, C)
    x, y = x - x.mean(0), y - y.mean(0)
    map_ = torch.linalg.lstsq(y, x, driver="gelsd").solution  # with dead channels, y has not full rank
    return (1 - (x - y @ map_).square().sum() / x.square().sum().clamp_min(1e-12)).item()
