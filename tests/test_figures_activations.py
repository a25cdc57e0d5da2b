"""The figures of lesson 04: what is drawn is what the frame says, from 8 layers to 1202, and the sentences are made of it."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from reslab.figures import activations, feature_maps, histograms, theme

LIVE = "live, this machine"


def labelled(frame, name, state, seed, error):
    trained = state == "trained"
    labels = {"name": f"{name} · {state}", "skip": name.startswith("resnet"), "depth": int(name.split("-")[1]), "seed": seed}
    labels |= {"origin": LIVE, "step": 60 if trained else 0, "outcome": "finished" if trained else "untrained"}
    return frame.assign(**labels, train_error=error if trained else np.nan)


def invented_signal(name="plain-20", value=0.5, state="trained", *, seed=0, blocks=9, error=0.01, **columns):
    """Test input, never product data: every statistic of every block is `value`, unless a column is given."""
    index = np.arange(1, blocks + 1)
    frame = pd.DataFrame({"module": [f"stage1.block{i}" for i in index], "index": index, "shape": "397×8×8×8"})
    return labelled(frame.assign(**dict.fromkeys(activations.STATISTICS, value)).assign(**columns), name, state, seed, error)


def invented_responses(name, values, *, seed=0, error=0.01):
    """Test input, never product data: a layer a value."""
    index = np.arange(1, len(values) + 1)
    frame = pd.DataFrame({"module": [f"layer{i}" for i in index], "index": index, "shape": "397×8×8×8", "std": values})
    return labelled(frame, name, "trained", seed, error)


def invented_maps(name="plain-20", state="trained", channels=(8, 16, 32), sizes=(8, 4, 2)):
    """Test input, never product data: three blocks, in which the value of a pixel is its channel."""
    rows = [{"module": "image", "index": 0, "channel": 0, "map": np.arange(64.0).reshape(8, 8)}]
    for index, (count, size) in enumerate(zip(channels, sizes, strict=True), 1):
        rows += [{"module": f"block{index}", "index": index, "channel": c, "map": np.full((size, size), float(c))} for c in range(count)]
    return labelled(pd.DataFrame(rows).assign(says="3"), name, state, 0, 0.01)


def invented_histograms(name="plain-20", shares=((0.5, 0.25, 0.25, 0), (0.25, 0.25, 0.25, 0.25))):
    """Test input, never product data: bins from 0 to 0.25, 0.5 and on, and one below."""
    left, right = [-np.inf, 0, 0.25, 0.5], [0, 0.25, 0.5, np.inf]
    rows = [
        {"module": f"block{index}", "index": index, "left": a, "right": b, "share": share}
        for index, block in enumerate(shares, 1)
        for a, b, share in zip(left, right, np.roll(block, 1) if index == 9 else [0, *block[:3]], strict=True)
    ]
    return labelled(pd.DataFrame(rows), name, "trained", 0, 0.01)


def together(*frames):
    return pd.concat(frames, ignore_index=True)


def keyed(figure):
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys), "two traces share a key"
    go.Figure(figure.to_dict())  # valid in full, in this version of plotly
    return dict(zip(keys, figure.data, strict=True))


def notes(figure):
    return {note.name: note.text for note in figure.layout.annotations}


# The profile


@pytest.mark.parametrize("statistic", activations.STATISTICS)
def test_a_profile_is_the_frame(statistic):
    values = np.linspace(0.1, 0.9, 9)
    figure = activations.profile(together(invented_signal(**{statistic: values}), invented_signal("resnet-56", blocks=27)), statistic)
    plain = keyed(figure)[f"plain-20 · trained/0/{LIVE}/profile"]
    np.testing.assert_allclose(plain.y, values * activations.STATISTICS[statistic].factor)
    np.testing.assert_allclose(plain.x, 100 * np.arange(1, 10) / 9)
    assert figure.layout.yaxis.type == ("log" if activations.STATISTICS[statistic].log else "linear")
    assert activations.STATISTICS[statistic].axis in figure.layout.yaxis.title.text
    assert notes(figure)["origin"] == "live, this machine, seed 0"


def test_a_profile_tells_nets_and_states_apart_without_colour():
    states = [invented_signal(name, state=state) for name in ("plain-20", "resnet-20") for state in ("untrained", "trained")]
    traces = keyed(activations.profile(together(*states)))
    look = {key.split("/")[0]: (trace.line.dash, trace.marker.symbol) for key, trace in traces.items() if key.endswith("profile")}
    assert look == {
        "plain-20 · untrained": ("5px,3px", "diamond-open"),
        "plain-20 · trained": ("5px,3px", "diamond"),
        "resnet-20 · untrained": ("solid", "circle-open"),
        "resnet-20 · trained": ("solid", "circle"),
    }
    assert traces["level"].name == "as large as x (1)"
    assert set(traces["level"].y) == {1}


@pytest.mark.parametrize("blocks", [3, 600])
def test_a_profile_is_legible_at_8_layers_as_at_1202(blocks):
    frame = invented_signal("resnet-8" if blocks == 3 else "resnet-1202", blocks=blocks, ratio=np.geomspace(1.5, 0.05, blocks))
    figure = activations.profile(frame, opened=blocks)
    line = keyed(figure)[f"{frame['name'][0]}/0/{LIVE}/profile"]
    assert len(line.y) == blocks
    assert line.marker.maxdisplayed == 24
    assert 2 <= sum(0.05 <= tick <= 1.5 for tick in figure.layout.yaxis.tickvals) <= 8


def test_the_opened_block_wears_a_ring_in_every_net_that_has_it():
    frame = together(invented_signal(blocks=9), invented_signal("resnet-8", blocks=3))
    traces = keyed(activations.profile(frame, opened=5))
    assert [key for key in traces if key.endswith("opened")] == [f"plain-20 · trained/0/{LIVE}/opened"]
    np.testing.assert_allclose(traces[f"plain-20 · trained/0/{LIVE}/opened"].x, [500 / 9])


def test_what_is_not_finite_is_a_mark_with_a_name():
    ratio = [1.0, np.nan, np.inf, 2.0]
    figure = activations.profile(invented_signal(blocks=4, ratio=ratio))
    traces = keyed(figure)
    np.testing.assert_array_equal(traces[f"plain-20 · trained/0/{LIVE}/profile"].y, [1, np.nan, np.nan, 2])
    lost = traces[f"plain-20 · trained/0/{LIVE}/lost"]
    assert list(lost.text) == ["not a number", "infinite"]
    low, high = 10 ** np.array(figure.layout.yaxis.range)
    assert low < 1 < 2 < lost.y[0] < high
    alone = activations.profile(invented_signal(blocks=4, ratio=np.nan))
    assert len(keyed(alone)[f"plain-20 · trained/0/{LIVE}/lost"].y) == 4


def test_no_cosine_where_the_shape_changes_is_no_loss():
    traces = keyed(activations.profile(invented_signal(blocks=3, cosine=[0.3, np.nan, 0.4]), "cosine"))
    assert f"plain-20 · trained/0/{LIVE}/lost" not in traces
    assert traces["level"].y[0] == pytest.approx(1 / np.pi)


@pytest.mark.parametrize("draw", [activations.profile, activations.responses, activations.by_depth, feature_maps.walk, histograms.net])
def test_nothing_measured_is_a_sentence_on_axes(draw):
    figure = draw(pd.DataFrame(), empty="Pick a net.")
    assert len(figure.data) == 0
    assert notes(figure)["empty"] == "Pick a net."


@pytest.mark.parametrize("draw", [feature_maps.block, histograms.block])
def test_no_block_measured_is_a_sentence_on_axes(draw):
    figure = draw(pd.DataFrame(), 3, empty="Pick a net.")
    assert len(figure.data) == 0
    assert notes(figure)["empty"] == "Pick a net."


def test_errors_name_what_was_wrong_and_what_is_allowed():
    for ask in (activations.profile, activations.sentence):
        with pytest.raises(ValueError, match=r"statistic is 'size'; it can be 'ratio', 'cosine', 'activation_rms'"):
            ask(invented_signal(), "size")
    with pytest.raises(ValueError, match=r"What a block adds, against what it gets cannot be drawn: the frame lacks ratio; it needs name,"):
        activations.profile(invented_signal().drop(columns="ratio"))
    with pytest.raises(ValueError, match="A histogram cannot be drawn: the frame lacks left"):
        histograms.block(invented_histograms().drop(columns="left"), 1)
    with pytest.raises(ValueError, match="A feature map cannot be drawn: the frame lacks map"):
        feature_maps.block(invented_maps().drop(columns="map"), 1)


def test_plain_dictionaries_hold_the_same_charts():
    drawings = [
        (activations.profile, invented_signal(), ()),
        (activations.responses, invented_responses("plain-20", [1, 2]), ()),
        (feature_maps.block, invented_maps(), (2,)),
        (feature_maps.walk, invented_maps(), ()),
        (histograms.block, invented_histograms(), (1,)),
        (histograms.net, invented_histograms(), ()),
    ]
    for draw, frame, more in drawings:
        assert go.Figure(**draw(frame, *more, draw=theme.chart)).to_json() == draw(frame, *more).to_json()


# Fig. 7, and what BatchNorm does by depth


def test_responses_are_a_line_a_net_by_layer():
    figure = activations.responses(together(invented_responses("plain-20", [0.2, 0.4]), invented_responses("resnet-56", [0.1, 0.1, 0.3])))
    traces = keyed(figure)
    np.testing.assert_allclose(traces[f"plain-20 · trained/0/{LIVE}/response"].y, [0.2, 0.4])
    np.testing.assert_allclose(traces[f"resnet-56 · trained/0/{LIVE}/response"].x, [100 / 3, 200 / 3, 100])
    assert figure.layout.yaxis.title.text == "Standard deviation after BatchNorm (log scale)"


def test_by_depth_is_the_mean_and_range_over_seeds_of_the_mean_over_blocks():
    frames = []
    for norm, scale in (("batch", 1.0), ("none", 2.0)):
        for depth, blocks in ((8, 3), (20, 9)):
            for seed in (0, 1):
                ratio = np.linspace(0.5, 1.5, blocks) * scale * (1 + 0.1 * seed) / (blocks**0.5 if norm == "batch" else 1)
                frame = invented_signal(f"resnet-{depth}", state="untrained", seed=seed, blocks=blocks, ratio=ratio)
                frames.append(frame.assign(norm=norm))
    frame = together(*frames)
    figure = activations.by_depth(frame)
    traces = keyed(figure)
    batch = traces["norm/batch"]
    assert list(batch.x) == [3, 9]
    np.testing.assert_allclose(batch.y, [1.05 / 3**0.5, 1.05 / 3])
    np.testing.assert_allclose(batch.error_y.array, [0.05 / 3**0.5, 0.05 / 3])
    np.testing.assert_allclose(traces["guide"].y, batch.y)  # it falls as 1/√blocks here
    assert traces["norm/none"].marker.symbol != batch.marker.symbol
    assert list(figure.layout.xaxis.ticktext) == ["3<br>(8 layers)", "9<br>(20 layers)"]
    assert activations.depth_sentence(frame) == (
        "Before training, with BatchNorm |F(x)| goes from 0.61 × |x| at 8 layers to 0.35 at 20, as the number of blocks to the power −0.50;"
        " without it from 2.10 × |x| at 8 layers to 2.10 at 20, as the number of blocks to the power 0.00."
    )


# Histograms


def test_a_blocks_histogram_is_its_shares_in_percent():
    figure = histograms.block(together(invented_histograms(), invented_histograms("resnet-20")), 1)
    trace = keyed(figure)[f"plain-20 · trained/0/{LIVE}/histogram"]
    np.testing.assert_allclose(trace.x, [-0.25, 0, 0.25, 0.5])
    np.testing.assert_allclose(trace.y[1:], [50, 25, 25])
    assert trace.y[0] < 10 ** figure.layout.yaxis.range[0]  # nothing there: below the chart
    assert trace.line.shape == "hv"
    assert figure.layout.title.text == "Histogram of block 1"
    last = keyed(histograms.block(invented_histograms(), 99))[f"plain-20 · trained/0/{LIVE}/histogram"]
    np.testing.assert_allclose(last.y[1:], [25, 25, 25])


def test_a_nets_histograms_are_a_panel_a_net():
    figure = histograms.net(together(invented_histograms(), invented_histograms("resnet-20")))
    plain, residual = figure.data
    np.testing.assert_allclose(plain.z[1], np.log10([50, 25]))
    assert np.isnan(plain.z[0]).all()
    assert (plain.xaxis, residual.xaxis) == ("x", "x2")
    assert figure.layout.xaxis2.title.text == "Block of resnet-20 · trained"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert [trace.showscale for trace in figure.data] == [True, False]
    assert histograms.alt_text(invented_histograms()) == (
        "Histograms of the activations at block outputs. plain-20 · trained: the largest lie in the bin from 0.5 in the first block,"
        " from 0.5 in the last."
    )


# Feature maps


def test_every_channel_of_a_block_is_on_the_chart_plain_above():
    figure = feature_maps.block(together(invented_maps("resnet-20"), invented_maps("plain-20")), 2)
    traces = keyed(figure)
    assert list(traces) == ["maps/0", "maps/1", "image"]
    z, channel = np.array(traces["maps/0"].z, float), np.array(traces["maps/0"].customdata)
    assert sorted(np.unique(channel)) == list(range(-1, 16))
    np.testing.assert_array_equal(z[channel >= 0], channel[channel >= 0])
    assert np.isnan(z[channel < 0]).all()
    assert all((channel == c).sum() == 16 for c in range(16))
    assert figure.layout.yaxis.title.text == "plain-20<br>trained"
    assert figure.layout.yaxis2.title.text == "resnet-20<br>trained"
    assert figure.layout.xaxis.title.text == "block2: 16 channels of 4 × 4; the net says: 3"
    assert figure.layout.yaxis.scaleanchor == "x"
    np.testing.assert_array_equal(traces["image"].z, np.arange(64.0).reshape(8, 8))
    assert traces["maps/0"].zmax is None  # each net has a scale of its own, and a bar that says which
    assert feature_maps.alt_text(together(invented_maps("plain-20")), 2) == (
        "Feature maps of block 2, lighter where the activation is larger. plain-20 · trained: 16 maps, 1 of them 0 everywhere, the largest"
        " activation 15.00."
    )


def test_a_block_that_a_net_does_not_have_is_its_last():
    figure = feature_maps.block(together(invented_maps("plain-20"), invented_maps("resnet-8", channels=(8,), sizes=(8,))), 3)
    assert figure.layout.xaxis.title.text.startswith("block3: 32 channels of 2 × 2")
    assert figure.layout.xaxis2.title.text.startswith("block1: 8 channels of 8 × 8")


def test_a_walk_shows_the_same_channels_of_every_block():
    figure = feature_maps.walk(together(invented_maps("plain-20"), invented_maps("resnet-20")), channels=3)
    z = np.array(figure.data[0].z, float)
    assert z.shape == (27, 27)  # three channels high and three blocks wide, each 8 pixels and a gap
    np.testing.assert_allclose(z[[0, 9, 18]][:, [0, 9, 18]], [[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]])
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "3"]


def test_a_walk_through_1202_layers_shows_27_blocks_evenly_spread():
    frame = invented_maps("resnet-1202", channels=(3,) * 600, sizes=(4,) * 600)
    figure = feature_maps.walk(frame)
    shown = [int(text) for text in figure.layout.xaxis.ticktext]
    assert len(shown) == 27
    assert (shown[0], shown[-1]) == (1, 600)
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 1


# The sentences


def test_the_sentence_is_made_of_the_frame():
    frame = together(
        *(invented_signal("resnet-56", value, state, ratio=value) for value, state in ((0.5, "untrained"), (0.4, "trained"))),
        *(invented_signal("plain-56", 1.4, state, error=0.8) for state in ("untrained", "trained")),
        invented_signal("resnet-20", 0.7, seed=0),
        invented_signal("resnet-20", 0.9, seed=1),
        invented_signal("plain-20", 1.3, "untrained"),
    )
    assert activations.sentence(frame) == (
        "On average over the blocks, |F(x)| is 1.30 × |x| in the untrained plain-20, 1.40 in plain-56 (untrained 1.40), 0.80 in resnet-20"
        " and 0.40 in resnet-56 (untrained 0.50); plain-56 did not learn: it gets 80.0 % of the training images wrong."
    )
    assert activations.sentence(frame[frame["depth"] == 20], "activation_dead") == (
        "On average over the blocks, the share of dead channels is 130.0 % in the untrained plain-20 and 80.0 % in resnet-20."
    )
    assert activations.sentence(frame[:0]) == "Nothing has been measured yet."
    assert activations.alt_text(frame[frame["name"] == "resnet-56 · trained"], "cosine") == (
        "Line chart of one statistic of the signal against the way through the net, block by block. Lines: resnet-56 · trained (solid"
        " blue); open markers are untrained nets. On average over the blocks, the cosine of a block's output with its input is"
        " 0.40 in resnet-56."
    )


def test_a_net_that_diverged_is_named():
    frame = invented_signal("resnet-20", np.nan, outcome="diverged", error=np.nan).assign(outcome="diverged")
    said = "On average over the blocks, |F(x)| is no finite number in resnet-20; resnet-20 diverged."
    assert activations.sentence(frame) == said


def test_responses_in_words_count_the_layers_of_twins():
    twins = (invented_responses("plain-20", [0.3, 0.2, 0.1]), invented_responses("resnet-20", [0.2, 0.3, 0.05]))
    frame = together(*twins, invented_responses("resnet-56", [0.1] * 5))
    assert activations.responses_sentence(frame) == (
        "Averaged over the layers, the standard deviation of the response is 0.20 in plain-20, 0.18 in resnet-20 and 0.10 in resnet-56;"
        " 2 of the 3 layers of resnet-20 respond less than those of plain-20."
    )
