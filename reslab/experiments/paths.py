"""Lesson 05: the lengths of the gradient's paths: exact, estimated as in Veit et al. 2016, and by their number.

A residual net is L blocks y = x + F(x) in sequence. Expanded, the gradient of the loss is a sum over 2^L paths: each
goes through the branch of every block or around it. If the gradient through each branch is multiplied by a number z,
the gradient becomes a polynomial,

    G(z) = G_0 + z G_1 + z² G_2 + ... + z^L G_L,

where G_k is the sum over all paths that go through exactly k branches, and G(1) is the gradient itself. The
polynomial's coefficients are computed block by block, backward: a block with Σ zᵏ D_k at its output has
Σ zᵏ (Sᵀ D_k + Jᵀ D_{k-1}) at its input, with J the branch's Jacobian and S the shortcut's. So no path is sampled, and
nothing is fitted. (L + 1 backward passes at as many values of z, and one linear solve, give the same with twice the
work and less precision.)

This does not show that the net is an ensemble of shallow nets: the active units are those of the whole net, and a path
alone would have other activations. The reviewers of Veit et al. asked for "behaves like".
"""

import copy
from math import comb

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.features import batch_mode
from reslab.experiments.lesions import RECORDED, parts_of, trained
from reslab.experiments.representations import jobs, labelled
from reslab.nets import Block, build
from reslab.train.device import device_of

IMAGES = 32  # training images that the gradient is of


def by_length(net, split, *, images=IMAGES, step=0):
    """The share of the gradient at the stem's output that comes by paths of each length: one row per length, 0 to L.

    net: a residual net of `build`. images: so many of the first training images, in one batch: BatchNorm normalises by
    it, as in a training step. All in float64; the net is not changed. step: of its training, for the label.
    Columns: name, skip, depth, norm, init, seed, step, origin; blocks (L), length (k), paths (how many: L over k),
    counted (their share of 2^L), size (the norm of G_k), share (of the sum of the sizes), along (of the gradient's own
    length, what G_k adds: <G_k, G> / <G, G>, which sums to 1; it can be negative), residual (|Σ G_k - G| / |G|, G by
    one ordinary backward pass). ValueError for a plain net.
    """
    check_split(split)
    record = _Record(net, split, images)
    pieces = record.polynomial()  # (L + 1, N, C, H, W)
    gradient, total = record.gradient(), pieces.sum(0)
    sizes = pieces.flatten(1).norm(dim=1)
    along = (pieces * total).flatten(1).sum(1) / total.square().sum()
    residual = ((total - gradient).norm() / gradient.norm()).item()
    count = len(record.blocks)
    frame = _lengths(count).assign(
        size=sizes.tolist(), share=(sizes / sizes.sum()).tolist(), along=along.tolist(), residual=residual
    )
    return labelled(frame, net, step)


def sampled(net, split, *, samples=10, repeats=3, images=IMAGES, seed=0, step=0):
    """Veit et al. 2016, §4.3 and Fig. 6: the gradient along single random paths of each length; the mean of its size is
    multiplied by the number of such paths.

    This adds sizes instead of gradients: paths that cancel each other count, and a few large ones dominate. samples:
    paths of each length; repeats: of the whole experiment, to see its scatter.
    Columns: name ... origin, blocks, length, paths, counted (as above); repeat, size (mean size times paths), share.
    """
    check_split(split)
    record = _Record(net, split, images)
    samples, repeats = checks.integer("samples", samples, 1), checks.integer("repeats", repeats, 1)
    random, frames, count = np.random.default_rng(checks.seed("seed", seed)), [], len(record.blocks)
    for repeat in range(repeats):
        means = []
        for length in range(count + 1):
            drawn = [random.permutation(count) < length for _ in range(samples)]
            means.append(np.mean([record.along(path).norm().item() for path in drawn]))
        frame = _lengths(count).assign(repeat=repeat)
        sizes = frame["paths"] * np.array(means)
        frames.append(frame.assign(size=sizes, share=sizes / sizes.sum()))
    return labelled(pd.concat(frames, ignore_index=True), net, step)


def before_and_after(nets=("resnet-20", "resnet-56"), *, seeds=(0, 1, 2), split=None, how=RECORDED, progress=True):
    """`by_length` of some residual nets, untrained (step 0) and trained, one after the other.

    nets: names of FAMILY, of width 8 on the digits. ValueError for an unknown name, and for a plain net.
    """
    split, frames = or_digits(split), []
    steps = how.steps(len(split.y_train))[1]
    for spec, seed in jobs(nets, seeds, small_net(split), {}, progress):
        frames.append(by_length(build(spec, seed=seed), split))
        frames.append(by_length(trained(spec, split, how, seed=seed), split, step=steps))
    return pd.concat(frames, ignore_index=True)


def _lengths(count):
    paths = [comb(count, length) for length in range(count + 1)]
    return pd.DataFrame(
        {
            "blocks": count,
            "length": range(count + 1),
            "paths": [float(number) for number in paths],
            "counted": [number / 2**count for number in paths],
        }
    )


class _Record:
    """One forward pass, part by part, in float64, and backward passes through it."""

    def __init__(self, net, split, images):
        if not any(isinstance(module, Block) and module.shortcut is not None for module in net.modules()):
            name = net.spec.name if hasattr(net, "spec") else type(net).__name__
            raise ValueError(f"{name} has no skips, so the gradient has one path; take a residual net.")
        net = copy.deepcopy(net).double()
        batch_mode(net)
        self.parts = parts_of(net)
        x, self.labels = split.batch(slice(images), "train")
        device = device_of(net)
        x, self.labels = x.to(device).double(), self.labels.to(device)
        self.blocks = []  # (input, F(x), shortcut(x), their sum, output): each block has a graph of its own
        for _, part in self.parts:
            x = x.detach().requires_grad_()
            if isinstance(part, Block):
                given = x if part.before is None else part.before(x)
                branch, shortcut = part.branch(given), part.shortcut(given)
                added = branch + shortcut
                y = part.activation(added)
                self.blocks.append((x, branch, shortcut, added, y))
            else:
                y = part(x)
            behind, x = x, y  # in the end: the input of the last part, the head
        (self.behind,) = torch.autograd.grad(F.cross_entropy(x, self.labels), behind)

    def polynomial(self):
        """G_0 to G_L at the stem's output, stacked."""
        pieces = [self.behind]
        for x, branch, shortcut, added, y in reversed(self.blocks):
            at_sum = [_back(y, added, piece) for piece in pieces]
            around = [_back(shortcut, x, piece) for piece in at_sum] + [0]
            through = [0] + [_back(branch, x, piece) for piece in at_sum]
            pieces = [one + other for one, other in zip(around, through, strict=True)]
        return torch.stack(pieces)

    def along(self, path):
        """The gradient that comes back by one path: one bool per block, whether it goes through the branch."""
        piece = self.behind
        for (x, branch, shortcut, added, y), is_through in zip(reversed(self.blocks), path[::-1], strict=True):
            piece = _back(branch if is_through else shortcut, x, _back(y, added, piece))
        return piece

    def gradient(self):
        """The gradient at the stem's output, by one ordinary backward pass."""
        first, _, _, _, _ = self.blocks[0]
        leaf = x = first.detach().requires_grad_()
        for _, part in self.parts[self.parts.index(self._first_block()) :]:
            x = part(x)
        return torch.autograd.grad(F.cross_entropy(x, self.labels), leaf)[0]

    def _first_block(self):
        return next(named for named in self.parts if isinstance(named[1], Block))


def _back(output, at, gradient):
    """The gradient with respect to `at` of what has this gradient at `output`."""
    return torch.autograd.grad(output, at, gradient, retain_graph=True)[0]
