"""The figures of lesson 09: what is drawn and said is what the frame holds. The frames here are invented."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from reslab.figures import theme
from reslab.figures import variants as figures

LIVE = "live, this machine"


def run(name, error, *, of="ResNet", seed=0, outcome="finished", cost=100, test=0.5, steps=3):
    """One invented training: its error is reached at the last step."""
    finished = outcome == "finished"
    frame = pd.DataFrame({"step": range(1, steps + 1), "train_error": np.linspace(0.9, error, steps)})
    frame = frame.assign(epoch=frame["step"] / 10, lr=0.1, loss=1.0, seconds=frame["step"] / 10)
    frame["test_error"] = [np.nan] * (steps - 1) + [test if finished else np.nan]
    labels = {"name": name, "of": of, "skip": True, "depth": 56, "seed": seed, "outcome": outcome, "origin": LIVE}
    counted = {"parameters": 10, "multiply_adds": cost, "final_train_error": error if finished else np.nan}
    return frame.assign(**labels, **counted)


def race(*runs):
    return pd.concat(runs, ignore_index=True)


def seeds(name, *errors, **columns):
    return race(*(run(name, error, seed=seed, **columns) for seed, error in enumerate(errors)))


BASE = seeds("ResNet", 0.10, 0.12, of="")


def keyed(figure):
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys)
    go.Figure(figure.to_dict())
    return dict(zip(keys, figure.data, strict=True))


# The strip chart


def test_every_seed_has_a_mark_in_its_variants_row():
    figure = figures.errors(race(BASE, seeds("wide", 0.0, 0.02, test=0.3, cost=79)))
    traces = keyed(figure)
    assert set(traces) == {"train/seeds", "test/seeds"}
    np.testing.assert_allclose(traces["train/seeds"].x, [10, 12, 0.03, 2])  # 0 is drawn where the axis says 0
    np.testing.assert_allclose(traces["test/seeds"].x, [50, 50, 30, 30])
    assert np.round(traces["train/seeds"].y).tolist() == [0, 0, -1, -1]
    assert list(figure.layout.yaxis.ticktext) == ["ResNet · 1.00 ×", "wide · 0.79 ×"]
    assert list(figure.layout.yaxis.tickvals) == [0, -1]
    assert "0.00 % of the training images wrong" in traces["train/seeds"].hovertext[2]
    assert dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True))[0.03] == "0"


def test_the_band_spans_the_first_variants_training_errors():
    (band,) = figures.errors(race(BASE, seeds("wide", 0.3, 0.4))).layout.shapes
    assert (band.x0, band.x1) == pytest.approx((10 / 1.04, 12 * 1.04))


def test_a_training_that_diverged_is_a_cross_and_no_error():
    figure = figures.errors(race(BASE, run("no norm", 0.1, outcome="diverged"), run("no norm", 0.2, seed=1)))
    traces = keyed(figure)
    assert list(traces["end/seeds"].x) == [100]
    assert "<b>no norm</b>, seed 0<br>diverged at step 3" in traces["end/seeds"].hovertext[0]
    assert len(traces["train/seeds"].x) == 3
    assert "seed 1" in traces["train/seeds"].hovertext[2]


def test_a_race_in_which_the_first_diverged_has_no_band():
    figure = figures.errors(run("no norm", 0.1, outcome="diverged"))
    assert len(figure.layout.shapes) == 0
    assert list(keyed(figure)) == ["end/seeds"]


def test_an_empty_race_says_so():
    assert figures.errors(pd.DataFrame()).layout.annotations[0].text == "Nothing has been measured yet."
    assert figures.sentence(pd.DataFrame()) == "Nothing has been measured yet."


def test_a_frame_of_something_else_is_refused():
    with pytest.raises(ValueError, match="The race cannot be drawn: the frame lacks of"):
        figures.errors(BASE.drop(columns="of"))


# The race


def test_runs_of_one_depth_are_told_apart_and_the_base_keeps_its_look():
    frame = race(*(run(name, error) for name, error in (("resnet-56", 0.2), ("resnet-56 · preact", 0.1), ("resnet-56 · widen 2", 0.1))))
    traces = keyed(figures.race(frame, base="resnet-56"))
    base, first, second = (traces[f"{name}/0/{LIVE}/train"].line for name in frame["name"].unique())
    assert (base.color, base.dash) == (theme.RESIDUAL, "solid")
    assert len({base.color, first.color, second.color}) == len({base.dash, first.dash, second.dash}) == 3
    marks = traces[f"resnet-56 · preact/0/{LIVE}/test"].marker
    assert marks.color == first.color
    assert traces["key/marker"].marker.color == theme.INK


@pytest.mark.parametrize("colour", [colour for colour, _ in __import__("reslab.figures.variants", fromlist=["LOOKS"]).LOOKS])
@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"])
def test_the_colours_stand_out_in_both_themes(colour, background):
    def luminance(hexadecimal):
        channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(colour), luminance(background)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 3


# Words


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((0.01, 0.05), "lower"),
        ((0.20, 0.30), "higher"),
        ((0.095, 0.10), "about the same"),  # within 2 points
        ((0.01, 0.11), "about the same"),  # the seeds overlap
        ((0.30, 0.11), "about the same"),
    ],
)
def test_a_verdict_needs_every_seed_and_two_points(errors, said):
    assert figures.verdict(race(BASE, seeds("wide", *errors)), "wide") == said


def test_a_verdict_beside_what_broke():
    broken = run("no norm", 0.1, outcome="diverged")
    frame = race(BASE, broken, seeds("SkipInit", 0.5, 0.6, of="no norm"))
    assert figures.verdict(frame, "no norm") == "did not finish"
    assert figures.verdict(frame, "SkipInit") == "lower"
    assert figures.verdict(frame, "SkipInit", of="ResNet") == "higher"
    with pytest.raises(ValueError, match="the race has no 'Fixup'; it has 'ResNet', 'no norm', 'SkipInit'"):
        figures.verdict(frame, "Fixup")
    with pytest.raises(ValueError, match="the race has no 'ResNet'"):
        figures.verdict(seeds("wide", 0.1, 0.2), "wide")


def test_the_sentence_sorts_the_variants_by_what_they_bought():
    broken = run("no norm", 0.1, outcome="diverged")
    frame = race(BASE, seeds("wide", 0.01, 0.02), seeds("bottleneck", 0.3, 0.4), seeds("ReZero", 0.1, 0.12), broken)
    assert figures.sentence(race(frame, seeds("SkipInit", 0.5, 0.7, of="no norm"))) == (
        "Training error after 3 steps, seeds 0, 1. Lower than that of the net it changes, in every seed: wide (1.5 % for 11.0 %), "
        "SkipInit (60.0 %, where no norm diverged). About the same, or the seeds overlap: ReZero (11.0 % for 11.0 %). "
        "Higher in every seed: bottleneck (35.0 % for 11.0 %). Did not finish: no norm (diverged in 1 of 1 seeds)."
    )


def test_the_sentence_says_so_when_nothing_is_bought_and_tells_what_stands_alone():
    assert "in every seed: none. About the same" in figures.sentence(race(BASE, seeds("ReZero", 0.1, 0.12)))
    assert figures.sentence(seeds("stochastic depth", 0.2, 0.3)) == (
        "Training error after 3 steps, seeds 0, 1. By themselves: stochastic depth (25.0 %)."
    )


def test_costs_are_told_beside_the_first():
    frame = race(BASE, seeds("wide", 0.1, cost=79), seeds("heavy", 0.1, cost=198), seeds("preact", 0.1, cost=103))
    assert figures.cost_sentence(frame) == (
        "More multiply-adds a step than ResNet: heavy 1.98 ×. Fewer multiply-adds a step than ResNet: wide 0.79 ×. "
        "The others: as many as ResNet, within 5 %."
    )
    assert figures.cost_sentence(race(BASE, seeds("preact", 0.1))) == "All: as many as ResNet, within 5 %."
    assert figures.ratio((10, 50), (20, 100)) == "0.50 × the parameters and 0.50 × the multiply-adds"


def test_the_text_alternative_names_every_mean():
    text = figures.alt_text(race(BASE, run("no norm", 0.1, outcome="diverged")))
    assert "Means: ResNet 11.0 %, no norm an unknown share (1 of 1 broke off)." in text
    assert text.endswith(figures.sentence(race(BASE, run("no norm", 0.1, outcome="diverged"))))


# The block


def block(branch, before="", after="identity"):
    """An invented block. branch, before: its layers by name, "norm1 activation1 conv1", the latter those that both paths begin with."""
    words = {"conv": "3×3 conv", "norm": "BatchNorm", "activation": "ReLU", "scale": "× learned scalar"}
    parts = [("before", name, 2) for name in before.split()] + [("branch", name, 10) for name in branch.split()]
    rows = [("x", "x", "input", 0), *((part, f"{part}.{name}", words[name.rstrip("123")], price) for part, name, price in parts)]
    rows += [("shortcut", "shortcut", "1×1 conv", 3), ("sum", "sum", "addition", 0), ("y", "activation", after, 0)]
    frame = pd.DataFrame(rows, columns=["part", "module", "layer", "parameters"]).assign(shape="2×4×4", multiply_adds=0, additions=0)
    return frame.assign(skip=True, block="basic", shortcut="B", changes_shape=True, origin=LIVE)


def texts(figure):
    return [note.text for note in figure.layout.annotations if note.text]


def test_what_precedes_a_convolution_shares_its_box_in_pre_activation():
    said = texts(figures.diagram(block("norm1 activation1 conv1 norm2 activation2 conv2 scale")))
    assert "BatchNorm<br>ReLU<br>3×3 conv" in said
    assert "BatchNorm<br>ReLU<br>3×3 conv<br>× learned scalar" in said
    assert "30 parameters<br>0 mult-adds" in said
    assert "40 parameters<br>0 mult-adds" in said


def test_each_convolution_has_what_is_around_it_where_an_activation_comes_first():
    assert texts(figures.diagram(block("activation1 conv1 norm1 activation2 conv2 norm2"))).count("ReLU<br>3×3 conv<br>BatchNorm") == 2


def test_what_both_paths_begin_with_is_drawn_before_they_part():
    figure = figures.diagram(block("conv1 norm2 activation2 conv2", before="norm1 activation1"))
    assert {"BatchNorm<br>ReLU", "3×3 conv", "BatchNorm<br>ReLU<br>3×3 conv"} <= set(texts(figure))
    first = next(shape for shape in figure.layout.shapes if shape.type == "rect")
    path = next(shape.path for shape in figure.layout.shapes if shape.type == "path")
    assert float(path.split()[1].split(",")[0]) > first.x1  # the shortcut forks off behind the first box
    assert "BatchNorm → ReLU → from here both paths go on → 3×3 conv" in figure.data[0].name


def test_what_comes_after_the_addition_is_in_its_own_box():
    assert "BatchNorm<br>ReLU" in texts(figures.diagram(block("conv1 norm1 activation1 conv2", after="BatchNorm, ReLU")))
