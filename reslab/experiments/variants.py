"""Lesson 09: what changed since 2015: each variant as a changed field of the spec, its paper's claim, and races.

What variants cost is counted in variant_costs.py; variant_rates.py has each at its own best learning rate.
"""

from contextlib import suppress
from dataclasses import dataclass, field

import pandas as pd

from reslab import checks
from reslab.datasets import or_digits
from reslab.experiments.degradation import small_net
from reslab.experiments.variant_costs import block, cost, depth_costs, step_times, time_saved
from reslab.nets import FAMILY, replace
from reslab.nets.family import SOURCE
from reslab.results.degradation import beside_the_paper
from reslab.results.frames import LIVE
from reslab.store import recorded
from reslab.sweep import sweep
from reslab.train import TrainSpec

# fmt: off
__all__ = [
    "BASE", "DEPTH", "HIGH_RATE", "VARIANTS", "Variant", "a_net", "block", "cost", "depth_costs", "paper_costs", "race",
    "recorded_nets", "recorded_race", "spec_of", "step_times", "time_saved",
]
# fmt: on

BASE = "ResNet"
DEPTH = 56  # of the net that the variants change
# Twice the digits' own rate. 110 layers of the original order fail at it; those of He et al. 2015, §4.2, began with a
# lower one.
HIGH_RATE = TrainSpec(lr=0.1)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A net as a change of another net: its name, the changed fields of its NetSpec, and the claim of its paper."""

    of: str = BASE
    fields: dict = field(default_factory=dict)  # the changed fields, with their new values
    # the paper's own measurement on the paper's data, for it and for what it is compared with; "" for none
    claim: str = ""
    preset: str = ""  # the paper's net in FAMILY ...
    against: str = ""  # ... and the one that it is compared with

    @property
    def change(self):
        """The changed fields as code: 'order="preact"'."""
        return ", ".join(
            f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in self.fields.items()
        )

    @property
    def source(self):
        return SOURCE.get(self.preset, "")


def _order(name, error):
    claim = f"CIFAR-10, 110 layers: {error} % test error, original order 6.61 %"
    return Variant(fields={"order": name}, claim=claim, preset=f"{name}-resnet-110", against="resnet-110")


# The numbers in the claims are those of the papers; none is measured here.
VARIANTS = {
    BASE: Variant(of="", claim="CIFAR-10, 110 layers: 6.61 % test error", preset="resnet-110"),
    "norm after addition": _order("norm-after-add", "8.17"),
    "ReLU before addition": _order("relu-before-add", "7.84"),
    "ReLU-only pre-activation": _order("relu-only-preact", "6.71"),
    "pre-activation": _order("preact", "6.37"),
    "wide": Variant(
        fields={"depth": 16, "widen": 2},  # a quarter of the blocks, four times the cost of each
        claim=(
            "CIFAR-10: 4.00 % test error with 28 layers 10 × as wide, 4.92 % with 1,001 layers (4.62 % in batches"
            " of 64)"
        ),
        preset="wide-resnet-28-10",
        against="preact-resnet-1001",
    ),
    "projection": Variant(
        fields={"shortcut": "B"},
        claim="ImageNet, 34 layers: 24.52 % top-1 error (10 crops) with option B, 25.03 % with A",
        preset="resnet-34",
        against="plain-34",  # the cost of option A: nothing
    ),
    "ResNet-D shortcut": Variant(
        of="projection",
        fields={"shortcut": "D"},
        claim="ImageNet, 50 layers, with the deep stem too: 77.16 % top-1 accuracy; 76.87 % without this shortcut",
        preset="resnet-50-d",
        against="resnet-50",
    ),
    "bottleneck": Variant(
        fields={"block": "bottleneck"},
        claim="ImageNet: 22.85 % top-1 error (10 crops) with 50 layers of bottlenecks, 24.52 % with 34 of basic blocks",
        preset="resnet-50",
        against="resnet-34",
    ),
    "wide bottleneck": Variant(of="bottleneck", fields={"widen": 2}, preset="wide-resnet-50-2", against="resnet-50"),
    "ResNeXt": Variant(
        of="wide bottleneck",
        fields={"groups": 8},
        claim="ImageNet, 50 layers: 22.2 % top-1 error (one crop) with 32 groups, 23.9 % without",
        preset="resnext-50-32x4d",
        against="resnet-50",
    ),
    "stochastic depth": Variant(
        fields={"stochastic_depth": 0.5},
        claim="CIFAR-10, 110 layers: 5.23 % test error, 6.41 % without; trains in less time",
        preset="stochastic-resnet-110",
        against="resnet-110",
    ),
    "ReZero": Variant(
        fields={"residual_scale": "learned"},
        claim="its abstract: fast convergence and a better test performance of ResNets on CIFAR-10",
        preset="rezero-resnet-110",
        against="resnet-110",
    ),
    "no norm": Variant(fields={"norm": "none"}),
    "SkipInit": Variant(
        of="no norm",
        fields={"residual_scale": "learned"},
        claim="deep residual nets train without normalization",
        preset="skipinit-resnet-110",
        against="resnet-110",
    ),
    "Fixup": Variant(
        of="no norm",
        fields={"init": "fixup"},
        claim="CIFAR-10, 110 layers without a norm: 7.24 % test error; with BatchNorm 6.61 %",
        preset="fixup-resnet-110",
        against="resnet-110",
    ),
}


def a_net(split, depth=DEPTH):
    """The net that the variants change: residual, width 8, of the split's images."""
    return replace(small_net(split), depth=depth)


def spec_of(name, base):
    """The NetSpec of a variant: the base's, with the fields changed of all variants that it builds on. ValueError for
    an unknown one."""
    variant = VARIANTS[checks.choice("a variant", name, VARIANTS)]
    return replace(spec_of(variant.of, base), **variant.fields) if variant.of else base


def race(
    names=tuple(VARIANTS),
    *,
    base=None,
    seeds=(0, 1, 2),
    split=None,
    how=None,
    device="auto",
    workers=None,
    progress=True,
):
    """Train variants on the same images in the same order, for the same steps, with each seed: the tidy frame of all
    their histories.

    base: the NetSpec that they change; by default 56 layers of width 8. Columns: those of `Run.frame`, where name is
    the variant's, and of (the variant that it changes), change (the fields, as code), multiply_adds (of one image),
    claim (what its paper measured) and source (the paper).
    """
    names, seeds = checks.several(names=names, seeds=seeds)
    split = or_digits(split)
    base = base or a_net(split)
    specs = {}
    for name in names:
        specs.setdefault(spec_of(name, base), name)  # the base may itself be a variant, and keeps its name
    runs = list(sweep(specs, split, how or TrainSpec(), seeds=seeds, device=device, workers=workers, progress=progress))
    return _labelled(runs, specs)


def recorded_race(base, dataset, **filters):
    """The frame of `race` from recorded runs: those of a net and of its variants, on a dataset. ValueError if none.

    filters: as `Store.runs` takes them, for a dataset on which nets were trained in several ways.
    """
    specs = {}
    for name in VARIANTS:
        with suppress(ValueError):  # a net that cannot be changed so has no such run
            specs.setdefault(spec_of(name, base), name)
    net = f"{base.name} of width {base.width} for images {base.in_channels}×{base.image_size}×{base.image_size}"
    runs = _recorded(f"{net}, or of a variant of it,", lambda run: run.spec in specs, dataset, filters)
    return _labelled(runs, specs)


def recorded_nets(names, dataset, **filters):
    """Final errors of the papers' nets in recorded runs: one row per net and precision. ValueError if there is none.

    names: in FAMILY. filters: as `Store.runs` takes them. Columns: those of `results.degradation.beside_the_paper`,
    and after the name precision and multiply_adds (of one image).
    """
    (names,) = checks.several(names=names)
    names, tables = list(names), []
    runs = _recorded(" or ".join(names), lambda run: run.name in names, dataset, filters)
    for precision in dict.fromkeys(run.how["precision"] for run in runs):
        alike = [run for run in runs if run.how["precision"] == precision]
        table = beside_the_paper(pd.concat([run.frame() for run in alike], ignore_index=True))
        table.insert(1, "precision", precision)
        table.insert(2, "multiply_adds", table["name"].map({run.name: cost(run.spec)[1] for run in alike}))
        tables.append(table)
    return pd.concat(tables).sort_values(
        "name", key=lambda column: column.map(names.index), kind="stable", ignore_index=True
    )


def _recorded(what, wanted, dataset, filters):
    """The wanted ones of the recorded runs on a dataset; if there are none, ValueError about `what` was wanted."""
    runs = [run for run in recorded().runs(dataset=dataset, **filters) if wanted(run)]
    if not runs:
        checks.choice("dataset", dataset, sorted({run.dataset for run in recorded().runs()}))
        asked = "".join(f", {name} {value}" for name, value in filters.items())
        raise ValueError(f"no run of {what} on {dataset}{asked} came with reslab; recorded().frame() lists what did.")
    return runs


def _labelled(runs, names):
    """The histories of runs, variant by variant in the order of `names`, which has the variant of each spec."""
    frames = []
    for run in sorted(runs, key=lambda run: (list(names).index(run.spec), run.seed)):
        variant = VARIANTS[names[run.spec]]
        columns = {"name": names[run.spec], "multiply_adds": cost(run.spec)[1]}
        columns |= {what: getattr(variant, what) for what in ("of", "change", "claim", "source")}
        columns["origin"] = run.origin if run.recorded else LIVE
        frames.append(run.frame().assign(**columns))
    return pd.concat(frames, ignore_index=True)


def paper_costs(names=None):
    """The costs of the papers' nets and of the nets that they are compared with: counted, not trained.

    Columns: variant, net, against (names in FAMILY), parameters, multiply_adds (of one image, for net),
    parameters_ratio and multiply_adds_ratio (net's over against's), claim and source.
    """
    names = names or [name for name, variant in VARIANTS.items() if variant.against]
    rows = []
    for name in names:
        variant = VARIANTS[checks.choice("a variant", name, VARIANTS)]
        (parameters, multiply_adds), before = map(cost, (FAMILY[variant.preset], FAMILY[variant.against]))
        rows.append({
            "variant": name,
            "net": variant.preset,
            "against": variant.against,
            "parameters": parameters,
            "multiply_adds": multiply_adds,
            "parameters_ratio": parameters / before[0],
            "multiply_adds_ratio": multiply_adds / before[1],
            "claim": variant.claim,
            "source": variant.source,
        })  # fmt: skip
    return pd.DataFrame(rows)
