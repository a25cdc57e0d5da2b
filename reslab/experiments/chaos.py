"""Lessons 02 and 04: chaos in a net: a change grows forward at the rate at which the gradient grows backward.

A net is chaotic if a small change of its input grows from block to block. Its growth forward, and the growth of the
gradient backward, both depend on the size of one Jacobian J, of m outputs by n inputs: for a random change v and a
random gradient g, on average
|Jv|² / |v|² = |J|² / n, and |Jᵀg|² / |g|² = |J|² / m,
with |J| the Frobenius norm. So the length of a change grows as much forward as the RMS of the gradient, √(|g|² / m),
grows backward (Poole et al. 2016, arXiv:1606.05340, §2 and §3; Schoenholz et al. 2017, 1611.01232, §3 and §4; with
BatchNorm: Yang et al. 2019, 1902.08129; residual nets: Yang & Schoenholz 2017, 1712.08969).
"""

import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.capture import capture
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.features import batch_mode, stem_and_blocks
from reslab.experiments.representations import NETS, jobs, labelled
from reslab.nets import build
from reslab.nets.skeleton import copy_of
from reslab.train.device import settings

CHANGE = 1e-6  # standard deviations of the images: still small when it has grown 1000 times
IMAGES = 128


def growth(net, split, *, images=IMAGES, seed=0):
    """How a small change of the images grows forward, and the gradient backward: one row per block, the stem first.

    net: of `build`, or any nn.Module that makes logits, whose leaves are then measured. It is measured in float64, as a
    copy: BatchNorm normalises by the statistics of the images and their changed copies, all else is in eval mode.
    seed: of the change. Columns: module, index (0: the stem), change (length of the change at the block's output,
    √(Σ Δ²), over that at the stem: it starts at 1), gradient (RMS of ∂loss/∂output over that of the last block: it is 1
    there).
    """
    check_split(split)
    images = checks.integer("images", images, 1)
    x, y = (part.cpu() for part in split.batch(slice(images), "train"))
    twin, x = batch_mode(copy_of(net).to("cpu", torch.float64)), x.double()
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(checks.seed("seed", seed)), dtype=x.dtype)
    half = len(x)
    changed = {"change": lambda output: torch.linalg.vector_norm(output[half:] - output[:half])}
    with settings(threads=1), capture(twin, stem_and_blocks(twin), activation=changed) as trace:
        logits = twin(torch.cat([x, x + CHANGE * drawn]))
        F.cross_entropy(logits, y.repeat(2)).backward()
    frame = trace.frame()
    change, gradient = frame["activation_change"], frame["gradient_rms"]
    return pd.DataFrame(
        {
            "module": frame["module"],
            "index": frame["index"] - 1,
            "change": change / change.iloc[0],
            "gradient": gradient / gradient.iloc[-1],
        }
    )


def before_training(nets=NETS, *, seeds=(0, 1, 2), split=None, base=None, progress=True, **changes):
    """`growth` of untrained nets, after the columns of `representations.before_training`; arguments as there."""
    split, frames = or_digits(split), []
    for spec, seed in jobs(nets, seeds, base or small_net(split), changes, progress):
        net = build(spec, seed=seed)
        frames.append(labelled(growth(net, split), net))
    return pd.concat(frames, ignore_index=True)
