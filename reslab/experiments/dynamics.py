"""Lesson 02: what comes when in a training: the pictures told apart, the gradient and the error, on one time axis.

The plain and the residual net of a film (see `film`), which begin with the same weights and see the same batches.
"""

import pandas as pd

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments import film
from reslab.experiments.degradation import small_net
from reslab.nets import FAMILY, replace
from reslab.progress import progress_bar
from reslab.runs import Provenance
from reslab.shipped import shipped, shipped_rows, whole
from reslab.train import pick_device

FILE = "dynamics.csv"
MEASURED = ("told_apart", "ratio", "train_error")


def in_training(depth=56, *, seeds=(0, 1, 2), split=None, how=None, images=None, device="auto", progress=True):
    """Train the two nets of a depth, of width 8, and measure them at some steps: one row per net × seed × step.

    how: a TrainSpec, by default `film.RECORDED`; images: as `film.film` takes it. Columns: name, skip, depth, seed,
    origin, step (steps taken: 0 before training), guess (1 / classes); and of the weights after these steps: told_apart
    (after the last block, see `representations.neighbour_accuracy`), ratio (the RMS gradient at the first block's
    output over that at the last's, on the next step's batch), train_error (on the same batch; NaN after the last step).
    NaN is also what is not finite.
    """
    (seeds,) = checks.several(seeds=seeds)
    split, device = or_digits(split), pick_device(device)
    spec, how = replace(small_net(split), depth=depth), how or film.RECORDED
    frames = []
    for seed in progress_bar(seeds, desc="two nets of each seed", disable=not progress):
        state = film.begin(spec, split, how, seed=seed, images=images)
        for patch in film.film(spec, split, how, seed=seed, images=images, device=device):
            film.apply(state, patch)
        frames.append(of_film(state, 0).assign(origin=Provenance.here(device).origin))
    return pd.concat(frames, ignore_index=True)


def of_film(state, place):
    """The rows of `in_training` that a film has: of the first seed of a state's pair, by its place in the state."""
    pair, rows = state["nets"][place], []
    for kind in film.KINDS:
        errors = {step: error for step, error, _ in pair[kind]["curve"]}
        for frame in pair[kind]["frames"]:
            first, last = frame["gradient"][1], frame["gradient"][-1]
            rows.append({
                "name": pair[kind]["name"], "skip": kind == "residual", "depth": pair["depth"],
                "seed": state["seeds"][0], "origin": state["origin"], "step": frame["step"], "guess": state["guess"],
                "told_apart": frame["told_apart"][-1], "ratio": first / last if first and last else None,
                "train_error": errors.get(frame["step"] + 1),
            })  # fmt: skip
    return pd.DataFrame(rows).astype(dict.fromkeys(MEASURED, float))


def recorded():
    """`in_training`, recorded by data/record_dynamics.py; of its origin also machine, torch, commit and date.

    ValueError, in one sentence, for a file that is damaged.
    """
    frame = pd.DataFrame(shipped_rows(FILE, ("seed", "step", "guess", *MEASURED))).astype({"seed": int, "step": int})
    with whole(shipped(FILE)):
        steps = frame.groupby(["name", "seed"])["step"].apply(tuple)
        if steps.nunique() > 1:
            raise ValueError("not all nets have the same steps")
        for field in ("skip", "depth"):
            frame[field] = [getattr(FAMILY[name], field) for name in frame["name"]]
    return frame.assign(origin="recorded, " + frame["machine"] + ", " + frame["date"].str[:7])
