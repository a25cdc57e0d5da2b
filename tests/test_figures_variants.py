"""The figures of lesson 09: what is drawn is what the frame holds."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed, texts
from invented import LIVE, block, together, variant, variants

from reslab.figures import theme
from reslab.figures import variants as figures

BASE = variants("ResNet", 0.10, 0.12, of="")


# The strip chart


def test_every_seed_has_a_mark_in_its_variants_row():
    figure = figures.errors(together(BASE, variants("wide", 0.0, 0.02, test=0.3, cost=79)))
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
    (band,) = figures.errors(together(BASE, variants("wide", 0.3, 0.4))).layout.shapes
    assert (band.x0, band.x1) == pytest.approx((10 / 1.04, 12 * 1.04))


def test_variants_that_do_not_clearly_differ_from_the_first_are_grey():
    figure = figures.errors(together(BASE, variants("wide", 0.3, 0.4), variants("ReZero", 0.11, 0.13)))
    colours = [theme.RESIDUAL] * 4 + [theme.GREY] * 2
    assert [list(trace.marker.color) for trace in figure.data] == [colours, colours]
    assert "grey: no clear difference from ResNet" in texts(figure)[0].replace("<br>", " ")


def test_a_training_that_diverged_is_a_cross_and_no_error():
    figure = figures.errors(
        together(BASE, variant("no norm", 0.1, outcome="diverged"), variant("no norm", 0.2, seed=1))
    )
    traces = keyed(figure)
    assert list(traces["end/seeds"].x) == [100]
    assert "<b>no norm</b>, seed 0<br>diverged at step 3" in traces["end/seeds"].hovertext[0]
    assert len(traces["train/seeds"].x) == 3
    assert "seed 1" in traces["train/seeds"].hovertext[2]


def test_a_race_in_which_the_first_diverged_has_no_band():
    figure = figures.errors(variant("no norm", 0.1, outcome="diverged"))
    assert len(figure.layout.shapes) == 0
    assert list(keyed(figure)) == ["end/seeds"]


def test_an_empty_race_says_so():
    assert figures.errors(pd.DataFrame()).layout.annotations[0].text == "Nothing has been measured yet."


def test_a_frame_of_something_else_is_refused():
    with pytest.raises(ValueError, match="The race cannot be made: the frame lacks of"):
        figures.errors(BASE.drop(columns="of"))


# The race


def test_runs_of_one_depth_are_told_apart_and_the_base_keeps_its_look():
    errors = {"resnet-56": 0.2, "resnet-56 · preact": 0.1, "resnet-56 · widen 2": 0.1}
    frame = together(*(variant(name, error) for name, error in errors.items()))
    traces = keyed(figures.race(frame, base="resnet-56"))
    base, first, second = (traces[f"{name}/0/{LIVE}/train"].line for name in frame["name"].unique())
    assert (base.color, base.dash) == (theme.RESIDUAL, "solid")
    assert len({base.color, first.color, second.color}) == len({base.dash, first.dash, second.dash}) == 3
    marks = traces[f"resnet-56 · preact/0/{LIVE}/test"].marker
    assert marks.color == first.color


# The block


def test_what_precedes_a_convolution_shares_its_box_in_pre_activation():
    said = texts(figures.diagram(block("norm1 activation1 conv1 norm2 activation2 conv2 scale")))
    assert "BatchNorm<br>ReLU<br>3×3 conv" in said
    assert "BatchNorm<br>ReLU<br>3×3 conv<br>× learned<br>scalar" in said
    assert "30 parameters<br>0 mult-adds" in said
    assert "40 parameters<br>0 mult-adds" in said


def test_each_convolution_has_what_is_around_it_where_an_activation_comes_first():
    assert (
        texts(figures.diagram(block("activation1 conv1 norm1 activation2 conv2 norm2"))).count(
            "ReLU<br>3×3 conv<br>BatchNorm"
        )
        == 2
    )


def test_what_both_paths_begin_with_is_drawn_before_they_part():
    figure = figures.diagram(block("conv1 norm2 activation2 conv2", before="norm1 activation1"))
    assert {"BatchNorm<br>ReLU", "3×3 conv", "BatchNorm<br>ReLU<br>3×3 conv"} <= set(texts(figure))
    first = next(shape for shape in figure.layout.shapes if shape.type == "rect")
    path = next(shape.path for shape in figure.layout.shapes if shape.type == "path")
    assert float(path.split()[1].split(",")[0]) > first.x1  # the shortcut forks off behind the first box
    assert "BatchNorm → ReLU → from here both paths go on → 3×3 conv" in figure.data[0].name


def test_what_comes_after_the_addition_is_in_its_own_box():
    assert "BatchNorm<br>ReLU" in texts(
        figures.diagram(block("conv1 norm1 activation1 conv2", after="BatchNorm, ReLU"))
    )
