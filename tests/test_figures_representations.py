"""The charts of what a net tells apart, and of chaos: what is drawn is what the frame says."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed
from invented import together

from reslab.figures import representations, theme
from reslab.results import representations as results


def net(name="plain-20", values=(0.9, 0.5, 0.1), *, seed=0, step=0, **columns):
    """Test input, never product data: a net of as many blocks as values, the stem first."""
    values = np.asarray(values, dtype=float)
    labels = {
        "name": name,
        "skip": name.startswith("resnet"),
        "depth": int(name.split("-")[1]),
        "norm": "batch",
        "init": "kaiming",
    }
    labels |= {
        "seed": seed,
        "step": step,
        "origin": "live, this machine",
        "index": np.arange(len(values)),
        "guess": 0.1,
    }
    numbers = {"neighbour_accuracy": values, "readout_accuracy": values / 2, "noise_cosine": values**2}
    return pd.DataFrame(labels | numbers | {"change": 1 / values, "gradient": 2 / values[::-1]} | columns)


def traces(figure):
    """The traces of a figure by net and part: "plain-56/change"."""
    found = {f"{key.split('/')[0]}/{key.rsplit('/')[-1]}": trace for key, trace in keyed(figure).items()}
    assert len(found) == len(figure.data)
    return found


SEEDS = together(
    net(values=(0.9, 0.5, 0.1)), net(values=(0.8, 0.6, 0.2), seed=1), net(values=(0.7, 0.1, 0.3), seed=2)
)


def test_the_median_and_range_over_seeds():
    table = results.over_seeds(SEEDS, "neighbour_accuracy")
    assert table["median"].tolist() == [0.8, 0.5, 0.2]
    assert table["low"].tolist() == [0.7, 0.1, 0.1]
    assert table["high"].tolist() == [0.9, 0.6, 0.3]
    assert table["share"].tolist() == [0, 0.5, 1]
    assert table["seeds"].tolist() == [3, 3, 3]
    assert table["seed"].isna().all()
    assert results.over_seeds(net(seed=4), "change")["seed"].tolist() == [4, 4, 4]


def test_a_line_a_net_in_a_band():
    figure = representations.by_block(together(SEEDS, net("resnet-20", (1, 0.9, 0.8))))
    drawn = traces(figure)
    assert set(drawn) == {"plain-20/band", "plain-20/neighbour_accuracy", "resnet-20/neighbour_accuracy"}
    line = drawn["plain-20/neighbour_accuracy"]
    assert list(line.x) == [0, 50, 100]
    np.testing.assert_allclose(line.y, [80, 50, 20])
    np.testing.assert_allclose(drawn["plain-20/band"].y, [90, 60, 30, 10, 10, 70])
    assert line.line.color == theme.colour(False, 20)
    assert "seeds 0, 1, 2" in next(note.text for note in figure.layout.annotations if note.name == "origin")
    assert next(note.text for note in figure.layout.annotations if note.name == "level") == "a guess: 10 %"
    assert figure.layout.shapes[0].y0 == 10
    assert figure.layout.shapes[0].line.color == theme.GREY  # ink is no colour of a line on a dark page


@pytest.mark.parametrize(
    ("statistic", "values"), [("readout_accuracy", [45, 25, 5]), ("noise_cosine", [0.81, 0.25, 0.01])]
)
def test_other_statistics(statistic, values):
    line = traces(representations.by_block(net(), statistic))[f"plain-20/{statistic}"]
    np.testing.assert_allclose(line.y, values)


def test_only_the_latest_step_is_drawn_by_block_and_only_the_last_block_over_training():
    frame = together(
        net(values=(0.9, 0.5, 0.1)),
        net(values=(0.9, 0.6, 0.4), step=20),
        net(values=(0.9, 0.8, 0.7), step=60),
    )
    np.testing.assert_allclose(representations.by_block(frame).data[0].y, [90, 80, 70])
    line = representations.in_training(frame).data[0]
    assert list(line.x) == [0, 20, 60]
    np.testing.assert_allclose(line.y, [10, 40, 70])


def test_what_is_not_a_number_is_a_gap():
    np.testing.assert_array_equal(
        representations.by_block(net(values=(0.9, np.nan, np.nan))).data[0].y, [90, np.nan, np.nan]
    )


def test_chaos_grows_from_the_left_and_the_gradient_from_the_right():
    frame = together(
        net("plain-56", change=[1, 10, 100], gradient=[90, 9, 1]),
        net("resnet-56", change=[1, 2, 3], gradient=[4, 2, 1]),
    )
    drawn = traces(representations.chaos(frame))
    assert drawn["plain-56/change"].y.tolist() == [1, 10, 100]
    assert drawn["plain-56/gradient"].y.tolist() == [90, 9, 1]
    assert drawn["plain-56/change"].name == "plain-56: change of the picture"
    said = representations.chaos_sentence(frame)
    assert (
        said
        == "A small change of the picture is multiplied by 100 in plain-56, and the gradient by 90 on its way back; "
        "by 3 in resnet-56, and the gradient by 4 on its way back."
    )
    assert said in representations.alt_text(frame, "change")


def test_what_has_no_place_on_a_log_scale_is_a_mark():
    figure = representations.chaos(net(change=[1, 0, np.inf], gradient=[np.nan, 2, 1]))
    assert {trace.meta["key"].rsplit("/", 1)[1] for trace in figure.data} == {"change", "gradient", "lost"}
    assert {note.name for note in figure.layout.annotations} >= {"floor", "ceiling"}


def test_the_sentence_says_median_and_range():
    assert (
        representations.sentence(SEEDS)
        == "After the last block, pictures whose most similar picture is of their own class: plain-20, untrained: 20%"
        " (10% to 30%); a guess: 10%. Ranges are over 3 seeds."
    )
    assert "puts out, gets right: plain-20, after 20 steps: 5%; a guess" in representations.sentence(
        net(step=20), "readout_accuracy"
    )
    assert representations.sentence(net(), "noise_cosine").endswith("noisy copy: plain-20, untrained: 0.01.")
    assert "plain-20 (dashed vermillion)" in representations.alt_text(SEEDS, "neighbour_accuracy")


def test_the_answer_of_the_prediction():
    frame = together(net("plain-56", (0.9, 0.12, 0.1)), net("resnet-56", (0.9, 0.77, 0.4)))
    assert results.verdict(frame, "plain-56", 1) == "few, as by guessing"
    assert results.verdict(frame, "resnet-56", 1) == "nearly all"
    assert results.verdict(frame, "resnet-56", 2) == "about half"
    with pytest.raises(ValueError, match="block"):
        results.verdict(frame, "resnet-56", 3)
    with pytest.raises(ValueError, match="resnet-57"):
        results.verdict(frame, "resnet-57", 1)


def test_nothing_measured_is_said():
    for chart in (representations.by_block, representations.in_training, representations.chaos):
        assert "Nothing has been measured yet." in [note.text for note in chart(pd.DataFrame()).layout.annotations]
    assert (
        representations.sentence(pd.DataFrame())
        == representations.chaos_sentence(pd.DataFrame())
        == "Nothing has been measured yet."
    )


def test_a_column_that_is_missing_is_named():
    with pytest.raises(ValueError, match="lacks noise_cosine"):
        representations.by_block(net().drop(columns="noise_cosine"), "noise_cosine")
    with pytest.raises(ValueError, match="'noise'"):
        representations.by_block(net(), "noise")
