"""The figures of lesson 02: what is drawn and said is what the frame says, whatever float32 made of it."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from reslab.figures import gradient_factors, gradient_flow, shattering, theme
from reslab.figures.text.phrases import power, times
from reslab.figures.text.phrases import scientific as amount

LIVE = "live, this machine"


def invented(name="plain-20", gradient=None, *, step=0, seed=0, **columns):
    """Test input, never product data: one step of a net with three blocks a stage."""
    gradient = np.geomspace(1, 1e-3, 9) if gradient is None else np.array(gradient, dtype=float)
    index = np.arange(1, len(gradient) + 1)
    frame = pd.DataFrame({"step": step, "module": [f"stage1.block{i}" for i in index], "index": index, "shape": "128×8×8×8"})
    depth = int(name.split("-")[1].split()[0])
    labels = {"name": name, "skip": name.startswith("resnet"), "depth": depth, "seed": seed, "origin": LIVE, "mode": "train"}
    return frame.assign(**labels, gradient_rms=gradient, **columns)


def ends(name, ratio, **options):
    return invented(name, [ratio, 1.0], **options)


def frames(*parts):
    return pd.concat(parts, ignore_index=True)


def keyed(figure):
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys), "two traces share a key"
    go.Figure(figure.to_dict())  # valid in full, in this version of plotly
    return dict(zip(keys, figure.data, strict=True))


def notes(figure):
    return {note.name: note.text for note in figure.layout.annotations}


# The gradient at each block


def test_the_profile_is_relative_to_the_last_block_and_of_the_latest_step():
    layers = frames(invented(step=1, gradient=np.ones(9)), invented(step=3), invented("resnet-8", [4, 2, 1], step=3))
    figure = gradient_flow.gradient_profile(layers)
    traces = keyed(figure)
    plain, residual = traces[f"plain-20/0/{LIVE}/gradient"], traces[f"resnet-8/0/{LIVE}/gradient"]
    np.testing.assert_allclose(plain.y, np.geomspace(1000, 1, 9))
    np.testing.assert_allclose(residual.x, (100 / 3, 200 / 3, 100))
    np.testing.assert_allclose(residual.y, (4, 2, 1))
    assert list(plain.customdata[0][:2]) == ["stage1.block1", "128×8×8×8"]
    assert figure.layout.title.text == "Gradient at each block, step 3"
    assert notes(figure) == {"origin": f"{LIVE}, seed 0, in training mode"}
    assert figure.layout.yaxis.type == "log"
    absolute = keyed(gradient_flow.gradient_profile(layers, relative=False))
    np.testing.assert_allclose(absolute[f"plain-20/0/{LIVE}/gradient"].y, np.geomspace(1, 1e-3, 9))


def test_the_title_says_when_and_the_line_under_it_in_which_mode():
    assert gradient_flow.gradient_profile(invented()).layout.title.text == "Gradient at each block, before training"
    two = gradient_flow.gradient_profile(frames(invented(step=1), invented("resnet-20", step=5)))
    assert two.layout.title.text == "Gradient at each block, latest step"
    modes = frames(invented(), invented("plain-20 · eval mode").assign(mode="eval"))
    assert notes(gradient_flow.gradient_profile(modes))["origin"] == f"{LIVE}, seed 0"  # the names tell which is in eval mode
    without = invented().drop(columns="mode")
    assert notes(gradient_flow.gradient_profile(without))["origin"] == f"{LIVE}, seed 0"


def test_nets_alike_in_colour_and_dash_are_told_apart_by_marks():
    names = ("plain-56", "plain-56 · no norm", "resnet-56", "plain-56 · tanh", "plain-20")
    figure = gradient_flow.gradient_profile(frames(*(invented(name, np.ones(27)) for name in names)))
    told = [(trace.mode, trace.marker.symbol) for trace in figure.data]
    assert told == [("lines", None), ("lines+markers", "circle"), ("lines", None), ("lines+markers", "square"), ("lines", None)]


@pytest.mark.parametrize("relative", [True, False])
def test_lost_gradients_are_marked_at_floor_and_ceiling(relative):
    figure = gradient_flow.gradient_profile(invented(gradient=[0, np.inf, np.nan, 10, 1]), relative=relative)
    traces = keyed(figure)
    np.testing.assert_allclose(traces[f"plain-20/0/{LIVE}/gradient"].y, (np.nan, np.nan, np.nan, 10, 1))
    lost = traces[f"plain-20/0/{LIVE}/lost"]
    assert [row[3] for row in lost.customdata] == ["underflow to 0", "infinite", "not a number"]
    assert list(lost.marker.symbol) == ["triangle-down", "triangle-up", "triangle-up"]
    assert lost.y[0] < 0.3 < 10 < lost.y[1] == lost.y[2]
    low, high = 10 ** np.array(figure.layout.yaxis.range)
    assert low < lost.y[0] < lost.y[1] < high
    assert notes(figure) | {"origin": ""} == {"origin": "", "floor": "underflow to 0", "ceiling": "infinite or not a number"}


@pytest.mark.parametrize("last", [0, np.nan, np.inf])
def test_without_a_last_block_to_compare_with_all_is_marked(last):
    lost = keyed(gradient_flow.gradient_profile(invented(gradient=[1, 2, last])))[f"plain-20/0/{LIVE}/lost"]
    assert len(lost.x) == 3
    assert lost.customdata[0][3] == "the last block has none to compare with"


# Against depth


def test_the_ratio_by_depth_is_the_median_and_the_range_over_seeds():
    layers = frames(*(ends(f"plain-{depth}", ratio, seed=seed) for depth, of in ((8, (1, 2, 9)), (56, (100, 300, 200))) for seed, ratio in
                      enumerate(of)), ends("plain-1202", np.nan), ends("plain-1202", 0, seed=1), ends("resnet-8", 4))  # fmt: skip
    figure = gradient_flow.by_depth(layers)
    traces = keyed(figure)
    plain = traces[f"plain/{LIVE}/ratio"]
    assert tuple(plain.x) == (8, 56)
    np.testing.assert_allclose((plain.y, plain.error_y.array, plain.error_y.arrayminus), ((2, 200), (7, 100), (1, 100)))
    lost = traces[f"plain/{LIVE}/lost"]
    assert (tuple(lost.x), tuple(lost.marker.symbol)) == ((1202, 1202), ("triangle-up", "triangle-down"))
    assert traces[f"resnet/{LIVE}/ratio"].name == "residual"
    assert notes(figure) == {"origin": f"{LIVE}, seeds 0, 1, 2, in training mode", "floor": "underflow to 0", "ceiling": "not a number"}
    assert figure.layout.xaxis.ticktext == ("8", "56", "1202")


# Over the first steps


def test_the_map_is_relative_to_the_last_block_of_its_step_and_centred_on_one():
    layers = frames(invented(gradient=[100, 10, 1], step=1), invented(gradient=[0.5, 5, 5], step=2))
    figure = gradient_flow.first_steps(layers, steps=20)
    drawn = keyed(figure)[f"plain-20/0/{LIVE}/map"]
    np.testing.assert_allclose(np.array(drawn.z, dtype=float), [[2, -1], [1, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(drawn.y, (100 / 3, 200 / 3, 100))
    assert tuple(drawn.x) == (1, 2)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-2, 2)
    assert figure.layout.coloraxis.colorscale[0][1] == "#00224e"  # cividis
    assert tuple(figure.layout.xaxis.range) == (0.5, 20.5)
    assert figure.layout.xaxis.title.text == "Step of training, plain-20"
    assert figure.layout.coloraxis.colorbar.ticktext == ("10<sup>−2</sup>", "10<sup>−1</sup>", "1", "10<sup>1</sup>", "10<sup>2</sup>")


def test_lost_cells_are_purple_and_named_and_a_divergence_too():
    layers = frames(invented(gradient=[1, 1], step=1), invented(gradient=[0, 1], step=2), invented(gradient=[np.nan, np.nan], step=3))
    figure = gradient_flow.first_steps(layers.assign(outcome="diverged"))
    traces = keyed(figure)
    np.testing.assert_array_equal(np.isnan(np.array(traces[f"plain-20/0/{LIVE}/map"].z, dtype=float)), [[0, 1, 1], [0, 0, 1]])
    np.testing.assert_array_equal(np.isnan(np.array(traces[f"plain-20/0/{LIVE}/lost"].z, dtype=float)), [[1, 0, 0], [1, 1, 0]])
    assert notes(figure)[f"plain-20/0/{LIVE}/state"] == "purple: not a number or underflow to 0<br>diverged at step 3"


def test_maps_stand_side_by_side_on_one_scale():
    layers = frames(invented(step=1), invented("resnet-8", [1e4, 1], step=1), invented("resnet-8", [1, 1], step=2))
    figure = gradient_flow.first_steps(layers)
    plain, residual = (keyed(figure)[f"{name}/0/{LIVE}/map"] for name in ("plain-20", "resnet-8"))
    assert (plain.xaxis, residual.xaxis) == ("x", "x2")
    assert plain.coloraxis == residual.coloraxis == "coloraxis"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert figure.layout.coloraxis.cmax == 4


def test_three_maps_are_as_wide_as_one_another_and_fill_the_chart():
    figure = gradient_flow.first_steps(frames(*(invented(name, step=1) for name in ("plain-20", "resnet-8", "resnet-20"))))
    domains = [getattr(figure.layout, f"xaxis{number}").domain for number in ("", 2, 3)]
    assert [right - left for left, right in domains] == pytest.approx([domains[0][1]] * 3)
    assert (domains[0][0], domains[2][1]) == pytest.approx((0, 1))


# The factors


def factors(skip=False):
    kinds = ["skip + branch", "activations"] if skip else ["weights", "norms", "activations"]
    values = {"weights": 10.0, "norms": 1.0, "activations": 0.1, "skip + branch": 2.0}
    rows = [{"index": block, "kind": kind, "factor": values[kind] ** block} for block in (2, 3) for kind in kinds]
    name = "resnet-20" if skip else "plain-20"
    return pd.DataFrame(rows).assign(name=name, skip=skip, depth=20, seed=0, origin=LIVE, mode="train")


def test_the_product_runs_from_the_last_block_back():
    figure = gradient_factors.product(factors())
    traces = keyed(figure)
    assert [key.split("/")[1] for key in traces] == ["all together", "activations", "weights"]  # norms that do nothing are left out
    np.testing.assert_allclose(traces["plain-20/weights/product"].y, (1e5, 1e3, 1))
    np.testing.assert_allclose(traces["plain-20/activations/product"].y, (1e-5, 1e-3, 1))
    np.testing.assert_allclose(traces["plain-20/all together/product"].y, (1, 1, 1))
    np.testing.assert_allclose(traces["plain-20/weights/product"].x, (100 / 3, 200 / 3, 100))
    assert notes(figure)["weights"] == "10<sup>5.0</sup>"
    assert notes(figure)["activations"] == "10<sup>−5.0</sup>"
    residual = keyed(gradient_factors.product(factors(skip=True)))
    np.testing.assert_allclose(residual["resnet-20/skip + branch/product"].y, (32, 8, 1))
    assert residual["resnet-20/all together/product"].line.color == theme.colour(True, 20)
    with pytest.raises(ValueError, match="one net at a time; this frame has 2"):
        gradient_factors.product(frames(factors(), factors(skip=True)))


def test_the_factors_in_a_sentence():
    said = gradient_factors.factors_sentence(factors())
    assert said == "On its way back, the gradient of plain-20 is multiplied by 10⁰·⁰: activations 10⁻⁵·⁰, weights 10⁵·⁰."


def stairs():
    rows = [
        (1, "sigmoid", "plain-56 · sigmoid", False, seed, kind, decades + seed)
        for seed in (0, 1) for kind, decades in (("activations", -30), ("weights", -10), ("norms", 0))
    ] + [(2, "skips", "resnet-56", True, seed, "skip + branch", 2.0) for seed in (0, 1)]  # fmt: skip
    columns = ["stair", "change", "name", "skip", "seed", "kind", "decades"]
    return pd.DataFrame(rows, columns=columns).assign(depth=56, origin=LIVE, mode="train")


def test_a_stair_is_its_parts_and_their_sum():
    frame = stairs()
    frame = frame[frame["kind"] != "norms"]
    figure = gradient_factors.staircase(frame)
    traces = keyed(figure)
    assert tuple(traces["activations/decades"].x) == (-29.5,)
    assert tuple(traces["weights/decades"].x) == (-9.5,)
    plain, residual = traces["plain/total"], traces["residual/total"]
    assert (tuple(plain.x), tuple(plain.error_x.array), tuple(residual.x)) == ((-39,), (1,), (2,))
    assert notes(figure)["1/total"] == "<b>× 10<sup>−39.0</sup></b>"
    assert figure.layout.yaxis.ticktext == ("1. sigmoid", "2. + skips")
    low, high = figure.layout.xaxis.range
    assert low < -40 < 2 < high
    table = gradient_factors.staircase_table(frame)
    assert table.loc[(1, "sigmoid"), ["activations", "weights", "together"]].tolist() == ["−29.5", "−9.5", "−39.0 (−40.0 to −38.0)"]


def test_bars_differ_by_more_than_colour():
    patterns = [trace.marker.pattern.shape for trace in gradient_factors.staircase(stairs()).data if trace.type == "bar"]
    assert len(patterns) == len(set(patterns)) == 4


# What trains


def test_symptoms_are_numbered_markers_and_a_divergence_is_a_cross():
    frame = pd.DataFrame({
        "name": ["plain-56 · tanh", "resnet-56"], "skip": [False, True], "depth": 56, "seed": 0, "ratio": [3.0, 130.0],
        "train_error": [0.5, np.nan], "outcome": ["finished", "diverged"], "origin": LIVE, "mode": "train",
    })  # fmt: skip
    figure = gradient_factors.symptoms(frame)
    traces = keyed(figure)
    tanh, broken = traces["plain-56 · tanh/symptoms"], traces["resnet-56/symptoms"]
    assert (tuple(tanh.x), tuple(tanh.y), tuple(tanh.text), tanh.name) == ((3,), (50,), ("<b>1</b>",), "1 plain-56 · tanh")
    assert (tuple(broken.y), tuple(broken.marker.symbol)) == ((100,), ("x",))
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.1, 10)


# Shattering


def invented_gradients(name="plain · BatchNorm", depth=24, seed=0, gradient=(0.0, 2.0, 0.0, 2.0)):
    labels = {"name": name, "skip": name.startswith("residual"), "depth": depth, "seed": seed, "origin": LIVE}
    return pd.DataFrame({"x": range(len(gradient)), "gradient": gradient}).assign(**labels)


def test_gradients_are_stacked_each_over_its_own_spread():
    flat = invented_gradients("white noise", 0, gradient=(5.0, 5.0))
    figure = shattering.gradients(frames(invented_gradients(), invented_gradients(seed=1, gradient=(9.0, 9.0)), flat))
    traces = keyed(figure)
    assert tuple(traces["plain · BatchNorm/24/gradient"].y) == (-1, 1, -1, 1)  # of the first seed
    assert tuple(traces["white noise/0/gradient"].y) == (-shattering.STEP, -shattering.STEP)  # nothing varies: a flat line
    assert figure.layout.yaxis.ticktext == ("plain · BatchNorm, 24 layers", "white noise")


def table(*nets):
    rows = [
        {"name": name, "skip": name.startswith("residual"), "depth": depth, "seed": seed, "lag": lag, "autocorrelation": value * (lag < 2)}
        for name, depth, values in nets for seed, value in enumerate(values) for lag in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(origin=LIVE)


def test_autocorrelation_by_depth_is_mean_and_range_and_the_noises_are_levels():
    measured = table(("plain", 1, (0.9, 1.0)), ("plain", 50, (-0.1, 0.1)), ("residual", 50, (0.6, 0.8)), ("white noise", 0, (-0.1, 0.0)))
    figure = shattering.by_depth(measured)
    plain = keyed(figure)["plain/depth"]
    np.testing.assert_allclose((plain.x, plain.y, plain.error_y.array), ((1, 50), (0.95, 0), (0.05, 0.1)), atol=1e-12)
    assert notes(figure)["white noise"] == "white noise −0.05"
    assert figure.layout.shapes[0].y0 == -0.05
    said = "Autocorrelation of the gradient at lag 1: plain 0.95 at 1 to 0.00 at 50 layers; residual 0.70; white noise −0.05."
    assert shattering.sentence(measured) == said
    assert shattering.alt_text(measured) == (
        "Line chart of the autocorrelation of the gradient against depth in layers, log scale."
        f" Lines: plain (dashed vermillion), residual (solid blue). {said}"
    )


# All of them


CHARTS = {
    gradient_flow.gradient_profile: invented(),
    gradient_flow.by_depth: invented(),
    gradient_flow.first_steps: invented(step=1),
    gradient_factors.product: factors(),
    gradient_factors.staircase: stairs(),
    gradient_factors.symptoms: pd.DataFrame({
        "name": ["plain-56"], "skip": False, "depth": 56, "seed": 0, "origin": LIVE, "ratio": 3.0, "train_error": 0.5, "outcome": "running",
    }),
    shattering.gradients: invented_gradients(),
    shattering.by_depth: table(("plain", 1, (0.9,))),
}  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__)
def test_every_chart_comes_as_dictionaries_too_names_its_axes_and_can_be_empty(chart):
    frame = CHARTS[chart]
    figure = chart(frame)
    assert go.Figure(**chart(frame, draw=theme.chart)).to_json() == figure.to_json()
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert notes(figure)["origin"].startswith(f"{LIVE}, seed")
    for nothing in (frame[:0], pd.DataFrame()):
        empty = chart(nothing, empty="Turn something on.")
        assert len(empty.data) == 0
        assert notes(empty)["empty"] == "Turn something on."
    lacking = frame.drop(columns="name")
    with pytest.raises(ValueError, match="cannot be drawn: the frame lacks name"):
        chart(lacking)


# The words


@pytest.mark.parametrize(
    ("number", "said"), [(4.6, "4.6"), (9.96, "10"), (813.2, "813"), (1133, "1,133"), (1.99e6, "2 × 10⁶"), (3e-7, "3 × 10⁻⁷")]
)
def test_amounts(number, said):
    assert amount(number) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(813, "813 times larger"), (1 / 12, "12 times smaller"), (1.3, "about as large"), (0.7, "about as large"), (0.5, "2 times smaller")],
)
def test_ratios_in_words(ratio, said):
    assert times(ratio) == said
    assert power(-8.72) == "10⁻⁸·⁷"


def test_the_table_of_ratios_is_medians_and_ranges():
    measured = {"plain-56": (9e3, 1.4e4, 2e4), "resnet-56": (30, 40, 50)}
    rows = [("batch", "kaiming", name, ratio) for name, ratios in measured.items() for ratio in ratios]
    said = gradient_factors.ratio_table(pd.DataFrame(rows, columns=["norm", "init", "name", "ratio"]))
    assert said.loc[("batch", "kaiming")].tolist() == ["1.4 × 10⁴ (9,000 to 2.0 × 10⁴)", "40 (30 to 50)"]


@pytest.mark.parametrize(
    ("ratios", "said"), [((813, 900), "1000× larger"), ((1e-9,), "1000× smaller"), ((4, 0.3), "about equal"), ((20,), "about equal")]
)
def test_the_verdict_is_the_nearest_answer(ratios, said):
    assert gradient_flow.verdict(frames(*(ends("plain-56", ratio, seed=seed) for seed, ratio in enumerate(ratios)))) == said


@pytest.mark.parametrize("layers", [ends("plain-56", np.nan), frames(ends("plain-56", 1), ends("resnet-56", 1))])
def test_a_verdict_is_of_one_net_with_numbers(layers):
    with pytest.raises(ValueError, match="a verdict is of one net at one step"):
        gradient_flow.verdict(layers)


START = "At initialisation, in training mode, the gradient at the first block against that at the last: "


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (frames(ends("plain-56", 813), ends("resnet-56", 4.6)), START + "plain-56 813 times larger; resnet-56 4.6 times larger."),
        (
            frames(*(ends("plain-56", ratio, seed=seed) for seed, ratio in enumerate((800, 900, 1100)))),
            START + "plain-56 900 times larger (median of 3 seeds, 800 to 1,100 ×).",
        ),
        (ends("plain-110 · no norm", 0), START + "plain-110 · no norm lost (underflow to 0)."),
        (
            frames(ends("plain-56", 4), ends("plain-56", np.inf, seed=1)),
            START + "plain-56 4 times larger (1 of 2 seeds; else infinite).",
        ),
        (
            frames(*(ends(f"{kind}-{depth}", ratio) for kind, path in (("plain", (1, 9e18, np.nan)), ("resnet", (0.5, 3, 111)))
                     for depth, ratio in zip((8, 302, 1202), path, strict=True))),
            START + "plain nets about as large at 8, 9 × 10¹⁸ times larger at 302, lost (not a number) at 1202 layers;"
            " residual nets 2 times smaller at 8, 111 times larger at 1202 layers.",
        ),
        (
            ends("plain-56", 20, step=7).assign(mode="eval"),
            "At step 7, in eval mode, the gradient at the first block against that at the last: plain-56 20 times larger.",
        ),
        (pd.DataFrame(), "Nothing has been measured yet."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_measured(layers, said):
    assert gradient_flow.sentence(layers) == said


def test_the_steps_in_a_sentence():
    layers = frames(*(ends("plain-56", ratio, step=step) for step, ratio in enumerate((800, 50, 2, 0.05), 1)))
    begin = "The gradient at the first block against that at the last: "
    assert gradient_flow.steps_sentence(layers) == (
        begin + "plain-56 800 times larger at step 1, within a factor of 10 for the first time at step 3, 20 times smaller at step 4."
    )
    lost = frames(ends("plain-302", 9e18, step=1), ends("plain-302", np.nan, step=2)).assign(outcome="diverged")
    assert gradient_flow.steps_sentence(lost) == (
        begin + "plain-302 9 × 10¹⁸ times larger at step 1, lost (not a number) at step 2, where training diverged."
    )
    two = frames(*(ends("resnet-56", 2, step=1, seed=seed) for seed in (0, 1)))
    said = "resnet-56 (seed 0) 2 times larger at step 1; resnet-56 (seed 1) 2 times larger at step 1."
    assert gradient_flow.steps_sentence(two) == begin + said


def test_the_text_alternative_names_axes_and_lines():
    said = gradient_flow.alt_text(frames(ends("plain-56", 813), ends("resnet-56", 4.6)))
    assert said == (
        "Line chart of the RMS gradient at each block's output, relative to the last block, log scale. Lines: plain-56 (dashed vermillion),"
        f" resnet-56 (solid blue). {START}plain-56 813 times larger; resnet-56 4.6 times larger."
    )
    many = gradient_flow.alt_text(frames(*(ends(f"plain-{8 + 6 * i}", 1) for i in range(11))))
    assert "and 3 more. " in many
