"""Lesson 08: nets that were recorded with reslab: how they learned, how good they are, and their weights."""

from functools import cache

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reslab import checks
from reslab.experiments.super_resolution import DEPTHS, QUICK, SEEDS, quick, training_pictures
from reslab.nets import SRSpec, build_sr
from reslab.progress import progress_bar
from reslab.results.frames import LIVE
from reslab.shipped import shipped, shipped_json, whole

RUNS, WEIGHTS = "super_resolution/runs.json.gz", "super_resolution/weights.safetensors"


def usual_last(skip):
    """How the last layer begins in a net that is recorded with and without block skips."""
    return "zero" if skip else "He"


def specs():
    """The nets that were recorded: both kinds of skip, and without block skips both starts of the last layer."""
    made = []
    for depth in DEPTHS:
        for skip in (False, True):
            usual = usual_last(skip)
            made += [SRSpec(depth=depth, skip=skip, last=last) for last in ("zero", "He")]
            made.append(SRSpec(depth=depth, skip=skip, block_skips=True, last=usual))
    return made


def pair(depth=10):
    """The SRSpecs of a depth without and with a global skip, as the lesson compares them."""
    return [SRSpec(depth=depth, skip=skip, last=usual_last(skip)) for skip in (False, True)]


def key_of(spec, seed):
    """The name of a recorded net in the file of weights: "residual-10/zero/seed0"."""
    return f"{spec.name}/{spec.last}/seed{seed}"


@cache
def recorded():
    """{"steps", "final": frames; "provenance": a dict}, made by `python data/record_super_resolution.py`.

    steps: as `super_resolution.best_rate` gives it, of `specs()`. final: one row per net × seed × held-out picture,
    with psnr, ssim and bicubic's, after the last step, with the weights as they are stored. origin begins with
    "recorded". FileNotFoundError where it is not installed.
    """
    content = shipped_json(RUNS)
    origin = f"recorded, {content['provenance']['machine']}, {content['provenance']['date'][:7]}"
    frames = {kind: pd.DataFrame(rows).assign(origin=origin) for kind, rows in content["frames"].items()}
    return frames | {"provenance": content["provenance"]}


def trained(spec, seed=0):
    """A recorded net, in eval mode. ValueError for one that was not recorded; FileNotFoundError as of `recorded`."""
    checks.choice("a recorded net", spec, specs())
    checks.choice("seed", seed, SEEDS)
    start, net = f"{key_of(spec, seed)}/", build_sr(spec, seed=seed)
    state = {name.removeprefix(start): tensor.float() for name, tensor in _weights().items() if name.startswith(start)}
    net.load_state_dict(state)
    return net.eval()


def rate_of(spec):
    """The learning rate that was best for a recorded net. ValueError as of `trained`."""
    checks.choice("a recorded net", spec, specs())
    steps = recorded()["steps"]
    return float(steps.loc[steps["best"] & (steps["name"] == spec.name) & (steps["last"] == spec.last), "lr"].iloc[0])


def first_steps(depths=(10,), *, seeds=SEEDS, steps=QUICK, progress=True):
    """The first steps of direct and residual nets, trained here, each at its best recorded rate.

    Columns as of `super_resolution.quick`, and origin; one row per net × seed × measured step × held-out picture.
    """
    depths, seeds = checks.several(depths=depths, seeds=seeds)
    pictures, frames = training_pictures(), []
    wanted = [(spec, seed) for depth in depths for spec in pair(depth) for seed in seeds]
    for spec, seed in progress_bar(wanted, desc="nets", disable=not progress):
        lr = rate_of(spec)
        frames.append(quick(spec, lr, seed=seed, steps=steps, pictures=pictures, progress=False))
    return pd.concat(frames, ignore_index=True).assign(origin=LIVE)


def stored(nets):
    """{name: tensor} in float16, of {key: net}: what WEIGHTS has. Each net is rounded to it."""
    tensors = {}
    for key, net in nets.items():
        rounded = {name: tensor.to(torch.float16).contiguous() for name, tensor in net.state_dict().items()}
        net.load_state_dict({name: tensor.float() for name, tensor in rounded.items()})
        tensors |= {f"{key}/{name}": tensor for name, tensor in rounded.items()}
    return tensors


@cache
def _weights():
    path = shipped(WEIGHTS)
    with whole(path, SafetensorError):
        return load_file(path)
