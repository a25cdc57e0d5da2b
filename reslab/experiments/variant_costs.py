"""Lesson 09: the costs of the variants: counted, in papers' sizes and for a block; and the measured time of a step."""

from functools import cache
from itertools import islice

import pandas as pd

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.residual_block_parts import parts_of
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.blocks import EXPANSION
from reslab.nets.complexity import complexity
from reslab.nets.skeleton import skeleton
from reslab.results.frames import LIVE
from reslab.train import TrainSpec, train


@cache  # a lesson shows the same nets in several races
def cost(spec):
    """(parameters, multiply-adds of one image) of a NetSpec, counted without building it."""
    layers = complexity(spec)
    return int(layers["parameters"].sum()), int(layers["multiply_adds"].sum())


def depth_costs(names=("resnet-18", "resnet-34", "resnet-50", "resnet-101", "resnet-152", "resnet-110", "resnet-1202")):
    """The cost of depth, counted: one row per net of FAMILY. Columns: net, image, parameters, multiply_adds,
    with_early_stride (see `early_stride`) and memory (bytes of all layers' outputs; training keeps most of it for the
    backward pass), the last three for one image."""
    (names,) = checks.several(names=names)
    rows = []
    for name in names:
        spec, layers = FAMILY[name], complexity(FAMILY[name])
        image = f"{spec.in_channels}×{spec.image_size}×{spec.image_size}"
        sums = layers[["parameters", "multiply_adds", "activation_bytes"]].sum()
        counted = {"parameters": sums["parameters"], "multiply_adds": sums["multiply_adds"]}
        counted |= {"with_early_stride": early_stride(spec), "memory": sums["activation_bytes"]}
        rows.append({"net": name, "image": image, **counted})
    return pd.DataFrame(rows)


def early_stride(spec):
    """The multiply-adds of one image if the stride of a bottleneck were in its first 1×1 convolution.

    The net of He et al. 2015 (arXiv:1512.03385, Table 1) has it there: 3.8 G at 50 layers. Ours has it in the 3×3, like
    torchvision; the 1×1 convolution before it then has four times the pixels in the first block of stages 2 to 4.
    """
    layers = complexity(spec)
    is_first = layers["module"].str.fullmatch(r"stage[2-4]\.block1\.branch\.conv1") & (spec.block == "bottleneck")
    return int(layers["multiply_adds"].sum() - 3 * layers.loc[is_first, "multiply_adds"].sum() // 4)


def step_times(specs, *, steps=20, seed=0, split=None):
    """The time of a training step, in seconds: the nets train in turn, a step each, so that other load on the machine
    affects all of them.

    specs: a dict name → NetSpec. Columns: name, step (from 2: the first also prepares), seconds. On the CPU.
    """
    for name, spec in checks.named("specs", specs, "NetSpec").items():
        if not isinstance(spec, NetSpec):
            raise ValueError(f"{name} is {spec!r}; it must be a NetSpec.")
    split, steps = or_digits(split), checks.integer("steps", steps, 1)
    how = TrainSpec(test_every=steps + 2, epochs=steps + 2)  # no test error in between: it would count as training
    trainings = {name: train(build(spec, seed=seed), split, how, device="cpu") for name, spec in specs.items()}
    rows, before = [], {}
    for events in islice(zip(*trainings.values(), strict=True), steps + 1):
        for name, event in zip(trainings, events, strict=True):
            rows.append((name, event.step, event.seconds - before.get(name, 0.0)))
            before[name] = event.seconds
    frame = pd.DataFrame(rows, columns=["name", "step", "seconds"])
    return frame[frame["step"] > 1].reset_index(drop=True)


def time_saved(depth=110, *, stochastic_depth=0.5, steps=20, split=None):
    """(measured, expected): the share of a step's time that stochastic depth saves, by `step_times`, and the share of
    skipped branches.

    A branch is skipped with a probability that rises linearly to `stochastic_depth` at the last of L blocks (Huang et
    al. 2016, arXiv:1603.09382): on average stochastic_depth · (L + 1) / 2L of them.
    """
    split = or_digits(split)
    base = replace(small_net(split), depth=depth)
    blocks = sum(base.blocks_per_stage)
    specs = {"usual": base, "stochastic": replace(base, stochastic_depth=stochastic_depth)}
    mean = step_times(specs, steps=steps, split=split).groupby("name")["seconds"].mean()
    return 1 - mean["stochastic"] / mean["usual"], stochastic_depth * (blocks + 1) / (2 * blocks)


def block(spec):
    """The frame of `residual_block.block_parts` for a block from the middle of a net, from shapes alone: the second of
    stage 2.

    With shortcuts other than A, which differ only in blocks that change the shape, and with one block a stage: the
    first block of stage 2, which halves the image and doubles the channels.
    """
    changes_shape = spec.blocks_per_stage[1] == 1 or (spec.skip and spec.shortcut in ("B", "D"))
    channels = spec.width * (EXPANSION if spec.block == "bottleneck" else spec.widen)  # of stage 1
    scale = 1 if changes_shape else 2
    size = spec.image_size // scale
    frame = parts_of(skeleton(spec).stage2[0 if changes_shape else 1], (scale * channels, size, size))
    return frame.assign(
        skip=spec.skip, block=spec.block, shortcut=spec.shortcut, changes_shape=changes_shape, origin=LIVE
    )
