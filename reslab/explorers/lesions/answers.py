"""What the explorer of lesson 05 measures: a pair of nets with blocks out, and their answers for three pictures."""

import base64
import io
from functools import lru_cache

from PIL import Image

from reslab.figures.text.lesions import pair_sentence

SHOWN = 3  # test pictures
TILE = 64  # px of a picture that is sent to the page, at least
NAMES = {False: "plain", True: "residual"}


def available():
    """The data sets whose pictures are on this machine, and for which nets are recorded."""
    from reslab.downloads import bytes_here

    return ["digits", *(["cifar10"] if bytes_here("CIFAR10") else [])]


def answer(view):
    """A View → a dict of plain values for the page: both nets' errors without the blocks, and three pictures with the
    nets' answers."""
    pair = _pair(view.data, view.layers, view.seed)
    made = {"line": str(view), "layers": view.layers, "origin": pair.origin}
    places = [(view.first + i) % pair.images for i in range(SHOWN)]
    made["pictures"] = [pair.picture(place) for place in places]
    calibrated = view.statistics == "anew"
    for skip, kind in NAMES.items():
        logits = pair.logits(skip, view.out, calibrated)
        wrong = (logits.argmax(1) != pair.labels).float().mean().item()
        whole = (pair.logits(skip, (), False).argmax(1) != pair.labels).float().mean().item()
        answers = [pair.classes[logits[place].argmax()] for place in places]
        made[kind] = {"name": f"{'resnet' if skip else 'plain'}-{view.layers}", "whole": whole, "error": wrong}
        made[kind]["answers"] = answers
    return made | {"sentence": pair_sentence(view.out, made)}


def alone(view, block):
    """(error of plain, error of residual) without one block, with the statistics of the view."""
    pair = _pair(view.data, view.layers, view.seed)
    logits = (pair.logits(skip, (block,), view.statistics == "anew") for skip in NAMES)
    return tuple((each.argmax(1) != pair.labels).float().mean().item() for each in logits)


@lru_cache(maxsize=4)
def _pair(data, layers, seed):
    return Pair(data, layers, seed)


class Pair:
    """A trained plain net and its residual twin, and the stored inputs of their blocks for the test pictures."""

    def __init__(self, data, layers, seed):
        from reslab.datasets import DATASETS  # here, and not above: torch takes seconds to import
        from reslab.experiments import lesions
        from reslab.experiments.degradation import small_net
        from reslab.nets import replace

        if data == "digits":
            split = DATASETS[data]()
            base = replace(small_net(split), depth=layers)
            nets = {skip: lesions.trained(replace(base, skip=skip), split, seed=seed) for skip in NAMES}
            self.images, self.origin = len(split.y_test), f"digits, trained for 60 steps, seed {seed}"
        else:
            split = DATASETS[data](download=False)
            runs = {skip: lesions.longest(layers, skip) for skip in NAMES}
            nets = {skip: net for skip, (_, net) in runs.items()}
            self.images, steps = lesions.IMAGES, runs[True][0].history["step"].iloc[-1]
            self.origin = f"CIFAR-10, recorded weights of {steps:,} steps"
        self.origin += f"; errors of {self.images} test pictures, measured on this machine"
        self.cached = {skip: lesions.cached_net(net, split, self.images)[0] for skip, net in nets.items()}
        self.labels = split.y_test[: self.images]
        self.classes, self._split, self._logits = split.class_names, split, {}

    def logits(self, skip, out, calibrated):
        """The logits of one of the nets without some blocks, numbered from 1."""
        key = skip, out, calibrated and bool(out)
        if key not in self._logits:
            net = self.cached[skip]
            self._logits[key] = net.logits([net.blocks[block - 1] for block in out], calibrated=key[2])
        return self._logits[key]

    def picture(self, place):
        """A test picture for the page: its class, and a PNG as a data URL."""
        pixels = self._split.x_test[place].float() / self._split.scale
        grey = pixels.shape[0] == 1
        pixels = 1 - pixels if grey else pixels  # dark on light
        values = (255 * pixels).round().byte().permute(1, 2, 0).numpy()
        image = Image.fromarray(values[:, :, 0] if grey else values)
        times = -(-TILE // image.width)
        file = io.BytesIO()
        image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST).save(file, "PNG")
        url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        return {"is": self.classes[self._split.y_test[place]], "url": url}
