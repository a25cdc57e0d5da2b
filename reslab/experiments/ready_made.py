"""Lessons 07 and 10, on the learner's own picture: torchvision's trained models: classes, boxes, masks, segments, and
maps of what a class depends on.

The weights are downloaded once, with retries and a checksum, or taken from a folder: see `needed`. Without them nothing
is shown: what an untrained detector marks means nothing.
"""

import io
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont

from reslab import checks
from reslab.datasets import Split, pictures
from reslab.experiments import attribution, deletion
from reslab.nets.imagenet import PRETRAINED, WeightsUnavailable, fetch, pretrained, weights_folder
from reslab.train.device import pick_device
from reslab.train.forward import eval_mode

NETS = ("resnet-18", "resnet-50", "resnet-152")
MODELS = {  # name → torchvision's module, its function, its weights
    "Faster R-CNN": ("detection", "fasterrcnn_resnet50_fpn", "FasterRCNN_ResNet50_FPN_Weights"),
    "Mask R-CNN": ("detection", "maskrcnn_resnet50_fpn", "MaskRCNN_ResNet50_FPN_Weights"),
    "DeepLabv3": ("segmentation", "deeplabv3_resnet50", "DeepLabV3_ResNet50_Weights"),
    "FCN": ("segmentation", "fcn_resnet50", "FCN_ResNet50_Weights"),
}
MIN_SCORE = 0.6  # the score from which a box is drawn
# Eight colours that can be told apart (Okabe and Ito), for boxes, masks and classes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def needed(names=(*NETS, *MODELS), root=None):
    """The files of weights that models need: one row per model: model, file, address, here (whether it is in the
    folder).

    names: of NETS (any of `nets.imagenet.PRETRAINED`) and MODELS. root: the folder, else $RESLAB_WEIGHTS, else the
    cache. A machine with no network takes files that were copied into the folder under these names.
    """
    (names,) = checks.several(names=names)
    folder, rows = weights_folder() if root is None else Path(os.path.expanduser(root)), []
    for name in names:
        weights = _weights(name)
        file = weights.url.rpartition("/")[2]
        rows.append({"model": name, "file": file, "address": weights.url, "here": (folder / file).is_file()})
    return pd.DataFrame(rows)


def read_picture(picture):
    """A picture as (3, H, W) uint8, upright: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.

    ValueError for None, for a file that is no picture, and for a path that does not exist.
    """
    if picture is None:
        raise ValueError("No picture was given, so nothing was downloaded.")
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"the array is {picture.dtype} {picture.shape}; give (H, W, 3) uint8, or a file.")
        pixels = picture
    else:
        try:
            pixels = pictures.read(io.BytesIO(picture) if isinstance(picture, bytes) else picture)
        except ValueError as error:
            named = picture if isinstance(picture, str | os.PathLike) else "the picture"
            raise ValueError(f"{named} {error}: give a PNG or a JPEG.") from error
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()


def top(picture, nets=NETS, *, count=5, root=None, progress=True):
    """The classes that trained ResNets find most probable: one row per net × rank: name, rank, says, probability.

    picture: as `read_picture` takes it. ValueError, WeightsUnavailable.
    """
    (nets,) = checks.several(nets=nets)
    x, rows = read_picture(picture), []
    for name in nets:
        net = pretrained(name, root=root, progress=progress)
        names = net.weights.meta["categories"]
        with eval_mode(net):
            found = net(net.weights.transforms()(x)[None]).softmax(1)[0].topk(count)
        for rank, (share, place) in enumerate(zip(*(each.tolist() for each in found), strict=True), 1):
            rows.append({"name": name, "rank": rank, "says": names[place], "probability": share})
    return pd.DataFrame(rows)


def explained(picture, name="resnet-50", method="Grad-CAM", *, device="auto", root=None, progress=True, **how):
    """What the most probable class of a net trained on ImageNet depends on, in one picture: a frame as
    `deletion.of_picture` gives it; its origin names the weights.

    picture: as `read_picture` takes it; resized and cut to a square as torchvision does for these weights. name: of
    `nets.imagenet.PRETRAINED`. method: of `attribution.METHODS`; how: as `deletion.of_picture` takes it. device: where
    it runs. The untrained net has BatchNorm's statistics of this one picture. ValueError, WeightsUnavailable.
    """
    x = read_picture(picture)
    checks.choice("method", method, attribution.METHODS)
    where = pick_device(device)
    net = pretrained(name, root=root, progress=progress).to(where)
    split = _one_picture(x, net.weights).to(where)
    other = attribution.untrained(net, split.batch(slice(1))[0])
    frame = deletion.of_picture(net, split, split.x_test[0], method, other=other, **how)
    return frame.assign(origin=f"torchvision's weights {net.weights.name}, on your picture", seed=None)


def _one_picture(x, weights):
    """A picture (3, H, W) uint8 as a Split, for a net of torchvision's weights: of 1000 classes, its own unknown."""
    from torchvision.transforms.functional import center_crop, resize

    how = weights.transforms()
    x = resize(x, how.resize_size, interpolation=how.interpolation, antialias=how.antialias)
    x, y = center_crop(x, how.crop_size)[None], torch.zeros(1, dtype=torch.int64)
    return Split(
        name="your picture", x_train=x, y_train=y, x_test=x, y_test=y, class_names=tuple(weights.meta["categories"]),
        scale=255, mean=tuple(how.mean), std=tuple(how.std), source="the learner's own picture",
    )  # fmt: skip


def model(name, *, root=None, progress=True):
    """torchvision's trained model of a name in MODELS, in eval mode, with `weights`; about 140 to 180 MB, once.

    ValueError for another name, WeightsUnavailable.
    """
    from torchvision.models import detection, segmentation
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    checks.choice("a model", name, MODELS)
    weights, classes = _weights(name), len(_weights(name).meta["categories"])
    state = fetch(name, weights, progress, root, offline="")
    if "R-CNN" in name:
        pyramid = resnet_fpn_backbone(backbone_name="resnet50", weights=None)
        net = (detection.MaskRCNN if name == "Mask R-CNN" else detection.FasterRCNN)(pyramid, classes)
        for module in net.modules():
            if "FrozenBatchNorm" in type(module).__name__:
                module.eps = 0.0  # as torchvision does for these weights: they were trained so
    else:
        make = getattr(segmentation, MODELS[name][1])
        net = make(weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)
    net.load_state_dict(state)
    net.weights = weights
    return net.eval()


def detected(picture, name="Mask R-CNN", *, least=MIN_SCORE, root=None, progress=True):
    """What a trained model finds in a picture: (drawn, frame).

    drawn: the picture with boxes, masks or segments, (H, W, 3) uint8. frame: of a detector one row per box: says,
    score, left, top, right, bottom (pixels); of a segmenter one row per class: says, share (of the pixels). Sorted by
    the score, or the share. ValueError, WeightsUnavailable.
    """
    x = read_picture(picture)
    return marked(model(name, root=root, progress=progress), x, least)


def attempt(measure, picture, *args, **options):
    """(what `top` or `detected` measures, ""), or with no picture or no weights (None, the reason in a sentence)."""
    try:
        return measure(picture, *args, **options), ""
    except (ValueError, WeightsUnavailable) as error:
        return None, str(error)


@torch.no_grad()
def marked(net, x, least=MIN_SCORE):
    """`detected`, of a model of `model` and a picture (3, H, W) uint8."""
    names = net.weights.meta["categories"]
    with eval_mode(net):
        if hasattr(net, "roi_heads"):
            return _boxes(net([x.float() / 255])[0], x, names, least)
        classes = net(net.weights.transforms()(x)[None])["out"][0].argmax(0)
    return _segments(classes, x, names)


def _boxes(found, x, names, least):
    from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

    kept = found["scores"] >= least
    boxes, labels, scores = (found[key][kept] for key in ("boxes", "labels", "scores"))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(boxes))]
    words = [f"{names[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    drawn = x
    if "masks" in found and len(boxes):
        drawn = draw_segmentation_masks(drawn, found["masks"][kept][:, 0] > 0.5, alpha=0.5, colors=colours)
    if len(boxes):
        drawn = draw_bounding_boxes(drawn, boxes, colors=colours, width=max(2, x.shape[-1] // 200))
    table = {"says": [names[label] for label in labels], "score": scores.tolist()}
    sides = dict(zip(("left", "top", "right", "bottom"), boxes.T.tolist(), strict=True))
    return _named(drawn, words, boxes[:, :2].tolist(), colours), pd.DataFrame(table | sides)


def _segments(classes, x, names):
    from torchvision.transforms.functional import InterpolationMode, resize
    from torchvision.utils import draw_segmentation_masks

    classes = resize(classes[None], x.shape[1:], interpolation=InterpolationMode.NEAREST)[0]
    pixels = classes.flatten().bincount()
    there = [kind for kind in pixels.argsort(descending=True, stable=True).tolist() if kind and pixels[kind]]  # 0: none
    masks = torch.stack([classes == kind for kind in there]) if there else torch.zeros(0, *classes.shape).bool()
    colours = [COLOURS[kind % len(COLOURS)] for kind in there]
    drawn = draw_segmentation_masks(x, masks, alpha=0.6, colors=colours) if there else x
    shares = [(classes == kind).float().mean().item() for kind in there]
    frame = pd.DataFrame({"says": [names[kind] for kind in there], "share": shares})
    drawn = _named(drawn, frame["says"], [_inside(mask) for mask in masks], colours)
    return drawn, frame.sort_values("share", ascending=False, ignore_index=True)


def _inside(mask):
    """The pixel of a mask (H, W) that is nearest to its middle: [left, top]."""
    pixels = mask.nonzero()
    away = (pixels - pixels.median(0).values).abs().sum(1)
    return pixels[away.argmin()].flip(0).tolist()


def _named(drawn, words, places, colours):
    """A picture (3, H, W) uint8 with words on it, as (H, W, 3): each begins at its place (left, top), or as near as it
    is whole, on a ground of its colour. A word that would cover one before it is left out. A letter is a fortieth of
    the picture's width."""
    canvas = Image.fromarray(drawn.permute(1, 2, 0).numpy())
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(max(8, canvas.width / 40))
    taken = np.zeros(drawn.shape[1:], dtype=bool)
    for word, place, colour in zip(words, places, colours, strict=True):
        _, _, *size = pen.textbbox((3, 2), word, font=font)
        fits = zip(place, canvas.size, size, strict=True)
        left, top = (max(0, min(at, room - needed - 3)) for at, room, needed in fits)
        ground = left, top, left + size[0] + 3, top + size[1] + 3
        covers = np.s_[int(top) : math.ceil(ground[3]) + 1, int(left) : math.ceil(ground[2]) + 1]
        if taken[covers].any():
            continue
        taken[covers] = True
        pen.rectangle(ground, fill=colour)
        bright = ImageColor.getrgb(colour)
        ink = "black" if np.dot(bright, (0.299, 0.587, 0.114)) > 110 else "white"
        pen.text((left + 3, top + 2), word, font=font, fill=ink)
    return np.asarray(canvas)


def _weights(name):
    """torchvision's weights of a name: the first that it had for ImageNet, those of COCO for the others."""
    import torchvision

    if name in MODELS:
        where, _, weights = MODELS[name]
        return getattr(getattr(torchvision.models, where), weights).DEFAULT
    known = PRETRAINED[checks.choice("a trained net", name, [*MODELS, *PRETRAINED])]
    return torchvision.models.get_model_weights(known).IMAGENET1K_V1
