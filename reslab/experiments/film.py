"""The film of a training: a plain net and its residual twin, trained on the same images and measured at some steps.

    state = begin(spec, split)              # one plain JSON value: nets, classes, pictures; no frames yet
    for patch in film(spec, split):         # trains; each patch is a point of a curve, a frame, or both
        apply(state, patch)                 # what the stage does, in JavaScript
    state = record(specs, split)            # the same, to the end, for several pairs

The state (version 1):
  origin, live, seeds; provenance, of a recorded one
  dataset, classes (names), guess (chance level), test_images (how many were measured)
  sprite: the pictures as one PNG: url, size, columns, count, grey, labels
  pictures: places in the sprite, of those that can be chosen
  nets, each: key, label, depth, variant, parameters, blocks (names, the stem first), halves (where the map halves),
    plain and residual (a film each)
  a film: name, steps (in all), state (running, finished, stopped, diverged), curve [[step, training error, loss], ...],
    test_error, frames
  a frame: step; for each block told_apart (nearest-neighbour accuracy), near ([block][picture] → three places in the
    sprite) and gradient (RMS at its output; None for the stem); answer ([picture] → probabilities). Some have readout,
    alike, opened and spread.

BatchNorm normalises by the pictures measured, see representations.py. A frame of step s is of the weights after s
updates; so is its gradient, which the next step's backward pass measures. Errors are fractions.
"""

import dataclasses
import itertools
import math

from reslab import checks
from reslab.datasets import check_split
from reslab.experiments import film_frames as frames
from reslab.nets import Block, build, replace
from reslab.runs import Provenance
from reslab.train import TrainSpec, pick_device, train

KINDS = ("plain", "residual")
# The TrainSpec decides which steps have a frame: those before a captured step, and the last one.
RECORDED = TrainSpec(capture_first=13, capture_every=2, test_every=6)
# a frame and its gradient take about a step's time: under 5 % of the training
LIVE = TrainSpec(capture_every=24, test_every=6)
# Of the recorded pairs: words → what differs from the first ones. "identity start": He et al.'s nets, but every
# convolution that keeps its shape begins as the identity, in both nets (init="dirac", see `specs`).
VARIANTS = {"no norm": {"norm": "none"}, "identity start": {"init": "dirac"}}
LIVE_IMAGES = 100  # test pictures; all 397 digits would take three times as long


def begin(spec, split, how=None, *, seed=0, images=LIVE_IMAGES, variant="", origin=None):
    """The state of a film before it begins: a JSON-serialisable dict, see the module. Arguments: as `film` takes them.

    variant: how the pair differs from the others ("no norm"); origin: words, by default of this machine, live.
    """
    check_split(split)
    checks.seed("seed", seed)
    places = list(range(min(images or len(split.y_test), len(split.y_test))))
    pictures = [place for place in frames.chosen(split) if place < len(places)]
    return {
        "version": 1,
        "origin": origin or f"live, this machine, seed {seed}",
        "live": origin is None,
        "seeds": [seed],
        "dataset": split.name,
        "classes": list(split.class_names),
        "guess": round(1 / len(split.class_names), 4),
        "test_images": len(places),
        "sprite": frames.sprite(split, places),
        "pictures": pictures,
        "nets": [_pair(spec, split, how or LIVE, variant)],
    }


def film(spec, split, how=None, *, seed=0, images=LIVE_IMAGES, device="auto", variant="", thorough=()):
    """Train the pair of a NetSpec, step by step in turn; yield patches, for `apply`.

    spec: its `skip` is ignored. how: a TrainSpec, by default LIVE; see LIVE for the steps that have a frame. seed:
    of the weights, which are the same in both. images: so many of the first test pictures are measured; None: all.
    thorough: steps whose frames have readout, alike and opened too. A net that diverges ends; the other goes on.
    A patch has net (key), film ("plain" or "residual"), state, point and frame (or None), test_error (or None).
    """
    how, device = replace(how or LIVE, log_every=1), pick_device(device)
    there = len(check_split(split).y_test)
    images = min(images or there, there)
    films = [_one(replace(spec, skip=skip), split, how, seed, images, device, thorough) for skip in (False, True)]
    for both in itertools.zip_longest(*films):
        for kind, patch in zip(KINDS, both, strict=True):
            if patch is not None:
                yield {"net": _key(spec, variant), "film": kind, **patch}


def apply(state, patch):
    """Put a patch into the state."""
    (net,) = (net for net in state["nets"] if net["key"] == patch["net"])
    film = net[patch["film"]]
    film["state"] = patch["state"]
    if patch["point"] is not None:
        film["curve"].append(patch["point"])
    if patch["frame"] is not None:
        film["frames"].append(patch["frame"])
    if patch["test_error"] is not None:
        film["test_error"] = patch["test_error"]


def record(specs, split, how=None, *, seeds=(0,), images=None, device="auto", progress=lambda patch: None):
    """A whole state, recorded: specs is {variant: [NetSpec, ...]}; the first seed's films, and over all seeds the
    spread.

    how: by default RECORDED. Frames before training and of the last step are thorough, and in pairs without a variant
    and of at most 56 layers that after a third of the steps, too.
    progress: called with every patch. Pictures that no frame names are left out of the sprite.
    """
    specs, (seeds,) = checks.named("specs", specs, "[NetSpec]"), checks.several(seeds=seeds)
    how, split = how or RECORDED, check_split(split)
    device = pick_device(device)
    made = Provenance.here(device, threads=1 if device.type == "cpu" else None)
    origin = f"recorded, {made.origin}, seed {seeds[0]}"
    state, steps = None, how.steps(len(split.y_train))[1]
    for variant, variant_specs in specs.items():
        for spec in checks.several(**{f"specs of {variant!r}": variant_specs})[0]:
            for seed in seeds:
                first = seed == seeds[0]
                one = begin(spec, split, how, seed=seed, images=images, variant=variant, origin=origin)
                middle = (steps // 3,) if not variant and spec.depth <= 56 else ()
                thorough = (0, *middle, steps) if first else ()
                for patch in film(
                    spec, split, how, seed=seed, images=images, device=device, variant=variant, thorough=thorough
                ):
                    apply(one, patch)
                    progress(patch)
                if first:
                    (pair,) = one["nets"]
                    if state is None:
                        state = one | {"nets": [], "provenance": dataclasses.asdict(made), "source": split.source}
                    state["nets"].append(pair)
                else:
                    _spread(pair, one["nets"][0])
    state["seeds"] = list(seeds)
    return only_referred(state, split)


def of_runs(store, split, depths, *, images=500, training_images=1000, **filters):
    """A state of recorded runs whose weights were kept: two frames a film, of the untrained net and of the trained one.

    store: a `Store`; filters: as its `runs` takes them, enough to leave one plain and one residual run of each depth.
    The sprite has no pictures, because they may not be shipped: url is None, and places says where they are in the
    split's test part; `with_pictures` puts them in.
    """
    (depths,) = checks.several(depths=depths)
    state = None
    for depth in depths:
        runs = {kind: store.runs(depth=depth, skip=kind == "residual", **filters) for kind in KINDS}
        if any(len(found) != 1 for found in runs.values()):
            raise ValueError(
                f"of {depth} layers there must be one plain and one residual run; there are"
                f" {[*map(len, runs.values())]}."
            )
        run = runs["residual"][0]
        how = TrainSpec(**run.how)
        one = begin(run.spec, split, how, seed=run.seed, images=images, origin=run.origin)
        state = state or one | {"nets": [], "source": split.source}
        (pair,) = one["nets"]
        for kind in KINDS:
            pair[kind] |= _film_of_run(store, runs[kind][0], split, how, images, training_images, state["pictures"])
        state["nets"].append(pair)
    return only_referred(state, split, pictures=False)


def with_pictures(state, split):
    """A state without pictures, with them, from the split that it was made of; ValueError if that is another one."""
    check_split(split)
    sprite = state["sprite"]
    places = sprite["places"]
    there = split.y_test[places].tolist() if max(places) < len(split.y_test) else None
    if (split.name, there) != (state["dataset"], sprite["labels"]):
        raise ValueError(f"these are pictures of {state['dataset']}; {split.name} has others in their places.")
    return state | {"sprite": frames.sprite(split, places)}


def only_referred(state, split, *, pictures=True):
    """The state with a sprite of only those pictures that a frame names, and with places in that sprite.

    pictures: whether the sprite holds them; if not, its url is None, and places are theirs in the test part.
    """
    films = [net[kind] for net in state["nets"] for kind in KINDS]
    near = [block for film in films for frame in film["frames"] for block in frame["near"] if block is not None]
    places = sorted({place for block in near for picture in block for place in picture} | set(state["pictures"]))
    new = {place: index for index, place in enumerate(places)}
    for block in near:
        block[:] = [[new[place] for place in picture] for picture in block]
    sprite = frames.sprite(split, places)
    if not pictures:
        sprite |= {"url": None, "places": places}
    return state | {"sprite": sprite, "pictures": [new[place] for place in state["pictures"]]}


def _pair(spec, split, how, variant):
    """The entry of a pair in the state, with empty films."""
    net = build(spec)
    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)]
    widths = [_first_stride(net.get_submodule(name)) for name in blocks]
    steps = how.steps(len(split.y_train))[1]
    empty = {"steps": steps, "state": "running", "frames": [], "curve": [], "test_error": None}
    return {
        "key": _key(spec, variant),
        "label": f"{spec.depth} layers",
        "depth": spec.depth,
        "variant": variant,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "blocks": ["stem", *blocks],
        "halves": [index for index, stride in enumerate(widths, 1) if stride > 1],
        **{
            kind: {"name": replace(spec, skip=skip).name, **empty, "frames": [], "curve": []}
            for kind, skip in zip(KINDS, (False, True), strict=True)
        },
    }


def _first_stride(block):
    return max(module.stride[0] for module in block.branch.modules() if hasattr(module, "stride"))


def _key(spec, variant):
    return f"{spec.depth} {variant}".strip()


def _one(spec, split, how, seed, images, device, thorough):
    """The patches of one net, from its untrained weights to the end of its training."""
    net = build(spec, seed=seed).to(device)
    pictures = [place for place in frames.chosen(split) if place < images]
    x, y = split.batch(slice(images), "test")

    def look(step):
        frame = frames.frame(net, x, y, pictures, step)
        return frame | (frames.thorough(net, split, images, pictures) if step in thorough else {})

    frame = look(0)
    for event in train(net, split, how, device=device):
        if frame is not None and event.layers is not None:  # the backward pass of the weights that the frame is of
            yield _patch("running", frame=frame | {"gradient": frames.gradient(event.layers)})
            frame = None
        point = [event.step, *frames.rounded((event.train_error, event.loss), 4)]
        test_error = round(event.test_error, 4) if math.isfinite(event.test_error) else None
        yield _patch("running" if event.state == "finished" else event.state, point=point, test_error=test_error)
        if event.state == "running" and how.captured(event.step + 1):
            frame = look(event.step)
    last = look(event.step) | {"gradient": frames.last_gradient(net, split, how.batch_size)}
    yield _patch(event.state, frame=last)


def _film_of_run(store, run, split, how, images, training_images, pictures):
    """What a film has, of a recorded run: its curve, and frames of its net before and after."""
    x, y = split.batch(slice(images), "test")
    history, last, tested = run.history, int(run.history["step"].iloc[-1]), run.summary()["test_error"]
    looks = []
    for step, net in ((0, build(run.spec, seed=run.seed)), (last, store.net(run))):
        looked = frames.frame(net, x, y, pictures, step) | {
            "gradient": frames.last_gradient(net, split, how.batch_size)
        }
        looks.append(looked | frames.readout(net, split, images, training_images))
    rows = history[["step", "train_error", "loss"]].to_numpy().tolist()
    curve = [[int(step), *frames.rounded(numbers, 4)] for step, *numbers in rows]
    return {
        "steps": how.steps(len(split.y_train))[1],
        "state": run.outcome,
        "frames": looks,
        "curve": curve,
        "test_error": round(tested, 4) if math.isfinite(tested) else None,
    }


def _patch(state, point=None, frame=None, test_error=None):
    return {"state": state, "point": point, "frame": frame, "test_error": test_error}


def _spread(pair, other):
    """Widen the spread (least and most told_apart over the seeds, per block) in the frames of a pair by a seed's."""
    for kind in KINDS:
        steps = {frame["step"]: frame["told_apart"] for frame in other[kind]["frames"]}
        for frame in pair[kind]["frames"]:
            before = frame.get("spread") or [[value, value] for value in frame["told_apart"]]
            here = steps.get(frame["step"], [None] * len(before))  # None: that seed had diverged
            frame["spread"] = [_widened(band, value) for band, value in zip(before, here, strict=True)]


def _widened(band, value):
    known = [each for each in (*band, value) if each is not None]
    return [min(known), max(known)] if known else [None, None]
