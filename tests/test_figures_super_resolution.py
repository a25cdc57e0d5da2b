"""Charts and sentences of lesson 08: what is drawn and said is what the frame says."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names
from PIL import Image
from small_nets import refusal

from reslab.figures import super_resolution as figures
from reslab.figures import super_resolution_pictures as pictures
from reslab.figures import theme
from reslab.figures.text import super_resolution as text
from reslab.results import super_resolution as results

GAINS = {  # (skip, block skips) → gain after 400 steps, by depth
    (False, False): {4: 0.3, 20: -6.0}, (False, True): {4: 0.4, 20: 0.5},
    (True, False): {4: 0.6, 20: 0.2}, (True, True): {4: 0.5, 20: 0.8},
}  # fmt: skip


def rows(skip, blocks, depth, gain, step=400, **labels):
    """Test input, never product data."""
    name = f"{'residual' if skip else 'direct'}-{depth}{' + block skips' * blocks}"
    net = {"name": name, "skip": skip, "block_skips": blocks, "depth": depth, "last": "zero" if skip else "He"}
    shared = net | {"lr": 0.001, "step": step, "origin": "recorded, a machine", "best": True, "part": "held out"}
    return [shared | {"seed": seed, "picture": picture, "bicubic": bicubic, "psnr": bicubic + gain + 0.1 * seed,
                      "gain": gain + 0.1 * seed} | labels
            for seed in (0, 1, 2) for picture, bicubic in (("camera", 28.0), ("china", 20.0))]  # fmt: skip


STEPS = pd.DataFrame(
    row for (skip, blocks), depths in GAINS.items() for depth, gain in depths.items()
    for step in (120, 400) for row in rows(skip, blocks, depth, gain - (step == 120), step)
)  # fmt: skip


def panes():
    """A picture of 8 × 8 with four panes and the sharp one."""
    grey = np.linspace(0, 1, 64).reshape(8, 8)
    made = {"low": grey[::2, ::2], "bicubic": grey, "sharp": grey**2, "direct": 1 - grey, "residual": grey**1.5}
    frame = []
    for kind, pixels in made.items():
        row = {"kind": kind, "name": kind, "pixels": pixels, "picture": "camera", "seed": 0, "origin": "recorded"}
        if kind in ("direct", "residual"):
            row |= {"name": f"{kind}-10", "skip": kind == "residual", "depth": 10}
        if kind not in ("low", "sharp"):
            row |= {"psnr": {"bicubic": 28.0, "direct": 27.5, "residual": 28.8}[kind], "ssim": 0.9}
        frame.append(row | ({} if kind == "low" else {"added": pixels - grey}))
    return pd.DataFrame(frame)


def pixels(trace):
    """The grey values of a pane."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(trace.source.partition(",")[2]))))[..., 0]


# --- results ----------------------------------------------------------------------------------------------------------


def test_the_mean_over_the_pictures_and_then_the_median_over_the_seeds():
    row = results.at_step(STEPS, "residual-20")
    assert row[["median", "low", "high", "seeds", "step"]].tolist() == pytest.approx([0.3, 0.2, 0.4, 3, 400])
    assert results.at_step(STEPS, "direct-20", 120)["median"] == pytest.approx(-6.9)


@pytest.mark.parametrize(("gain", "answer"), [(-0.5, 0), (-0.05, 1), (0.05, 1), (0.4, 2)])
def test_the_verdict_is_the_median_gain(gain, answer):
    frame = pd.DataFrame(rows(False, False, 10, gain - 0.1))
    assert results.verdict(frame) == list(results.ANSWERS)[answer]


def test_what_is_claimed_is_of_held_out_pictures_the_best_rate_and_the_usual_start():
    more = [
        pd.DataFrame(rows(True, False, 4, 9.0, **other))
        for other in ({"part": "test"}, {"best": False}, {"last": "He"})
    ]
    found = results.learned(pd.concat([STEPS, *more], ignore_index=True))
    assert found["gain"].max() < 9
    assert len(found) == len(STEPS)


def test_the_best_rates_are_those_of_the_test_pictures():
    tried = [pd.DataFrame(rows(True, False, 4, gain, 120, lr=lr, part="test", best=best))
             for lr, gain, best in ((0.001, 0.2, False), (0.003, 0.5, True))]  # fmt: skip
    table = results.best_rates(pd.concat([STEPS, *tried], ignore_index=True))
    assert table[["name", "lr"]].to_numpy().tolist() == [["residual-4", 0.003]]
    assert table["gain"].item() == pytest.approx(0.6)


def test_what_the_frame_does_not_have_is_said():
    assert "psnr" in refusal(lambda: figures.curves(STEPS.drop(columns="psnr")))
    assert "residual-4" in refusal(lambda: results.at_step(STEPS, "residual-5"))
    assert "a step" in refusal(lambda: results.at_step(STEPS, "residual-4", 7))
    twice = pd.concat([STEPS, STEPS.assign(lr=0.1)])
    assert "several" in refusal(lambda: results.at_step(twice, "residual-4"))


# --- charts -----------------------------------------------------------------------------------------------------------


def test_the_curves_have_a_line_a_net_and_bicubic():
    figure = figures.curves(STEPS[~STEPS["block_skips"]], "residual-4")
    traces = keyed(figure)
    assert traces["bicubic"].y[0] == 24
    line = traces["residual-4/recorded, a machine/median"]
    assert list(line.x) == [120, 400]
    assert list(line.y) == pytest.approx([23.7, 24.7])
    assert line.line.width > traces["residual-20/recorded, a machine/median"].line.width
    assert line.line.color == theme.colour(True, 4)
    assert traces["direct-4/recorded, a machine/median"].line.dash != "solid"
    assert figure.layout.yaxis.range[0] == 24 - figures.BELOW  # the line that is 7 dB lower leaves the chart
    assert "seeds 0, 1, 2" in str(figure.layout.annotations)


def test_each_origin_has_its_own_seeds_under_the_title():
    recorded = STEPS[STEPS["name"] == "residual-4"]
    live = recorded[recorded["seed"] == 1].assign(name="residual-4, live", origin="live, this machine")
    figure = figures.curves(pd.concat([recorded, live]))
    origin = next(note.text for note in figure.layout.annotations if note.name == "origin")
    assert origin.replace("<br>", " ") == "seeds 0, 1, 2 · recorded, a machine; seed 1 · live, this machine"


def test_the_depths_have_a_line_for_each_way_to_use_skips():
    traces = keyed(figures.depths(STEPS))
    for (skip, blocks), depths in GAINS.items():
        name = text.LABELS[skip, blocks]
        line = traces[f"{name}/recorded, a machine/median"]
        assert list(line.x) == [4, 20]
        assert list(line.y) == pytest.approx([24 + gain + 0.1 for gain in depths.values()])


def test_the_wipe_is_bicubic_at_the_left_and_the_net_at_the_right():
    frame, size = panes(), 8
    for share, at in ((0, 0), (25, 2), (100, size)):
        shown = pixels(keyed(pictures.wipe(frame, share))["wipe/image"])
        both = [(255 * frame.set_index("kind").loc[kind, "pixels"]).round() for kind in ("bicubic", "residual")]
        np.testing.assert_array_equal(shown[:, :at], both[0][:, :at])
        np.testing.assert_array_equal(shown[:, at:], both[1][:, at:])
    figure = pictures.wipe(frame, 25, "direct")
    assert figure.layout.shapes[0].x0 == 1.5
    framed, missed = figure.layout.shapes[1], np.square(frame.set_index("kind").loc["sharp", "added"])
    sums = {(top, left): missed[top : top + 2, left : left + 2].sum() for top in range(7) for left in range(7)}
    assert (framed.y0 + 0.5, framed.x0 + 0.5) == max(sums, key=sums.get)
    assert pixels(keyed(figure)["sharp/image"]).shape == (2, 2)
    said = str(figure.layout.annotations)
    for part in ("28.80 dB", "27.50 dB", "28.00 dB", "sharp", "direct-10"):
        assert part in said
    assert {"sharp/image", "bicubic/image", "direct/image", "residual/image"} < keyed(figure).keys()


def test_differences_share_one_scale_centred_on_zero():
    traces = keyed(pictures.differences(panes()))
    assert list(traces) == ["sharp/added", "residual/added", "direct/added"]
    for trace in traces.values():
        assert (trace.zmin, trace.zmid, trace.zmax) == (-pictures.DIFFERENCE_LIMIT, 0, pictures.DIFFERENCE_LIMIT)
    np.testing.assert_allclose(np.array(traces["residual/added"].z), panes()["added"].iloc[4], atol=1e-4)


def test_nothing_measured_is_said():
    empty = pd.DataFrame()
    for draw in (figures.curves, figures.depths, pictures.wipe, pictures.differences):
        figure = draw(empty, empty="Nothing here.")
        assert not figure.data
        assert "Nothing here." in str(figure.layout.annotations)
    for say in (figures.sentence, figures.picture_sentence):
        assert say(empty) == "Nothing has been measured yet."


# --- sentences --------------------------------------------------------------------------------------------------------


def test_sentences_have_the_numbers_of_the_frame():
    assert "residual-20 +0.30 dB (+0.20 to +0.40)" in figures.sentence(STEPS)
    assert "After 120 steps" in figures.sentence(STEPS, 120)
    table = figures.gains_table(STEPS, "skips", "layers", [400])
    assert table.loc["no skip"].tolist() == ["+0.40 (+0.30 to +0.50)", "−5.90 (−6.00 to −5.80)"]
    assert list(table.index) == ["no skip", "block skips", "a global skip", "both"]
    assert "no skip −5.90 dB" in names(figures.depths(STEPS))


def test_a_seed_that_diverged_is_counted():
    lost = STEPS.assign(gain=STEPS["gain"].mask((STEPS["seed"] == 2) & (STEPS["name"] == "residual-20")))
    assert "residual-20 +0.25 dB (+0.20 to +0.30), 1 of 3 seeds diverged" in figures.sentence(lost)
    assert "residual-20 diverged" in figures.sentence(STEPS.assign(gain=np.nan))


def test_the_sentence_of_a_picture_tells_the_chosen_net_first():
    said = figures.picture_sentence(panes())
    assert said.startswith("Camera, enlarged twice: residual-10 is 0.80 dB better than bicubic (SSIM 0.900); direct-10")
    assert "direct-10 is 0.50 dB worse" in said
    assert figures.picture_sentence(panes(), "direct").startswith("Camera, enlarged twice: direct-10")
    even = panes().assign(psnr=28.004)
    assert "residual-10 is as good as bicubic (SSIM" in figures.picture_sentence(even)
    live = panes().assign(origin="live, this machine, after 120 steps")
    assert figures.picture_sentence(live).startswith("Camera, enlarged twice (live, this machine, after 120 steps): r")
    assert "residual-10 (solid blue)" in figures.alt_text(panes(), said)
