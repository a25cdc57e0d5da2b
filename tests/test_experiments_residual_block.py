"""The experiments of lesson 03: the blocks are those of the nets, the targets what they say, and every cost exact."""

import math

import pandas as pd
import pytest
import torch

from reslab import NetSpec, build, digits, replace
from reslab.experiments import residual_block as lesson
from reslab.nets import Block
from reslab.progress import shown_by

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=64, n_test=16)


def spec(split, **changes):
    return replace(lesson.one_block(split), **changes)


# What learns


@pytest.mark.parametrize(("block", "depth", "channels"), [("basic", 8, 8), ("bottleneck", 11, 32)])
@pytest.mark.parametrize("blocks", [1, 4])
def test_the_stack_is_the_nets_own_blocks_and_its_input_what_enters_them(split, block, depth, channels, blocks):
    chosen = spec(split, block=block, depth=depth)
    path, chain = lesson.stack(chosen, blocks=blocks, seed=3)
    assert all(isinstance(module, Block) and isinstance(module.shortcut, torch.nn.Identity) for module in chain)
    assert len(chain) == blocks
    x, _ = split.batch(slice(None))
    net = build(
        replace(chosen, depth={"basic": 6, "bottleneck": 9}[block] * (blocks + (block == "bottleneck")) + 2), seed=3
    )
    seen = []
    net.stage1[-blocks].register_forward_pre_hook(lambda _block, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net(x)
        torch.testing.assert_close(path(x), seen[0])
        assert path(x).shape == chain(path(x)).shape == (64, channels, 8, 8)
        assert path(x).min() >= 0
    assert torch.equal(chain[-1].branch.conv1.weight, net.stage1[-1].branch.conv1.weight)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_plain_and_residual_begin_alike_and_get_the_same_input(split, norm, activation):
    x, _ = split.batch(slice(None))
    pairs = [
        lesson.stack(spec(split, skip=skip, norm=norm, activation=activation), blocks=2, seed=1)
        for skip in (False, True)
    ]
    (plain_path, plain), (residual_path, residual) = pairs
    assert all(
        torch.equal(one, other)
        for one, other in zip(plain.state_dict().values(), residual.state_dict().values(), strict=True)
    )
    with torch.no_grad():
        torch.testing.assert_close(plain_path(x), residual_path(x))


def test_a_row_a_step_and_the_first_is_measured_before_anything_is_learned(split):
    frame = lesson.learn(spec(split), steps=3, seed=2, split=split)
    path, chain = lesson.stack(spec(split), seed=2)
    x, _ = split.batch(slice(None))
    with torch.no_grad():
        x = path(x)[torch.randint(64, (128,), generator=torch.Generator().manual_seed(2))]
        branch = chain[0].branch(x)
        error = (torch.relu(branch + x) - x).norm() / x.norm()
    assert frame["step"].tolist() == [0, 1, 2]
    assert frame["error"][0] == pytest.approx(error.item(), rel=1e-5)
    assert frame["branch"][0] == pytest.approx((branch.norm() / x.norm()).item(), rel=1e-5)
    assert frame["name"].unique().tolist() == ["residual block · rate 0.1"]
    assert set(frame["outcome"]) == {"finished"}
    assert set(frame["parameters"]) == {2 * 9 * 8 * 8 + 4 * 8}


def test_a_rate_that_is_far_too_high_is_called_diverged(split):
    told = []
    with shown_by(lambda done, total, words: told.append((done, total))):  # the bar of a question
        frame = lesson.learn_identity(
            skips=(False,), rates=(0.1, 1e12), steps=12, split=split, base=spec(split, norm="none")
        )
    assert told[0] == (0, 2)
    table = lesson.ended(frame).set_index("lr")
    assert table["outcome"].to_dict() == {0.1: "finished", 1e12: "diverged"}
    assert table["error"][1e12] == math.inf
    assert set(lesson.at_best_rate(frame)["lr"]) == {0.1}


def test_targets_go_from_the_input_to_its_channels_in_another_order():
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(lesson.away_from_identity(0)(x), x)
    torch.testing.assert_close(lesson.away_from_identity(1)(x), x[:, [2, 0, 1]])
    torch.testing.assert_close(lesson.away_from_identity(0.25)(x), 0.75 * x + 0.25 * x[:, [2, 0, 1]])
    with pytest.raises(ValueError, match="distance is 2; it must be a finite number at least 0 and at most 1"):
        lesson.away_from_identity(2)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({(False, 0): [0.5, 0.05], (True, 0): [0.05, 0.01]}, "with the skip"),
        ({(False, 0): [0.05, 0.01], (True, 0): [0.5, 0.5]}, "without"),
        ({(False, 0): [0.5, 0.5], (True, 0): [0.5, 0.5]}, "about the same"),
        (
            {(False, 0): [0.5, 0.05], (True, 0): [0.05, 0.0], (False, 1): [0.05, 0.0], (True, 1): [0.5, 0.05]},
            "about the same",
        ),
    ],
)
def test_the_verdict_needs_every_seed(errors, said):
    rows = [(skip, seed, step, error) for (skip, seed), values in errors.items() for step, error in enumerate(values)]
    same = {"blocks": 1, "norm": "batch", "lr": 0.1, "branch": 1.0, "outcome": "finished"}
    frame = pd.DataFrame(rows, columns=["skip", "seed", "step", "error"]).assign(**same)
    assert lesson.faster(frame) == said


def test_each_kind_keeps_its_own_best_rate():
    rows = [(False, 0.1, 0.5), (False, 1.0, 0.2), (True, 0.1, 0.1), (True, 1.0, 0.3)]
    same = {"blocks": 1, "norm": "batch", "seed": 0, "step": 0, "branch": 1.0, "outcome": "finished"}
    frame = pd.DataFrame(rows, columns=["skip", "lr", "error"]).assign(**same)
    assert lesson.at_best_rate(frame)[["skip", "lr"]].to_numpy().tolist() == [[False, 1.0], [True, 0.1]]


def test_impossible_arguments_are_refused(split):
    with pytest.raises(ValueError, match="blocks is 0; it must be from 1 to 16"):
        lesson.learn(spec(split), blocks=0, split=split)
    with pytest.raises(ValueError, match="lr is 0; it must be a finite number above 0"):
        lesson.learn(spec(split), lr=0, split=split)
    with pytest.raises(ValueError, match="shrink is 2; it must be a finite number at least 0 and at most 1"):
        lesson.decay_alone(shrink=2, split=split)
    with pytest.raises(ValueError, match="image is 64; it must be from 0 to 63"):
        lesson.tensors(spec(split), image=64, split=split)


# The parts of a block


@pytest.mark.parametrize("changes_shape", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize(("block", "depth"), [("basic", 8), ("bottleneck", 11)])
@pytest.mark.parametrize("skip", [False, True])
def test_the_parts_are_the_blocks_own(split, skip, block, depth, shortcut, changes_shape):
    chosen = spec(split, skip=skip, block=block, depth=depth, shortcut=shortcut)
    frame = lesson.block_parts(chosen, changes_shape=changes_shape, split=split).set_index("module")
    module, x = lesson.a_block(chosen, changes_shape=changes_shape, split=split)
    width = 32 if block == "bottleneck" else 8
    out = f"{2 * width}×4×4" if changes_shape else f"{width}×8×8"
    assert tuple(x.shape[1:]) == (width, 8, 8)
    assert (frame["shape"]["x"], frame["shape"]["activation"]) == (f"{width}×8×8", out)
    assert frame["parameters"].sum() == sum(p.numel() for p in module.parameters())
    assert set(frame["part"]) == {"x", "branch", "y"} | ({"shortcut", "sum"} if skip else set())
    for name, conv in module.named_modules():
        if isinstance(conv, torch.nn.Conv2d):
            places = math.prod(map(int, frame["shape"][name].split("×")[1:]))
            assert frame["multiply_adds"][name] == conv.weight.numel() * places
    if skip:
        numbers = math.prod(map(int, out.split("×")))
        assert frame["additions"].sum() == frame["additions"]["sum"] == frame["numbers"]["sum"] == numbers
        projects = shortcut == "C" or (shortcut == "B" and changes_shape)
        assert (frame[frame["part"] == "shortcut"]["multiply_adds"].sum() > 0) == projects


def test_tensors_are_those_of_the_forward_pass(split):
    frame = lesson.tensors(spec(split), changes_shape=True, image=5, seed=1, split=split)
    block, x = lesson.a_block(spec(split), changes_shape=True, seed=1, split=split)
    with torch.no_grad():
        y = block(x)[5]
    drawn = {part: torch.tensor(rows["value"].to_numpy()) for part, rows in frame.groupby("part")}
    torch.testing.assert_close(drawn["y"].view(16, 4, 4), y)
    torch.testing.assert_close(drawn["sum"], drawn["branch"] + drawn["shortcut"])
    # Option A: every second pixel of x, and zeros in the channels that x does not have.
    torch.testing.assert_close(drawn["shortcut"].view(16, 4, 4)[:8], drawn["x"].view(8, 8, 8)[:, ::2, ::2])
    assert not drawn["shortcut"].view(16, 4, 4)[8:].any()
    plain = lesson.tensors(spec(split, skip=False), image=5, split=split)
    assert list(plain["part"].unique()) == ["x", "branch", "y"]


# What it costs


def test_the_identity_costs_no_parameter_and_no_multiply_add_and_projections_do():
    table = lesson.shortcut_costs(depths=(20, 56)).set_index(["depth", "shortcut"])
    for depth in (20, 56):
        blocks = (depth - 2) // 6
        more = table.loc[depth]
        assert (more["parameters_more"]["A"], more["multiply_adds_more"]["A"]) == (0, 0)
        # B projects twice, 16 → 32 and 32 → 64 channels, each with BatchNorm's γ and β; C in every block.
        widths = [(16, 32), (32, 64)]
        twice = sum(c_in * c_out + 2 * c_out for c_in, c_out in widths)
        assert more["parameters_more"]["B"] == twice
        assert more["multiply_adds_more"]["B"] == sum(
            c_in * c_out * side**2 for (c_in, c_out), side in zip(widths, (16, 8), strict=True)
        )
        same = [(16, 32, blocks), (32, 16, blocks - 1), (64, 8, blocks - 1)]
        assert more["parameters_more"]["C"] == twice + sum(n * (c * c + 2 * c) for c, _, n in same)
        everywhere = sum(n * (c * side) ** 2 for c, side, n in same)
        assert more["multiply_adds_more"]["C"] == more["multiply_adds_more"]["B"] + everywhere
        # Additions are no multiply-adds, but not nothing: one per number that a block puts out.
        numbers = blocks * (16 * 32**2 + 32 * 16**2 + 64 * 8**2)
        assert more["additions"].tolist() == [0, numbers, numbers, numbers]
    assert table["parameters"][56, "none"] == table["parameters"][56, "A"] == 853_018


def test_costs_follow_the_base():
    table = lesson.shortcut_costs(depths=(11,), base=NetSpec(block="bottleneck", depth=11)).set_index("shortcut")
    assert table["parameters_more"]["A"] == 0 < table["parameters_more"]["B"]


def test_a_bottleneck_on_four_times_the_channels_costs_about_as_much_as_a_basic_block():
    basic, bottleneck, wide = lesson.block_costs().itertuples()
    assert (basic.weights, bottleneck.weights) == (2 * 9 * 64**2, 2 * 64 * 256 + 9 * 64**2)
    assert (basic.multiply_adds, bottleneck.multiply_adds) == (basic.weights * 56**2, bottleneck.weights * 56**2)
    assert 0.9 < bottleneck.multiply_adds / basic.multiply_adds < 1
    assert bottleneck.numbers == 4 * basic.numbers
    assert wide.multiply_adds == 16 * basic.multiply_adds


# Is it the skip, or where it starts?


def test_starts_are_the_recorded_nets_of_three_starts_one_run_a_seed():
    frame = lesson.starts()
    ends = frame.drop_duplicates(["name", "seed"])
    assert list(ends["name"]) == ["plain-56 · Kaiming"] * 3 + ["plain-56 · identity"] * 3 + ["resnet-56"] * 3
    assert list(ends["seed"]) == [0, 1, 2] * 3
    assert set(frame["step"]) == set(range(1, 61))
    with pytest.raises(
        ValueError, match=r"no run of plain-20 · identity on the digits came with reslab; depth 56 has them"
    ):
        lesson.starts(20)
