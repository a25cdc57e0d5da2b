"""Lesson 02: which nets train, and what is different in those that do not: three symptoms of each.

The symptoms, measured before training: the gradient shrinks or grows from block to block (`gradient_flow`), it is
shattered (`shattering`), or neither; and the final training error of the net.
"""

import pandas as pd

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.gradient_flow import at_initialisation, label, labelled
from reslab.experiments.shattering import along_a_line
from reslab.nets import replace
from reslab.results.shattering import autocorrelation
from reslab.sweep import sweep
from reslab.train import TrainSpec

# Nets for the question which of them train: their gradients vanish, explode or stay level, at few layers and at many.
CANDIDATES = (
    {"depth": 20, "skip": False, "norm": "none", "activation": "sigmoid"},
    {"depth": 56, "skip": False, "norm": "none"},
    {"depth": 20, "skip": False},
    {"depth": 56, "skip": False},
    {"depth": 20, "skip": False, "norm": "none", "activation": "tanh"},
    {"depth": 56, "skip": False, "norm": "none", "activation": "tanh"},
    {"depth": 56, "skip": True},
    {"depth": 56, "skip": True, "norm": "none"},
)
# And three that fail, each for a different reason.
FAILURES = (
    {"depth": 20, "skip": False, "norm": "none", "activation": "sigmoid"},
    {"depth": 32, "skip": False},
    {"depth": 56, "skip": False, "norm": "none", "activation": "tanh"},
)


def symptoms(specs=None, split=None, *, seeds=(0, 1, 2), how=None, known=None, workers=None, store=None, progress=True):
    """Each net's three symptoms: the size of its gradient, whether it is shattered, and whether the net trains.

    specs: NetSpecs; by default those of `CANDIDATES`, of width 8 on the digits. how: a TrainSpec; by default that of
    lesson 01. known: a frame of `symptoms` or `failures`, of the same split, how and width; its nets are not measured
    again. store: a Store; runs that it has are not trained again, the others are added.
    One row per net × seed. Columns: name (see `label`), skip, depth, seed, norm, init, activation, residual_scale,
    origin, ratio (first/last at initialisation), autocorrelation (lag 1, see `shattering.along_a_line`), train_error
    (fraction, after training; NaN if it diverged), outcome, steps, lr.
    """
    split, how = or_digits(split), how or TrainSpec()
    specs = [replace(small_net(split), **changes) for changes in CANDIDATES] if specs is None else specs
    specs, seeds = checks.several(specs=specs, seeds=seeds)
    rows = {} if known is None else dict(list(known.groupby(["name", "seed"])))
    new = [spec for spec in specs if any((label(spec), seed) not in rows for seed in seeds)]
    options = {"workers": workers, "store": store, "progress": progress and bool(new)}
    for run in sweep(new, split, how, seeds=seeds, **options):
        rows[label(run.spec), run.seed] = _of_run(run, split, how)
    # known may have more columns
    return pd.concat([rows[label(spec), seed] for spec in specs for seed in seeds], join="inner", ignore_index=True)


def _of_run(run, split, how):
    """The row of `symptoms` of a trained net."""
    gradient = at_initialisation(run.spec, split, seed=run.seed)["gradient_rms"]
    neighbours = autocorrelation(along_a_line(run.spec, split, seed=run.seed), lags=2)["autocorrelation"]
    measured = {"ratio": gradient.iloc[0] / gradient.iloc[-1], "autocorrelation": neighbours.iloc[1]}
    measured |= {"train_error": run.final_train_error, "outcome": run.outcome, "steps": run.history["step"].iloc[-1]}
    return labelled(pd.DataFrame([measured]), run.spec, run.seed, "train", run.origin).assign(lr=how.lr)


def failures(split=None, *, seeds=(0, 1, 2), how=None, workers=None, progress=True):
    """`symptoms` of the nets of `FAILURES`, and shallow_error: the training error of the same net with 8 layers."""
    split = or_digits(split)
    nets = [replace(small_net(split), **changes) for changes in FAILURES]
    twins = [replace(net, depth=8) for net in nets]
    deep, shallow = (
        symptoms(specs, split, seeds=seeds, how=how, workers=workers, progress=progress) for specs in (nets, twins)
    )
    return deep.assign(shallow_error=shallow["train_error"])
