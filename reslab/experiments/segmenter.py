"""Lesson 10: a small segmenter of our own, trained here: which pixel belongs to a disc, a square, a triangle, or none.

The pictures are drawn: one or two shapes over a piece of a photograph, each filled with a mixture of one colour and
another piece. The segmenter is an FCN (Long et al. 2014, arXiv:1411.4038) around a body of ours: the map of its last
stage, of stride 2 by dilation, a 1×1 convolution to the classes, and enlarged to the picture.

mean IoU: of each class, the pixels that truth and answer share, divided by those that either has; the mean over the
classes. AP: see average_precision.py. Baselines: every pixel is "none"; and a classifier that sees the colour of one
pixel only.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from torch import nn

from reslab import checks
from reslab.experiments.average_precision import average_precision
from reslab.experiments.photographs import MEAN, STD
from reslab.experiments.representations import labelled
from reslab.nets import NetSpec
from reslab.nets.backbone import backbone
from reslab.progress import progress_bar

CLASSES = ("none", "disc", "square", "triangle")
SIDE = 32  # pixels of a picture
RADIUS = (6, 11)  # pixels: half the size of a shape
COLOUR = 0.6  # of a shape's filling; the rest is a piece of a photograph
TEST = 128  # pictures
STEPS, BATCH, RATE = 150, 16, 0.01


# --- drawn pictures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Pictures (N, 3, S, S) uint8 and the class of every pixel (N, S, S) int64, see CLASSES."""

    pictures: torch.Tensor
    classes: torch.Tensor

    @property
    def x(self):
        """The pictures, normalised as CIFAR-10's training pictures are."""
        mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (MEAN, STD))
        return (self.pictures.float() / 255 - mean) / std


def draw(count, *, seed=0, part="train", side=SIDE):
    """So many pictures with one or two shapes: a `Drawn`.

    part: "train" takes its pieces from the left two thirds of scikit-learn's two photographs, "test" from the others.
    """
    from sklearn.datasets import load_sample_images

    checks.choice("part", part, ("train", "test"))
    random = np.random.default_rng([checks.seed("seed", seed), part == "test"])
    photos = []
    for photo in load_sample_images().images:  # (427, 640, 3)
        border = 2 * photo.shape[1] // 3
        photos.append((photo[:, :border] if part == "train" else photo[:, border:])[::2, ::2])

    def piece():
        photo = photos[random.integers(len(photos))]
        top, left = (random.integers(size - side + 1) for size in photo.shape[:2])
        return photo[top : top + side, left : left + side].astype(float)

    pictures, classes = [], []
    for _ in range(checks.integer("count", count, 1)):
        picture, truth = piece(), np.zeros((side, side), dtype=np.int64)
        for _ in range(random.integers(1, 3)):
            kind = int(random.integers(1, len(CLASSES)))
            inside = shape(kind, *random.uniform(*RADIUS, 1), *random.uniform(4, side - 4, 2), side)
            filled = COLOUR * random.uniform(0, 255, 3) + (1 - COLOUR) * piece()
            picture[inside], truth[inside] = filled[inside], kind
        pictures.append(picture)
        classes.append(truth)
    x = torch.from_numpy(np.stack(pictures).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()
    return Drawn(x, torch.from_numpy(np.stack(classes)))


def shape(kind, radius, row, column, side=SIDE):
    """The pixels of a shape of CLASSES as (side, side) bools: as wide and as high as 2 · radius, around a place."""
    down, right = np.mgrid[:side, :side] - np.array([row, column]).reshape(2, 1, 1)
    if CLASSES[kind] == "disc":
        return down**2 + right**2 <= radius**2
    if CLASSES[kind] == "square":
        return np.maximum(abs(down), abs(right)) <= 0.886 * radius  # of the disc's area
    return (down <= radius) & (abs(right) <= (down + radius) / 2)


# --- the segmenter ----------------------------------------------------------------------------------------------------


class Segmenter(nn.Module):
    """Pictures (N, 3, S, S) → a score for each class and pixel, (N, len(CLASSES), S, S)."""

    def __init__(self, spec, seed=0):
        super().__init__()
        self.body = backbone(spec, stages=(3,), dilate=(3,), seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(checks.seed("seed", seed))
            self.head = nn.Conv2d(self.body.channels["stage3"], len(CLASSES), 1)
        self.spec, self.seed = spec, seed

    def forward(self, x):
        return F.interpolate(self.head(self.body(x)["stage3"]), x.shape[2:], mode="bilinear", align_corners=False)


def train(segmenter, *, steps=STEPS, seed=0, rate=RATE):
    """Train a segmenter on pictures that are drawn as it goes: yield (step, loss), and leave it in eval mode.

    Adam, one cycle up to `rate`; seed: of the pictures.
    """
    pictures = draw(BATCH * min(steps, 64), seed=seed)
    segmenter.to(memory_format=torch.channels_last)  # a fifth faster on a CPU
    x, y = pictures.x.contiguous(memory_format=torch.channels_last), pictures.classes
    optimiser = torch.optim.Adam(segmenter.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    order = torch.Generator().manual_seed(checks.seed("seed", seed))
    segmenter.train()
    for step in range(1, steps + 1):
        places = torch.randint(len(x), (BATCH,), generator=order)
        loss = F.cross_entropy(segmenter(x[places]), y[places])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        yield step, loss.item()
    segmenter.eval()


@torch.no_grad()
def answers(segmenter, drawn):
    """The class that a segmenter gives to every pixel, (N, S, S) int64, and its probability, float32."""
    scores = torch.cat([segmenter(some).softmax(1) for some in drawn.x.split(64)])
    certain, found = scores.max(1)
    return found, certain


def iou(found, truth):
    """Of each class, shared pixels / pixels that either has, over all pictures: (len(CLASSES),) float64; NaN for a
    class that neither has. found, truth: (N, S, S) integers."""
    numbers = []
    for kind in range(len(CLASSES)):
        here, there = found == kind, truth == kind
        either = (here | there).sum().item()
        numbers.append((here & there).sum().item() / either if either else float("nan"))
    return np.array(numbers)


def baselines(test, seed=0):
    """{name: (answers, their probability)}, as `answers`: "none everywhere", and "colour of the pixel", a quadratic
    discriminant of red, green and blue that was fitted to the pixels of training pictures."""
    fitted = draw(64, seed=seed)
    flat = [each.pictures.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy() / 255 for each in (fitted, test)]
    colours = QuadraticDiscriminantAnalysis(reg_param=1e-3).fit(flat[0], fitted.classes.reshape(-1).numpy())
    scores = torch.from_numpy(colours.predict_proba(flat[1])).reshape(*test.classes.shape, len(colours.classes_))
    certain, by_colour = scores.max(-1)
    none = torch.zeros_like(test.classes), torch.ones(test.classes.shape)
    return {"none everywhere": none, "colour of the pixel": (torch.from_numpy(colours.classes_)[by_colour], certain)}


# --- frames -----------------------------------------------------------------------------------------------------------


def compare(depth=20, *, seeds=(0,), steps=STEPS, rate=RATE, width=8, shown=6, progress=True):
    """Train a segmenter without and with skips for each seed, and compare them with the baselines: one row per seed ×
    segmenter or baseline.

    Columns: as `representations.labelled` has them (of a baseline, name alone); parameters, steps, rate, loss (of the
    last 10 steps), mean_iou, mean_ap (over the three shapes), one column a class of CLASSES (its IoU), tested
    (pictures); and of the first pictures, `shown` of them: pixels (shown, S, S, 3), truth and answers (shown, S, S),
    all uint8.
    """
    (seeds,) = checks.several(seeds=seeds)
    frames = []
    jobs = [(seed, skip) for seed in seeds for skip in (False, True)]
    with progress_bar(total=steps * len(jobs), desc="segmenters", disable=not progress) as bar:
        for seed in seeds:
            test = draw(TEST, seed=seed, part="test")
            for skip in (False, True):
                segmenter = Segmenter(NetSpec(depth=depth, width=width, skip=skip), seed=seed)
                losses = []
                for _, loss in train(segmenter, steps=steps, seed=seed, rate=rate):
                    losses.append(loss)
                    bar.update()
                row = _row(*answers(segmenter, test), test, shown) | {"steps": steps, "rate": rate}
                row |= {"parameters": sum(p.numel() for p in segmenter.parameters()), "loss": np.mean(losses[-10:])}
                frames.append(labelled(pd.DataFrame([row]), segmenter))
            for name, answer in baselines(test, seed).items():
                frames.append(pd.DataFrame([{"name": name, "seed": seed} | _row(*answer, test, shown)]))
    return pd.concat(frames, ignore_index=True)


def _row(found, certain, test, shown):
    numbers = iou(found, test.classes)
    row = dict(zip(CLASSES, numbers, strict=True)) | {"mean_iou": float(np.nanmean(numbers)), "tested": len(found)}
    row["mean_ap"] = float(np.nanmean(average_precision(found, certain, test.classes, len(CLASSES))))
    row |= {"pixels": test.pictures[:shown].permute(0, 2, 3, 1).numpy()}
    maps = {"truth": test.classes, "answers": found}
    return row | {name: classes[:shown].numpy().astype(np.uint8) for name, classes in maps.items()}
