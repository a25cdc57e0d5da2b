"""Photographs for nets of CIFAR-10 on a machine that has no CIFAR-10: those of installed packages, at 32 × 32 pixels.

CIFAR-10's pictures may not be shipped. scikit-learn's are china.jpg (by Mario Heinrich) and flower.jpg (by dany13),
both CC BY 2.0 from Flickr. Neither shows one of CIFAR-10's ten things, so no answer of a net is
right for them; but what the answer depends on can be measured. scikit-image's chelsea.png is a cat (by Stéfan van der
Walt, CC0).
"""

from contextlib import suppress

import numpy as np
import torch
from PIL import Image

from reslab.datasets import DATASETS, DatasetUnavailable, Split

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training pictures
SIDES = (427, 320, 214, 160)  # px of the squares that are cut; each is shrunk to 32
# name → the photograph, and the top, the left and the side (px) of a square of it
EXAMPLES = {"cat": ("chelsea", 20, 120, 220), "flower": ("flower", 0, 106, 427), "pagoda": ("china", 0, 106, 427)}


def photographs():
    """A Split for the recorded nets of CIFAR-10: the learner's own CIFAR-10 where it was downloaded, else pieces of
    scikit-learn's two photographs, the largest first. Their labels mean nothing."""
    with suppress(DatasetUnavailable):
        return DATASETS["cifar10"](download=False)
    source = "scikit-learn's china.jpg (M. Heinrich) and flower.jpg (dany13), CC BY 2.0, cut and shrunk to 32 × 32"
    return _split(_pieces(), source)


def examples():
    """A Split of three photographs, EXAMPLES, for the recorded nets of CIFAR-10. Only the cat is one of its ten
    things."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    whole = dict(zip(("china", "flower"), load_sample_images().images, strict=True))
    whole["chelsea"] = skimage.data.chelsea()
    x = torch.stack([_piece(whole[photo], *square) for photo, *square in EXAMPLES.values()])
    return _split(x, "scikit-image's chelsea.png (S. van der Walt, CC0), scikit-learn's china.jpg and flower.jpg")


def _split(x, source):
    """A Split of photographs (N, 3, 32, 32), uint8; their labels mean nothing."""
    y = torch.zeros(len(x), dtype=torch.int64)
    parts = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    return Split(name="photographs", **parts, class_names=NAMES, scale=255.0, mean=MEAN, std=STD, source=source)


def _pieces():
    """(N, 3, 32, 32) uint8: squares of both photographs, from the largest to the smallest, side by side."""
    from sklearn.datasets import load_sample_images

    pieces = []
    for side in SIDES:
        for photo in load_sample_images().images:  # (427, 640, 3)
            height, width = photo.shape[:2]
            tops = np.linspace(0, height - side, max(1, height // side)).astype(int)
            lefts = np.linspace(0, width - side, width // side + 1).astype(int)
            for top in tops:
                for left in lefts:
                    pieces.append(_piece(photo, top, left, side))
    return torch.stack(pieces)


def _piece(photo, top, left, side):
    """(3, 32, 32) uint8: a square of a photograph (H, W, 3), shrunk."""
    piece = Image.fromarray(photo[top : top + side, left : left + side])
    pixels = np.array(piece.resize((32, 32), Image.Resampling.BOX))  # (32, 32, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
