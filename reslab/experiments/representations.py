"""Lesson 04: which pictures a net can distinguish, block by block: before, during and after training.

Four measurements of the outputs ("features") of every block:

- nearest-neighbour accuracy: the share of test images whose most similar test image, by this block's features, has the
  same class;
- readout accuracy: the test accuracy of a linear classifier, trained on the block's features of training images (Alain
  & Bengio 2016, arXiv:1610.01644);
- noise cosine: the similarity of an image and its copy with a little noise. If it falls from block to block, the net is
  chaotic: Poole et al. 2016 (arXiv:1606.05340), Schoenholz et al. 2017 (1611.01232); for residual nets Yang &
  Schoenholz 2017 (1712.08969), and with BatchNorm Yang et al. 2019 (1902.08129);
- the nearest neighbours of given images.

Similarity is the cosine of the angle between two feature vectors, each minus the mean over the images ("centred
cosine"). The features: see `experiments.features`.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.linear_model import RidgeClassifier

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.features import features
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.progress import progress_bar
from reslab.runs import Provenance
from reslab.train import TrainSpec, train
from reslab.train.device import device_of

NETS = ("plain-20", "resnet-20", "plain-56", "resnet-56")
NOISE = 0.1  # standard deviations of the training images
PENALTY = 0.01  # of the ridge readout, per training image, on features of mean square 1


# --- the measurements, on feature vectors -----------------------------------------------------------------------------


def centred_cosines(features):
    """The centred cosine of every pair of images: features (N, D) → (N, N). Where features do not vary at all, 0.

    All are NaN where one feature is not finite.
    """
    features = features - features.mean(0)
    features = features / features.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return features @ features.T


def nearest_neighbours(cosines, places=None, count=1):
    """The `count` most similar other images of each image, most similar first, as places: cosines (..., N, N) → (...,
    N, count).

    places: of the images whose neighbours are wanted, (len(places)); None for all N. cosines: of `centred_cosines`, of
    many blocks at once if stacked. Of equally similar images the first counts. An image is never its own neighbour.
    ValueError for a count that is too large.
    """
    count = checks.integer("count", count, 1, cosines.shape[-1] - 1)
    cosines = cosines.clone()
    cosines.diagonal(dim1=-2, dim2=-1).fill_(-2)  # below every cosine
    if places is not None:
        cosines = cosines[..., torch.as_tensor(places), :]
    found = []
    for _ in range(count):  # faster than to sort all N
        found.append(cosines.argmax(-1, keepdim=True))  # the first of several maxima
        cosines = cosines.scatter(-1, found[-1], -3)
    return torch.cat(found, -1)


def neighbour_accuracy(cosines, labels):
    """The share of images whose nearest neighbour has the same label: cosines (..., N, N), labels (N,) → (...); NaN
    where the cosines are."""
    right = labels[nearest_neighbours(cosines)[..., 0]] == labels
    return right.float().mean(-1).where(cosines[..., 0, 0].isfinite(), torch.nan)


def readout_accuracy(train_features, train_labels, test_features, test_labels):
    """The test accuracy of a ridge classifier of the training images' features; NaN if one is not finite."""
    if not (train_features.isfinite().all() and test_features.isfinite().all()):
        return float("nan")
    mean = train_features.double().mean(0)
    # one number: features keep their proportions
    size = (train_features.double() - mean).square().mean().sqrt().clamp_min(1e-12)
    train_features, test_features = (
        ((x.double() - mean) / size).cpu().numpy() for x in (train_features, test_features)
    )
    readout = RidgeClassifier(alpha=PENALTY * len(train_features)).fit(train_features, train_labels.cpu().numpy())
    return float(readout.score(test_features, test_labels.cpu().numpy()))


def noise_cosine(features, noisy):
    """The centred cosine of each image's features with those of its noisy copy, both (N, D), the mean over the
    images."""
    mean = features.mean(0)
    return F.cosine_similarity(features - mean, noisy - mean, eps=1e-12).mean().item()


# --- frames -----------------------------------------------------------------------------------------------------------


def by_block(model, split, layers=None, *, images=None, training_images=None, noise=NOISE, seed=0):
    """The three numbers of every block of a model: one row per block.

    model, layers: as `features` takes them. images, training_images: so many of the first test and training images;
    None: all.
    seed: of the noise. Two passes: the first of the test images; the second of them, their noisy copies and the
    training images, in one batch, so that one BatchNorm is applied to all.
    Columns: module, index (0 for the first, the stem in reslab's nets), images (test images measured), guess (1 /
    classes), neighbour_accuracy, readout_accuracy (fractions), noise_cosine (-1 to 1). NaN where a block's output is
    not finite.
    """
    x, y = _first(split, "test", images)
    train_x, train_y = _first(split, "train", training_images)
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(checks.seed("seed", seed)))
    noisy = x + checks.number("noise", noise, 0) * drawn.to(x.device)
    parts = (len(x), len(x), len(train_x))
    rows, alone = [], features(model, x, layers)
    for index, (module, together) in enumerate(features(model, torch.cat([x, noisy, train_x]), layers).items()):
        clean, disturbed, training = together.split(parts)
        rows.append(
            {
                "module": module,
                "index": index,
                "images": len(x),
                "guess": 1 / len(split.class_names),
                "neighbour_accuracy": neighbour_accuracy(centred_cosines(alone[module]), y.to(clean.device)).item(),
                "readout_accuracy": readout_accuracy(training, train_y, clean, y),
                "noise_cosine": noise_cosine(clean, disturbed),
            }
        )
    return pd.DataFrame(rows)


def neighbours(model, split, places, layers=None, *, images=None, count=3):
    """The nearest neighbours of some test images after every block: one row per block × image × rank.

    places: of the images in the test part. Columns: module, index, place, rank (1 is the nearest), neighbour (its
    place), label (of the neighbour, 0 to K-1), same_class. ValueError for a place outside the images measured.
    """
    (places,) = checks.several(places=places)
    x, y = _first(split, "test", images)
    places = [checks.integer("a place", place, 0, len(x) - 1) for place in places]
    rows = []
    for index, (module, seen) in enumerate(features(model, x, layers).items()):
        for place, nearest in zip(
            places, nearest_neighbours(centred_cosines(seen), places, count).tolist(), strict=True
        ):
            for rank, neighbour in enumerate(nearest, 1):
                label, same = int(y[neighbour]), bool(y[neighbour] == y[place])
                row = {"module": module, "index": index, "place": place, "rank": rank, "neighbour": neighbour}
                rows.append(row | {"label": label, "same_class": same})
    return pd.DataFrame(rows)


def walk(
    nets=("plain-56", "resnet-56"), place=0, *, blocks=(0, 5, 9, 13, 18, 22, 27), seed=0, split=None, base=None
):
    """The nearest neighbour of one test image after some blocks of untrained nets: one row per net × block.

    nets, base: as `before_training` takes them. blocks: by index, 0 for the stem; blocks that a net does not have are
    left out. Columns: those that `before_training` puts first; module, index, and the rest of `neighbours`' columns;
    image and picture: the image itself and its neighbour, (S, S) arrays, the mean over the channels.
    """
    (blocks,) = checks.several(blocks=blocks)
    split, frames = or_digits(split), []
    pictures = split.x_test.float().mean(1).cpu().numpy()
    for spec, _ in jobs(nets, (seed,), base or small_net(split), {}, progress=False):
        net = build(spec, seed=seed)
        frame = neighbours(net, split, [place], count=1)
        frame = frame[frame["index"].isin(blocks)].reset_index(drop=True)
        frame["picture"] = [pictures[neighbour] for neighbour in frame["neighbour"]]
        frames.append(labelled(frame.assign(image=[pictures[place]] * len(frame)), net))
    return pd.concat(frames, ignore_index=True)


def before_training(nets=NETS, *, seeds=(0, 1, 2), split=None, base=None, progress=True, **changes):
    """`by_block` of untrained nets: its columns, after name, skip, depth, norm, init, seed, step (0) and origin.

    nets: names of FAMILY, of which depth and skip are taken. base: the NetSpec that all share but for those, by default
    width 8 on the digits; changes: fields of it, such as norm="none". ValueError for an unknown name.
    """
    split, frames = or_digits(split), []
    for spec, seed in jobs(nets, seeds, base or small_net(split), changes, progress):
        net = build(spec, seed=seed)
        frames.append(labelled(by_block(net, split), net))
    return pd.concat(frames, ignore_index=True)


def in_training(
    nets=NETS, *, steps=(20, 60), seeds=(0,), split=None, base=None, how=None, device="auto", progress=True, **changes
):
    """`before_training`'s frame of the same nets, and the same after some steps of their training; one column more,
    train_error.

    how: a TrainSpec. train_error: fraction, of the last batch; NaN before training. A net that diverges has no rows
    after that.
    """
    (steps,) = checks.several(steps=steps)
    split, frames = or_digits(split), []
    how = replace(how or TrainSpec(), log_every=1)
    for spec, seed in jobs(nets, seeds, base or small_net(split), changes, progress):
        net = build(spec, seed=seed)
        frames.append(labelled(by_block(net, split), net).assign(train_error=np.nan))
        for event in train(net, split, how, device=device):
            if event.step in steps and event.state != "diverged":
                frames.append(labelled(by_block(net, split), net, event.step).assign(train_error=event.train_error))
            if event.step >= max(steps):
                break
    return pd.concat(frames, ignore_index=True)


def _first(split, part, images):
    """The first images of a part, normalised, and their labels."""
    check_split(split)
    there = len(split.y_test if part == "test" else split.y_train)
    return split.batch(slice(there if images is None else checks.integer("images", images, 2, there)), part)


def jobs(nets, seeds, base, changes, progress):
    """(spec, seed) of every net to measure, with a progress bar; ValueError for a name that is not in FAMILY.

    nets: names, of which depth and skip are taken; base: the NetSpec that all share but for those, and for the changes,
    {field: value}.
    """
    nets, seeds = checks.several(nets=nets, seeds=seeds)
    if named := {"depth", "skip"} & changes.keys():
        raise ValueError(f"{named.pop()} is in the names of the nets: give other names, as in nets=('plain-56',).")
    known = [FAMILY[checks.choice("a net", name, FAMILY)] for name in nets]
    specs = [replace(base, depth=spec.depth, skip=spec.skip, **changes) for spec in known]
    return progress_bar([(spec, seed) for spec in specs for seed in seeds], desc="nets", disable=not progress)


def labelled(frame, net, step=0):
    """The frame, after columns for the net and its training: name, skip, depth, norm, init, seed, step, origin.

    Of a model that no spec describes, name is its class, and skip to seed are None.
    """
    spec = net.spec if isinstance(getattr(net, "spec", None), NetSpec) else None
    labels = {"name": spec.name if spec else type(net).__name__}
    labels |= {name: getattr(spec, name, None) for name in ("skip", "depth", "norm", "init")}
    labels |= {"seed": getattr(net, "seed", None)}
    labels |= {"step": step, "origin": Provenance.here(device_of(net)).origin}
    return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))
