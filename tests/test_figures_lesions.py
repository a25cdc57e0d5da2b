"""Charts and sentences of lesson 05: what is drawn and said is what the frame says."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed, names, notes

from reslab.figures import lesions, paths, theme
from reslab.results import lesions as results
from reslab.results import paths as path_results


def invented(name, errors, *, seed=0, calibrated=False, **columns):
    """Test input, never product data: a net of as many blocks as errors."""
    labels = {"name": name, "skip": name.startswith("resnet"), "depth": int(name.split("-")[1]), "seed": seed}
    labels |= {"step": 0, "origin": "live, this machine", "calibrated": calibrated, "whole": 0.1, "images": 50}
    places = np.arange(1, len(errors) + 1)
    labels |= {"module": [f"stage1.block{place}" for place in places], "index": places, "count": places}
    return pd.DataFrame(labels | {"error": errors} | columns)


FRAME = pd.concat(
    [
        invented("plain-20", [0.9, 0.8, 0.9]),
        invented("resnet-20", [0.6, 0.12, 0.1]),
        invented("resnet-20", [0.8, 0.1, 0.1], seed=1),
    ],
    ignore_index=True,
)


def test_medians_and_ranges_over_the_seeds():
    table = results.by_block(FRAME).set_index(["name", "index"])
    assert table.loc[("resnet-20", 1), ["median", "low", "high", "seeds"]].tolist() == [0.7, 0.6, 0.8, 2]
    assert table["way"].loc["plain-20"].tolist() == [0, 0.5, 1]
    whole = results.summary(FRAME).set_index("name")
    assert whole.loc["resnet-20", ["median", "low", "high", "worst"]].tolist() == [0.11, 0.1, 0.8, "stage1.block1"]


@pytest.mark.parametrize(("errors", "answer"), [([0.12], 0), ([0.2], 1), ([0.5, 0.6], 2), ([0.9], 3)])
def test_the_verdict_is_of_the_median(errors, answer):
    assert results.verdict(invented("resnet-56", errors)) == list(results.ANSWERS)[answer]


def test_the_chart_of_one_block_out():
    figure = lesions.one_out(FRAME)
    traces = keyed(figure)
    plain, residual = (traces[f"{name}/live, this machine/error"] for name in ("plain-20", "resnet-20"))
    assert list(plain.y) == [90, 80, 90]
    assert list(residual.x) == [0, 50, 100]
    assert (plain.line.dash, residual.line.dash) == ("5px,3px", "solid")
    assert residual.line.color == theme.colour(True, 20)
    assert "resnet-20/live, this machine/band" in traces
    assert not figure.layout.shapes


def test_two_nets_of_a_kind_have_other_marks_and_blocks_that_hurt_have_numbers():
    figure = lesions.one_out(pd.concat([FRAME, invented("resnet-56", [0.2, 0.1, 0.19, 0.3])]))
    traces = keyed(figure)
    shapes = {name: traces[f"{name}/live, this machine/error"].marker.symbol for name in ("resnet-20", "resnet-56")}
    assert shapes == {"resnet-20": "circle", "resnet-56": "square"}
    assert {"plain-20<br>whole: 10.0 %", "■ resnet-56<br>whole: 10.0 %"} <= set(names(figure))
    assert [note.text for note in figure.layout.annotations if (note.name or "").startswith("resnet-56/") and
            not note.name.endswith("/name")] == ["1", "4"]  # fmt: skip
    under = notes(figure)["origin"].replace("<br>", " ")
    assert "numbered: without this block resnet-56 errs at least twice as often" in under


@pytest.mark.parametrize("draw", [lesions.one_out, lesions.several_out, lesions.swapped])
def test_charts_without_rows_say_so(draw):
    drawn = draw(pd.DataFrame(), draw=theme.chart)
    assert drawn["data"] == []
    assert any(note.get("name") == "empty" for note in drawn["layout"]["annotations"])


def test_charts_of_counts_and_their_sentence():
    assert list(keyed(lesions.several_out(FRAME))["plain-20/live, this machine/error"].x) == [1, 2, 3]
    assert "Swaps" in lesions.swapped(FRAME).layout.xaxis.title.text
    said = lesions.count_sentence(FRAME)
    assert "1, 2 and 3 blocks out" in said
    assert "resnet-20 70%, 11%, 10%" in said
    assert said.endswith("Medians are over draws and 2 seeds.")  # it gives no ranges: the bars do
    alone = lesions.count_sentence(FRAME[FRAME["skip"]])
    assert "resnet-20 70% (60% to 80%), 11% (10% to 12%), 10%" in alone
    assert "whole 10.0%. Medians and ranges are over draws and 2 seeds." in alone


def test_the_sentences_say_the_numbers():
    assert "plain-20 90% (80% to 90%), whole 10.0%" in lesions.sentence(FRAME)
    again = FRAME.assign(calibrated=True, error=0.2)
    assert "statistics measured again" in lesions.sentence(again)
    assert "resnet-20 without stage1.block1: 70%, then 20%" in lesions.statistics_sentence(FRAME, again)
    assert "dashed vermillion" in lesions.alt_text(FRAME, "")


def path_frame(shares=(0.2, 0.6, 0.2, 0.0), **columns):
    """Test input, never product data."""
    labels = {"name": "resnet-56", "depth": 56, "seed": 0, "step": 0, "origin": "live", "blocks": len(shares) - 1}
    counted = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    return pd.DataFrame(labels | {"length": range(len(shares)), "share": shares, "counted": counted} | columns)


PATHS = pd.concat([path_frame(), path_frame((0.5, 0.5, 0, 0), step=60)], ignore_index=True)


def test_the_mean_length():
    untrained, trained = path_results.lengths(PATHS).itertuples()
    assert untrained.mean == pytest.approx(1.0)
    assert untrained.counted == 1.5
    assert trained.mean == 0.5


def test_the_chart_of_paths():
    drawn = pd.concat([path_frame(repeat=0), path_frame((0.1, 0.2, 0.3, 0.4), repeat=1)], ignore_index=True)
    traces = keyed(paths.by_length(PATHS, sampled=drawn))
    assert set(traces) == {"count", "untrained", "trained", "sampled/0", "sampled/1"}
    assert list(traces["count"].y) == [12.5, 37.5, 37.5, 12.5]
    assert list(traces["trained"].y) == [50, 50, 0, 0]
    assert paths.by_length(pd.DataFrame(), draw=theme.chart)["data"] == []
    with pytest.raises(ValueError, match="resnet-56"):
        paths.by_length(PATHS, "resnet-20")


def test_the_sentences_of_paths():
    said = paths.sentence(PATHS)
    assert "untrained: 1.0 of 3 branches" in said
    drawn = pd.concat([path_frame(repeat=0), path_frame((0.1, 0.2, 0.3, 0.4), repeat=1)], ignore_index=True)
    said = paths.sampled_sentence(PATHS, drawn)
    assert "1.0 to 2.0, exact 1.0" in said
    assert "from 0% to 40%" in said
