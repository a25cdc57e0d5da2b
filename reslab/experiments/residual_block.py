"""Lesson 03: a block that learns the identity, with and without a skip; the effect of decay, distance and depth.

The blocks are those of the nets: `stack` takes them from `build`, so plain and residual ones start with the same
weights.
"""

import itertools

import pandas as pd
import torch
from torch import nn

from reslab import checks
from reslab.datasets import digits, or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.residual_block_parts import (
    a_block,
    block_costs,
    block_parts,
    count,
    one_block,
    shortcut_costs,
    stack,
    tensors,
)
from reslab.nets import replace
from reslab.progress import progress_bar
from reslab.results.frames import LIVE
from reslab.results.residual_block import at_best_rate, ended, faster, lower_error, steps_to
from reslab.store import recorded
from reslab.train.device import settings

# fmt: off
__all__ = [
    "a_block", "at_best_rate", "away_from_identity", "block_costs", "block_parts", "by_distance", "decay_alone",
    "ended", "faster", "identity", "learn", "learn_identity", "learn_in_a_row", "lower_error", "one_block",
    "shortcut_costs", "stack", "starts", "steps_to", "tensors",
]
# fmt: on

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)  # learning rates; each kind of block is compared at its best one
STACK_RATES = (0.001, 0.01, 0.1, 1.0, 10.0)  # of stacks, whose best rates differ by a factor of 100


def identity(x):
    """The target of "learn the identity": x itself."""
    return x


def away_from_identity(distance):
    """The target (1−d)·x + d·(x with its channels shifted by one): d = 0 is the identity; at d = 1 every channel
    has moved.

    It is x + d·g(x) with a fixed linear g. One 3×3 convolution computes it exactly for every d: all targets are equally
    simple.
    """
    distance = checks.number("distance", distance, 0.0, 1.0)
    return lambda x: (1 - distance) * x + distance * x.roll(1, dims=1)


@settings(threads=1)  # small tensors are not faster with more threads, and slower beside other programs
def learn(spec, *, blocks=1, target=identity, lr=0.1, steps=150, batch_size=128, seed=0, split=None):
    """Train a stack of blocks on the output target(x), by SGD (momentum 0.9) on ‖H(x) − target‖²/‖target‖²; a row a
    step.

    x is the input of these blocks in an untrained net, for the digits; `seed` draws weights and batches.
    Columns: name, skip, depth, blocks, norm, lr, seed, origin, outcome ("finished" or "diverged"), parameters, step
    (from 0), error = ‖H(x) − target‖/‖target‖ and branch = ‖F(x)‖/‖x‖ (mean over the blocks), both of the step's batch,
    before the update.
    """
    lr, steps = checks.number("lr", lr, above=True), checks.integer("steps", steps, 1)
    split = or_digits(split)
    path, chain = stack(spec, blocks=blocks, seed=seed)
    x_all, _ = split.batch(slice(None))
    with torch.no_grad():
        x_all = path(x_all)  # (N, channels, S, S), normalised by these images' own statistics where there is BatchNorm
    optimiser = torch.optim.SGD(chain.parameters(), lr=lr, momentum=0.9)
    generator = torch.Generator().manual_seed(checks.seed("seed", seed))
    rows = []
    for step in range(steps):
        x = x_all[torch.randint(len(x_all), (batch_size,), generator=generator)]
        y = target(x)
        output, ratio = forward(chain, x)
        loss = (output - y).square().sum() / y.square().sum()
        rows.append((step, loss.sqrt().item(), ratio.item()))
        if not loss.isfinite():
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    frame = pd.DataFrame(rows, columns=["step", "error", "branch"])
    return frame.assign(
        **labels(spec, blocks, lr, seed), outcome="finished" if loss.isfinite() else "diverged", parameters=count(chain)
    )


def forward(chain, x):
    """(H(x), ‖F‖/‖input‖ averaged over the chain's blocks)."""
    ratios, sizes = [], []

    def watch(block, inputs, _output):
        sizes.append(inputs[0].norm())

    def watch_branch(_branch, _inputs, output):
        ratios.append(output.norm())

    handles = [
        hook
        for block in chain
        for hook in (block.register_forward_hook(watch), block.branch.register_forward_hook(watch_branch))
    ]
    try:
        output = chain(x)
    finally:
        for handle in handles:
            handle.remove()
    return output, torch.stack([f / size for f, size in zip(ratios, sizes, strict=True)]).mean().detach()


def labels(spec, blocks, lr, seed):
    """The columns of a frame for the block and its training."""
    kind = "residual" if spec.skip else "plain"
    name = f"{kind} block" if blocks == 1 else f"{blocks} {kind} blocks"
    where = {"name": f"{name} · rate {lr:g}", "skip": spec.skip, "depth": 6 * blocks + 2, "blocks": blocks}
    return where | {"norm": spec.norm, "lr": lr, "seed": seed, "origin": LIVE}


def learn_identity(
    *, skips=(False, True), blocks=(1,), rates=RATES, seeds=(0,), target=identity, base=None, split=None, steps=150
):
    """`learn` for every combination, one tidy frame. Blocks of one seed have the same initial weights and batches."""
    skips, blocks, rates, seeds = checks.several(skips=skips, blocks=blocks, rates=rates, seeds=seeds)
    split = or_digits(split)
    base = base or one_block(split)
    stacks = list(itertools.product(blocks, skips, rates, seeds))
    frames = [
        learn(replace(base, skip=skip), blocks=n, target=target, lr=lr, seed=seed, split=split, steps=steps)
        for n, skip, lr, seed in progress_bar(stacks, desc="blocks, one after the other")
    ]
    return pd.concat(frames, ignore_index=True)


def learn_in_a_row(blocks=8, *, rates=STACK_RATES, seeds=(0, 1, 2), split=None):
    """`learn_identity` for a stack of blocks: the first seed at all rates, the others at the best one of each kind."""
    (seeds,) = checks.several(seeds=seeds)
    first = learn_identity(blocks=(blocks,), rates=rates, seeds=seeds[:1], split=split)
    best = at_best_rate(first).groupby("skip")["lr"].first()
    more = [
        learn_identity(skips=(skip,), blocks=(blocks,), rates=(lr,), seeds=seeds[1:], split=split)
        for skip, lr in best.items()
        if seeds[1:]
    ]
    return pd.concat([first, *more], ignore_index=True)


def by_distance(distances=(0.0, 0.25, 0.5, 0.75, 1.0), *, seeds=(0,), rates=RATES, split=None, steps=150):
    """Learn targets from the identity (distance 0) to a full shift of the channels (1), with and without the skip; the
    frame of `learn`, and distance.

    He et al. 2015, §3.1: a residual block should find it easier "to find the perturbations with reference to an
    identity mapping" when "the optimal function is closer to an identity mapping than to a zero mapping".
    The targets: see `away_from_identity`.
    """
    (distances,) = checks.several(distances=distances)
    split = or_digits(split)
    shared = {"rates": rates, "seeds": seeds, "split": split, "steps": steps}
    frames = [learn_identity(target=away_from_identity(d), **shared).assign(distance=d) for d in distances]
    return pd.concat(frames, ignore_index=True)


# What decays: (norm, "all" parameters or only the "convolutions") → the name of the case. Without a norm both are the
# same, because biases start at 0.
DECAYS = {
    ("none", "all"): "no norm",
    ("batch", "all"): "BatchNorm",
    ("batch", "convolutions"): "BatchNorm, γ and β fixed",
}


def decay_alone(*, seeds=(0,), steps=300, shrink=0.02, split=None):
    """Weight decay alone, without data: every step makes the weights smaller by the fraction `shrink`.

    Only learning rate × decay matters: in the recipe of He et al. 2015, §4.2, a step subtracts a fraction 0.1 · 1e-4,
    and ten times that with momentum 0.9 after some steps. Three cases (DECAYS): without a norm; with BatchNorm, all
    parameters; with BatchNorm, only the convolutions, as is common today. A row every tenth step.
    Columns: those of `learn`, and case, left (the fraction of each decayed weight that is left), size = ‖H(x)‖/‖x‖.
    """
    (seeds,) = checks.several(seeds=seeds)
    split, steps = or_digits(split), checks.integer("steps", steps, 0)
    shrink = checks.number("shrink", shrink, 0.0, 1.0)
    frames = [
        _decay(replace(one_block(split), skip=skip, norm=norm), decayed, seed, steps, shrink, split)
        for norm, decayed in DECAYS
        for skip in (False, True)
        for seed in seeds
    ]
    return pd.concat(frames, ignore_index=True)


@settings(threads=1)
@torch.no_grad()
def _decay(spec, decayed, seed, steps, shrink, split):
    path, chain = stack(spec, seed=seed)
    x = path(split.batch(slice(None))[0])
    decaying = [module for module in chain.modules() if decayed == "all" or isinstance(module, nn.Conv2d)]
    weights = [parameter for module in decaying for parameter in module.parameters(recurse=False)]
    rows = []
    for step in range(steps + 1):
        if step % 10 == 0:
            output, ratio = forward(chain, x)
            error, size = ((change.norm() / x.norm()).item() for change in (output - x, output))
            rows.append((step, (1 - shrink) ** step, error, ratio.item(), size))
        for parameter in weights:
            parameter.mul_(1 - shrink)
    frame = pd.DataFrame(rows, columns=["step", "left", "error", "branch", "size"])
    case = DECAYS[spec.norm, decayed]
    columns = labels(spec, 1, 0.0, seed) | {"name": f"{'residual' if spec.skip else 'plain'} block · {case}"}
    return frame.assign(**columns, case=case, outcome="finished", parameters=count(chain))


def starts(depth=56):
    """Is the skip needed, or is a start near the identity enough? Recorded trainings on the digits; the columns of
    `Run.frame`.

    name: "plain-56 · Kaiming", whose weights are Kaiming's, "plain-56 · identity", whose convolutions start near the
    identity (init "dirac"), and "resnet-56".
    ValueError for a depth of which there are no such runs.
    """
    names = {
        (False, "kaiming"): "plain-{} · Kaiming",
        (False, "dirac"): "plain-{} · identity",
        (True, "kaiming"): "resnet-{}",
    }
    frames = []
    for (skip, init), name in names.items():
        runs = recorded().runs(dataset="digits", depth=depth, epochs=6, lr=0.05, order="original", skip=skip, init=init)
        usual = replace(small_net(digits()), depth=depth, skip=skip, init=init)
        alike = {run.seed: run for run in runs if run.spec == usual}  # one a seed, whatever was captured
        if not alike:
            raise ValueError(f"no run of {name.format(depth)} on the digits came with reslab; depth 56 has them.")
        frames += [run.frame().assign(name=name.format(depth)) for _, run in sorted(alike.items())]
    return pd.concat(frames, ignore_index=True)
