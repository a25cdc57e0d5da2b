"""Lesson 01: deeper plain nets have a higher training error; residual nets of the same weights do not."""

import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.datasets import check_split, or_digits
from reslab.nets import Block, NetSpec, build, replace
from reslab.progress import progress_bar
from reslab.results.degradation import beside_the_paper, verdict  # noqa: F401 – a lesson takes them from here
from reslab.store import recorded
from reslab.sweep import sweep
from reslab.train import TrainSpec, evaluate, train

DEPTHS = (8, 20, 32, 56)
# Of the recorded runs, those of the lesson's nets.
SMALL = {
    "dataset": "digits", "width": 8, "block": "basic", "shortcut": "A", "order": "original", "norm": "batch",
    "activation": "relu", "init": "kaiming", "residual_scale": "one", "stochastic_depth": 0.0, "schedule": "one-cycle",
    "warmup": 0,
}  # fmt: skip


def small_net(split):
    """The net that the lesson changes: width 8, so that 56 layers on the digits train in seconds on a laptop."""
    check_split(split)
    return NetSpec(width=8, **split.shape)


def by_depth(
    depths=DEPTHS,
    *,
    skips=(False, True),
    seeds=(0,),
    split=None,
    base=None,
    how=None,
    device="auto",
    workers=None,
    store=None,
    progress=True,
):
    """Train a plain and a residual net of every depth and seed; the tidy frame of all their histories.

    base: the NetSpec that all share but for depth and skip; by default width 8 on the digits. store: a Store; runs that
    it has are not trained again, the others are added.
    Columns: those of `Run.frame`: name, skip, depth, seed, parameters, outcome, final_train_error, origin, step, epoch,
    lr, loss, train_error, test_error, seconds. The claim is He et al. 2015 (arXiv:1512.03385), §1 and Fig. 6.
    """
    depths, skips, seeds = checks.several(depths=depths, skips=skips, seeds=seeds)
    split = or_digits(split)
    base = base or small_net(split)
    specs = [replace(base, depth=depth, skip=skip) for skip in skips for depth in depths]
    how, options = how or TrainSpec(), {"workers": workers, "store": store, "progress": progress}
    runs = list(sweep(specs, split, how, seeds=seeds, device=device, **options))
    runs.sort(key=lambda run: (run.spec.skip, run.spec.depth, run.seed))
    return pd.concat([run.frame() for run in runs], ignore_index=True)


def with_recorded(frame):
    """Histories of nets on the digits, as `by_depth` gives them, and the recorded ones of the same nets, seeds 0, 1, 2.

    The first are one measurement on this machine, the others show the usual result.
    """
    runs = recorded().history(**SMALL, depth=set(frame["depth"]), epochs=6, lr=0.05, capture_every=5)
    return pd.concat([frame, runs], ignore_index=True)


def by_rate(depth=56):
    """Final errors of recorded trainings on the digits: one row per net, learning rate, length and seed.

    Of the plain net of that depth every recorded rate and length; of the residual net only the lesson's own rate.
    Columns: name, skip, depth, seed, lr (the highest rate of a one-cycle training), epochs, steps, train_error,
    test_error (fractions), outcome, origin.
    """
    rows = {}
    runs = recorded().runs(**SMALL, depth=depth, capture_every={0, 5})
    for run in sorted(runs, key=lambda run: run.how["capture_every"]):  # of two equal ones, as `with_recorded`
        how, row = run.how, run.summary()
        rows[run.name, how["lr"], how["epochs"], run.seed] = {
            "name": run.name, "skip": run.spec.skip, "depth": depth, "seed": run.seed, "lr": how["lr"],
            "epochs": how["epochs"], "steps": row["steps"], "train_error": row["final_train_error"],
            "test_error": row["test_error"], "outcome": run.outcome, "origin": run.origin,
        }  # fmt: skip
    return pd.DataFrame([rows[key] for key in sorted(rows)])


def by_construction(depth=56, *, shallow=8, seeds=(0, 1, 2), split=None, how=None, device="auto"):
    """Make a deep plain net with exactly the errors of a shallow one, without training: the added layers compute the
    identity.

    The argument of He et al. 2015, §1: such a solution exists, so a deep net that trains worse did not find it.
    One row per seed for the shallow net, the deep net made from it, and the deep net trained as usual. Columns: net,
    how ("trained" or "made"), depth, seed, parameters, train_error, test_error (fractions, eval mode).
    """
    (seeds,) = checks.several(seeds=seeds)
    split, how = or_digits(split), how or TrainSpec()
    rows = []
    for seed in progress_bar(seeds, desc="two nets of each seed"):
        nets = {layers: _trained(layers, split, how, seed, device) for layers in (shallow, depth)}
        made = extend(nets[shallow], depth)
        there = split.to(next(made.parameters()).device)
        for net, way in ((nets[shallow], "trained"), (made, "made"), (nets[depth], "trained")):
            rows.append({
                "net": f"plain-{net.spec.depth}" + f", made of plain-{shallow}" * (way == "made"),
                "how": way,
                "depth": net.spec.depth,
                "seed": seed,
                "parameters": sum(parameter.numel() for parameter in net.parameters()),
                "train_error": evaluate(net, there, "train"),
                "test_error": evaluate(net, there, "test"),
            })  # fmt: skip
    return pd.DataFrame(rows)


def _trained(depth, split, how, seed, device):
    net = build(replace(small_net(split), depth=depth, skip=False), seed=seed)
    for _ in train(net, split, how, device=device):
        pass
    return net


@torch.no_grad()
def extend(net, depth):
    """A plain net of this depth with the same outputs, in eval mode, as a shallower plain net of `build`.

    Each stage begins with the shallow net's blocks; the added blocks are identities, because their input is not
    negative.
    Raises ValueError for a net that is not plain with basic blocks, BatchNorm and ReLU.
    """
    spec = net.spec
    if spec.skip or (spec.block, spec.norm, spec.activation) != ("basic", "batch", "relu"):
        raise ValueError("only a plain net of basic blocks with BatchNorm and ReLU can be extended by identities.")
    deep = build(replace(spec, depth=depth), seed=net.seed or 0)
    blocks = [module for module in deep.modules() if isinstance(module, Block)]
    for layer in [layer for block in blocks for layer in block.branch]:
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.running_var.fill_(1 - layer.eps)  # so that it divides by exactly 1
    deep.load_state_dict(net.state_dict(), strict=False)
    return deep.to(next(net.parameters()).device)
