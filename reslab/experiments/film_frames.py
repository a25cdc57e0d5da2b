"""One frame of a film: measurements of a net as plain values for JSON; and the pictures that were measured.

film.py trains the nets; `frame` measures one of them. Keys: see film.py.
"""

import base64
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from reslab.capture import capture
from reslab.datasets import check_split
from reslab.experiments import features, representations
from reslab.nets import Block
from reslab.nets.layers import ZeroPad
from reslab.train.device import device_of

NEAREST = 3  # neighbours of a picture
TILES = 3  # channels shown of a block that is opened
# place in the test part of `digits()` → label, of digits that are easy to recognise
DIGITS = {17: 6, 8: 3, 39: 8, 0: 0, 84: 9}
COLUMNS = 20  # of the sprite


def chosen(split):
    """Places of the pictures that a learner chooses from, of different classes: for `digits()` DIGITS, else the first
    of five classes."""
    check_split(split)
    labels = split.y_test.tolist()
    if (
        split.name == "digits"
        and len(labels) > max(DIGITS)
        and all(labels[place] == label for place, label in DIGITS.items())
    ):
        return list(DIGITS)
    return [labels.index(label) for label in list(dict.fromkeys(labels))[:5]]


def sprite(split, places):
    """An atlas of test pictures as a PNG data URL: size, columns, count, grey, labels; picture k: column k % columns,
    row k // columns."""
    check_split(split)
    x = split.x_test[places].float().cpu() / split.scale * 255
    pixels = x.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()  # (N, S, S, C)
    count, size, _, channels = pixels.shape
    rows = math.ceil(count / COLUMNS)
    atlas = np.zeros((rows * COLUMNS, size, size, channels), np.uint8)
    atlas[:count] = pixels
    atlas = (
        atlas.reshape(rows, COLUMNS, size, size, channels).swapaxes(1, 2).reshape(rows * size, COLUMNS * size, channels)
    )
    file = io.BytesIO()
    Image.fromarray(atlas[..., 0] if channels == 1 else atlas[..., :3]).save(file, "PNG", optimize=True)
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    labels = split.y_test[places].tolist()
    return {"url": url, "size": size, "columns": COLUMNS, "count": count, "grey": channels == 1, "labels": labels}


def frame(net, x, y, pictures, step):
    """The measurements of a net of `build` after `step` steps of training; all but the gradient.

    x, y: the test pictures measured, normalised, in one batch, and their labels. pictures: places among them. Keys:
    step, told_apart, near, answer. What is not finite is None.
    """
    seen = features.features(net, x, lambda name, module: name in ("stem", "fc") or isinstance(module, Block))
    logits = seen.pop("fc")[pictures]
    cosines = torch.stack([representations.centred_cosines(each) for each in seen.values()])  # (blocks, N, N)
    told_apart = rounded(representations.neighbour_accuracy(cosines, y.to(cosines.device)))
    near = representations.nearest_neighbours(cosines, pictures, NEAREST).tolist()
    return {
        "step": step,
        "told_apart": told_apart,
        "near": [None if share is None else block for share, block in zip(told_apart, near, strict=True)],
        "answer": [rounded(answer) for answer in logits.softmax(1).tolist()] if logits.isfinite().all() else None,
    }


def thorough(net, split, images, pictures, channels=TILES):
    """readout, alike and opened: slower to measure, so only a few frames have them."""
    check_split(split)
    x, _ = split.batch(slice(images), "test")
    return readout(net, split, images) | {"opened": opened(net, x, pictures, channels)}


def readout(net, split, images, training_images=None):
    """readout and alike: the readout accuracy and the noise cosine of every block; see `representations.by_block`."""
    numbers = representations.by_block(net, split, images=images, training_images=training_images)
    return {"readout": rounded(numbers["readout_accuracy"]), "alike": rounded(numbers["noise_cosine"])}


def opened(net, x, pictures, channels=TILES):
    """x, F(x) and y of every block as small grey pictures; None for the stem, and where something is not finite.

    x: the images measured; pictures: places among them. Keys of each: size (pixels of a tile, at most 16), channels
    (those in which y is largest on average), scale, tiles (base64 of uint8 [picture][x, F(x), y][channel][row][column];
    0, 128, 255 are -scale, 0, scale). What a block is given is shown as shortcut option A passes it on, in a plain net
    too, so that the three have one shape.
    """
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Block)}
    wanted = {"stem", *blocks, *(f"{name}.{part}" for name in blocks for part in ("branch", "shortcut"))}
    seen = features.outputs(net, x, lambda name, _: name in wanted, lambda output: output[pictures].float())
    result, given = [None], seen["stem"]
    for name in blocks:
        f, y = seen[f"{name}.branch"], seen[name]  # (pictures, C, H, W)
        passed = seen.get(f"{name}.shortcut")
        if passed is None:
            passed = ZeroPad(given.shape[1], y.shape[1], given.shape[2] // y.shape[2])(given)
        strongest = y.abs().mean((0, 2, 3)).topk(min(channels, y.shape[1])).indices
        tiles = torch.stack([part[:, strongest] for part in (passed, f, y)], 1)  # (pictures, 3, channels, H, W)
        result.append(_as_bytes(tiles, strongest) if tiles.isfinite().all() else None)
        given = y
    return result


def _as_bytes(tiles, channels):
    if tiles.shape[-1] > 16:
        tiles = F.adaptive_avg_pool2d(tiles.flatten(0, 1), 16).unflatten(0, tiles.shape[:2])
    scale = tiles.abs().max().clamp_min(1e-12).item()
    grey = (128 + 127 * tiles / scale).round().byte().cpu().numpy()
    encoded = base64.b64encode(grey.tobytes()).decode()
    return {"size": tiles.shape[-1], "channels": channels.tolist(), "scale": float(f"{scale:.3g}"), "tiles": encoded}


def gradient(layers):
    """RMS of the loss's gradient at each block's output, from the frame of a captured step; None for the stem, which is
    not captured."""
    return [None, *(float(f"{value:.3g}") if math.isfinite(value) else None for value in layers["gradient_rms"])]


def last_gradient(net, split, batch_size):
    """The same after the last step, which no step follows: of the first training images. The net is left as it was."""
    check_split(split)
    x, y = (part.to(device_of(net)) for part in split.batch(slice(batch_size), "train"))
    with features.unchanged(net), capture(net.train()) as trace:
        loss = F.cross_entropy(net(x), y)
        learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
        torch.autograd.grad(loss, learned, allow_unused=True)  # not backward(): that would add to .grad
    return gradient(trace.frame())


def rounded(values, digits=3):
    """A list of floats for JSON, with so many digits after the point; None for what is not finite."""
    return [round(float(value), digits) if math.isfinite(value) else None for value in values]
