"""The experiments of lesson 09: what a variant changes is what it says, and every cost is counted exactly."""

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from reslab import FAMILY, TrainSpec, digits, fit, recorded, replace
from reslab.experiments import variants as lesson
from reslab.nets.blocks import ORDERS
from reslab.nets.complexity import complexity
from reslab.results import variants as results
from reslab.results.degradation import CIFAR10_ERRORS

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = TrainSpec(epochs=2)


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=256, n_test=64)


@pytest.fixture(scope="module")
def base(split):
    return lesson.a_net(split)


# Variants


@pytest.mark.parametrize("name", lesson.VARIANTS)
def test_a_variant_changes_its_fields_and_no_other(base, name):
    variant, spec = lesson.VARIANTS[name], lesson.spec_of(name, base)
    before = lesson.spec_of(variant.of, base) if variant.of else base
    differ = {
        field.name for field in dataclasses.fields(spec) if getattr(spec, field.name) != getattr(before, field.name)
    }
    assert differ == set(variant.fields)
    assert eval(f"dict({variant.change})") == variant.fields


@pytest.mark.parametrize("name", lesson.VARIANTS)
def test_the_papers_net_is_of_that_variant_and_its_source_is_named(name):
    variant = lesson.VARIANTS[name]
    assert bool(variant.claim) <= bool(variant.source)
    assert bool(variant.preset) == bool(variant.source)
    for field, value in variant.fields.items() if variant.preset else []:
        if field not in ("depth", "widen", "groups"):  # whose numbers are the small net's own
            assert getattr(FAMILY[variant.preset], field) == value
    assert FAMILY[variant.preset].groups > 1 if name == "ResNeXt" else True


def test_every_order_is_a_variant(base):
    assert {lesson.spec_of(name, base).order for name in lesson.VARIANTS} == set(ORDERS)


def test_an_unknown_variant_is_refused_with_the_nearest(base):
    with pytest.raises(ValueError, match=re.escape("a variant is 'ResNext'; it can be ") + ".*Did you mean 'ResNeXt'"):
        lesson.spec_of("ResNext", base)


# Races


@pytest.fixture(scope="module")
def race(split):
    return lesson.race(
        ["ResNet", "wide", "no norm"],
        base=lesson.a_net(split, 20),
        seeds=(0, 1),
        split=split,
        how=QUICK,
        progress=False,
    )


def test_a_race_is_the_trainings_of_its_specs(split, race):
    assert list(race[["name", "seed"]].drop_duplicates().itertuples(index=False, name=None)) == [
        (name, seed) for name in ("ResNet", "wide", "no norm") for seed in (0, 1)
    ]
    spec = lesson.spec_of("wide", lesson.a_net(split, 20))
    alone = fit(spec, split, QUICK, seed=1, progress=False).frame()
    one = race[(race["name"] == "wide") & (race["seed"] == 1)].reset_index(drop=True)
    columns = ["step", "loss", "train_error", "test_error", "final_train_error", "parameters"]
    pd.testing.assert_frame_equal(one[columns], alone[columns], check_exact=True)
    assert set(one["multiply_adds"]) == {complexity(spec)["multiply_adds"].sum()}
    assert set(one["change"]) == {"depth=16, widen=2"}
    assert set(race["origin"]) == {"live, this machine"}


def test_the_table_is_a_row_a_variant_with_medians_of_the_seeds_that_finished(race):
    broken = race.copy()
    broken.loc[(broken["name"] == "no norm") & (broken["seed"] == 0), ["outcome", "final_train_error"]] = (
        "diverged",
        float("nan"),
    )
    table = results.summary(broken).set_index("variant")
    assert list(table.index) == ["ResNet", "wide", "no norm"]
    last = race.groupby(["name", "seed"]).last()
    assert table.loc["wide", "train_error"] == last.loc["wide", "final_train_error"].median()
    assert table.loc["wide", "test_error"] == last.loc["wide", "test_error"].median()
    assert table.loc["wide", "seconds"] == last.loc["wide", "seconds"].mean()
    assert list(table["finished"]) == ["2 of 2", "2 of 2", "1 of 2"]
    assert table.loc["no norm", "train_error"] == last.loc[("no norm", 1), "final_train_error"]
    for column in ("claim", "source"):
        assert table.loc["wide", column] == getattr(lesson.VARIANTS["wide"], column)


# Costs


def test_the_papers_nets_are_counted_beside_what_they_are_compared_with():
    costs = lesson.paper_costs(["ResNeXt", "ResNet-D shortcut"]).set_index("variant")
    assert costs.loc["ResNeXt", ["parameters", "multiply_adds"]].tolist() == [25_028_904, 4_230_479_872]
    assert costs.loc["ResNeXt", "parameters_ratio"] == 25_028_904 / 25_557_032
    assert costs.loc["ResNet-D shortcut", "multiply_adds_ratio"] == 4_328_824_832 / 4_089_184_256
    assert set(costs["against"]) == {"resnet-50"}


def test_152_layers_are_counted():
    costs = lesson.depth_costs(["resnet-18", "resnet-152"]).set_index("net")
    assert costs.loc["resnet-152", ["parameters", "multiply_adds"]].tolist() == [60_192_808, 11_513_626_624]
    assert costs.loc["resnet-18", "memory"] == complexity(FAMILY["resnet-18"])["activation_bytes"].sum()
    assert set(costs["image"]) == {"3×224×224"}


def test_with_the_stride_where_the_paper_has_it_the_multiply_adds_are_the_papers():
    """He et al. 2015, Table 1, in G: 3.8, 7.6 and 11.3 for 50, 101, 152 layers; ours, with the stride in the 3×3, 4.09,
    7.80 and 11.5. By hand: three 1×1 convolutions, such as 256 → 128 channels, see 56×56 pixels in place of 28×28."""
    names = ["resnet-18", "resnet-34", "resnet-50", "resnet-101", "resnet-152"]
    costs = lesson.depth_costs(names).set_index("net")
    early = costs["with_early_stride"] / 1e9
    assert early.round(2).tolist() == [1.81, 3.66, 3.86, 7.57, 11.28]
    assert (costs["multiply_adds"] - costs["with_early_stride"]).tolist() == [0, 0, *[3 * 3 * 128 * 256 * 28**2] * 3]


def test_nets_take_their_steps_in_turn_and_each_is_timed(split):
    times = lesson.step_times(
        {"shallow": lesson.a_net(split, 8), "deep": lesson.a_net(split, 20)}, steps=3, split=split
    )
    assert list(times["name"]) == ["shallow", "deep"] * 3
    assert list(times["step"]) == [2, 2, 3, 3, 4, 4]
    assert (times["seconds"] > 0).all()


def test_the_branches_passed_by_are_those_of_the_schedule(split):
    saved, expected = lesson.time_saved(8, stochastic_depth=0.5, steps=2, split=split)
    assert expected == pytest.approx((1 / 6 + 2 / 6 + 3 / 6) / 3)  # three blocks
    assert saved < 1


# Blocks

CHANGES = [
    {},
    {"order": "preact"},
    {"order": "norm-after-add"},
    {"order": "relu-before-add"},
    {"order": "relu-only-preact"},
    {"skip": False},
    {"shortcut": "B", "order": "preact"},
    {"shortcut": "D"},
    {"block": "bottleneck", "widen": 2, "groups": 8},
    {"norm": "none", "init": "fixup"},
    {"residual_scale": "learned", "stochastic_depth": 0.5},
    {"depth": 8},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_block_is_a_block_of_the_net(base, changes):
    spec = replace(base, **changes)
    frame, layers = lesson.block(spec), complexity(spec)
    name = "stage2.block1" if frame["changes_shape"].iloc[0] else "stage2.block2"
    rows = layers[layers["module"].str.startswith(f"{name}.") | (layers["module"] == name)]
    for column in ("parameters", "multiply_adds"):
        assert frame[column].sum() == rows[column].sum()
    assert frame["shape"].iloc[-1] == rows["shape"].iloc[-1]


def test_what_hides_in_most_blocks_is_shown_where_it_does_not(base):
    assert not lesson.block(base)["changes_shape"].any()
    assert lesson.block(replace(base, shortcut="D"))["changes_shape"].all()
    assert list(lesson.block(replace(base, shortcut="D", order="preact"))["part"])[:3] == ["x", "before", "before"]
    assert "taken 80 %" in set(lesson.block(replace(base, stochastic_depth=0.5))["layer"])  # block 11 of 27


def test_a_recorded_race_is_the_recorded_runs_that_are_variants_of_a_net(race):
    found = lesson.recorded_race(FAMILY["resnet-110"], "cifar10-5000+1000@34900")
    assert list(found.columns) == list(race.columns)
    assert list(found["name"].unique()) == ["ResNet", "pre-activation", "stochastic depth"]
    assert found["origin"].str.startswith("recorded, ").all()
    (run,) = recorded().runs(dataset="cifar10-5000+1000@34900", name="preact-resnet-110", seed=0)
    rows = found[(found["name"] == "pre-activation") & (found["seed"] == 0)]
    assert rows["loss"].tolist() == run.history["loss"].tolist()
    assert rows["multiply_adds"].unique().tolist() == [complexity(run.spec)["multiply_adds"].sum()]
    some = lesson.recorded_race(FAMILY["resnet-110"], "cifar10-5000+1000@34900", seed=0, order="preact")
    assert some["name"].unique().tolist() == ["pre-activation"]
    base = lesson.recorded_race(FAMILY["preact-resnet-110"], "cifar10-5000+1000@34900", seed=0, stochastic_depth=0)
    assert base["name"].unique().tolist() == ["ResNet"]  # what is changed, though it is a variant of another


def test_recorded_nets_are_means_over_the_seeds_of_what_was_recorded():
    names, where = ["resnet-110", "preact-resnet-164", "wide-resnet-16-8"], "cifar10-5000+1000@34900"
    found = lesson.recorded_nets(names, where)
    assert list(dict.fromkeys(found["name"])) == names
    for row in found.itertuples():
        runs = recorded().runs(dataset=where, name=row.name, precision=row.precision)
        assert row.seeds == len(runs)
        assert row.multiply_adds == complexity(FAMILY[row.name])["multiply_adds"].sum()
        for error in ("train_error", "test_error"):
            ends = [run.summary()["final_train_error" if error == "train_error" else error] for run in runs]
            assert getattr(row, error) == pytest.approx(sum(ends) / len(ends))
    assert found.set_index("name")["paper_test_error"].to_dict() == {name: CIFAR10_ERRORS[name] / 100 for name in names}


def test_what_was_not_recorded_is_said():
    with pytest.raises(
        ValueError,
        match="no run of resnet-8 of width 16 for images 3×32×32, or of a variant of it, on digits, lr 2 came",
    ):
        lesson.recorded_race(FAMILY["resnet-8"], "digits", lr=2)
    with pytest.raises(ValueError, match="no run of resnet-50 or vgg-19 on digits came"):
        lesson.recorded_nets(["resnet-50", "vgg-19"], "digits")
    with pytest.raises(ValueError, match="Did you mean 'cifar10'"):
        lesson.recorded_race(FAMILY["resnet-110"], "cifar-10")


def test_blocks_counted_in_several_threads_have_36_864_multiply_adds_a_convolution():
    """3×3, 16 → 16 channels, on 4 × 4 pixels: 9 · 16 · 16 · 16. Another thread's count was once added to it."""
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(lesson.block, [lesson.a_net(digits())] * 20))
    for frame in frames:
        cost = frame.set_index("module")["multiply_adds"]
        assert cost[cost > 0].to_dict() == {"branch.conv1": 36_864, "branch.conv2": 36_864}
