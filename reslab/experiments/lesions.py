"""Lesson 05: the error of a trained net when blocks are taken out of it, or change places.

Veit et al. 2016 (arXiv:1605.06431), §4.1 to §4.3. What replaces a block: see `reslab.nets.lesion`. Errors are of test
images, in eval mode: BatchNorm uses the statistics of training, of the whole net. `calibrated=True` measures them
again after the first change, from one batch of training images: this separates a wrong scale from lost information.
"""

import itertools
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
from torch import nn

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.features import BatchNorm, recalibrated, unchanged
from reslab.experiments.representations import jobs, labelled
from reslab.nets import VGG, Block, ResNet, build, lesion, reordered, replace
from reslab.progress import progress_bar
from reslab.results.lesions import ANSWERS, verdict  # noqa: F401 – a lesson takes it from here
from reslab.shipped import shipped_json
from reslab.store import recorded
from reslab.train import TrainSpec, train
from reslab.train.device import device_of, pick_device
from reslab.train.evaluation import evaluate
from reslab.train.forward import eval_mode, explained

NETS = ("plain-20", "resnet-20", "resnet-56")
IMAGES = 200  # test images that errors are of
RECORDED = TrainSpec(capture_every=5)  # of the recorded trainings whose weights are kept
PHOTOGRAPHS = "lesions/cifar10.json.gz"
CALIBRATION = 250  # training images that BatchNorm's statistics are gathered from


class CachedNet:
    """A net, and the input of each of its parts for some images: a lesion computes only the parts after it.

    net: a net of `build`, or any nn.Module, which is one part and is run as a whole. x: (N, C, S, S), normalised as
    `Split.batch` does it. calibration: training images, normalised, (M, C, S, S); needed only for calibrated logits.
    It uses about as much memory as a training step of N images.
    blocks: the names of the blocks, in the order of the forward pass.
    """

    def __init__(self, net, x, calibration=None):
        self.net, self.calibration, self.parts = net, calibration, parts_of(net)
        self.blocks = [name for name, module in self.parts if isinstance(module, Block)]
        self.inputs = []  # of each part; and at the end, the logits
        with explained(net, x), eval_mode(net):
            x = x.to(device_of(net))
            for _, part in self.parts:
                self.inputs.append(x)
                x = part(x)
            self.inputs.append(x)

    def logits(self, out=(), *, order=None, calibrated=False):
        """The logits (N, K) of the net without the blocks `out`, or with its blocks in another `order`.

        out, order: as `lesion` and `reordered` take them. ValueError as there, and for calibrated logits without
        training images.
        """
        out, order = list(out), {place: worker for place, worker in (order or {}).items() if place != worker}
        if calibrated and self.calibration is None:
            raise ValueError("calibrated logits need training images: CachedNet(net, x, calibration=...).")
        with lesion(self.net, out), reordered(self.net, order), eval_mode(self.net):
            changed = {*out, *order}
            first = next((i for i, (name, _) in enumerate(self.parts) if name in changed), len(self.parts))
            if changed and first == len(self.parts):
                first = 0  # a module inside of a part
            if first == len(self.parts):
                return self.inputs[-1]
            with ExitStack() as stack:
                if calibrated:
                    stack.enter_context(self._calibrated(first))
                x = self.inputs[first]
                for _, part in self.parts[first:]:
                    x = part(x)
            return x

    @contextmanager
    def _calibrated(self, first):
        """BatchNorm with statistics of the training images, in all parts from the first changed one."""
        norms = [m for _, part in self.parts[first:] for m in part.modules() if isinstance(m, BatchNorm)]
        with unchanged(self.net):
            x = self.calibration.to(device_of(self.net))
            for _, part in self.parts[:first]:
                x = part(x)
            with recalibrated(norms):
                for _, part in self.parts[first:]:
                    x = part(x)
            yield


def parts_of(net):
    """[(name, module)]: the parts of a forward pass in their order; of a model of your own, only itself."""
    if isinstance(net, ResNet):
        head = nn.Sequential(net.final or nn.Identity(), net.pool, nn.Flatten(1), net.fc)
        first = [("stem", net.stem)]
    elif isinstance(net, VGG):
        head, first = nn.Sequential(net.pool, nn.Flatten(1), net.head, net.fc), []
    else:
        return [("", net)]
    names = {module: name for name, module in net.named_modules()}
    return [*first, *((names[part], part) for stage in net.stages for part in stage), ("", head)]


def cached_net(net, split, images=IMAGES):
    """(CachedNet, labels) of the first test images of a split, with the training images that calibrated errors need."""
    there = len(check_split(split).y_test)
    x, y = split.batch(slice(min(checks.integer("images", images, 1), there)), "test")
    return CachedNet(net, x, split.batch(slice(CALIBRATION), "train")[0]), y.to(device_of(net))


def _cached_blocks(net, split, images):
    """The same of a net of `build`; ValueError for one without blocks."""
    if not any(isinstance(module, Block) for _, module in parts_of(net)):
        raise ValueError(
            f"{type(net).__name__} has no blocks of reslab; `with nets.lesion(model, names):` takes modules out of any."
        )
    return cached_net(net, split, images)


# --- frames -----------------------------------------------------------------------------------------------------------


def one_out(net, split, *, images=IMAGES, calibrated=False, progress=True):
    """The error without each block, one at a time: one row per block.

    net: a net of `build`; ValueError for one without its blocks. images: so many of the first test images. calibrated:
    see the module.
    Columns: name, skip, depth, norm, init, seed, step, origin (as `representations.labelled` has them); images,
    calibrated, whole (the error of the whole net); module, index (from 1), changes_shape, error (fractions).
    """
    cached, y = _cached_blocks(net, split, images)
    rows = [
        {
            "module": name,
            "index": index,
            "changes_shape": cached.inputs[at].shape != cached.inputs[at + 1].shape,
            "error": _error(cached.logits([name], calibrated=calibrated), y),
        }
        for index, (at, name) in enumerate(progress_bar(_places(cached), desc="blocks", disable=not progress), 1)
    ]
    return _labelled(rows, net, cached, y, calibrated)


def several_out(net, split, counts=(1, 2, 3, 5, 8), *, draws=8, images=IMAGES, calibrated=False, seed=0, progress=True):
    """The error without several blocks, drawn at random: one row per count × draw. Columns: those of `one_out` up to
    whole; count, draw, modules (the names, with + between them), error. Counts that the net does not have are left out.
    """
    (counts,) = checks.several(counts=counts)
    cached, y, draws = *_cached_blocks(net, split, images), checks.integer("draws", draws, 1)
    random, rows = np.random.default_rng([checks.seed("seed", seed), net.seed or 0]), []
    counts = [count for count in counts if checks.integer("a count", count, 0) <= len(cached.blocks)]
    for count in progress_bar(counts, desc="blocks out", disable=not progress):
        for draw in range(draws):
            out = [cached.blocks[i] for i in sorted(random.choice(len(cached.blocks), count, replace=False))]
            error = _error(cached.logits(out, calibrated=calibrated), y)
            rows.append({"count": count, "draw": draw, "modules": "+".join(out), "error": error})
    return _labelled(rows, net, cached, y, calibrated)


def swapped(net, split, counts=(1, 2, 4, 8), *, draws=8, images=IMAGES, calibrated=False, seed=0, progress=True):
    """The error after random swaps of two blocks of the same shape, one after the other (Veit et al. 2016, §4.3): a row
    a count × draw, but for draws whose swaps undo each other. Columns: those of `one_out` up to whole; count (swaps),
    draw, moved (share of the blocks that are no longer in their places), error.
    """
    (counts,) = checks.several(counts=counts)
    counts = [checks.integer("a count", count, 1) for count in counts]
    cached, y, draws = *_cached_blocks(net, split, images), checks.integer("draws", draws, 1)
    random, rows = np.random.default_rng([checks.seed("seed", seed), net.seed or 0]), []
    stages = {}
    for at, name in _places(cached):
        if cached.inputs[at].shape == cached.inputs[at + 1].shape:
            stages.setdefault(name.rpartition(".")[0], []).append(name)
    pairs = [(a, b) for names in stages.values() for i, a in enumerate(names) for b in names[i + 1 :]]
    for count in progress_bar(counts if pairs else (), desc="swaps", disable=not progress):
        for draw in range(draws):
            order = {name: name for names in stages.values() for name in names}
            for pair in random.choice(len(pairs), count):
                one, other = pairs[pair]
                order[one], order[other] = order[other], order[one]
            moved = sum(place != worker for place, worker in order.items()) / len(cached.blocks)
            if not moved:
                continue  # the swaps undid each other
            error = _error(cached.logits(order=order, calibrated=calibrated), y)
            rows.append({"count": count, "draw": draw, "moved": moved, "error": error})
    return _labelled(rows, net, cached, y, calibrated)


def errors(net, split, *, progress=True):
    """How often a net is wrong: one row. Columns: as `representations.labelled` has them; images (all test images),
    error (a fraction)."""
    check_split(split)
    images = len(split.y_test)
    return labelled(pd.DataFrame([{"images": images, "error": evaluate(net, split, "test")}]), net)


def over_seeds(
    measure=one_out, nets=NETS, *, seeds=(0, 1, 2), split=None, fields=None, how=RECORDED, device="cpu", progress=True,
    **options,
):  # fmt: skip
    """One of the frames above, of several trained nets, one after the other: rows as `measure` gives them.

    nets: names of FAMILY, of width 8 on the digits; fields: of NetSpec, {"stochastic_depth": 0.5}; seeds: of their
    weights; how, device: as `trained` takes them; options: of `measure`. ValueError for an unknown name.
    """
    split = or_digits(split)
    frames = [
        measure(trained(spec, split, how, seed=seed, device=device), split, progress=False, **options)
        for spec, seed in jobs(nets, seeds, small_net(split), fields or {}, progress)
    ]
    return pd.concat(frames, ignore_index=True)


def trained(spec, split, how=RECORDED, *, seed=0, device="cpu", stop=lambda event: False):
    """The trained net of a spec, in eval mode: recorded if its weights come with reslab, otherwise trained here.

    device: where it is afterwards, and where it is trained: "cpu", "cuda", "mps", or "auto" for what there is.
    stop: called with every event of a training; if it says True, the training ends there, and None is returned.
    """
    check_split(split)
    where, net = pick_device(device), as_recorded(spec, split, how, seed=seed)
    if net is None:
        net = build(spec, seed=seed)
        for event in train(net, split, replace(how, capture_every=0), device=device):
            if stop(event):
                return None
    return net.to(where).eval()


def as_recorded(spec, split, how=RECORDED, *, seed=0):
    """The trained net of a spec in eval mode, if its weights come with reslab; otherwise None."""
    check_split(split)
    store = recorded()
    run = store.find(spec, split, how, seed)
    return store.net(run) if run and store.has_weights(run) else None


def longest(depth, skip):
    """(Run, net) of the recorded CIFAR-10 training of width 16 that took the most steps, of those with weights.
    ValueError for a depth that has none."""
    store = recorded()
    runs = [run for run in store.runs(dataset="cifar10", width=16, skip=skip) if store.has_weights(run)]
    checks.choice("the depth of a recorded net", depth, sorted({run.spec.depth for run in runs}))
    runs = [run for run in runs if run.spec.depth == depth]
    run = max(runs, key=lambda run: run.history["step"].iloc[-1])
    return run, store.net(run)


def errors_of_photographs(depths=(20, 56)):
    """`errors` of the recorded CIFAR-10 nets that `longest` gives, measured when their weights were recorded; without
    the column images."""
    (depths,) = checks.several(depths=depths)
    frames = []
    for depth, skip in itertools.product(depths, (False, True)):
        run, net = longest(depth, skip)
        origin, error = f"recorded, {run.history['step'].iloc[-1]:,} steps", recorded().weights(run).test_error
        frames.append(labelled(pd.DataFrame([{"error": error}]), net).assign(origin=origin))
    return pd.concat(frames, ignore_index=True)


def photographs(name=PHOTOGRAPHS):
    """What was recorded of CIFAR-10 nets of width 16, whose pictures may not be shipped: {"one out", "one out,
    calibrated", "several out", "swapped", "paths": the frame}, and "provenance", a dict.

    Made by `python data/record_lesions.py` of the recorded weights. name: of the file; lesson 07 has one of its own.
    FileNotFoundError where it is not installed.
    """
    content = shipped_json(name)
    frames = {kind: pd.DataFrame(rows) for kind, rows in content["frames"].items()}
    return frames | {"provenance": content["provenance"]}


def _places(cached):
    """[(place in the parts, name)] of the blocks."""
    return [(at, name) for at, (name, module) in enumerate(cached.parts) if isinstance(module, Block)]


def _error(logits, y):
    return (logits.argmax(1) != y).float().mean().item()


def _labelled(rows, net, cached, y, calibrated):
    whole = _error(cached.inputs[-1], y)
    rows = pd.DataFrame(rows)
    return labelled(rows.assign(images=len(y), calibrated=calibrated, whole=whole), net)
