"""The figures of lesson 01: what is drawn is what the frame says, in the house's colours, for every state a run can be in."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from reslab.figures import degradation, theme
from reslab.figures.text import phrases

LIVE, RECORDED = "live, this machine", "recorded, H200, 3 seeds, 2026-11"


def invented_run(name="plain-56", error=0.5, *, seed=0, steps=22, outcome="finished", origin=LIVE, parameters=54026, **columns):
    """Test input, never product data: a run of 11 steps an epoch whose training error falls to `error` by the last epoch."""
    step = np.arange(1, steps + 1)
    train = np.where(step > steps - 11, error, 0.9)
    frame = pd.DataFrame({"step": step, "epoch": step / 11, "lr": 0.1, "loss": 2.0, "train_error": train, "seconds": step / 10})
    frame["test_error"] = np.where(step % 11 == 0, train + 0.02, np.nan)
    depth = int(name.split("-")[1].split()[0])
    labels = {"name": name, "skip": name.startswith("resnet"), "depth": depth, "seed": seed, "parameters": parameters}
    return frame.assign(**{**labels, "origin": origin, "outcome": outcome, **columns})


def frames(*runs):
    return pd.concat(runs, ignore_index=True)


def keyed(figure):
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys), "two traces share a key"
    go.Figure(figure.to_dict())  # valid in full, in this version of plotly
    return dict(zip(keys, figure.data, strict=True))


def notes(figure):
    return {note.name: note.text for note in figure.layout.annotations}


# The theme


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"])
def test_every_colour_stands_out_on_white_and_on_dark(background):
    nets = [theme.colour(skip, depth) for skip in (False, True) for depth in range(8, 1203)]
    assert min(contrast(colour, background) for colour in nets) >= 3
    assert contrast(theme.INK, background) >= 4


@pytest.mark.parametrize("skip", [False, True])
def test_deeper_is_darker(skip):
    light = [luminance(theme.colour(skip, depth)) for depth in range(8, 1203)]
    assert np.all(np.diff(light) <= 0)
    named = [luminance(theme.colour(skip, depth)) for depth in (8, 20, 32, 44, 56, 110, 1202)]
    assert np.all(np.diff(named) < 0)


def test_colours_lines_and_markers_mean_what_the_house_says():
    assert (theme.PLAIN, theme.RESIDUAL) == ("#D55E00", "#0072B2")
    assert theme.colour(False, 20) == theme.PLAIN
    assert theme.colour(True, 56) == theme.RESIDUAL
    assert theme.colour(True, 3) == theme.colour(True, 8)
    assert theme.line(True, 56)["dash"] == "solid" != theme.line(False, 56)["dash"]
    assert theme.line(True, 56, recorded=True)["width"] < theme.line(True, 56)["width"]
    assert theme.marker(True, 56)["symbol"] != theme.marker(False, 56)["symbol"]
    with pytest.raises(ValueError, match=r"A depth of 0 has no colour: depth is the number of layers, 1 or more\."):
        theme.colour(True, 0)


def test_the_template_leaves_both_pages_their_background():
    layout = pio.templates["reslab"].layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert layout.font.color == theme.INK
    assert layout.yaxis.gridcolor == theme.GRID
    assert pio.templates.default != "reslab"


def test_an_axis_needs_a_title():
    with pytest.raises(ValueError, match=r'The y axis of "Loss" has no title: say what it shows, and its unit\.'):
        theme.figure([], title="Loss", x="Step", y=" ")
    figure = theme.figure([], title="Loss", x="Step", y={"title": "Loss (nats)"}, empty="Press Start.", height=300)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text, figure.layout.height) == ("Step", "Loss (nats)", 300)
    assert notes(figure) == {"empty": "Press Start."}


def test_a_figure_can_be_restyled():
    figure = degradation.training_curves(invented_run())
    figure.update_layout(template="plotly_dark", title_text="Mine").update_traces(line_color="red", selector={"mode": "lines"})
    assert figure.layout.template.layout.font.color == "#f2f5fa"
    assert figure.data[0].line.color == "red"


# Training error against step


def test_curves_are_the_frame_in_percent():
    frame = frames(invented_run("plain-56", 0.7), invented_run("resnet-56", 0.1, origin=RECORDED))
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
    assert shown == ["plain-56", "resnet-56 · recorded", "test error"]


def test_curves_wear_their_origin_and_units():
    figure = degradation.training_curves(invented_run(seed=3), x="epoch")
    assert notes(figure) == {"origin": "live, this machine, seed 3"}
    assert figure.layout.yaxis.title.text == "Training error (%)"
    assert figure.layout.xaxis.title.text == "Epoch (one pass over the images)"
    assert figure.data[0].x[-1] == 2
    assert notes(degradation.training_curves(invented_run(origin=RECORDED))) == {"origin": RECORDED}


def test_runs_that_share_a_name_are_told_apart_by_seed():
    traces = keyed(degradation.training_curves(frames(invented_run(seed=0), invented_run(seed=1), invented_run("resnet-56"))))
    assert [trace.name for trace in traces.values() if trace.mode == "lines"] == ["plain-56 · seed 0", "plain-56 · seed 1", "resnet-56"]


def test_missing_numbers_and_seeds_are_fine_in_any_type():
    frame = invented_run(test_error=None, seed=None)
    figure = degradation.training_curves(frame)
    assert len(keyed(figure)[f"plain-56/None/{LIVE}/test"].x) == 0
    assert notes(figure) == {"origin": LIVE}
    mixed = frames(invented_run(), invented_run("resnet-56"))
    mixed["seed"] = np.where(mixed["skip"], 2.0, np.nan)
    assert f"resnet-56/2/{LIVE}/train" in keyed(degradation.training_curves(mixed))
    assert degradation.sentence(frame) == "After 22 steps plain-56 gets 50.0 % of the training images wrong."
    assert phrases.seeds(range(12)) == "12 seeds"


def test_keys_stay_when_runs_are_added_and_while_they_run():
    first = list(keyed(degradation.training_curves(invented_run(outcome="running", steps=1))))
    later = list(keyed(degradation.training_curves(frames(invented_run(steps=9), invented_run(seed=1)))))
    assert first[:2] == later[:2]
    assert first[-1] == later[-1] == "key/marker"


def test_a_diverged_run_ends_at_its_last_finite_step():
    frame = invented_run(steps=12, outcome="diverged")
    frame.loc[11, "loss"] = np.inf
    figure = degradation.training_curves(frame)
    traces = keyed(figure)
    assert traces[f"plain-56/0/{LIVE}/train"].x[-1] == 11
    end = traces[f"plain-56/0/{LIVE}/end"]
    assert (end.x, end.y, end.marker.symbol) == ((11,), (50,), "x")
    assert notes(figure)[f"plain-56/0/{LIVE}/end"] == "diverged at step 12"


def test_a_run_that_was_never_finite_is_still_on_the_chart():
    figure = degradation.training_curves(invented_run(steps=1, outcome="diverged", loss=np.nan))
    end = keyed(figure)[f"plain-56/0/{LIVE}/end"]
    assert (end.x, end.y) == ((1,), (100,))
    assert "diverged at step 1" in notes(figure).values()


def test_stopped_runs_are_labelled_and_labels_keep_apart():
    runs = [invented_run(f"plain-{depth}", 0.6, steps=9, outcome="stopped") for depth in (20, 32, 56)]
    figure = degradation.training_curves(frames(*runs))
    labels = [note for note in figure.layout.annotations if note.text == "stopped at step 9"]
    assert len(labels) == 3
    assert np.diff(sorted(label.ay for label in labels)).min() >= 7


@pytest.mark.parametrize("frame", [pd.DataFrame(), invented_run()[:0]])
def test_nothing_measured_is_a_sentence_on_axes(frame):
    for draw in (degradation.training_curves, degradation.error_by_depth):
        figure = draw(frame, empty="Press Start: plain-56 trains first.")
        assert len(figure.data) == 0
        assert notes(figure) == {"empty": "Press Start: plain-56 trains first."}
    assert degradation.sentence(frame) == "Nothing has been measured yet."
    assert degradation.final(frame).empty
    assert degradation.alt_text(frame).endswith("Nothing has been measured yet.")


def test_errors_name_what_was_wrong_and_what_is_allowed():
    with pytest.raises(ValueError, match=r"x is 'hours'; training error can be drawn against 'step', 'epoch', 'seconds'\."):
        degradation.training_curves(invented_run(), x="hours")
    with pytest.raises(ValueError, match=r"the frame lacks outcome, loss; it needs name, skip,"):
        degradation.training_curves(invented_run().drop(columns=["outcome", "loss"]))
    with pytest.raises(ValueError, match="The result cannot be drawn: the frame lacks epoch"):
        degradation.sentence(invented_run().drop(columns="epoch"))


def test_plain_dictionaries_hold_the_same_chart():
    for drawn in (degradation.training_curves, degradation.error_by_depth):
        assert go.Figure(**drawn(invented_run(), draw=theme.chart)) == drawn(invented_run())


# Final training error against depth


def test_final_is_the_last_epoch_unless_the_frame_knows_better():
    (row,) = degradation.final(invented_run(error=0.3, steps=33)).itertuples()
    assert (row.name, row.skip, row.depth, row.seed, row.parameters, row.steps) == ("plain-56", False, 56, 0, 54026, 33)
    assert (row.outcome, row.seconds) == ("finished", 3.3)
    np.testing.assert_allclose((row.train_error, row.test_error), (0.3, 0.32))
    assert degradation.final(invented_run(final_train_error=0.25))["train_error"].item() == 0.25
    assert degradation.final(invented_run(error=0.3, final_train_error=np.nan))["train_error"].item() == pytest.approx(0.3)


def test_error_by_depth_is_the_mean_and_the_range_over_seeds():
    runs = [invented_run(f"plain-{depth}", error, seed=seed) for depth in (8, 56) for seed, error in enumerate((0.1, 0.2, 0.6))]
    frame = frames(*runs, invented_run("resnet-56", 0.05), invented_run("resnet-8", 0.5, outcome="stopped"))
    figure = degradation.error_by_depth(frame)
    traces = keyed(figure)
    plain = traces[f"plain/{LIVE}/train"]
    assert (tuple(plain.x), plain.line.dash, plain.line.color) == ((8, 56), "5px,3px", theme.colour(False, 56))
    np.testing.assert_allclose((plain.y, plain.error_y.array, plain.error_y.arrayminus), ((30, 30), (30, 30), (20, 20)))
    assert "seeds 0, 1, 2" in plain.hovertemplate[0]
    assert tuple(traces[f"residual/{LIVE}/train"].x) == (56,)  # the stopped one does not count
    np.testing.assert_allclose(traces[f"plain/{LIVE}/test"].y, (32, 32))
    assert figure.layout.xaxis.ticktext == ("8", "56")


def test_a_diverged_net_is_a_cross_in_no_mean():
    frame = frames(invented_run(error=0.2), invented_run(error=0.8, seed=1, outcome="diverged"))
    traces = keyed(degradation.error_by_depth(frame))
    np.testing.assert_allclose(traces[f"plain/{LIVE}/train"].y, (20,))
    cross = traces[f"plain/{LIVE}/end"]
    assert (tuple(cross.y), cross.marker.symbol, cross.name) == ((80,), "x", "plain · diverged")


def test_settings_and_origins_are_not_averaged():
    frame = frames(invented_run(), invented_run("plain-56 · tanh"), invented_run(origin=RECORDED), invented_run("plain-20 · tanh · seed 1"))
    traces = keyed(degradation.error_by_depth(frame))
    families = {key.removesuffix("/train") for key in traces if key.endswith("/train")}
    assert families == {f"plain/{LIVE}", f"plain · tanh/{LIVE}", f"plain/{RECORDED}"}
    assert traces[f"plain/{RECORDED}/train"].name == "plain · recorded"
    assert tuple(traces[f"plain · tanh/{LIVE}/train"].x) == (20, 56)


def test_crowded_depths_keep_their_marks_and_drop_some_names():
    frame = frames(*(invented_run(f"plain-{depth}") for depth in (8, 104, 110, 1202)))
    axis = degradation.error_by_depth(frame).layout.xaxis
    assert (axis.tickvals, axis.ticktext) == ((8, 104, 110, 1202), ("8", "104", "", "1202"))


# The sentence


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (
            [invented_run("plain-56", 0.714, steps=66), invented_run("resnet-56", 0.004, steps=66)],
            "After 66 steps plain-56 still gets 71.4 % of the training images wrong, resnet-56 0.4 %: same 54,026 parameters, same seed.",
        ),
        (
            [invented_run("resnet-56", 0.004, steps=66)],
            "After 66 steps resnet-56 gets 0.4 % of the training images wrong, and 2.4 % of the test images.",
        ),
        (
            [invented_run("plain-8", 0.01), invented_run("resnet-8", 0.02, parameters=60000, seed=1)],
            "After 22 steps plain-8 gets 1.0 % of the training images wrong, resnet-8 2.0 %:"
            " the skips make no clear difference at this depth.",
        ),
        (
            [invented_run("resnet-56", 0.5), invented_run("plain-56", 0.1)],
            "After 22 steps plain-56 gets 10.0 % of the training images wrong, resnet-56 50.0 %:"
            " here the residual net does worse, same 54,026 parameters, same seed.",
        ),
        (
            [invented_run(f"{kind}-56", error + spread, seed=seed) for kind, error in (("plain", 0.7), ("resnet", 0.1))
             for seed, spread in enumerate((-0.05, 0, 0.05))],
            "After 22 steps plain-56 still gets 70.0 % (mean of 3 seeds, 65.0 to 75.0 %) of the training images wrong,"
            " resnet-56 10.0 % (mean of 3 seeds, 5.0 to 15.0 %): same 54,026 parameters, same 3 seeds.",
        ),
        (
            [invented_run(f"{kind}-{depth}", error, parameters=depth) for depth, plain, residual in
             ((8, 0.01, 0.012), (20, 0.03, 0.003), (56, 0.74, 0.004)) for kind, error in (("plain", plain), ("resnet", residual))],
            "After 22 steps the training error of plain nets rises from 1.0 % at 8 layers to 74.0 % at 56, while that of"
            " residual nets stays between 0.3 % and 1.2 % from 8 to 56 layers: same parameters at equal depth, same seed.",
        ),
        (
            [invented_run("plain-20", 0.03), invented_run("plain-56", 0.7), invented_run("resnet-56", 0.01, steps=44)],
            "After 22 to 44 steps the training error of plain nets rises from 3.0 % at 20 layers to 70.0 % at 56, while"
            " resnet-56 gets 1.0 % of the training images wrong: same parameters at equal depth, same seed.",
        ),
        (
            [invented_run("plain-8", 0.3), invented_run("plain-56", 0.1)],
            "No degradation here: after 22 steps the training error of plain nets falls from 30.0 % at 8 layers to 10.0 % at 56:"
            " same seed.",
        ),
        (
            [invented_run("plain-8", 0.1), invented_run("plain-20", 0.5), invented_run("plain-56", 0.1)],
            "No degradation here: after 22 steps the training error of plain nets is highest at 20 layers, 50.0 %, and 10.0 % at"
            " 56: same seed.",
        ),
        (
            [invented_run("plain-8", 0.3), invented_run("plain-20", 0.1), invented_run("plain-56", 0.7)],
            "After 22 steps the training error of plain nets is lowest, and then rises, from 10.0 % at 20 layers to 70.0 % at 56:"
            " same seed.",
        ),
        (
            [invented_run(f"plain-{depth}", error, seed=seed) for depth, errors in ((8, (0.1, 0.5)), (56, (0.4, 0.6)))
             for seed, error in enumerate(errors)],
            "After 22 steps the training error of plain nets rises from 30.0 % (mean of 2 seeds, 10.0 to 50.0 %) at 8 layers to"
            " 50.0 % (mean of 2 seeds, 40.0 to 60.0 %) at 56, though the seeds overlap: same 2 seeds.",
        ),
        (
            [invented_run("plain-8", 0.1), invented_run("plain-20", 0.1), invented_run("plain-56", 0.9, steps=5, outcome="diverged")],
            "No degradation among the runs that finished: after 22 steps the training error of plain nets stays at 10.0 % from 8 to"
            " 20 layers: same seed; plain-56 diverged at step 5.",
        ),
        (
            [invented_run("plain-56", 0.7), invented_run("resnet-56", 0.2, steps=12, outcome="running")],
            "After 22 steps plain-56 gets 70.0 % of the training images wrong, and 72.0 % of the test images;"
            " so far resnet-56 gets 20.0 % of the training images wrong (step 12).",
        ),
        (
            [invented_run("plain-56", 0.7, steps=9, outcome="running"), invented_run("resnet-56", 0.2, steps=5, outcome="running")],
            "So far plain-56 gets 70.0 % of the training images wrong (step 9), resnet-56 20.0 % (step 5).",
        ),
        ([invented_run("plain-56", outcome="diverged", steps=7, loss=np.nan)], "plain-56 diverged at step 7."),
        (
            [invented_run("plain-56", 0.7, steps=9, outcome="stopped", seed=seed) for seed in (0, 1)],
            "plain-56 (seed 0) was stopped at step 9, with 70.0 % of the training images wrong;"
            " plain-56 (seed 1) was stopped at step 9, with 70.0 % of the training images wrong.",
        ),
        (
            [invented_run("plain-20", 0.1), invented_run("plain-20", 0.2, origin=RECORDED)],
            "Live, this machine: After 22 steps plain-20 gets 10.0 % of the training images wrong, and 12.0 % of the test images."
            " Recorded, H200, 3 seeds, 2026-11: After 22 steps plain-20 gets 20.0 % of the training images wrong, and 22.0 % of the test"
            " images.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_measured(runs, said):
    assert degradation.sentence(frames(*runs)) == said


def test_the_text_alternative_names_axes_and_lines():
    said = degradation.alt_text(frames(invented_run("plain-56", 0.7), invented_run("resnet-56", 0.1)))
    assert said == (
        "Line chart of training error, 0 to 100 %, against step. Lines: plain-56 (dashed vermillion), resnet-56 (solid blue); open"
        " markers are test error. After 22 steps plain-56 still gets 70.0 % of the training images wrong, resnet-56 10.0 %: same"
        " 54,026 parameters, same seed."
    )
