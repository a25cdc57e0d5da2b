"""The figures of lesson 03: what is drawn is what the frame holds."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names, texts
from invented import LIVE, block_parts, halved, learning, tensors

from reslab.figures import residual_block as figures
from reslab.figures import theme

# Curves


def test_curves_are_the_frames_numbers_in_the_themes_colours():
    frame = pd.concat([learning(True), learning(False, (1.0, 0.9, 0.8))])
    figure = figures.learning_curves(frame)
    traces = keyed(figure)
    residual, plain = (traces[f"{kind} block · rate 0.1/0/{LIVE}/error"] for kind in ("residual", "plain"))
    np.testing.assert_allclose(residual.y, [1.0, 0.5, 0.05])
    np.testing.assert_allclose(traces[f"residual block · rate 0.1/0/{LIVE}/branch"].y, [2.0, 1.0, 0.1])
    assert (residual.line.color, plain.line.color) == (theme.colour(True, 8), theme.colour(False, 8))
    assert residual.line.dash == "solid" != plain.line.dash
    assert figure.layout.yaxis.type == "log"
    assert "seed 0 · open marks: ‖F(x)‖ / ‖x‖ · live, this machine" in texts(figure)
    assert {"plain block<br>· rate 0.1", "residual block<br>· rate 0.1", "‖F‖, residual block"} < set(names(figure))


def test_an_exact_identity_lies_at_the_charts_floor_and_a_broken_run_ends():
    broken = learning(False, (1.0, 50.0, np.inf), outcome="diverged")
    traces = keyed(figures.learning_curves(pd.concat([learning(True, (0.0, 0.0, 0.0)), broken])))
    assert set(traces[f"residual block · rate 0.1/0/{LIVE}/error"].y) == {1e-5}
    assert np.isnan(traces[f"plain block · rate 0.1/0/{LIVE}/error"].y[-1])
    assert "diverged at step 2" in traces[f"plain block · rate 0.1/0/{LIVE}/error"].hovertemplate


def test_a_shortcut_without_weights_keeps_every_second_pixel():
    frame, pixels = halved(), np.arange(16.0).reshape(4, 4) % 5
    x, shortcut, zeros = (np.array(trace.z)[::-1] for trace in figures.kept(frame).data)
    np.testing.assert_array_equal(x, pixels)  # channel 1 varies most
    np.testing.assert_array_equal(shortcut, pixels[::2, ::2])
    assert not zeros.any()
    assert "channels 3 to 4:<br>zeros<br>2×2 pixels" in texts(figures.kept(frame))
    framed = {(shape.x0, shape.y0) for shape in figures.kept(frame).layout.shapes}
    assert framed == {(0, 3), (2, 3), (0, 1), (2, 1)}
    assert not figures.kept(frame.assign(value=lambda rows: rows["value"] + (rows["part"] == "x"))).data  # a projection


@pytest.mark.parametrize(
    "draw", [figures.learning_curves, figures.decay, figures.final_error, figures.diagram, figures.kept, figures.tiles]
)
def test_an_empty_chart_says_so(draw):
    figure = draw(pd.DataFrame())
    assert len(figure.data) == 0
    assert texts(figure) == ["Nothing has been measured yet."]
    assert draw(pd.DataFrame(), draw=theme.chart)["data"] == []


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="The learning curves cannot be made: the frame lacks branch"):
        figures.learning_curves(learning().drop(columns="branch"))
    with pytest.raises(
        ValueError, match="x is 'depth'; the final error can be drawn against 'lr', 'distance', 'blocks'"
    ):
        figures.final_error(pd.DataFrame(), x="depth")


def test_the_final_error_is_the_mean_with_its_range():
    rows = [
        (True, 0, 0.1, 0.2),
        (True, 1, 0.1, 0.4),
        (True, 0, 1.0, np.inf),
        (False, 0, 0.1, 0.8),
        (False, 1, 0.1, 0.8),
    ]
    table = pd.DataFrame(rows, columns=["skip", "seed", "lr", "error"])
    figure = figures.final_error(table)
    traces = keyed(figure)
    residual = traces["residual (with the skip)/end"]
    np.testing.assert_allclose((residual.x, residual.y), ([0.1], [0.3]))  # the one that diverged is not drawn
    np.testing.assert_allclose((residual.error_y.array, residual.error_y.arrayminus), ([0.1], [0.1]))
    assert "seeds 0, 1 · live, this machine" in texts(figure)
    assert figure.layout.xaxis.type == "log"
    assert figures.final_error(table.rename(columns={"lr": "distance"}), x="distance").layout.xaxis.type is None


def test_the_branch_can_be_left_out_of_the_curves():
    figure = figures.learning_curves(learning(), branch=False)
    assert not [key for key in keyed(figure) if key.endswith("/branch")]
    assert "‖" not in " ".join([figure.layout.yaxis.title.text, *texts(figure)])


def test_over_the_distance_each_mark_has_its_number():
    rows = [(True, 0, 0.0, 0.0004), (True, 0, 1.0, 0.23), (False, 0, 0.0, 0.2), (False, 0, 1.0, 0.15)]
    figure = figures.final_error(pd.DataFrame(rows, columns=["skip", "seed", "distance", "error"]), x="distance")
    traces = keyed(figure)
    plain, residual = traces["plain (without)/end"], traces["residual (with the skip)/end"]
    assert (list(residual.text), list(plain.text)) == (["<b>0.0004</b>", "<b>0.23</b>"], ["<b>0.2</b>", "<b>0.15</b>"])
    assert list(residual.textposition) == ["bottom center", "top center"]  # away from the other line
    assert list(plain.textposition) == ["top center", "bottom center"]
    assert figure.layout.yaxis.type is None


def test_lines_that_end_together_are_named_where_they_are_lowest():
    rows = [(skip, 0, lr, error) for skip, at in ((True, 0.1), (False, 1.0)) for lr, error in
            ((0.1, 0.3 if at == 0.1 else 0.8), (1.0, 0.3 if at == 1.0 else 0.9), (10.0, 1.0))]  # fmt: skip
    figure = figures.final_error(pd.DataFrame(rows, columns=["skip", "seed", "lr", "error"]))
    placed = {note.name: note.x for note in figure.layout.annotations if note.name and note.name.endswith("/name")}
    assert placed == {"plain (without)/name": 0, "residual (with the skip)/name": -1, "level/name": 1}


def test_decay_is_drawn_against_what_is_left():
    frame = learning(True, case="no norm", left=[1.0, 0.5, 0.25], size=[1.5, 1.2, 1.0])
    figure = figures.decay(frame)
    np.testing.assert_allclose((figure.data[0].x, figure.data[0].y), ([1.0, 0.5, 0.25], [1.5, 1.2, 1.0]))
    start, end = figure.layout.xaxis.range
    assert start > end  # what is left goes down from left to right


# The block


@pytest.mark.parametrize("skip", [True, False])
def test_the_diagram_shows_every_shape_and_cost(skip):
    frame = block_parts(skip)
    figure = figures.diagram(frame)
    said = texts(figure)
    assert said.count("<b>2×4×4</b>") == 1  # x into the first convolution
    assert said.count("<b>4×2×2</b>") == (4 if skip else 3)
    assert "72 parameters<br>288 mult-adds" in said
    assert "Block: 216 parameters, 864 multiply-adds for one image" in said
    assert ("16<br>additions" in said) == skip
    assert any("no shortcut" in text for text in said) == (not skip)
    assert (
        any(text.startswith("<b>A</b>: every 2nd pixel, 2 channels of zeros<br>0 parameters") for text in said) == skip
    )
    arrows = [note for note in figure.layout.annotations if note.arrowhead]
    assert {arrow.arrowcolor for arrow in arrows} == {theme.colour(skip, 56)}
    assert figure.layout.title.text == f"A {'residual' if skip else 'plain'} basic block, stride 2, 2 × channels"


def test_the_tiles_hold_each_channel_once_on_one_scale():
    figure = figures.tiles(tensors())
    traces = keyed(figure)
    x = np.array(traces["x/tiles"].z, dtype=float)[::-1]
    assert x.shape == (5, 5)
    assert (x[0, 0], x[0, 3], x[3, 0]) == (0, 1, 2)
    assert np.isnan(x[2]).all()
    assert {(trace.zmin, trace.zmax) for trace in figure.data} == {(-4, 4)}
    assert "seed 3 · image 7 · live, this machine" in texts(figure)
    assert "<b>x</b><br>3×2×2" in texts(figure)
