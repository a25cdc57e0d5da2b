"""Lesson 09: each variant at its own best learning rate; the trainings are recorded, a row each, in data/rates.csv."""

from pathlib import Path

import pandas as pd

from reslab.datasets import digits
from reslab.experiments.variants import VARIANTS, a_net, spec_of
from reslab.train import TrainSpec

DEPTH = 20  # of the net that the variants change
RATES = (0.02, 0.05, 0.1, 0.2, 0.5)
RATED = ("ResNet", "Fixup", "SkipInit", "stochastic depth", "projection", "pre-activation", "no norm", "ReZero")
# What a variant's authors train otherwise: Fixup's biases and scales at a tenth of the rate (hongyi-zhang/Fixup,
# cifar/cifar_train.py). A warm-up has each of them: the one-cycle schedule rises from 0 in 30 % of the steps.
TRAINED = {"Fixup": {"bias_lr": 0.1}}


def rated(name, lr, split=None):
    """(NetSpec, TrainSpec) of a variant's training at one of the rates."""
    spec = spec_of(name, a_net(split or digits(), DEPTH))
    return spec, TrainSpec(lr=lr, **TRAINED.get(name, {}))


def rates():
    """The recorded trainings: a row each, made by data/record_rates.py.

    Columns: name (of the variant), of (the variant that it changes), lr, seed, outcome, steps, train_error (fraction,
    eval mode; NaN unless finished), test_error (fraction, the last one measured), and where it comes from: machine,
    torch, commit, date, origin (for a chart). Seed 0 is there at all rates, seeds 1 and 2 at the best of seed 0.
    """
    package = Path(__file__).parents[1]
    checkout = package.parent / "data" / "rates.csv"
    frame = pd.read_csv(checkout if checkout.is_file() else package / "data" / "rates.csv")
    frame.insert(1, "of", [VARIANTS[name].of for name in frame["name"]])
    return frame.assign(origin="recorded, " + frame["machine"] + ", " + frame["date"].str[:7])
