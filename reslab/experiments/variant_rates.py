"""Lesson 09: each variant at its own best learning rate; the trainings are recorded, a row each, in data/rates.csv."""

import pandas as pd

from reslab.datasets import or_digits
from reslab.experiments.variants import BASE, VARIANTS, a_net, cost, spec_of
from reslab.shipped import shipped, shipped_rows, whole
from reslab.train import TrainSpec

DEPTH = 20  # of the net that the variants change
RATES = (0.02, 0.05, 0.1, 0.2, 0.5)
# Where a variant's authors train differently: Fixup's biases and scales at a tenth of the rate (hongyi-zhang/Fixup,
# cifar/cifar_train.py). All have a warm-up: the one-cycle schedule rises from 0 in 30 % of the steps.
TRAINED = {"Fixup": {"bias_lr": 0.1}}


def rated(name, lr, split=None):
    """(NetSpec, TrainSpec) of a variant's training at one of the rates."""
    spec = spec_of(name, a_net(or_digits(split), DEPTH))
    return spec, TrainSpec(lr=lr, **TRAINED.get(name, {}))


def rates():
    """The recorded trainings: a row each, made by data/record_rates.py.

    Columns: lr; those of the charts and sentences of a `race` (name; of: the net that it is compared with; change,
    parameters, multiply_adds, seed, outcome, step, final_train_error, test_error); claim (the paper's); and the origin:
    machine, torch, commit, date, origin (for a chart). Seed 0 was trained at all rates, seeds 1 and 2 at the best rate
    of seed 0. ValueError, in one sentence, for a file that is damaged.
    """
    frame = pd.DataFrame(shipped_rows("rates.csv", ("lr", "seed", "steps", "train_error", "test_error")))
    frame = frame.rename(columns={"train_error": "final_train_error", "steps": "step"})
    frame = frame.astype({"seed": int, "step": int})
    with whole(shipped("rates.csv")):
        first = frame[frame["seed"] == 0].groupby("name")["lr"].apply(set)
        if missing := [name for name in VARIANTS if first.get(name) != {*RATES}]:
            raise ValueError(f"not all rates of {missing[0]} are there")
    costs = {name: cost(rated(name, RATES[0])[0]) for name in frame["name"].unique()}
    return frame.assign(
        **{what: [getattr(VARIANTS[name], what) for name in frame["name"]] for what in ("change", "claim")},
        of=[BASE * (name != BASE) for name in frame["name"]],
        parameters=[costs[name][0] for name in frame["name"]],
        multiply_adds=[costs[name][1] for name in frame["name"]],
        origin="recorded, " + frame["machine"] + ", " + frame["date"].str[:7],
    )
