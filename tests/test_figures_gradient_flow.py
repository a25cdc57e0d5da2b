"""The figures of lesson 02: what is drawn is what the frame says, whatever float32 made of it."""

import numpy as np
import pandas as pd
import pytest
from drawn import STEPS, keyed, names, notes
from invented import LIVE, against_input, autocorrelations, ends, factors, gradients, remedies, symptoms, together

from reslab.figures import gradient_factors, gradient_flow, log_scale, shattering, theme

# The gradient at each block


def test_the_profile_is_relative_to_the_last_block_and_of_the_latest_step():
    layers = together(
        gradients(step=1, gradient=np.ones(9)), gradients(step=3), gradients("resnet-8", [4, 2, 1], step=3)
    )
    figure = gradient_flow.gradient_profile(layers)
    traces = keyed(figure)
    plain, residual = traces[f"plain-20/0/{LIVE}/gradient"], traces[f"resnet-8/0/{LIVE}/gradient"]
    np.testing.assert_allclose(plain.y, np.geomspace(1000, 1, 9))
    np.testing.assert_allclose(residual.x, (100 / 3, 200 / 3, 100))
    np.testing.assert_allclose(residual.y, (4, 2, 1))
    assert list(plain.customdata[0][:2]) == ["stage1.block1", "128×8×8×8"]
    assert figure.layout.title.text == "Gradient at each block, step 3"
    assert notes(figure) == {"origin": f"seed 0 · training mode · {LIVE}"}
    assert figure.layout.yaxis.type == "log"
    absolute = keyed(gradient_flow.gradient_profile(layers, relative=False))
    np.testing.assert_allclose(absolute[f"plain-20/0/{LIVE}/gradient"].y, np.geomspace(1, 1e-3, 9))


def test_the_title_says_when_and_the_line_under_it_in_which_mode():
    assert gradient_flow.gradient_profile(gradients()).layout.title.text == "Gradient at each block, before training"
    two = gradient_flow.gradient_profile(together(gradients(step=1), gradients("resnet-20", step=5)))
    assert two.layout.title.text == "Gradient at each block, latest step"
    modes = together(gradients(), gradients("plain-20 · eval mode").assign(mode="eval"))
    # the names tell which is in eval mode
    assert notes(gradient_flow.gradient_profile(modes))["origin"] == f"seed 0 · {LIVE}"
    without = gradients().drop(columns="mode")
    assert notes(gradient_flow.gradient_profile(without))["origin"] == f"seed 0 · {LIVE}"


def test_nets_alike_in_colour_and_dash_are_told_apart_by_marks():
    names = ("plain-56", "plain-56 · no norm", "resnet-56", "plain-56 · tanh", "plain-20")
    figure = gradient_flow.gradient_profile(together(*(gradients(name, np.ones(27)) for name in names)))
    told = [(trace.mode, trace.marker.symbol) for trace in figure.data]
    assert told == [
        ("lines", None),
        ("lines+markers", "circle"),
        ("lines", None),
        ("lines+markers", "square"),
        ("lines", None),
    ]


@pytest.mark.parametrize("relative", [True, False])
def test_lost_gradients_are_marked_at_floor_and_ceiling(relative):
    figure = gradient_flow.gradient_profile(gradients(gradient=[0, np.inf, np.nan, 10, 1]), relative=relative)
    traces = keyed(figure)
    np.testing.assert_allclose(traces[f"plain-20/0/{LIVE}/gradient"].y, (np.nan, np.nan, np.nan, 10, 1))
    lost = traces[f"plain-20/0/{LIVE}/lost"]
    assert [row[3] for row in lost.customdata] == ["underflow to 0", "infinite", "not a number"]
    assert list(lost.marker.symbol) == ["triangle-down", "triangle-up", "triangle-up"]
    assert lost.y[0] < 0.3 < 10 < lost.y[1] == lost.y[2]
    low, high = 10 ** np.array(figure.layout.yaxis.range)
    assert low < lost.y[0] < lost.y[1] < high
    assert notes(figure) | {"origin": ""} == {
        "origin": "",
        "floor": "underflow to 0",
        "ceiling": "infinite or not a number",
    }


@pytest.mark.parametrize("last", [0, np.nan, np.inf])
def test_without_a_last_block_to_compare_with_all_is_marked(last):
    lost = keyed(gradient_flow.gradient_profile(gradients(gradient=[1, 2, last])))[f"plain-20/0/{LIVE}/lost"]
    assert len(lost.x) == 3
    assert lost.customdata[0][3] == "the last block has none to compare with"


# Against depth


def test_the_ratio_by_depth_is_the_median_and_the_range_over_seeds():
    ratios = {8: (1, 2, 9), 56: (100, 300, 200), 1202: (np.nan, 0)}
    plain = [ends(f"plain-{depth}", r, seed=seed) for depth, of in ratios.items() for seed, r in enumerate(of)]
    layers = together(*plain, ends("resnet-8", 4))
    figure = gradient_flow.by_depth(layers)
    traces = keyed(figure)
    plain = traces[f"plain/{LIVE}/ratio"]
    assert tuple(plain.x) == (8, 56)
    np.testing.assert_allclose((plain.y, plain.error_y.array, plain.error_y.arrayminus), ((2, 200), (7, 100), (1, 100)))
    lost = traces[f"plain/{LIVE}/lost"]
    assert (tuple(lost.x), tuple(lost.marker.symbol)) == ((1202, 1202), ("triangle-up", "triangle-down"))
    assert traces[f"resnet/{LIVE}/ratio"].name == "residual"
    assert notes(figure) == {
        "origin": f"1 to 3 seeds a net · training mode · {LIVE}",
        "floor": "underflow to 0",
        "ceiling": "not a number",
    }
    assert figure.layout.xaxis.ticktext == ("8", "56", "1202")


# Over the first steps


def test_the_first_step_of_a_training_says_how_large_the_gradient_was_before_it():
    figure = gradient_flow.over_steps(STEPS)
    first = gradient_flow.ratios(STEPS).query("step == 1").groupby("name")["ratio"].median().max()
    (note,) = [note for note in figure.layout.annotations if note.name == "first"]
    assert (note.x, note.y) == (1, pytest.approx(np.log10(first)))
    assert note.text.startswith("before training: × ")
    later = gradient_flow.over_steps(STEPS[STEPS["step"] > 1])
    assert not [note for note in later.layout.annotations if note.name == "first"]


def test_the_map_is_relative_to_the_last_block_of_its_step_and_centred_on_one():
    layers = together(gradients(gradient=[100, 10, 1], step=1), gradients(gradient=[0.5, 5, 5], step=2))
    figure = gradient_flow.first_steps(layers, steps=20)
    drawn = keyed(figure)[f"plain-20/0/{LIVE}/map"]
    np.testing.assert_allclose(np.array(drawn.z, dtype=float), [[2, -1], [1, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(drawn.y, (100 / 3, 200 / 3, 100))
    assert tuple(drawn.x) == (1, 2)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-2, 2)
    assert figure.layout.coloraxis.colorscale[0][1] == "#00224e"  # cividis
    assert tuple(figure.layout.xaxis.range) == (0.5, 20.5)
    assert figure.layout.xaxis.title.text == "Step of training,<br>plain-20"
    assert figure.layout.coloraxis.colorbar.ticktext == ("0.01", "0.1", "1", "10", "100")


def test_lost_cells_are_purple_and_named_and_a_divergence_too():
    layers = together(
        gradients(gradient=[1, 1], step=1),
        gradients(gradient=[0, 1], step=2),
        gradients(gradient=[np.nan, np.nan], step=3),
    )
    figure = gradient_flow.first_steps(layers.assign(outcome="diverged"))
    traces = keyed(figure)
    np.testing.assert_array_equal(
        np.isnan(np.array(traces[f"plain-20/0/{LIVE}/map"].z, dtype=float)), [[0, 1, 1], [0, 0, 1]]
    )
    np.testing.assert_array_equal(
        np.isnan(np.array(traces[f"plain-20/0/{LIVE}/lost"].z, dtype=float)), [[1, 0, 0], [1, 1, 0]]
    )
    assert notes(figure)[f"plain-20/0/{LIVE}/state"] == "purple: not a number or underflow to 0<br>diverged at step 3"


def test_maps_stand_side_by_side_on_one_scale():
    layers = together(gradients(step=1), gradients("resnet-8", [1e4, 1], step=1), gradients("resnet-8", [1, 1], step=2))
    figure = gradient_flow.first_steps(layers)
    plain, residual = (keyed(figure)[f"{name}/0/{LIVE}/map"] for name in ("plain-20", "resnet-8"))
    assert (plain.xaxis, residual.xaxis) == ("x", "x2")
    assert plain.coloraxis == residual.coloraxis == "coloraxis"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert figure.layout.coloraxis.cmax == 4


def test_three_maps_are_as_wide_as_one_another_and_fill_the_chart():
    figure = gradient_flow.first_steps(
        together(*(gradients(name, step=1) for name in ("plain-20", "resnet-8", "resnet-20")))
    )
    domains = [getattr(figure.layout, f"xaxis{number}").domain for number in ("", 2, 3)]
    assert [right - left for left, right in domains] == pytest.approx([domains[0][1]] * 3)
    assert (domains[0][0], domains[2][1]) == pytest.approx((0, 1))


# The factors


def test_powers_of_ten_are_written_out_near_one_and_legible_beyond():
    """Plotly draws the tick of a power at 1.25 of its font, and an exponent at 0.7 of that."""
    near, far = log_scale.ticks(-3, 3), log_scale.ticks(-4, 1)
    assert (near["tickformat"], far["exponentformat"]) == (",~r", "power")
    assert far["tickfont"]["size"] * 1.25 * 0.7 >= theme.SMALL
    assert log_scale.POWER * 0.7 >= theme.SMALL
    assert [log_scale.written(exponent) for exponent in (-3, 0, 3)] == ["0.001", "1", "1,000"]
    assert log_scale.written(-12) == log_scale.power(-12) != log_scale.power(12)


def test_the_product_runs_from_the_last_block_back():
    figure = gradient_factors.product(factors())
    traces = keyed(figure)
    # norms that do nothing are left out
    assert [key.split("/")[1] for key in traces] == ["all together", "activations", "weights"]
    np.testing.assert_allclose(traces["plain-20/weights/product"].y, (1e5, 1e3, 1))
    np.testing.assert_allclose(traces["plain-20/activations/product"].y, (1e-5, 1e-3, 1))
    np.testing.assert_allclose(traces["plain-20/all together/product"].y, (1, 1, 1))
    np.testing.assert_allclose(traces["plain-20/weights/product"].x, (100 / 3, 200 / 3, 100))
    assert names(figure) == [
        f"weights<br>× {log_scale.power('5.0')}",
        f"<b>all together</b><br>× {log_scale.power('0.0')}",
        f"activations<br>× {log_scale.power('-5.0')}",
    ]
    residual = keyed(gradient_factors.product(factors(skip=True)))
    np.testing.assert_allclose(residual["resnet-20/skip + branch/product"].y, (32, 8, 1))
    assert residual["resnet-20/all together/product"].line.color == theme.colour(True, 20)
    with pytest.raises(ValueError, match="one net at a time; this frame has 2"):
        gradient_factors.product(together(factors(), factors(skip=True)))


def test_a_remedy_is_its_parts_and_their_sum():
    frame = remedies()
    frame = frame[frame["kind"] != "norms"]
    figure = gradient_factors.remedies(frame)
    traces = keyed(figure)
    assert tuple(traces["activations/decades"].x) == (-29.5,)
    assert tuple(traces["weights/decades"].x) == (-9.5,)
    plain, residual = traces["plain/total"], traces["residual/total"]
    assert (tuple(plain.x), tuple(plain.error_x.array), tuple(residual.x)) == ((-39,), (1,), (2,))
    assert notes(figure)["1/total"] == f"<b>× {log_scale.power('-39.0')}</b>"
    assert figure.layout.yaxis.ticktext == ("1. sigmoid", "2. + skips")
    low, high = figure.layout.xaxis.range
    assert low < -40 < 2 < high


def test_a_dead_net_has_a_chart_and_its_gradient_is_0():
    frame = factors()
    frame.loc[frame["index"] == frame["index"].min(), "factor"] = 0.0
    figure = gradient_factors.product(frame)
    assert np.isfinite(figure.layout.yaxis.range).all()
    assert any("× 0" in note.text for note in figure.layout.annotations)
    only = remedies().assign(decades=-np.inf)
    assert np.isfinite(gradient_factors.remedies(only).layout.xaxis.range).all()
    assert notes(gradient_factors.remedies(only))["1/total"] == "<b>× 0</b>"


def test_bars_differ_by_more_than_colour():
    patterns = [
        trace.marker.pattern.shape for trace in gradient_factors.remedies(remedies()).data if trace.type == "bar"
    ]
    assert len(patterns) == len(set(patterns)) == 4


# What trains


def test_symptoms_are_numbered_markers_and_a_divergence_is_a_cross():
    frame = symptoms()
    figure = gradient_factors.symptoms(frame)
    traces = keyed(figure)
    tanh, broken = traces["plain-56 · tanh/symptoms"], traces["resnet-56/symptoms"]
    assert (tuple(tanh.x), tuple(tanh.y), tuple(tanh.text), tanh.name) == (
        (3,),
        (50,),
        ("<b> 1 </b>",),
        "1 plain-56 · tanh",
    )
    three = together(*(frame[:1].assign(seed=seed, train_error=error) for seed, error in enumerate((0.3, 0.9, 0.5))))
    (net,) = gradient_factors.symptoms(three).data
    assert tuple(net.text) == ("", "", "<b>\u20021\u2002</b>")  # at the median
    assert (tuple(broken.y), tuple(broken.marker.symbol)) == ((100,), ("x",))
    assert broken.name.replace("<br>", " ") == "2 resnet-56, ×: diverged, no error"
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.1, 10)


# Shattering


def test_gradients_are_stacked_each_over_its_own_spread():
    flat = against_input("white noise", 0, gradient=(5.0, 5.0))
    figure = shattering.gradients(together(against_input(), against_input(seed=1, gradient=(9.0, 9.0)), flat))
    traces = keyed(figure)
    assert tuple(traces["plain · BatchNorm/24/gradient"].y) == (-1, 1, -1, 1)  # of the first seed
    # nothing varies: a flat line
    assert tuple(traces["white noise/0/gradient"].y) == (-shattering.STEP, -shattering.STEP)
    assert figure.layout.yaxis.ticktext == ("plain · BatchNorm, 24 layers", "white noise")


def test_autocorrelation_by_depth_is_mean_and_range_and_the_noises_are_levels():
    plain = (("plain", 1, (0.9, 1.0)), ("plain", 50, (-0.1, 0.1)))
    measured = autocorrelations(*plain, ("residual", 50, (0.6, 0.8)), ("white noise", 0, (-0.1, 0.0)))
    figure = shattering.by_depth(measured)
    plain = keyed(figure)["plain/depth"]
    np.testing.assert_allclose((plain.x, plain.y, plain.error_y.array), ((1, 50), (0.95, 0), (0.05, 0.1)), atol=1e-12)
    assert "white noise −0.05" in names(figure)
    assert figure.layout.shapes[0].y0 == -0.05


# All of them


CHARTS = {
    gradient_flow.gradient_profile: gradients(),
    gradient_flow.by_depth: gradients(),
    gradient_flow.first_steps: gradients(step=1),
    gradient_factors.product: factors(),
    gradient_factors.remedies: remedies(),
    gradient_factors.symptoms: symptoms(),
    shattering.gradients: against_input(),
    shattering.by_depth: autocorrelations(("plain", 1, (0.9,))),
}  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__)
def test_every_chart_names_its_axes_and_can_be_empty(chart):
    frame = CHARTS[chart]
    figure = chart(frame)
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert notes(figure)["origin"].replace("<br>", " ").endswith(LIVE)
    for nothing in (frame[:0], pd.DataFrame()):
        empty = chart(nothing, empty="Turn something on.")
        assert len(empty.data) == 0
        assert notes(empty)["empty"] == "Turn something on."
    lacking = frame.drop(columns="name")
    with pytest.raises(ValueError, match="cannot be made: the frame lacks name"):
        chart(lacking)
