"""The figures of lesson 01: what is drawn is what the frame says, for every state a run can be in."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names, notes
from invented import LIVE, RECORDED, history, rates, together

from reslab.figures import degradation, theme

MARKS = "lines: training batches, marks: test pictures"

# The whole


def test_a_figure_can_be_restyled():
    figure = degradation.training_curves(history())
    figure.update_layout(template="plotly_dark", title_text="Mine").update_traces(
        line_color="red", selector={"mode": "lines"}
    )
    assert figure.layout.template.layout.font.color == "#f2f5fa"
    assert figure.data[0].line.color == "red"


# Training error against step


def test_curves_are_the_frame_in_percent():
    frame = together(history("plain-56", 0.7), history("resnet-56", 0.1, origin=RECORDED))
    traces = keyed(degradation.training_curves(frame.sample(frac=1, random_state=0).sort_values("name", kind="stable")))
    plain, residual = traces[f"plain-56/0/{LIVE}/train"], traces[f"resnet-56/0/{RECORDED}/train"]
    for name, trace in (("plain-56", plain), ("resnet-56", residual)):
        run = frame[frame["name"] == name]
        np.testing.assert_array_equal(trace.x, run["step"])
        np.testing.assert_allclose(trace.y, 100 * run["train_error"])
        assert trace.line.color == theme.colour(name == "resnet-56", 56)
    assert (plain.line.dash, residual.line.dash) == ("5px,3px", "solid")
    assert residual.line.width < plain.line.width
    test = traces[f"plain-56/0/{LIVE}/test"]
    np.testing.assert_allclose((test.x, test.y), ((11, 22), (92, 72)))
    assert test.marker.symbol.endswith("-open")
    assert test.marker.color == plain.line.color
    assert test.legendgroup == plain.legendgroup
    shown = [trace.name for trace in traces.values() if trace.showlegend is not False]
    assert shown == ["plain-56", "resnet-56 · recorded"]


def test_curves_show_their_origin_and_units():
    figure = degradation.training_curves(history(seed=3), x="epoch")
    assert notes(figure)["origin"].replace("<br>", " ") == f"seed 3 · {MARKS} · live, this machine"
    assert figure.layout.yaxis.title.text == "Training error (%)"
    assert figure.layout.xaxis.title.text == "Epoch (one pass over the images)"
    assert figure.data[0].x[-1] == 2
    recorded = degradation.training_curves(history(origin=RECORDED))
    assert notes(recorded)["origin"].replace("<br>", " · ") == f"{MARKS} · {RECORDED}"
    on_log = degradation.training_curves(history(seed=3), log=True)
    assert (on_log.layout.yaxis.type, on_log.layout.yaxis.title.text) == ("log", "Training error (%), log scale")
    (name,) = (note for note in on_log.layout.annotations if note.name.endswith("/name"))
    assert name.y == pytest.approx(np.log10(on_log.data[0].y[-1]))  # a note's place on a log axis is a power of ten


def test_runs_that_share_a_name_are_told_apart_by_seed():
    traces = keyed(degradation.training_curves(together(history(seed=0), history(seed=1), history("resnet-56"))))
    assert [trace.name for trace in traces.values() if trace.mode == "lines"] == [
        "plain-56 · seed 0",
        "plain-56 · seed 1",
        "resnet-56",
    ]


def test_nets_of_one_kind_and_depth_have_other_dashes_and_their_seeds_the_same():
    same = history("plain-56"), history("plain-56", seed=1)
    chart = degradation.training_curves(together(*same, history("plain-56").assign(name="plain-56 · identity")))
    dashes = {trace.line.dash for trace in chart.data if trace.meta["key"].endswith("/train")}
    assert dashes == set(theme.DASHES[False][:2])
    lines = [trace for trace in chart.data if trace.mode == "lines" and trace.meta["run"] == "plain-56"]
    assert len(lines) == 2
    assert len({trace.line.dash for trace in lines}) == 1


def test_missing_numbers_and_seeds_are_fine_in_any_type():
    frame = history(test_error=None, seed=None)
    figure = degradation.training_curves(frame)
    assert len(keyed(figure)[f"plain-56/None/{LIVE}/test"].x) == 0
    assert notes(figure) == {"origin": f"{MARKS} · {LIVE}"}
    mixed = together(history(), history("resnet-56"))
    mixed["seed"] = np.where(mixed["skip"], 2.0, np.nan)
    assert f"resnet-56/2/{LIVE}/train" in keyed(degradation.training_curves(mixed))


def test_keys_stay_when_runs_are_added_and_while_they_run():
    first = list(keyed(degradation.training_curves(history(outcome="running", steps=1))))
    later = list(keyed(degradation.training_curves(together(history(steps=9), history(seed=1)))))
    assert first == later[:2]


def test_a_diverged_run_ends_at_its_last_finite_step():
    frame = history(steps=12, outcome="diverged")
    frame.loc[11, "loss"] = np.inf
    figure = degradation.training_curves(frame)
    traces = keyed(figure)
    assert traces[f"plain-56/0/{LIVE}/train"].x[-1] == 11
    end = traces[f"plain-56/0/{LIVE}/end"]
    assert (end.x, end.y, end.marker.symbol) == ((11,), (50,), "x")
    assert names(figure) == ["plain-56<br>· diverged at step 12"]


def test_a_run_that_was_never_finite_is_still_on_the_chart():
    figure = degradation.training_curves(history(steps=1, outcome="diverged", loss=np.nan))
    end = keyed(figure)[f"plain-56/0/{LIVE}/end"]
    assert (end.x, end.y) == ((1,), (100,))
    assert names(figure) == ["plain-56<br>· diverged at step 1"]


def test_a_stopped_run_says_so_in_its_name():
    runs = [history(f"plain-{depth}", 0.6, steps=9, outcome="stopped") for depth in (20, 32)]
    said = {f"plain-{depth}<br>· stopped at step 9" for depth in (20, 32)}
    assert set(names(degradation.training_curves(together(*runs)))) == said


def test_the_axes_stand_still_while_a_run_goes_on():
    early, late = (degradation.training_curves(history(steps=steps), until=66).layout for steps in (3, 60))
    assert early.xaxis.range == late.xaxis.range
    assert early.yaxis.range == late.yaxis.range
    assert 66 <= early.xaxis.range[1] < 70


@pytest.mark.parametrize("frame", [pd.DataFrame(), history()[:0]])
def test_nothing_measured_is_a_sentence_on_axes(frame):
    for draw in (degradation.training_curves, degradation.error_by_depth):
        figure = draw(frame, empty="Press Start: plain-56 trains first.")
        assert len(figure.data) == 0
        assert notes(figure) == {"empty": "Press Start: plain-56 trains first."}


def test_errors_name_what_was_wrong_and_what_is_allowed():
    with pytest.raises(
        ValueError, match=r"x is 'hours'; training error can be drawn against 'step', 'epoch', 'seconds'\."
    ):
        degradation.training_curves(history(), x="hours")
    with pytest.raises(ValueError, match=r"the frame lacks outcome, loss; it needs name, skip,"):
        degradation.training_curves(history().drop(columns=["outcome", "loss"]))


# Final training error against depth


def test_error_by_depth_is_the_median_and_the_range_over_seeds():
    runs = [
        history(f"plain-{depth}", error, seed=seed) for depth in (8, 56) for seed, error in enumerate((0.1, 0.2, 0.6))
    ]
    frame = together(*runs, history("resnet-56", 0.05), history("resnet-8", 0.5, outcome="stopped"))
    figure = degradation.error_by_depth(frame)
    traces = keyed(figure)
    plain = traces[f"plain/{LIVE}/train"]
    assert (tuple(plain.x), plain.line.dash, plain.line.color) == ((8, 56), "5px,3px", theme.colour(False, 56))
    np.testing.assert_allclose((plain.y, plain.error_y.array, plain.error_y.arrayminus), ((20, 20), (40, 40), (10, 10)))
    assert "seeds 0, 1, 2" in plain.hovertemplate[0]
    assert tuple(traces[f"residual/{LIVE}/train"].x) == (56,)  # the stopped one does not count
    np.testing.assert_allclose(traces[f"plain/{LIVE}/test"].y, (22, 22))
    assert "1 to 3 seeds a net" in notes(figure)["origin"].replace("<br>", " ")
    old = [history("plain-56", 0.6, seed=seed, origin=RECORDED) for seed in (0, 1)]
    both = notes(degradation.error_by_depth(together(history("plain-56", 0.5), *old)))["origin"]
    assert "thick: yours, 1 seed · thin: recorded, 2 seeds" in both.replace("<br>", " ")
    assert figure.layout.xaxis.ticktext == ("8", "56")


def test_a_diverged_net_is_a_cross_in_no_median():
    frame = together(history(error=0.2), history(error=0.8, seed=1, outcome="diverged"))
    traces = keyed(degradation.error_by_depth(frame))
    np.testing.assert_allclose(traces[f"plain/{LIVE}/train"].y, (20,))
    cross = traces[f"plain/{LIVE}/end"]
    assert (tuple(cross.y), cross.marker.symbol, cross.name) == ((80,), "x", "plain · diverged")


def test_settings_and_origins_are_not_averaged():
    frame = together(
        history(), history("plain-56 · tanh"), history(origin=RECORDED), history("plain-20 · tanh · seed 1")
    )
    traces = keyed(degradation.error_by_depth(frame))
    families = {key.removesuffix("/train") for key in traces if key.endswith("/train")}
    assert families == {f"plain/{LIVE}", f"plain · tanh/{LIVE}", f"plain/{RECORDED}"}
    assert traces[f"plain/{RECORDED}/train"].name == "plain · recorded"
    assert tuple(traces[f"plain · tanh/{LIVE}/train"].x) == (20, 56)


def test_crowded_depths_keep_their_marks_and_drop_some_names():
    frame = together(*(history(f"plain-{depth}") for depth in (8, 104, 110, 1202)))
    axis = degradation.error_by_depth(frame).layout.xaxis
    assert (axis.tickvals, axis.ticktext) == ((8, 104, 110, 1202), ("8", "104", "", "1202"))


# The sentence


# Training error against the length of the training


def test_error_by_rate_is_a_named_line_a_rate_with_median_and_range():
    figure = degradation.error_by_rate(rates())
    traces = keyed(figure)
    slow = traces["plain-56/0.02/train"]
    assert [*slow.x] == [6, 60]
    np.testing.assert_allclose(slow.y, [75, 10])
    np.testing.assert_allclose((slow.error_y.array, slow.error_y.arrayminus), ([5, 20], [5, 8]))
    assert slow.line.dash == theme.line(False, 56)["dash"] != traces["resnet-56/0.05/train"].line.dash
    assert {"plain-56, rate 0.02", "plain-56, rate 0.1", "resnet-56, rate 0.05"} <= set(names(figure))
    assert notes(figure) == {"origin": f"median and range of 3 seeds · {RECORDED}"}
    assert [*figure.layout.xaxis.ticktext] == ["6", "60"]
