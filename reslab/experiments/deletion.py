"""Lesson 07: can a map be trusted? Its pixels are deleted, and others in their place; and the net is randomised.

Deletion and insertion are Petsiuk et al. 2018 (RISE, arXiv:1806.07421, §4.3): a deleted pixel becomes the mean of the
training pictures. A picture with pixels deleted is no picture the net was trained on, and any hole does harm (Hooker et
al. 2019, arXiv:1806.10758): so a map is compared with other holes of the same size, see KINDS. The class is the net's
own answer. Maps are those of `experiments.attribution`.
"""

import dataclasses

import numpy as np
import pandas as pd
import torch

from reslab import checks
from reslab.datasets import check_split
from reslab.experiments import attribution, lesions
from reslab.experiments.attribution import BATCH, METHODS
from reslab.experiments.representations import labelled
from reslab.progress import progress_bar
from reslab.results.attribution import ANSWERS, verdict  # noqa: F401 – a lesson takes it from here
from reslab.train.device import device_of
from reslab.train.forward import check_logits, check_model, eval_mode, explained

NETS = ("plain-20", "resnet-20")
IMAGES = 64  # test pictures
SHARE = 0.25  # of the pixels that are deleted
# What is deleted: the pixels of the map; of the map that an untrained net makes; of the same map, moved by a random
# distance, around the edges; or a disc in the centre, which needs no map.
KINDS = ("map", "untrained", "moved", "disc")
SHARES = tuple(np.linspace(0, 1, 11).round(2))
PICTURES = ("digits", "photographs")
PHOTOGRAPHS = "attribution/cifar10.json.gz"


# --- deleting ---------------------------------------------------------------------------------------------------------


def order(maps, seed=0):
    """The pixels of each map, the one that speaks most for the class first: (N, S, S) → places (N, S·S), from 0.

    Pixels of equal value are in a random order: that of reading would itself be a map.
    """
    flat = np.asarray(maps, dtype=np.float64).reshape(len(maps), -1)
    ties = np.random.default_rng(checks.seed("seed", seed)).random(flat.shape)
    return np.lexsort((ties, -flat), axis=1)


def count(size, share):
    """How many of the pixels of a picture of size × size a share is."""
    return round(checks.number("share", share, 0, 1) * size * size)


def disc(size):
    """A map whose first pixels are a disc in the centre: (S, S), less far out."""
    at = np.arange(size) - (size - 1) / 2
    return -np.hypot(at[:, None], at)


def moved(maps, seed=0):
    """Each map moved by a random distance, around the edges: the same shape and area elsewhere. (N, S, S)."""
    maps, random = np.asarray(maps), np.random.default_rng(checks.seed("seed", seed))
    size = maps.shape[-1]
    steps = random.integers(1, size * size, len(maps))  # never by nothing
    return np.stack([np.roll(each, divmod(int(step), size), (0, 1)) for each, step in zip(maps, steps, strict=True)])


def deleted(x, places, share):
    """The images with the first pixels of an order deleted: they become 0, the mean picture.

    x: (N, C, S, S); places: as `order` gives them.
    """
    return _only(x, places[:, count(x.shape[-1], share) :])


def inserted(x, places, share):
    """The mean picture, with only the first pixels of an order put in. x: (N, C, S, S); places: of `order`."""
    return _only(x, places[:, : count(x.shape[-1], share)])


def _only(x, kept):
    """The images with 0 in the place of all pixels but those kept, (N, K) places."""
    mask = torch.zeros(len(x), x.shape[-1] ** 2, device=x.device)
    mask.scatter_(1, torch.as_tensor(kept, device=x.device), 1.0)
    return torch.where(mask.reshape(len(x), 1, *x.shape[2:]) > 0, x, 0.0)


def probability(net, x, target):
    """The probability that a net gives to the class of each image, (N,), in eval mode."""
    check_model(net)
    target = torch.as_tensor(target, device=device_of(net))
    with explained(net, x), eval_mode(net):
        answers = torch.cat([net(some.to(device_of(net))).softmax(1) for some in x.split(4 * BATCH)])
        return answers.gather(1, target[:, None])[:, 0].cpu().numpy()


# --- frames -----------------------------------------------------------------------------------------------------------


def answers(net, x):
    """(the class that a net takes each image for, its probability), each (N,); ValueError if it makes no logits."""
    with explained(net, x), eval_mode(net):
        logits = torch.cat([check_logits(net, some, net(some.to(device_of(net))), None) for some in x.split(BATCH)])
    return logits.argmax(1).cpu(), logits.softmax(1).max(1).values.cpu().numpy()


def holes(net, split, x, target, methods=METHODS, *, other=None, seed=0, progress=True, **how):
    """{(method, kind): maps (N, S, S)} of images x, of every method and kind: `order` says what is deleted first.

    x: (N, C, S, S), normalised; target: (N,). other: the untrained net, by default that of `attribution.untrained`.
    how: as `attribution.maps` takes it. The disc's method is "".
    """
    check_split(split)
    (methods,) = checks.several(methods=methods)
    other = other or attribution.untrained(net, split.batch(slice(lesions.CALIBRATION), "train")[0])
    found = {("", "disc"): np.repeat(disc(x.shape[-1])[None], len(x), 0)}
    for method in progress_bar(methods, desc="methods", disable=not progress):
        made = attribution.maps(net, x, target, method, progress=False, **how)
        drawn = attribution.maps(other, x, target, method, progress=False, **how)
        found |= {(method, "map"): made, (method, "untrained"): drawn, (method, "moved"): moved(made, seed)}
    return found


def fall(net, split, methods=METHODS, *, share=SHARE, images=IMAGES, seed=0, progress=True, **how):
    """How far the probability of the net's answer falls when a share of the pixels is deleted: one row per image ×
    hole.

    images: so many of the first test images. seed: of ties and of how far maps are moved. how: as `attribution.maps`
    takes it. Columns: as `representations.labelled` has them; images, error (of the net, on them), method, kind (of
    KINDS), share, image, target, before, after (probabilities), fall (before less after).
    """
    x, y = _first(split, images)
    target, before = answers(net, x)
    rows = []
    for (method, kind), maps in holes(net, split, x, target, methods, seed=seed, progress=progress, **how).items():
        places = order(maps, seed)
        after = probability(net, deleted(x, places, share), target)
        columns = {"method": method, "kind": kind, "share": share, "image": range(len(x)), "target": target.numpy()}
        rows.append(pd.DataFrame(columns | {"before": before, "after": after, "fall": before - after}))
    return _labelled(pd.concat(rows, ignore_index=True), net, y, target)


def curves(net, split, methods=METHODS, *, shares=SHARES, images=IMAGES, seed=0, progress=True, **how):
    """The probability of the net's answer while pixels are deleted, or inserted into the mean picture, one share after
    the other: one row per hole × way × share, the mean over the images.

    Columns: as `fall` up to kind; way ("deletion" or "insertion"), share, p. Arguments: those of `fall`.
    """
    (shares,) = checks.several(shares=shares)
    x, y = _first(split, images)
    target, _ = answers(net, x)
    rows = []
    for (method, kind), maps in holes(net, split, x, target, methods, seed=seed, progress=progress, **how).items():
        places = order(maps, seed)
        for way, change in (("deletion", deleted), ("insertion", inserted)):
            for share in shares:
                p = probability(net, change(x, places, share), target).mean()
                rows.append({"method": method, "kind": kind, "way": way, "share": share, "p": float(p)})
    return _labelled(pd.DataFrame(rows), net, y, target)


def randomisation(net, split, methods=METHODS, *, images=IMAGES, progress=True, **how):
    """How much of a map is left while the net's layers are re-initialised, from the last to the first: one row per
    method × layer.

    Columns: as `fall` up to method; module (the last one re-initialised; "" for none), drawn (how many are), alike
    (Spearman's rank correlation of the maps' absolute values with those of the net itself, the mean over the images),
    alike_signed (the same of the maps as they are). Adebayo et al. 2018 compare both: saliency has no sign.
    """
    (methods,) = checks.several(methods=methods)
    x, y = _first(split, images)
    target, _ = answers(net, x)
    statistics = split.batch(slice(lesions.CALIBRATION), "train")[0]
    first, rows = {}, []
    stages = enumerate(attribution.randomised(net, statistics))
    for drawn, (module, other) in progress_bar(stages, desc="layers", disable=not progress):
        for method in methods:
            made = attribution.maps(other, x, target, method, progress=False, **how)
            first.setdefault(method, made)
            pairs = {"alike": (abs(first[method]), abs(made)), "alike_signed": (first[method], made)}
            alike = {name: float(np.nanmean(rank_correlation(*pair))) for name, pair in pairs.items()}
            rows.append({"method": method, "module": module, "drawn": drawn} | alike)
    return _labelled(pd.DataFrame(rows), net, y, target)


def stability(net, split, methods=("saliency",), *, images=IMAGES, noise=0.1, seed=0, progress=True, **how):
    """How alike the maps of a picture and of its copy with a little noise are: one row per method.

    noise: standard deviation, in those of the training images. Columns: as `fall` up to method; noise, alike
    (Spearman's rank correlation, the mean over the images), strangers (the same of two different pictures' maps, each
    with the next one's).
    """
    (methods,) = checks.several(methods=methods)
    x, y = _first(split, images)
    target, _ = answers(net, x)
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(checks.seed("seed", seed)))
    noisy = x + noise * drawn.to(x.device)
    rows = []
    for method in progress_bar(methods, desc="methods", disable=not progress):
        pair = [attribution.maps(net, each, target, method, progress=False, **how) for each in (x, noisy)]
        strangers = rank_correlation(pair[0], np.roll(pair[0], 1, axis=0))
        alike = {"alike": rank_correlation(*pair), "strangers": strangers}
        means = {name: float(np.nanmean(values)) for name, values in alike.items()}
        rows.append({"method": method, "noise": noise} | means)
    return _labelled(pd.DataFrame(rows), net, y, target)


def completeness_gaps(net, split, *, steps=(8, 16, 32, 64), images=24, progress=True):
    """How far integrated gradients are from completeness, by their steps: one row per image × steps.

    Columns: as `fall` up to error; steps, and those of `attribution.completeness`.
    """
    (steps,) = checks.several(steps=steps)
    x, y = _first(split, images)
    target, _ = answers(net, x)
    rows = progress_bar(steps, desc="steps", disable=not progress)
    frames = [attribution.completeness(net, x, target, steps=count).assign(steps=count) for count in rows]
    return _labelled(pd.concat(frames, ignore_index=True), net, y, target)


def rank_correlation(one, other):
    """Spearman's rank correlation of each pair of maps, (N, S, S) each → (N,); NaN where a map has one value only."""
    ranks = [pd.DataFrame(np.reshape(maps, (len(maps), -1))).rank(axis=1).to_numpy() for maps in (one, other)]
    a, b = (each - each.mean(1, keepdims=True) for each in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def of_picture(net, split, image=0, method=METHODS[1], *, share=SHARE, shares=SHARES, other=None, seed=0, **how):
    """One picture, its map, and what is left when a share of it is deleted: one row per kind of hole.

    image: its place in the test part, or an image of your own as `activations.picture` makes it, (C, S, S). other: as
    `holes` takes it. Columns: as `representations.labelled` has them; method, kind, says (the net's answer), label (the
    true class; "" of an image of your own), share, before, after (probabilities), total, difference (as in
    `attribution.completeness`; NaN but for integrated gradients); picture and deleted, (S, S, 3) uint8; map (S, S),
    float; shares and p: the curve of deletion.
    ValueError for a place that the test part does not have.
    """
    (shares,) = checks.several(shares=shares)
    x, label = one(split, image)
    target, before = answers(net, x)
    made = holes(net, split, x, target, (method,), other=other, seed=seed, progress=False, **how)
    total = difference = float("nan")
    if method == "integrated gradients":
        sums = attribution.completeness(net, x, target, steps=how.get("steps", attribution.STEPS)).iloc[0]
        total, difference = sums["total"], sums["difference"]
    rows = []
    for (_, kind), maps in made.items():
        places = order(maps, seed)
        hole = deleted(x, places, share)
        steps = torch.cat([deleted(x, places, part) for part in shares])
        p = probability(net, steps, target.expand(len(shares)))
        after = probability(net, hole, target)
        row = {"kind": kind, "after": float(after[0]), "deleted": _pixels(hole, split), "p": p}
        rows.append(row | {"map": maps[0], "shares": np.array(shares)})
    of_all = {"method": method, "says": split.class_names[int(target)], "label": label, "share": share}
    of_all |= {"before": float(before[0]), "total": total, "difference": difference, "images": 1}
    frame = pd.DataFrame(rows).assign(**of_all)
    return labelled(frame.assign(picture=[_pixels(x, split)] * len(frame)), net)


def one(split, image):
    """(an image of a split, or one's own, normalised (1, C, S, S); its label, or "")."""
    check_split(split)
    if isinstance(image, torch.Tensor):
        own = dataclasses.replace(split, x_test=image[None].to(split.x_test), y_test=split.y_test[:1])
        return own.batch(slice(1), "test")[0], ""
    place = checks.integer("image", image, 0, len(split.y_test) - 1)
    x, y = split.batch(slice(place, place + 1), "test")
    return x, split.class_names[int(y)]


def _pixels(x, split):
    """A normalised image (1, C, S, S) as it is shown: (S, S, 3) uint8; grey ones as ink on paper."""
    mean, std = (torch.tensor(each, device=x.device).reshape(-1, 1, 1) for each in (split.mean, split.std))
    values = (x[0] * std + mean).clamp(0, 1)
    values = 1 - values.expand(3, -1, -1) if len(values) == 1 else values
    return (255 * values).round().byte().permute(1, 2, 0).cpu().numpy()


def net_of(spec, split, pictures="digits", *, seed=0, stop=lambda event: False):
    """The trained net that goes with the pictures, one of PICTURES: see `lesions.trained`; of photographs the recorded
    CIFAR-10 net of that depth and skip, whatever the seed."""
    if checks.choice("pictures", pictures, PICTURES) == "photographs":
        return lesions.longest(spec.depth, spec.skip)[1]
    return lesions.trained(spec, split, seed=seed, stop=stop)


def of_trained(spec, split, *, pictures="digits", seed=0, **how):
    """`of_picture` at the net of a spec; how: as it takes them."""
    return of_picture(net_of(spec, split, pictures, seed=seed), split, **how)


def over_seeds(measure=fall, nets=NETS, *, device="auto", **options):
    """One of the frames above, of several trained nets, one after the other; see `lesions.over_seeds`."""
    return lesions.over_seeds(measure, nets, device=device, **options)


def photographs():
    """What `python data/record_attribution.py` recorded of CIFAR-10 nets of width 16: see `lesions.photographs`; and
    "errors": see `lesions.errors_of_photographs`."""
    return lesions.photographs(PHOTOGRAPHS) | {"errors": lesions.errors_of_photographs()}


def _first(split, images):
    """The first test images, normalised, and their labels."""
    return check_split(split).batch(slice(checks.integer("images", images, 1)), "test")


def _labelled(rows, net, y, target):
    error = (target != y.cpu()).float().mean().item()
    return labelled(rows.assign(images=len(y), error=error), net)
