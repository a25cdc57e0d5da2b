"""Lesson 08's experiment: exact where the truth is exact; the recorded files are those of this code."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_nets import refusal

from reslab.experiments import super_resolution as lesson
from reslab.experiments import super_resolution_files as files
from reslab.nets import SRNet, SRSpec, build_sr, replace

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = [(skip, blocks) for skip in (False, True) for blocks in (False, True)]


@pytest.fixture(scope="module")
def piece():
    return lesson.pieces()[0]


@pytest.fixture(scope="module")
def flat():
    """A small picture that is learned from at once: grey, with one lighter square."""
    y = np.full((40, 40), 0.4, np.float32)
    y[10:30, 10:30] = 0.6
    return lesson.Picture.of("square", y)


# --- pictures and measures --------------------------------------------------------------------------------------------


def test_the_psnr_of_known_pictures():
    sharp = torch.full((1, 1, 20, 20), 0.5)
    for off, expected in ((0.1, 20.0), (0.01, 40.0)):
        assert lesson.psnr(sharp + off, sharp) == pytest.approx(expected, abs=1e-3)
    border = sharp.clone()
    border[..., : lesson.BORDER, :] = 0  # is left out
    border[..., -lesson.BORDER :] = 1
    assert lesson.ssim(border, sharp) == 1
    assert lesson.psnr(border + 0.1, sharp) == pytest.approx(20.0, abs=1e-3)
    assert lesson.psnr(sharp + 9, sharp) == pytest.approx(lesson.psnr(torch.ones_like(sharp), sharp))  # clamped


def test_bicubic_is_torchs_with_antialias(piece):
    low = F.interpolate(piece.sharp, scale_factor=0.5, mode="bicubic", align_corners=False, antialias=True)
    assert torch.equal(piece.low, low)
    again = F.interpolate(low, scale_factor=2, mode="bicubic", align_corners=False)
    assert torch.equal(piece.bicubic, again.clamp(0, 1))
    aliased = F.interpolate(piece.sharp, scale_factor=0.5, mode="bicubic", align_corners=False)
    assert not torch.allclose(low, aliased, atol=0.02)


def test_an_odd_picture_loses_its_last_row_and_column():
    y = np.random.default_rng(0).random((41, 37), np.float32)
    odd = lesson.Picture.of("odd", y)
    assert odd.sharp.shape == odd.bicubic.shape == (1, 1, 40, 36)
    assert odd.low.shape == (1, 1, 20, 18)
    assert torch.equal(odd.sharp[0, 0], torch.from_numpy(y[:40, :36].copy()))


def test_the_pictures_of_training_of_choosing_and_of_claiming_are_others():
    groups = [set(lesson.TRAINING), set(lesson.TEST), set(lesson.HELD_OUT)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    names = sorted(set.union(*groups))
    small = [F.adaptive_avg_pool2d(torch.as_tensor(lesson.photograph(name))[None, None], 8).flatten() for name in names]
    alike = torch.corrcoef(torch.stack(small)).fill_diagonal_(0)
    assert alike.max() < 0.9  # nor is one a copy of another under another name
    assert "photograph" in refusal(lambda: lesson.photograph("lena"))


def test_photographs_are_luminance_from_zero_to_one():
    for name in (*lesson.TRAINING, *lesson.TEST, *lesson.HELD_OUT):
        y = lesson.photograph(name)
        assert (y.ndim, y.dtype) == (2, np.float32)
        assert 0 <= y.min() < 0.3 < 0.7 < y.max() <= 1.0001


# --- nets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [False, True])
def test_a_zero_last_layer_with_a_global_skip_is_exactly_bicubic(piece, blocks):
    net = build_sr(SRSpec(depth=6, skip=True, block_skips=blocks, last="zero"))
    assert torch.equal(lesson.super_resolved(net, piece), piece.bicubic)
    black = build_sr(SRSpec(depth=6, skip=False, block_skips=blocks, last="zero"))
    assert not lesson.super_resolved(black, piece).any()
    assert lesson.measured(net, [piece])["gain"].item() == 0


@pytest.mark.parametrize(("skip", "blocks"), KINDS)
def test_the_depth_counts_convolutions_and_skips_cost_nothing(skip, blocks):
    spec = SRSpec(depth=8, skip=skip, block_skips=blocks, width=5)
    net = build_sr(spec)
    convolutions = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 8
    counted = sum(parameter.numel() for parameter in net.parameters())
    assert counted == (9 * 5 + 5) + 6 * (9 * 25 + 5) + (9 * 5 + 1)
    assert isinstance(net, SRNet)


def test_a_global_skip_adds_the_input_and_nothing_else():
    spec, x = SRSpec(depth=6, skip=False, last="He"), torch.rand(2, 1, 12, 12)
    direct, residual = build_sr(spec, seed=3), build_sr(replace(spec, skip=True), seed=3)
    with torch.no_grad():
        torch.testing.assert_close(residual(x), direct(x) + x)


def test_block_skips_begin_as_the_identity():
    net, x = build_sr(SRSpec(depth=8, block_skips=True)), torch.rand(2, 16, 12, 12)
    with torch.no_grad():
        assert torch.equal(net.blocks(x), x)  # after a ReLU all values are at least 0
        assert not torch.equal(build_sr(SRSpec(depth=8)).blocks(x), x)


def test_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    one, same, other = (build_sr(SRSpec(last="He"), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["last.weight"], other["last.weight"])


def test_errors_say_what_is_allowed():
    assert "even, such as 8" in refusal(lambda: SRSpec(depth=7))
    assert "'zero', 'He'" in refusal(lambda: SRSpec(last="he"))
    with pytest.raises(TypeError, match="takes an SRSpec"):
        build_sr("residual-10")
    assert "lr" in refusal(lambda: next(lesson.learn(SRSpec(), [], 0.0)))
    assert "steps" in refusal(lambda: lesson.best_rate(SRSpec(), [], steps=lesson.QUICK))


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_rate_is_held_and_then_falls_to_zero():
    rates = [lesson.rate(0.01, step, lesson.STEPS) for step in range(1, lesson.STEPS + 1)]
    assert rates[: lesson.QUICK] == [0.01] * lesson.QUICK
    assert all(one > other for one, other in zip(rates[lesson.QUICK :], rates[lesson.QUICK + 1 :], strict=False))
    assert rates[-1] == pytest.approx(0)


def test_a_training_repeats_itself_and_goes_on_where_it_was(flat):
    spec = SRSpec(depth=4, width=4)
    trainings = [lesson.learn(spec, [flat], 0.01, steps=lesson.STEPS, seed=1) for _ in range(2)]
    for _ in range(5):
        (step, one), (_, other) = (next(training) for training in trainings)
    assert step == 5
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_direct_and_residual_nets_see_the_same_patches(flat, monkeypatch):
    seen, real = [], F.mse_loss
    monkeypatch.setattr(F, "mse_loss", lambda made, sharp: seen.append(sharp.clone()) or real(made, sharp))
    for skip in (False, True):
        list(lesson.learn(SRSpec(depth=4, width=2, skip=skip), [flat], 0.01, steps=2))
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])
    assert seen[0].shape == (lesson.BATCH, 1, lesson.PATCH, lesson.PATCH)


def test_the_best_of_the_rates_goes_on(flat, monkeypatch):
    monkeypatch.setattr(lesson, "QUICK", 3)
    monkeypatch.setattr(lesson, "SHOWN", (3, 5))
    spec, rates = SRSpec(depth=4, width=2), (1e-3, 1e4)
    frame, nets = lesson.best_rate(spec, [flat], rates=rates, seeds=(0, 1), steps=5, progress=False)
    assert set(frame.loc[frame["best"], "lr"]) == {1e-3}  # 10⁴ makes noise
    assert set(frame.loc[frame["lr"] == 1e4, "step"]) == {3}
    assert set(frame.loc[frame["lr"] == 1e-3, "step"]) == {3, 5}
    assert set(frame["part"]) == {"test", "held out"}
    assert set(nets) == {0, 1}
    last = frame[(frame["step"] == 5) & (frame["seed"] == 1) & (frame["part"] == "held out")]
    again = lesson.measured(nets[1], lesson.pieces())
    np.testing.assert_allclose(last["psnr"], again["psnr"])
    np.testing.assert_allclose(frame["gain"], frame["psnr"] - frame["bicubic"])


def test_a_net_that_diverged_is_the_worst_and_not_an_error(flat, monkeypatch):
    monkeypatch.setattr(lesson, "QUICK", 3)
    real = lesson.measured

    def broken(net, pictures, *, lr, **labels):
        frame = real(net, pictures, lr=lr, **labels)
        return frame.assign(gain=math.nan) if lr == 2e-3 else frame

    monkeypatch.setattr(lesson, "measured", broken)
    frame, _ = lesson.best_rate(SRSpec(depth=4, width=2), [flat], rates=(2e-3, 1e-3), seeds=(0,), steps=4)
    assert set(frame.loc[frame["best"], "lr"]) == {1e-3}


def test_panes_are_what_the_nets_make(piece):
    nets = [build_sr(replace(SRSpec(depth=4, last="He"), skip=skip)) for skip in (False, True)]
    rows = lesson.compared(nets, piece, origin="test").set_index("kind")
    assert list(rows.index) == ["low", "bicubic", "sharp", "direct", "residual"]
    edge = (lesson.PIECE - lesson.DETAIL_PIXELS) // 2
    inside = (0, 0, slice(edge, -edge), slice(edge, -edge))
    np.testing.assert_array_equal(rows.loc["sharp", "pixels"], piece.sharp[inside].clamp(0, 1))
    made = lesson.super_resolved(nets[1], piece).clamp(0, 1)
    np.testing.assert_allclose(rows.loc["residual", "added"], (made - piece.bicubic)[inside], atol=1e-6)
    assert rows.loc["residual", "psnr"] == lesson.psnr(made, piece.sharp)
    assert rows.loc["low", "pixels"].shape == (lesson.DETAIL_PIXELS // 2, lesson.DETAIL_PIXELS // 2)
    assert not rows.loc["bicubic", "added"].any()


# --- what was recorded ------------------------------------------------------------------------------------------------


def test_every_net_of_the_lesson_was_recorded_with_each_seed_and_rate():
    content = files.recorded()
    steps, final = content["steps"], content["final"]
    kept = {(spec.name, spec.last) for spec in files.specs()}
    assert set(zip(steps["name"], steps["last"], strict=True)) == kept
    for _, rows in steps.groupby(["name", "last"]):
        assert sorted(rows["lr"].unique()) == sorted(lesson.RATES)
        assert rows.loc[rows["best"], "lr"].nunique() == 1
        assert set(rows["seed"]) == set(lesson.SEEDS)
        assert rows.loc[rows["best"], "step"].max() == lesson.STEPS
    assert len(final) == len(kept) * len(lesson.SEEDS) * len(lesson.HELD_OUT)
    commit = content["provenance"]["commit"]
    assert commit
    assert "dirty" not in commit
    assert steps["origin"].str.startswith("recorded").all()


@pytest.mark.parametrize("spec", files.specs()[::5], ids=lambda spec: f"{spec.name} {spec.last}")
def test_recorded_weights_have_the_recorded_quality(spec):
    final = files.recorded()["final"]
    rows = final[(final["name"] == spec.name) & (final["last"] == spec.last) & (final["seed"] == 1)]
    again = lesson.measured(files.trained(spec, 1), lesson.pieces(), similarity=True)
    for name, close in (("psnr", 0.01), ("ssim", 0.001), ("bicubic", 0.01)):
        np.testing.assert_allclose(rows[name], again[name], atol=close)


def test_a_net_that_was_not_recorded_is_named():
    assert "a recorded net" in refusal(lambda: files.trained(SRSpec(depth=6)))
    assert "seed" in refusal(lambda: files.trained(SRSpec(), seed=7))


def test_stored_weights_are_half_as_long_and_the_net_has_them():
    net = build_sr(SRSpec(depth=4, last="He"))
    tensors = files.stored({"one": net})
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    for name, value in net.state_dict().items():
        assert torch.equal(tensors[f"one/{name}"].float(), value)
