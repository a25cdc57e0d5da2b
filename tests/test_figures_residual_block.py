"""The figures of lesson 03: what is drawn and said is what the frame holds. The frames here are invented."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from reslab.figures import residual_block as figures
from reslab.figures import theme

LIVE = "live, this machine"


def invented_run(skip=True, error=(1.0, 0.5, 0.05), *, name=None, seed=0, outcome="finished", **columns):
    kind = "residual" if skip else "plain"
    frame = pd.DataFrame({"step": range(len(error)), "error": error, "branch": 2 * np.array(error)})
    labels = {"name": name or f"{kind} block · lr 0.1", "skip": skip, "depth": 8, "seed": seed, "origin": LIVE, "outcome": outcome}
    return frame.assign(**labels, **columns)


def invented_anatomy(skip=True, *, shortcut="A", projects=False):
    rows = [
        ("x", "x", "input", "2×4×4", 0, 0, 0),
        ("branch", "branch.conv1", "3×3 conv, stride 2", "4×2×2", 72, 288, 0),
        ("branch", "branch.norm1", "identity", "4×2×2", 0, 0, 0),
        ("branch", "branch.activation1", "ReLU", "4×2×2", 0, 0, 0),
        ("branch", "branch.conv2", "3×3 conv", "4×2×2", 144, 576, 0),
        ("y", "activation", "ReLU", "4×2×2", 0, 0, 0),
    ]
    over = ("1×1 conv, stride 2", 8, 32) if projects else ("every 2nd pixel, 2 channels of zeros", 0, 0)
    if skip:
        rows[5:5] = [("shortcut", "shortcut", over[0], "4×2×2", *over[1:], 0), ("sum", "sum", "addition", "4×2×2", 0, 0, 16)]
    frame = pd.DataFrame(rows, columns=["part", "module", "layer", "shape", "parameters", "multiply_adds", "additions"])
    return frame.assign(skip=skip, block="basic", shortcut=shortcut, changes_shape=True, seed=0, origin=LIVE)


def invented_tensors():
    rows = [("x", channel, row, column, 1.0 * channel) for channel in range(3) for row in range(2) for column in range(2)]
    rows += [("y", 0, 0, 0, -4.0)]
    frame = pd.DataFrame(rows, columns=["part", "channel", "row", "column", "value"])
    return frame.assign(origin=LIVE, seed=3, image=7)


def keyed(figure):
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys)
    go.Figure(figure.to_dict())
    return dict(zip(keys, figure.data, strict=True))


def texts(figure):
    return [note.text for note in figure.layout.annotations if note.text]


# Curves


def test_curves_are_the_frames_numbers_in_the_houses_colours():
    frame = pd.concat([invented_run(True), invented_run(False, (1.0, 0.9, 0.8))])
    figure = figures.learning_curves(frame)
    traces = keyed(figure)
    residual, plain = (traces[f"{kind} block · lr 0.1/0/{LIVE}/error"] for kind in ("residual", "plain"))
    np.testing.assert_allclose(residual.y, [1.0, 0.5, 0.05])
    np.testing.assert_allclose(traces[f"residual block · lr 0.1/0/{LIVE}/branch"].y, [2.0, 1.0, 0.1])
    assert (residual.line.color, plain.line.color) == (theme.colour(True, 8), theme.colour(False, 8))
    assert residual.line.dash == "solid" != plain.line.dash
    assert figure.layout.yaxis.type == "log"
    assert "‖F(x)‖ / ‖x‖" in [trace.name for trace in figure.data]
    assert texts(figure) == ["live, this machine, seed 0"]


def test_an_exact_identity_lies_at_the_charts_floor_and_a_broken_run_ends():
    broken = invented_run(False, (1.0, 50.0, np.inf), outcome="diverged")
    traces = keyed(figures.learning_curves(pd.concat([invented_run(True, (0.0, 0.0, 0.0)), broken])))
    assert set(traces[f"residual block · lr 0.1/0/{LIVE}/error"].y) == {1e-5}
    assert np.isnan(traces[f"plain block · lr 0.1/0/{LIVE}/error"].y[-1])
    assert "diverged at step 2" in traces[f"plain block · lr 0.1/0/{LIVE}/error"].hovertemplate


@pytest.mark.parametrize("draw", [figures.learning_curves, figures.decay, figures.final_error, figures.diagram, figures.tiles])
def test_an_empty_chart_says_so(draw):
    figure = draw(pd.DataFrame())
    assert len(figure.data) == 0
    assert texts(figure) == ["Nothing has been measured yet."]
    assert draw(pd.DataFrame(), draw=theme.chart)["data"] == []


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="The learning curves cannot be drawn: the frame lacks branch"):
        figures.learning_curves(invented_run().drop(columns="branch"))
    with pytest.raises(ValueError, match="x is 'depth'; the final error can be drawn against 'lr', 'distance', 'blocks'"):
        figures.final_error(pd.DataFrame(), x="depth")


def test_the_final_error_is_the_mean_with_its_range():
    rows = [(True, 0, 0.1, 0.2), (True, 1, 0.1, 0.4), (True, 0, 1.0, np.inf), (False, 0, 0.1, 0.8), (False, 1, 0.1, 0.8)]
    table = pd.DataFrame(rows, columns=["skip", "seed", "lr", "error"])
    figure = figures.final_error(table)
    traces = keyed(figure)
    residual = traces["residual (with the skip)/end"]
    np.testing.assert_allclose((residual.x, residual.y), ([0.1], [0.3]))  # the one that diverged is not drawn
    np.testing.assert_allclose((residual.error_y.array, residual.error_y.arrayminus), ([0.1], [0.1]))
    assert texts(figure) == ["live, this machine, seeds 0, 1"]
    assert figure.layout.xaxis.type == "log"
    assert figures.final_error(table.rename(columns={"lr": "distance"}), x="distance").layout.xaxis.type is None


def test_decay_is_drawn_against_what_is_left():
    frame = invented_run(True, case="no norm", left=[1.0, 0.5, 0.25], size=[1.5, 1.2, 1.0])
    figure = figures.decay(frame)
    np.testing.assert_allclose((figure.data[0].x, figure.data[0].y), ([1.0, 0.5, 0.25], [1.5, 1.2, 1.0]))
    assert figure.layout.xaxis.autorange == "reversed"


# The block


@pytest.mark.parametrize("skip", [True, False])
def test_the_diagram_shows_every_shape_and_price(skip):
    frame = invented_anatomy(skip)
    figure = figures.diagram(frame)
    said = texts(figure)
    assert said.count("<b>2×4×4</b>") == 1  # x into the first convolution
    assert said.count("<b>4×2×2</b>") == (5 if skip else 3)
    assert "72 parameters<br>288 mult-adds" in said
    assert "Block: 216 parameters, 864 multiply-adds for one image" in said
    assert ("16<br>additions" in said) == skip
    assert any("no shortcut" in text for text in said) == (not skip)
    assert any(text.startswith("<b>A</b>: every 2nd pixel, 2 channels of zeros<br>0 parameters") for text in said) == skip
    arrows = [note for note in figure.layout.annotations if note.arrowhead]
    assert {arrow.arrowcolor for arrow in arrows} == {theme.colour(skip, 56)}
    assert figure.layout.title.text == f"A {'residual' if skip else 'plain'} basic block, stride 2, 2 × channels"


def test_the_tiles_hold_each_channel_once_on_one_scale():
    figure = figures.tiles(invented_tensors())
    traces = keyed(figure)
    x = np.array(traces["x/tiles"].z, dtype=float)[::-1]
    assert x.shape == (5, 5)
    assert (x[0, 0], x[0, 3], x[3, 0]) == (0, 1, 2)
    assert np.isnan(x[2]).all()
    assert {(trace.zmin, trace.zmax) for trace in figure.data} == {(-4, 4)}
    assert "live, this machine, seed 3, image 7" in texts(figure)
    assert "<b>x</b><br>3×2×2" in texts(figure)


# Words


def test_the_sentence_tells_first_step_end_and_size_of_f():
    frame = pd.concat([invented_run(True), invented_run(False, (1.0, 0.9, 0.8))])
    plain, residual = figures.sentence(frame).split("; ")
    assert plain == "The plain block at lr 0.1: not within 10 % of the target in 3 steps, 90 % off at the end, F 1.8 × the size of x"
    assert residual.startswith("the residual block at lr 0.1: within 10 % of the target from step 2 on, 52 % off at the end")
    assert figures.sentence(frame) in figures.alt_text(frame)
    assert "dashed vermillion" in figures.alt_text(frame)


def test_the_sentence_over_seeds_and_of_a_broken_run():
    frame = pd.concat([invented_run(seed=0), invented_run(error=(1.0, 0.01, 0.01), seed=1)])
    assert "(seeds 0, 1): within 10 % of the target from step 1 to 2 on" in figures.sentence(frame)
    frame = pd.concat([invented_run(seed=0), invented_run(error=(1.0, 1.0, 1.0), seed=1)])
    assert "from step 2 on in 1 of 2 seeds" in figures.sentence(frame)
    assert figures.sentence(invented_run(outcome="diverged")) == "The residual block at lr 0.1 diverged at step 2."


def test_the_price_of_a_shortcut_in_words():
    assert figures.cost_sentence(invented_anatomy()) == (
        "Shortcut A costs 0 parameters, 0 multiply-adds; adding it takes 16 element-wise additions, which are no multiply-adds."
    )
    assert "Shortcut B costs 8 parameters, 32 multiply-adds (3.6 % of the block's)" in figures.cost_sentence(
        invented_anatomy(shortcut="B", projects=True)
    )
    assert figures.cost_sentence(invented_anatomy(False)) == (
        "Without a shortcut nothing is added; the block costs 216 parameters, 864 multiply-adds."
    )


def test_the_diagram_in_words_names_every_tensor():
    said = figures.block_text(invented_anatomy())
    assert "x, 2×4×4 → 3×3 conv, stride 2, 4×2×2 → ReLU, 4×2×2 → 3×3 conv, 4×2×2. Shortcut: every 2nd pixel" in said
    assert "No shortcut. Then ReLU: y, 4×2×2." in figures.block_text(invented_anatomy(False))
