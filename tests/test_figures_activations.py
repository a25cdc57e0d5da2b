"""The figures of lesson 04: what is drawn is what the frame says, from 8 layers to 1202."""

import invented
import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names, notes
from invented import LIVE, at_initialisation, edits, maps, responses, signal, together

from reslab.figures import activations, feature_maps, histograms, panes

# The profile


@pytest.mark.parametrize("statistic", activations.STATISTICS)
def test_a_profile_is_the_frame(statistic):
    values = np.linspace(0.1, 0.9, 9)
    figure = activations.profile(together(signal(**{statistic: values}), signal("resnet-56", blocks=27)), statistic)
    plain = keyed(figure)[f"plain-20 · trained/0/{LIVE}/profile"]
    np.testing.assert_allclose(plain.y, values * activations.STATISTICS[statistic].factor)
    np.testing.assert_allclose(plain.x, 100 * np.arange(1, 10) / 9)
    assert figure.layout.yaxis.type == ("log" if activations.STATISTICS[statistic].log else "linear")
    assert activations.STATISTICS[statistic].axis in figure.layout.yaxis.title.text.replace("<br>", " ")
    assert notes(figure)["origin"] == "seed 0 · live, this machine"


def test_a_profile_tells_nets_and_states_apart_without_colour():
    states = [signal(name, state=state) for name in ("plain-20", "resnet-20") for state in ("untrained", "trained")]
    traces = keyed(activations.profile(together(*states)))
    look = {
        key.split("/")[0]: (trace.line.dash, trace.marker.symbol)
        for key, trace in traces.items()
        if key.endswith("profile")
    }
    assert look == {
        "plain-20 · untrained": ("5px,3px", "diamond-open"),
        "plain-20 · trained": ("5px,3px", "diamond"),
        "resnet-20 · untrained": ("solid", "circle-open"),
        "resnet-20 · trained": ("solid", "circle"),
    }
    assert "as large as x (1)" in names(activations.profile(together(*states)))
    assert set(traces["level"].y) == {1}


@pytest.mark.parametrize("blocks", [3, 600])
def test_a_profile_is_legible_at_8_layers_as_at_1202(blocks):
    frame = signal("resnet-8" if blocks == 3 else "resnet-1202", blocks=blocks, ratio=np.geomspace(1.5, 0.05, blocks))
    figure = activations.profile(frame, opened=blocks)
    line = keyed(figure)[f"{frame['name'][0]}/0/{LIVE}/profile"]
    assert len(line.y) == blocks
    assert line.marker.maxdisplayed == 24
    assert 2 <= sum(0.05 <= tick <= 1.5 for tick in figure.layout.yaxis.tickvals) <= 8


def test_the_opened_block_has_a_ring_in_every_net_that_has_it():
    frame = together(signal(blocks=9), signal("resnet-8", blocks=3))
    traces = keyed(activations.profile(frame, opened=5))
    assert [key for key in traces if key.endswith("opened")] == [f"plain-20 · trained/0/{LIVE}/opened"]
    np.testing.assert_allclose(traces[f"plain-20 · trained/0/{LIVE}/opened"].x, [500 / 9])


def test_what_is_not_finite_is_a_mark_with_a_name():
    ratio = [1.0, np.nan, np.inf, 2.0]
    figure = activations.profile(signal(blocks=4, ratio=ratio))
    traces = keyed(figure)
    np.testing.assert_array_equal(traces[f"plain-20 · trained/0/{LIVE}/profile"].y, [1, np.nan, np.nan, 2])
    lost = traces[f"plain-20 · trained/0/{LIVE}/lost"]
    assert list(lost.text) == ["not a number", "infinite"]
    low, high = 10 ** np.array(figure.layout.yaxis.range)
    assert low < 1 < 2 < lost.y[0] < high
    alone = activations.profile(signal(blocks=4, ratio=np.nan))
    assert len(keyed(alone)[f"plain-20 · trained/0/{LIVE}/lost"].y) == 4


def test_no_cosine_where_the_shape_changes_is_no_loss():
    traces = keyed(activations.profile(signal(blocks=3, cosine=[0.3, np.nan, 0.4]), "cosine"))
    assert f"plain-20 · trained/0/{LIVE}/lost" not in traces
    assert traces["level"].y[0] == pytest.approx(1 / np.pi)


@pytest.mark.parametrize(
    "draw", [activations.profile, activations.responses, activations.by_depth, feature_maps.walk, histograms.net]
)
def test_nothing_measured_is_a_sentence_on_axes(draw):
    figure = draw(pd.DataFrame(), empty="Pick a net.")
    assert len(figure.data) == 0
    assert notes(figure)["empty"] == "Pick a net."


@pytest.mark.parametrize("draw", [feature_maps.block, feature_maps.edit, histograms.block])
def test_no_block_measured_is_a_sentence_on_axes(draw):
    figure = draw(pd.DataFrame(), 3, empty="Pick a net.")
    assert len(figure.data) == 0
    assert notes(figure)["empty"] == "Pick a net."


def test_errors_name_what_was_wrong_and_what_is_allowed():
    with pytest.raises(ValueError, match=r"statistic is 'size'; it can be 'ratio', 'cosine', 'cka'"):
        activations.profile(signal(), "size")
    with pytest.raises(
        ValueError,
        match=r"What a block adds, against what it gets cannot be made: the frame lacks ratio; it needs name,",
    ):
        activations.profile(signal().drop(columns="ratio"))
    with pytest.raises(ValueError, match="A histogram cannot be made: the frame lacks left"):
        histograms.block(invented.histograms().drop(columns="left"), 1)
    with pytest.raises(ValueError, match="A feature map cannot be made: the frame lacks map"):
        feature_maps.block(maps().drop(columns="map"), 1)
    with pytest.raises(ValueError, match=r"A block's x and F\(x\) cannot be made: the frame lacks branch"):
        feature_maps.edit(edits().drop(columns="branch"), 1)


# Fig. 7, and what BatchNorm does by depth


def test_responses_are_a_line_a_net_by_layer():
    figure = activations.responses(together(responses("plain-20", [0.2, 0.4]), responses("resnet-56", [0.1, 0.1, 0.3])))
    traces = keyed(figure)
    np.testing.assert_allclose(traces[f"plain-20 · trained/0/{LIVE}/response"].y, [0.2, 0.4])
    np.testing.assert_allclose(traces[f"resnet-56 · trained/0/{LIVE}/response"].x, [100 / 3, 200 / 3, 100])
    assert figure.layout.yaxis.title.text == "Standard deviation after BatchNorm<br>(log scale)"


def test_by_depth_is_the_mean_and_range_over_seeds_of_the_mean_over_blocks():
    frame = at_initialisation()
    figure = activations.by_depth(frame)
    traces = keyed(figure)
    batch = traces["norm/batch"]
    assert list(batch.x) == [3, 9]
    np.testing.assert_allclose(batch.y, [1.05 / 3**0.5, 1.05 / 3])
    np.testing.assert_allclose(batch.error_y.array, [0.05 / 3**0.5, 0.05 / 3])
    np.testing.assert_allclose(traces["guide"].y, batch.y)  # it falls as 1/√blocks here
    assert traces["norm/none"].marker.symbol != batch.marker.symbol
    assert list(figure.layout.xaxis.ticktext) == ["3<br>(8 layers)", "9<br>(20 layers)"]


# Histograms


def test_a_blocks_histogram_is_its_shares_in_percent():
    figure = histograms.block(together(invented.histograms(), invented.histograms("resnet-20")), 1)
    trace = keyed(figure)[f"plain-20 · trained/0/{LIVE}/histogram"]
    np.testing.assert_allclose(trace.x, [-0.25, 0, 0.25, 0.5])
    np.testing.assert_allclose(trace.y[1:], [50, 25, 25])
    assert trace.y[0] < 10 ** figure.layout.yaxis.range[0]  # nothing there: below the chart
    assert trace.line.shape == "hv"
    assert figure.layout.title.text == "Histogram of block 1"
    last = keyed(histograms.block(invented.histograms(), 99))[f"plain-20 · trained/0/{LIVE}/histogram"]
    np.testing.assert_allclose(last.y[1:], [25, 25, 25])


def test_a_nets_histograms_are_a_panel_a_net():
    figure = histograms.net(together(invented.histograms(), invented.histograms("resnet-20")))
    plain, residual = figure.data
    np.testing.assert_allclose(plain.z[1], np.log10([50, 25]))
    assert np.isnan(plain.z[0]).all()
    assert (plain.xaxis, residual.xaxis) == ("x", "x2")
    assert figure.layout.xaxis2.title.text == "Block of resnet-20 · trained"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert [trace.showscale for trace in figure.data] == [True, False]


# Feature maps


def test_every_channel_of_a_block_is_on_the_chart_plain_at_the_left():
    figure = feature_maps.block(together(maps("resnet-20"), maps("plain-20")), 2)
    traces = keyed(figure)
    assert list(traces) == ["maps/0", "maps/1", "image"]
    drawn = np.array(traces["maps/0"].z, float)
    channel, z = np.array(traces["maps/0"].customdata), np.array(traces["maps/0"].text, float)
    assert sorted(np.unique(channel)) == list(range(-1, 16))
    np.testing.assert_array_equal(z[channel >= 0], channel[channel >= 0])
    assert np.isnan(z[channel < 0]).all()
    np.testing.assert_allclose(drawn, np.sqrt(z))  # dim pixels can be seen beside a bright one
    assert all((channel == c).sum() == 16 for c in range(16))
    assert figure.layout.yaxis.title.text == "plain-20 · trained"
    assert figure.layout.yaxis2.title.text == "resnet-20 · trained"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert figure.layout.xaxis.title.text == "block2: 16 maps of 4 × 4<br>yellow: 15 (root scale); answer: 3"
    assert figure.layout.yaxis.scaleanchor == "x"
    np.testing.assert_array_equal(traces["image"].z, np.arange(64.0).reshape(8, 8))
    assert traces["maps/0"].zmax == pytest.approx(np.sqrt(15))  # each net has a scale of its own


def test_a_block_that_a_net_does_not_have_is_its_last():
    figure = feature_maps.block(together(maps("plain-20"), maps("resnet-8", channels=(8,), sizes=(8,))), 3)
    assert figure.layout.xaxis.title.text.startswith("block3: 32 maps of 2 × 2")
    assert figure.layout.xaxis2.title.text.startswith("block1: 8 maps of 8 × 8")


def test_a_walk_shows_the_same_channels_of_every_block():
    nets = [maps(name, channels=(4, 4, 4), sizes=(8, 8, 4)) for name in ("plain-20", "resnet-20")]
    figure = feature_maps.walk(together(*nets), channels=3)
    z = np.array(figure.data[0].z, float)
    assert z.shape == (27, 27)  # three channels high and three blocks wide, each 8 pixels and a gap
    np.testing.assert_allclose(z[[0, 9, 18]][:, [0, 9, 18]], [[0, 0, 0], [1, 1, 1], [1, 1, 1]])
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "3"]
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]  # the nets stand beside each other
    assert list(feature_maps.walk(together(*nets), blocks=(2, 3)).layout.xaxis2.ticktext) == ["2", "3"]


def test_a_sum_is_shown_with_its_numbers_and_a_plain_block_has_none():
    residual = edits("resnet-20", outputs=((0, 3, 5, 1),))
    figure = feature_maps.edit(together(edits(), residual), 1)
    traces, said = keyed(figure), notes(figure)
    assert list(traces) == ["image/image", "0/x", "0/branch", "0/y", "1/x", "1/y"]
    np.testing.assert_array_equal(np.add(traces["0/x"].z, traces["0/branch"].z), traces["0/y"].z)
    assert {trace.zmax for key, trace in traces.items() if key != "image/image"} == {traces["0/x"].zmax}
    assert (traces["0/branch"].zmin, traces["0/x"].zmin) == (-traces["0/x"].zmax, 0)
    assert np.array(traces["image/image"].z).tolist() == [[[255] * 3, [0] * 3], [[0] * 3, [255] * 3]]
    assert said["0/x/bottom"] == f"{panes.large('4.00')}<br>RMS 2.50"
    assert said["0/branch/bottom"].startswith(panes.large("+ 1.00"))
    assert said["0/y/bottom"].startswith(panes.large("= 5.00"))
    assert said["1/y/bottom"] == f"{panes.large('0.00')}<br>RMS 2.50<br>cosine of x and y 0.60"
    assert said["1/plain"].endswith("nothing is added")
    assert (said["0/+"], said["0/="]) == ("+", "=")
    assert {(shape.x0, shape.y0) for shape in figure.layout.shapes} == {(-1, 0)}  # round the 4, in every map
    assert figure.layout.yaxis2.title.text == "resnet-20, block 1"


@pytest.mark.parametrize(("branch", "said"), [(-1, "= 3.00"), (-4, "= 0.00"), (-6.5, "= −2.50, so 0")])
def test_a_sum_below_zero_says_what_the_relu_makes_of_it(branch, said):
    residual = edits("resnet-20", outputs=((0, 3, max(4 + branch, 0), 0),))
    residual["branch"] = [np.array([[0.0, 0.0], [branch, 0.0]])] * len(residual)
    drawn = notes(feature_maps.edit(residual, 1))
    assert drawn["0/branch/bottom"].startswith(panes.large(f"− {-branch:.2f}"))
    assert drawn["0/y/bottom"].startswith(panes.large(said))
