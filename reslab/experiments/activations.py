"""Lesson 04: the activations at every block: their size, how much each block changes them, and dead units.

Everything is measured on the first test images in one pass. BatchNorm normalises by this batch, before training and
after it, because in eval mode an untrained BatchNorm does almost nothing; all else is in eval mode. The net is not
changed.
"""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import nn

from reslab import checks
from reslab.capture import ACTIVATION_STATISTICS, capture
from reslab.datasets import check_split, or_digits, pictures
from reslab.experiments import similarity
from reslab.experiments.degradation import small_net
from reslab.experiments.features import batch_mode, unchanged
from reslab.nets import FAMILY, VGG, Block, ResNet, build, replace
from reslab.progress import progress_bar
from reslab.results.activations import SIZES, verdict  # noqa: F401 – a lesson takes them from here
from reslab.runs import Provenance
from reslab.train import TrainSpec, train
from reslab.train.device import pick_device
from reslab.train.forward import explained

EDGES = tuple(np.arange(-4, 24.25, 0.25))  # of the bins of `histograms`
STATISTICS = ACTIVATION_STATISTICS | {"std": lambda x: x.std(correction=0)}
NETS = ("plain-20", "resnet-20", "plain-56", "resnet-56")
IMAGES = 512  # test images that a signal is measured on, or all of them where there are fewer


def before_and_after(nets=NETS, *, seeds=(0, 1, 2), split=None, base=None, how=None, device="auto", progress=True):
    """The signal at every block of some nets, untrained and then trained: the frames of `signal`, one after the other.

    nets: names of FAMILY, of which depth and skip are taken; base: the NetSpec that all share but for those, by default
    width 8 on the digits. ValueError for an unknown name.
    """
    split, frames = or_digits(split), []
    for net, run in _all_trained(nets, seeds, base or small_net(split), split, how, device, progress):
        frames += [signal(build(net.spec, seed=net.seed), split), signal(net, split, run)]
    return pd.concat(frames, ignore_index=True)


def responses(
    nets=("plain-20", "resnet-20", "resnet-56"),
    *,
    seeds=(0, 1, 2),
    split=None,
    base=None,
    how=None,
    device="auto",
    progress=True,
):
    """Fig. 7 of He et al. 2015: the standard deviation of every 3×3 layer's response in trained nets; the frames of
    `response`.

    nets, base: as `before_and_after` takes them. how: by default `as_much_decay(split)`; without it the effect is
    small.
    """
    split, frames = or_digits(split), []
    how = how or as_much_decay(split)
    for net, run in _all_trained(nets, seeds, base or small_net(split), split, how, device, progress):
        frames.append(response(net, split, run))
    return pd.concat(frames, ignore_index=True)


def at_initialisation(depths=(8, 20, 56, 110), *, norms=("batch", "none"), seeds=(0, 1, 2), split=None, base=None):
    """The signal at every block of untrained residual nets, with BatchNorm and without; `signal`'s frames and a column
    norm."""
    depths, norms, seeds = checks.several(depths=depths, norms=norms, seeds=seeds)
    split = or_digits(split)
    base = base or small_net(split)
    specs = [replace(base, depth=depth, norm=norm) for norm in norms for depth in depths]
    frames = [signal(build(spec, seed=seed), split).assign(norm=spec.norm) for spec in specs for seed in seeds]
    return pd.concat(frames, ignore_index=True)


def as_much_decay(split, epochs=24):
    """A TrainSpec with as much weight decay in few steps as the paper's 64,000 have: λ such that Σ lr·λ is the same.

    He et al. 2015, §4.2: weight decay λ 1e-4, lr 0.1, divided by 10 at 32k and 48k steps. lr goes up to 0.1 here too,
    in one cycle.
    """
    check_split(split)
    paper = TrainSpec(lr=0.1, weight_decay=1e-4, schedule="step", milestones=(0.5, 0.75))
    ours = TrainSpec(lr=0.1, epochs=epochs)
    paper_sum, our_sum = (
        sum(how.learning_rate(step, steps) for step in range(1, steps + 1))
        for how, steps in ((paper, 64_000), (ours, ours.steps(len(split.y_train))[1]))
    )
    return replace(ours, weight_decay=paper.weight_decay * paper_sum / our_sum)


def trained(spec, split, how=None, *, seed=0, device="auto"):
    """(net, Run): the net of a spec, trained to its end."""
    net = build(spec, seed=seed)
    *_, end = train(net, split, how, device=device)
    return net, end.run()


def signal(net, split, run=None):
    """The signal at every block of a net of `build`, one row per block. run: the Run that trained it; None for an
    untrained net.

    Columns: name ("resnet-20 · trained"), skip, depth, seed, origin, step (of training; 0 untrained), outcome
    ("untrained", or the run's), train_error (fraction; NaN unless finished); module, index (from 1), shape; of the
    block's output activation_rms, _mean, _std and _dead (fraction of channels that are 0 at every place of every
    image); inner_dead: the same, after the first ReLU inside the branch (NaN without one); branch_rms: RMS of F(x), the
    branch's output; input_rms: RMS of the x that is added to F(x), in a plain net of the branch's input; ratio:
    branch_rms / input_rms, |F(x)|/|x|; cosine, cka, r2: the similarity of the block's output to its input, by the three
    measures of `experiments.similarity` (NaN where the shape changes).
    """
    return dict(signal_stages(net, split, run))["similarities"]


def signal_stages(net, split, run=None):
    """The frame of `signal` twice, each after the name of what was measured last: "statistics" (the similarities are
    NaN), and "similarities", which take as long as the rest."""
    blocks = _blocks(net)
    entering = ["stem", *blocks[:-1]]
    branches, inner, shortcuts = (
        [f"{block}.{part}" for block in blocks] for part in ("branch", "branch.activation1", "shortcut")
    )
    seen, tensors = _captured_pass(net, {*entering, *blocks, *branches, *inner, *shortcuts}, _batch(split))
    frame = seen.loc[blocks].reset_index().assign(index=range(1, len(blocks) + 1))
    frame["inner_dead"] = seen["activation_dead"].reindex(inner).to_numpy()
    frame["branch_rms"] = seen.loc[branches, "activation_rms"].to_numpy()
    frame["input_rms"] = seen.loc[shortcuts if net.spec.skip else entering, "activation_rms"].to_numpy()
    frame["ratio"] = frame["branch_rms"] / frame["input_rms"]
    frame = _labelled(frame, net, run)
    yield "statistics", frame.assign(**dict.fromkeys(similarity.MEASURES, np.nan))
    similarities = pd.DataFrame(similarity.along([tensors[name] for name in ("stem", *blocks)]))
    yield "similarities", frame.assign(**similarities)


def response(net, split, run=None):
    """The response of every convolution of a net, after BatchNorm and before ReLU and addition: one row per layer.

    Columns: as `signal` up to train_error; module, index (the layer, from 1, the stem), shape, std (over all elements).
    """
    _blocks(net)  # ValueError
    norms = [
        name for name, _ in net.named_modules() if name.split(".")[-1].startswith("norm") and "shortcut" not in name
    ]
    seen, _ = _captured_pass(net, norms, _batch(split))
    frame = seen.loc[norms, ["shape", "activation_std"]].rename(columns={"activation_std": "std"}).reset_index()
    frame.insert(1, "index", range(1, len(norms) + 1))
    return _labelled(frame, net, run)


def histograms(net, split, run=None, edges=EDGES):
    """Histograms of the activations at every block's output: one row per block × bin, the first and last bin are open.

    Columns: as `signal` up to train_error; module, index (from 1), left, right (left ≤ activation < right), share (of
    the block's activations; NaN is in no bin).
    """
    (edges,) = checks.several(edges=edges)
    edges = sorted({checks.number("an edge", edge, -np.inf) for edge in edges})
    blocks = _blocks(net)
    _, tensors = _captured_pass(net, blocks, _batch(split))
    bins = np.array([-np.inf, *edges, np.inf])
    frames = []
    for index, block in enumerate(blocks, 1):
        values = tensors[block].cpu().numpy()
        share = np.histogram(values, bins)[0] / values.size
        frames.append(
            pd.DataFrame({"module": block, "index": index, "left": bins[:-1], "right": bins[1:], "share": share})
        )
    return _labelled(pd.concat(frames, ignore_index=True), net, run)


def feature_maps(net, split, image=0, run=None, *, evaluating=False):
    """The output of every block for one image, and what it is made of: one row per channel of a block.

    image: its index in the test part, or an image of your own from `picture`; it is in one batch with test images.
    evaluating: BatchNorm has the statistics of the training, as when the net is used, and not those of this batch.
    Columns: as `signal` up to train_error; predicted (the class that the net predicts); module ("image" for the
    image itself, whose numbers go from 0 to 1), index (from 1; 0 for the image), channel (from 0), and (H, W) arrays:
    map, the output y; branch, F(x); x, to which F(x) is added, in a plain net the block's input. The image has
    no branch and no x, a block that changes the shape no x. ValueError for a place that the test part does not have.
    """
    if isinstance(image, torch.Tensor):
        x, own, at = _batch(split, own=image), image, 0
    else:
        x = _batch(split)
        at = checks.integer("image", image, 0, len(x) - 1)
        own = split.x_test[at]
    blocks = _blocks(net)
    wanted = {"stem", "fc", *(block + part for block in blocks for part in ("", ".branch", ".shortcut"))}
    mode = nn.Module.eval if evaluating else batch_mode
    _, tensors = _captured_pass(net, wanted, x, mode, {}, lambda output: output[at].clone())
    logits = tensors["fc"]
    predicted = split.class_names[logits.argmax()] if logits.isfinite().all() else "nothing, it is not a number"
    pixels, before = own.cpu().float() / split.scale, tensors.get("stem", x[at])
    rows = [{"module": "image", "index": 0, "channel": c, "map": map_.numpy()} for c, map_ in enumerate(pixels)]
    for index, block in enumerate(blocks, 1):
        y, branch, x = (tensors.get(block + part) for part in ("", ".branch", ".shortcut"))
        x = None if before.shape != y.shape else before if x is None else x
        parts = {"map": y, "x": x, "branch": branch}
        arrays = {name: [None] * len(y) if part is None else [*part.cpu().numpy()] for name, part in parts.items()}
        rows += pd.DataFrame({"module": block, "index": index, "channel": range(len(y))} | arrays).to_dict("records")
        before = y
    return _labelled(pd.DataFrame(rows).assign(predicted=predicted), net, run)


def picture(file, split):
    """(image, what was changed): an image file of your own, converted to the format of the split, (C, S, S).

    file: a path or an open file of a PNG, a JPEG, or another format of Pillow. It is cropped to a square around its
    centre and resized. For a grey split it is converted to grey with full contrast; and it is inverted if its border is
    light where the split's borders are dark (the digits are light strokes on black), or the other way round.
    Raises ValueError, in one sentence, for a file that is no image.
    """
    check_split(split)
    channels, size = split.shape["in_channels"], split.shape["image_size"]
    try:
        drawn = pictures.read(file)
    except ValueError as error:
        raise ValueError("This file is no image that can be read; take a PNG or a JPEG of ordinary size.") from error
    image = ImageOps.fit(drawn.convert("L") if channels == 1 else drawn, (size, size), Image.Resampling.BOX)
    done = f"cut square, {size} × {size} pixels"
    if channels == 1:
        image, done = ImageOps.autocontrast(image), done + ", grey"
        if _light_border(np.asarray(image)) != _light_border(split.x_test[:IMAGES].cpu().numpy()):
            image, done = ImageOps.invert(image), done + ", inverted"
    # (C, S, S)
    pixels = torch.from_numpy(np.array(image)).reshape(size, size, channels).permute(2, 0, 1) / 255 * split.scale
    return (pixels if split.x_test.is_floating_point() else pixels.round()).to(split.x_test.dtype), done


def _light_border(images):
    """Whether images (..., S, S) are lighter at their border than on average."""
    inner = images[..., 1:-1, 1:-1]
    return images.mean() > inner.mean()


def _all_trained(nets, seeds, base, split, how, device, progress):
    """(net, Run) of every net and seed, trained in parallel on the cores of a CPU, with a progress bar; ValueError for
    a name that is not in FAMILY."""
    nets, seeds = checks.several(nets=nets, seeds=seeds)
    known = [FAMILY[checks.choice("a net", name, FAMILY)] for name in nets]
    specs = [replace(base, depth=spec.depth, skip=spec.skip) for spec in known]
    jobs = [(spec, seed) for spec in specs for seed in seeds]
    workers = (os.cpu_count() or 1) if pick_device(device).type == "cpu" else 1
    with ThreadPoolExecutor(workers, thread_name_prefix="reslab") as pool:
        done = pool.map(lambda job: trained(job[0], split, how, seed=job[1], device=device), jobs)
        yield from progress_bar(done, total=len(jobs), desc="nets", disable=not progress)


def _batch(split, own=None):
    """The first test images, normalised (N, C, S, S); an image of your own, (C, S, S), comes before them."""
    x, y = check_split(split).x_test[:IMAGES], split.y_test[:IMAGES]
    if own is not None:
        x, y = torch.cat([own[None].to(x), x]), torch.cat([y[:1], y])  # its label is not used
    return dataclasses.replace(split, x_test=x, y_test=y).batch(slice(None), "test")[0]


def _blocks(net):
    """The names of a net's blocks; ValueError for a model that is no net of `build` with blocks."""
    known = isinstance(net, ResNet | VGG)
    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)] if known else []
    if not blocks:
        raise ValueError(f"{type(net).__name__} is no net of build with blocks; capture sees any model's modules.")
    return blocks


def _captured_pass(net, modules, x, mode=batch_mode, statistics=STATISTICS, reduce=lambda output: output):
    """One pass of images x in a mode: the frame of `capture`, by module, and the outputs, {module: reduce(tensor)}."""
    kept = []
    keep = {"kept": lambda output: kept.append(reduce(output)) or output.new_zeros(())}
    with (
        explained(net, x),
        unchanged(net),
        capture(mode(net), lambda name, _: name in modules, activation=statistics | keep, gradient={}) as trace,
        torch.no_grad(),
    ):
        net(x.to(next(net.parameters()).device))
    frame = trace.frame().drop(columns=["step", "activation_kept"]).set_index("module")
    return frame, dict(zip(frame.index, kept, strict=True))


def _labelled(frame, net, run):
    """The frame, after columns for the net and its training."""
    made = run.provenance if run else Provenance.here(next(net.parameters()).device)
    labels = {
        "name": f"{net.spec.name} · {'trained' if run else 'untrained'}",
        "skip": net.spec.skip,
        "depth": net.spec.depth,
    }
    labels |= {
        "seed": net.seed,
        "origin": f"{made.machine}, {made.date[:7]}",
        "step": run.history["step"].iloc[-1] if run else 0,
    }
    labels |= {"outcome": run.outcome if run else "untrained", "train_error": run.final_train_error if run else np.nan}
    return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))
