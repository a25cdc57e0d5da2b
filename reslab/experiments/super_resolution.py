"""Lesson 08: photographs enlarged twice: does a net learn the picture, or what bicubic interpolation misses of it?

The photographs come with scikit-learn (china.jpg by Mario Heinrich, flower.jpg by dany13, both CC BY 2.0) and with
scikit-image, in the installed packages: nothing is downloaded. Nets learn from pieces of some of them, the learning
rate is chosen by others (TEST), and what is claimed is measured on others again (HELD_OUT).

A picture is its luminance Y, from 0 to 1. It is made half as large, and enlarged again, by torch's bicubic
interpolation; the former with antialias=True, as is usual (without it, a picture of half the size is full of moiré).
PSNR = 10 log10(1 / mean square error), in dB, and SSIM (Wang et al. 2004) are scikit-image's, BORDER pixels of the
edge left out. Nets learn with Adam: the rate is held for QUICK steps, and then falls to 0 along a cosine.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from reslab import checks
from reslab.nets import build_sr
from reslab.progress import progress_bar
from reslab.results.super_resolution import ANSWERS, verdict  # noqa: F401 – a lesson takes it from here
from reslab.train.device import settings
from reslab.train.forward import eval_mode

SCALE, PIECE, BORDER = 2, 128, 4  # PIECE: px, a side of what is measured of a picture
CORNER = "(top, left)"  # of a piece
DETAIL_PIXELS = 96  # px, a side of what is shown of it
TRAINING = ("astronaut", "coffee", "motorcycle", "brick", "gravel")
TEST = {"rocket": (180, 250), "chelsea": (50, 110)}  # name → top, left of the piece
HELD_OUT = {"camera": (85, 190), "flower": (150, 270), "china": (90, 150)}
DEPTHS, RATES, SEEDS = (4, 10, 20), (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), (0, 1, 2)
BATCH, PATCH = 4, 32  # pieces of PATCH × PATCH px a step
QUICK, STEPS = 120, 400
SHOWN = (30, 60, 90, 120, 200, 300, 400)  # steps after which a training is measured
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True)
class Picture:
    """A photograph and what is left of it: tensors of (1, 1, H, W); low (1, 1, H/2, W/2)."""

    name: str
    sharp: torch.Tensor
    low: torch.Tensor
    bicubic: torch.Tensor

    @classmethod
    def of(cls, name, y):
        """y: luminance (H, W), from 0 to 1; an odd last row or column is left out."""
        height, width = (side // SCALE * SCALE for side in y.shape)
        sharp = torch.as_tensor(np.ascontiguousarray(y[:height, :width]), dtype=torch.float32)[None, None]
        low = shrunk(sharp)
        return cls(name, sharp, low, enlarged(low))


def shrunk(x):
    """Pictures (N, 1, H, W) at half the size, by torch's bicubic interpolation with antialias."""
    size = [side // SCALE for side in x.shape[2:]]
    return F.interpolate(x, size, mode="bicubic", align_corners=False, antialias=True)


def enlarged(x):
    """Pictures (N, 1, H, W) at twice the size, by torch's bicubic interpolation, values kept from 0 to 1."""
    size = [side * SCALE for side in x.shape[2:]]
    return F.interpolate(x, size, mode="bicubic", align_corners=False).clamp(0, 1)


@cache
def photograph(name):
    """One photograph's luminance, (H, W) float32 from 0 to 1. ValueError for a name that no package has."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    checks.choice("a photograph", name, [*TRAINING, *TEST, *HELD_OUT])
    if name in ("china", "flower"):
        image = load_sample_images().images[("china", "flower").index(name)]
    elif name == "motorcycle":
        image = skimage.data.stereo_motorcycle()[0]
    else:
        image = getattr(skimage.data, name)()
    image = np.asarray(image, dtype=np.float32) / 255
    return image if image.ndim == 2 else image @ np.array(LUMINANCE, dtype=np.float32)


def training_pictures():
    """Whole photographs that nets learn from, a list of `Picture`."""
    return [Picture.of(name, photograph(name)) for name in TRAINING]


def pieces(names=HELD_OUT):
    """A list of `Picture`, PIECE px a side: of names, a dict as HELD_OUT and TEST are. ValueError for a piece that is
    not all in its photograph."""
    return [Picture.of(name, _piece(name, corner)) for name, corner in checks.named("names", names, CORNER).items()]


def _piece(name, corner):
    whole = photograph(name)
    if len(checks.several(**{f"the corner of {name}": corner})[0]) != 2:
        raise ValueError(f"the corner of {name} is {corner}; it must be {CORNER}.")
    top, left = (
        checks.integer(f"the {what} of {name}", place, 0, side - PIECE)
        for what, place, side in zip(("top", "left"), corner, whole.shape, strict=True)
    )
    return whole[top : top + PIECE, left : left + PIECE]


def psnr(made, sharp):
    """Peak signal-to-noise ratio of a picture (1, 1, H, W) against the sharp one, in dB, BORDER pixels left out."""
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(_inside(sharp), _inside(made.clamp(0, 1)), data_range=1.0))


def ssim(made, sharp):
    """Structural similarity (Wang et al. 2004: a Gaussian window of 1.5 px) of a picture (1, 1, H, W) and the sharp
    one, at most 1, BORDER pixels left out."""
    from skimage.metrics import structural_similarity

    how = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(_inside(sharp), _inside(made.clamp(0, 1)), **how))


def _inside(x):
    return x[0, 0, BORDER:-BORDER, BORDER:-BORDER].double().numpy()


def compared(nets, picture, **labels):
    """What several nets make of one `Picture`, beside what they begin with: one row per pane.

    Columns: kind ("low", "bicubic", "direct", "residual" and "sharp"), name, skip, depth (of nets), seed, picture, psnr
    (dB) and ssim of the whole piece (NaN for low), pixels (the middle of the piece, DETAIL_PIXELS high and wide; half
    as many of low), added (its difference from bicubic, as large), those of `labels`.
    """
    (nets,) = checks.several(nets=nets)
    rows = [{"kind": "low", "name": "half the size", "pixels": _middle(picture.low, DETAIL_PIXELS // SCALE)}]
    made = {"bicubic": ("bicubic", picture.bicubic), "sharp": ("the sharp picture", picture.sharp)}
    for net in nets:
        made["residual" if net.spec.skip else "direct"] = net, super_resolved(net, picture)
    for kind, (source, x) in made.items():
        row = {"kind": kind, "name": source, "pixels": _middle(x), "added": _middle(x) - _middle(picture.bicubic)}
        if not isinstance(source, str):
            row |= {"name": source.spec.name, "skip": source.spec.skip, "depth": source.spec.depth}
        score = {"psnr": psnr(x, picture.sharp), "ssim": ssim(x, picture.sharp)} if kind != "sharp" else {}
        rows.append(row | score)
    return pd.DataFrame(rows).assign(picture=picture.name, seed=nets[0].seed, **labels)


def _middle(x, side=None):
    """The middle of a picture (1, 1, H, W), (side, side) from 0 to 1; by default DETAIL_PIXELS px."""
    side = side or DETAIL_PIXELS
    top, left = ((whole - side) // 2 for whole in x.shape[2:])
    return x.clamp(0, 1)[0, 0, top : top + side, left : left + side].numpy()


# --- training ---------------------------------------------------------------------------------------------------------


def learn(spec, pictures, lr, *, steps=STEPS, seed=0):
    """Train a net: a generator of (step, net), after each step, from 1 to `steps`; the net is trained in place.

    pictures: a list of `Picture`. The patches are drawn from `seed`: all nets of a seed see the same ones.
    ValueError for a rate that is not above 0. A net that diverges goes on, and makes NaN.
    """
    checks.number("lr", lr, above=True)
    net, drawn = build_sr(spec, seed=seed), np.random.default_rng(checks.seed("seed", seed))
    optimizer = torch.optim.Adam(net.parameters(), lr, foreach=True)  # one call for all parameters
    for step in range(1, checks.integer("steps", steps, 1) + 1):
        x, sharp = _patches(pictures, drawn)
        for group in optimizer.param_groups:
            group["lr"] = rate(lr, step, steps)
        with settings(1):
            optimizer.zero_grad()
            F.mse_loss(net(x), sharp).backward()
            optimizer.step()
        yield step, net


def rate(lr, step, steps):
    """The learning rate at a step: `lr` up to QUICK, then a cosine down to 0 at the last step."""
    return lr if step <= QUICK else lr * (0.5 + 0.5 * math.cos(math.pi * (step - QUICK) / (steps - QUICK)))


def _patches(pictures, drawn):
    """(enlarged, sharp) patches, each (BATCH, 1, PATCH, PATCH), from places that are drawn."""
    both = []
    for _ in range(BATCH):
        picture = pictures[drawn.integers(len(pictures))]
        top, left = (drawn.integers(side - PATCH + 1) for side in picture.sharp.shape[2:])
        here = (slice(None), slice(None), slice(top, top + PATCH), slice(left, left + PATCH))
        both.append((picture.bicubic[here], picture.sharp[here]))
    x, sharp = (torch.cat(each).contiguous(memory_format=torch.channels_last) for each in zip(*both, strict=True))
    return x, sharp


def measured(net, pictures, *, similarity=False, **labels):
    """What a net makes of pictures: one row per picture.

    Columns: name, skip, block_skips, depth, last, seed, those of `labels`; picture, psnr and bicubic (dB), gain (their
    difference; NaN for a net that diverged); with similarity=True, ssim and bicubic_ssim.
    """
    spec, rows = net.spec, []
    for picture in pictures:
        made = super_resolved(net, picture)
        row = {"picture": picture.name, "psnr": psnr(made, picture.sharp)}
        row["bicubic"] = psnr(picture.bicubic, picture.sharp)
        if similarity:
            row |= {"ssim": ssim(made, picture.sharp), "bicubic_ssim": ssim(picture.bicubic, picture.sharp)}
        rows.append(row | {"gain": row["psnr"] - row["bicubic"]})
    kept = {name: getattr(spec, name) for name in ("name", "skip", "block_skips", "depth", "last")}
    return pd.DataFrame(rows).assign(**kept, seed=net.seed, **labels)


def super_resolved(net, picture):
    """What a net makes of a `Picture`, (1, 1, H, W)."""
    with settings(1), eval_mode(net):
        return net(picture.bicubic.contiguous(memory_format=torch.channels_last))


def quick(spec, lr, *, seed=0, steps=QUICK, pictures=None, shown=SHOWN, progress=True):
    """The first steps of a training: one row per measured step × held-out picture.

    Columns: those of `measured`, step, lr. pictures: to learn from, by default `training_pictures()`. Step 0 is the net
    before training. steps: at most QUICK, or the rate falls as in a whole training of so many.
    """
    pictures, held_out = pictures or training_pictures(), pieces()
    frames = [measured(build_sr(spec, seed=seed), held_out, step=0, lr=lr)]
    made = learn(spec, pictures, lr, steps=steps, seed=seed)
    for step, net in progress_bar(made, total=steps, desc=spec.name, disable=not progress):
        if step in shown or step == steps:
            frames.append(measured(net, held_out, step=step, lr=lr))
    return pd.concat(frames, ignore_index=True)


def best_rate(spec, pictures, *, rates=RATES, seeds=SEEDS, steps=STEPS, progress=True):
    """(frame, nets): each rate is tried for QUICK steps with each seed, and the best one goes on to the end.

    Best: the largest gain on the pictures of TEST, the mean over them, the median over the seeds; a net that diverged
    counts as the worst. steps: above QUICK.
    frame: one row per rate × seed × measured step × picture, columns as of `quick`, and part ("test" or "held out"),
    best (whether the rate is). nets: {seed: the net after the last step}, of the best rate.
    """
    checks.integer("steps", steps, QUICK + 1)
    pictures, rates, seeds = checks.several(pictures=pictures, rates=rates, seeds=seeds)
    parts, frames = {"test": pieces(TEST), "held out": pieces()}, []

    def advance(training, lr, last):
        """Train up to step `last`, and measure on the way; the net then."""
        for step, net in training:
            if step in (*SHOWN, last):
                frames.extend(measured(net, some, step=step, lr=lr, part=part) for part, some in parts.items())
            if step == last:
                return net

    going = {(lr, seed): learn(spec, pictures, lr, steps=steps, seed=seed) for lr in rates for seed in seeds}
    for (lr, _), training in progress_bar(going.items(), desc=f"{spec.name}: rates", disable=not progress):
        advance(training, lr, QUICK)
    tried = pd.concat(frames)
    gains = tried[(tried["part"] == "test") & (tried["step"] == QUICK)].fillna({"gain": -math.inf})
    best = gains.groupby(["lr", "seed"])["gain"].mean().groupby("lr").median().idxmax()
    nets = {seed: advance(going[best, seed], best, steps) for seed in seeds}
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(best=frame["lr"] == best), nets
