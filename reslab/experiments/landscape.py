"""Lesson 06: the loss of a trained net at weights near its own, after Li et al. 2018 (arXiv:1712.09913).

A net has thousands of weights, a picture has one or two axes. So the loss is measured along a line, or over a plane,
through the net's own weights: L(w + a d) or L(w + a d + b e). Directions are drawn at random and scaled (§4 there):

- "filter": every filter of the direction has the length of the net's filter in its place;
- "layer": the same for the whole weight of a layer;
- "none": entries of standard deviation STEP, whatever the net's weights are.

norms: the learned scale and shift of BatchNorm, and all biases, are "kept" (as in the paper) or "perturbed", each
vector as one filter. mode: in "eval" BatchNorm normalises by the statistics that it has of the net's own weights, at
every point; in "train" by those of the images at that point. All else is in eval mode. The loss is the mean cross
entropy, in nats, of the first training images. The net itself is never changed: its copy is.
"""


import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.lesions import RECORDED, trained
from reslab.experiments.representations import jobs
from reslab.nets.skeleton import copy_of
from reslab.progress import progress_bar
from reslab.results.landscape import ANSWERS, verdict  # noqa: F401 – a lesson takes it from here
from reslab.runs import Provenance
from reslab.train.device import layout_of, pick_device, settings
from reslab.train.forward import check_logits, check_model, explained

NETS = ("plain-20", "resnet-20")
NORMALISATIONS, NORMS, MODES = ("filter", "layer", "none"), ("kept", "perturbed"), ("eval", "train")
NETS_PER_PASS = 32  # nets in one pass on a GPU
STEP = 0.1  # standard deviation of a direction's entries that is not scaled to the net
IMAGES = 128  # training images that the loss is of
DIRECTIONS = 5
ALPHAS = tuple(np.linspace(-1, 1, 17).tolist())
SMALL = 65_536  # numbers in the images, below which a second thread costs more than it saves


class LossSurface:
    """The loss of a net at any weights, on a fixed batch of training images.

    net: any nn.Module from images to logits that `nets.skeleton.copy_of` can copy.
    images: how many; device: "auto", "cpu" ...
    weights: (P,) float32, all parameters and then all buffers of floats (BatchNorm's running statistics), in a row;
    names: of the pieces, to their shapes; learned: how many of the P are parameters.
    ValueError for an unknown mode, where there are fewer images, and for a net with complex weights or without any.
    """

    def __init__(self, net, split, *, images=IMAGES, mode="eval", device="auto"):
        check_split(split)
        checks.choice("mode", mode, MODES)
        self.device, self.mode = pick_device(device), mode
        self.images = checks.integer("images", images, 2, len(split.y_train))
        check_model(net)
        if any(tensor.is_complex() for tensor in net.state_dict().values()):
            raise ValueError(f"{type(net).__name__} has complex weights; a surface is of real ones.")
        self.model, self.classes = copy_of(net).to(self.device), split.shape["classes"]
        norms = [module for module in self.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self.model.eval()
        x, y = split.batch(slice(self.images), "train")
        self.x = x.to(self.device).contiguous(memory_format=layout_of(self.model))
        self.y = y.to(self.device)
        self._threads = 1 if self.device.type == "cpu" and x.numel() < SMALL else torch.get_num_threads()
        pieces = _pieces(self.model)
        self.names = {name: tensor.shape for name, tensor in pieces.items()}
        self.learned = sum(parameter.numel() for parameter in self.model.parameters())
        self.weights = flat(self.model)
        self._there = self.weights.clone()  # where the model is: its pieces are views of this row
        sizes = [shape.numel() for shape in self.names.values()]
        for piece, values in zip(pieces.values(), self._there.split(sizes), strict=True):
            piece.data = values.view(piece.shape)
        for norm in norms if mode == "train" else ():  # normalise by the images, and keep no statistics
            norm.training, norm.running_mean, norm.running_var = True, None, None
        self._used = _pieces(self.model)

    @torch.no_grad()
    def measure(self, weights, together=None):
        """[(loss in nats, error as a fraction)] at weights (K, P). Beyond the largest float the loss is infinite.

        together: so many of the K are passed at once. By default one on a CPU, where a batch of nets is a grouped
        convolution and takes longer (1.0 to 1.8 times, from 64 to 256 digits); NETS_PER_PASS elsewhere, as each
        operation on a small net costs a GPU more to launch than to compute.
        """
        together = together or (1 if self.device.type == "cpu" else NETS_PER_PASS)
        measured = []
        with explained(self.model, self.x), settings(self._threads):
            for some in weights.to(self.device).split(together):
                results = self._one(some[0]) if together == 1 else torch.vmap(self._of_row)(some)
                measured += zip(*(result.reshape(-1).tolist() for result in results), strict=True)
        return measured

    def _one(self, weights):
        self._there.copy_(weights)
        return self._results(check_logits(self.model, self.x, self.model(self.x), self.classes))

    def _of_row(self, weights):
        pieces = zip(self.names.items(), weights.split([shape.numel() for shape in self.names.values()]), strict=True)
        state = {name: values.view(shape) for (name, shape), values in pieces if name in self._used}
        return self._results(torch.func.functional_call(self.model, state, (self.x,)))

    def _results(self, logits):
        return F.cross_entropy(logits, self.y), (logits.argmax(1) != self.y).float().mean()

    def frame(self, **columns):
        """A frame of these columns behind those that say which net and which loss: name, skip, depth, seed, origin,
        mode, images. A model of one's own has its class's name, skip False, and its weight layers as its depth."""
        spec, layers = getattr(self.model, "spec", None), sum(len(shape) > 1 for shape in self.names.values())
        labels = {
            "name": spec.name if spec else type(self.model).__name__,
            "skip": bool(spec and spec.skip),
            "depth": spec.depth if spec else layers,
            "seed": getattr(self.model, "seed", None),
            "origin": Provenance.here(self.device).origin,
            "mode": self.mode,
            "images": self.images,
        }
        frame = pd.DataFrame(columns)
        return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))


def flat(net):
    """All parameters and then all buffers of floats of a net, in a row: (P,) float32."""
    pieces = _pieces(net)
    if not pieces:
        raise ValueError(f"{type(net).__name__} has no weights that could be moved.")
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in pieces.values()])


def direction(net, seed=0, *, normalisation="filter", norms="kept"):
    """A random direction of a net: (P,) float32 as `flat`, drawn on the CPU, 0 for all that is no parameter.

    Gaussian, and scaled as the module says. ValueError for an unknown normalisation, and for unknown norms.
    """
    checks.choice("normalisation", normalisation, NORMALISATIONS)
    checks.choice("norms", norms, NORMS)
    generator = torch.Generator().manual_seed(checks.seed("a direction's seed", seed))
    parameters, drawn = dict(net.named_parameters()), []
    for name, tensor in _pieces(net).items():
        own = tensor.detach().float().cpu()
        step = torch.randn(own.shape, generator=generator) if name in parameters else torch.zeros_like(own)
        if name in parameters and own.dim() < 2 and norms == "kept":
            step = torch.zeros_like(own)
        elif normalisation == "none":
            step = STEP * step
        else:
            rows = len(own) if normalisation == "filter" and own.dim() > 1 else 1  # of filters, (filters, weights)
            lengths = step.reshape(rows, -1).norm(dim=1).clamp_min(1e-12)
            scale = own.reshape(rows, -1).norm(dim=1) / lengths
            step = (scale[:, None] * step.reshape(rows, -1)).reshape(own.shape)
        drawn.append(step.reshape(-1))
    return torch.cat(drawn)


# --- frames -----------------------------------------------------------------------------------------------------------


def bands(
    net, split, *, directions=DIRECTIONS, alphas=ALPHAS, mode="eval", normalisation="filter", norms="kept", seed=0,
    images=IMAGES, device="auto", progress=True,
):  # fmt: skip
    """The loss along random lines through a net's weights: one row per direction × alpha.

    directions: how many, of the seeds from `seed` on. alphas: places on a line; at 1 every filter of the step is as
    long as the net's ("filter"). Columns: those of `LossSurface.frame`; normalisation, norms, direction (its seed),
    alpha, loss (nats), error (fraction). ValueError as of `LossSurface` and `direction`.
    """
    (alphas,) = checks.several(alphas=alphas)
    alphas = [checks.number("an alpha", alpha, -np.inf) for alpha in alphas]
    surface = LossSurface(net, split, images=images, mode=mode, device=device)
    drawn = {
        number: direction(net, number, normalisation=normalisation, norms=norms).to(surface.device)
        for number in range(seed, seed + checks.integer("directions", directions, 1))
    }
    places, frames = torch.tensor(alphas, dtype=torch.float32, device=surface.device), []
    for number, way in progress_bar(drawn.items(), desc="directions", disable=not progress):
        measured = surface.measure(surface.weights + places[:, None] * way)
        frames.append(surface.frame(**_columns(measured, direction=number, alpha=alphas)))
    labels = {"normalisation": normalisation, "norms": norms}
    return pd.concat(frames, ignore_index=True).assign(**labels)


def grid(net, split, *, points=31, progress=True, **options):
    """The loss over a plane through a net's weights, spanned by two random directions: one row per point × point.

    points: a side. options: as `grid_rows` takes them. Columns: those of `LossSurface.frame`; normalisation, norms,
    direction (the seed of the first; the second's is one more), x, y (of the first and of the second, -1 to 1), loss,
    error. ValueError as of `LossSurface` and `direction`.
    """
    rows = grid_rows(net, split, points=points, **options)
    return pd.concat(list(progress_bar(rows, total=points, desc="rows", disable=not progress)), ignore_index=True)


def grid_rows(
    net, split, *, points=31, reach=1.0, mode="eval", normalisation="filter", norms="kept", seed=0, images=IMAGES,
    device="auto",
):  # fmt: skip
    """The frames of `grid` one after the other, a row of the grid each, so that a person may stop it. reach: of the
    plane, from the net's own weights to its edge."""
    surface = LossSurface(net, split, images=images, mode=mode, device=device)
    points, reach = checks.integer("points", points, 2), checks.number("reach", reach, above=True)
    axes = [direction(net, seed + i, normalisation=normalisation, norms=norms).to(surface.device) for i in (0, 1)]
    labels = {"normalisation": normalisation, "norms": norms, "direction": seed}
    yield from rows_of_plane(surface, surface.weights, axes, *[np.linspace(-reach, reach, points)] * 2, **labels)


def rows_of_plane(surface, centre, axes, xs, ys, **columns):
    """A frame a y of the loss at centre + x * axes[0] + y * axes[1]; columns: further ones, the same in every row."""
    steps = torch.tensor(xs, dtype=torch.float32, device=surface.device)[:, None] * axes[0]
    for y in ys.tolist():
        measured = surface.measure(centre + y * axes[1] + steps)
        yield surface.frame(**_columns(measured, x=xs, y=y), **columns)


def between(net, other, split, *, alphas=21, mode="train", images=IMAGES, device="auto"):
    """The loss on the straight line from one net's weights (alpha 0) to those of another of the same shapes (alpha 1).

    After Goodfellow et al. 2015 (arXiv:1412.6544). BatchNorm's running statistics, of which mode "eval" makes use, are
    mixed like the weights. Columns: those of `LossSurface.frame`, of the first net; other (the seed of the second),
    alpha, loss, error. ValueError for nets whose shapes differ.
    """
    surface, there = LossSurface(net, split, images=images, mode=mode, device=device), flat(other)
    if {name: tensor.shape for name, tensor in _pieces(other).items()} != surface.names:
        raise ValueError("The nets have other shapes, so there is no line between them; take two of the same spec.")
    way = there.to(surface.device) - surface.weights
    places = torch.linspace(0, 1, checks.integer("alphas", alphas, 2), device=surface.device)
    measured = surface.measure(surface.weights + places[:, None] * way)
    return surface.frame(**_columns(measured, alpha=places.tolist())).assign(other=getattr(other, "seed", None))


def over_seeds(measure=bands, nets=NETS, *, seeds=(0, 1, 2), split=None, how=RECORDED, progress=True, **options):
    """`bands` or `grid` of several trained nets, one after the other: rows as `measure` gives them, with a column step.

    nets: names of FAMILY, of width 8 on the digits; seeds: of their weights; how: as `lesions.trained` takes it;
    options: of `measure`. ValueError for an unknown name.
    """
    split, frames = or_digits(split), []
    for spec, seed in jobs(nets, seeds, small_net(split), {}, progress):
        net = trained(spec, split, how, seed=seed)
        frames.append(measure(net, split, progress=False, **{"device": "cpu"} | options))
    return pd.concat(frames, ignore_index=True).assign(step=how.steps(len(split.y_train))[1])


def between_seeds(nets=NETS, *, pairs=((0, 1), (1, 2), (0, 2)), split=None, how=RECORDED, progress=True, **options):
    """`between` of trained nets of the same spec and two seeds each, one pair after the other: rows as it gives them.

    nets, how: as `over_seeds` takes them; pairs: of seeds; options: of `between`.
    """
    (pairs,), split, frames = checks.several(pairs=pairs), or_digits(split), []
    for spec, pair in jobs(nets, pairs, small_net(split), {}, progress):
        net, other = (trained(spec, split, how, seed=seed) for seed in pair)
        frames.append(between(net, other, split, **{"device": "cpu"} | options))
    return pd.concat(frames, ignore_index=True)


def of_trained(spec, split, how=RECORDED, *, seed=0, measure=bands, first=0, **options):
    """`bands` or `grid` of the trained net of a spec: its weights are recorded, or it is trained here.

    spec, split, how, seed: as `lesions.trained` takes them; first: the seed of the first direction; options: of
    `measure`.
    """
    return measure(trained(spec, split, how, seed=seed), split, seed=first, **options)


@torch.no_grad()
def rescaled(net, factor):
    """A net that computes what another does, with every convolution's weights `factor` times as large: BatchNorm
    divides by it again (Li et al. 2018, §4; Dinh et al. 2017, arXiv:1703.04933).

    net: of `build`, in which BatchNorm follows every convolution. In eval mode both compute the same up to rounding and
    BatchNorm's epsilon. ValueError for another net.
    """
    spec = getattr(net, "spec", None)
    if spec is None or (spec.norm, spec.order) != ("batch", "original"):
        raise ValueError("only a net in which BatchNorm follows every convolution can be rescaled: norm='batch', and "
                         "order='original'.")  # fmt: skip
    made = copy_of(net)
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.mul_(checks.number("factor", factor, above=True))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.mul_(factor)
            module.running_var.mul_(factor**2)
    return made


def _pieces(net):
    """{name: tensor} of all parameters, then of all buffers of floats."""
    buffers = {name: buffer for name, buffer in net.named_buffers() if buffer.is_floating_point()}
    return dict(net.named_parameters()) | buffers


def _columns(measured, **columns):
    losses, errors = zip(*measured, strict=True)
    return columns | {"loss": losses, "error": errors}
