"""Charts and sentences of lesson 07: what is drawn and said is what the frame says."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed
from small_nets import refusal

from reslab.figures import attribution, attribution_maps, theme
from reslab.figures.text import attribution as text
from reslab.results import attribution as results

FALLS = {"map": 0.8, "untrained": 0.4, "moved": 0.3, "disc": 0.6}


def labels(name, seed=0):
    """Test input, never product data: the columns that say which net it is."""
    net = {"name": name, "skip": name.startswith("resnet"), "depth": int(name.split("-")[1]), "seed": seed}
    return net | {"step": 0, "origin": "live, this machine", "images": 2, "error": 0.1}


def together(rows):
    return pd.DataFrame(rows)


FALL = together(
    labels(name, seed) | {"method": "" if kind == "disc" else method, "kind": kind, "image": image,
                          "fall": fall * (0.5 if name == "plain-20" else 1) + 0.1 * seed + shift}
    for name in ("plain-20", "resnet-20") for seed in (0, 1) for method in ("Grad-CAM", "integrated gradients")
    for kind, fall in FALLS.items() for image, shift in ((0, -0.05), (1, 0.05))
)  # fmt: skip
CURVES = together(
    labels("resnet-20", seed) | {"method": "" if kind == "disc" else "occlusion", "kind": kind, "way": way,
                                 "share": share, "p": (1 - share) ** (4 * fall) if way == "deletion" else share}
    for seed in (0, 1) for kind, fall in FALLS.items() for way in ("deletion", "insertion") for share in (0, 0.5, 1)
)  # fmt: skip
LEFT = together(
    labels("resnet-20") | {"method": method, "drawn": drawn, "module": f"block{drawn}", "alike": 1 - drawn * fast,
                             "alike_signed": 0.1}
    for method, fast in (("saliency", 0.2), ("occlusion", 0.4)) for drawn in (0, 1, 2)
)  # fmt: skip
GAPS = together(
    labels(name, seed) | {"steps": steps, "gap": gap / steps, "image": image}
    for name, gap in (("plain-20", 2.0), ("resnet-20", 0.4)) for seed in (0, 1) for steps in (8, 16) for image in (0, 1)
)  # fmt: skip
STABLE = together(
    labels(name, seed) | {"method": "saliency", "noise": 0.1, "alike": 0.6 + 0.1 * seed}
    for name in ("plain-56", "resnet-56") for seed in (0, 1)
)  # fmt: skip
BRANCHES = together(
    labels(name) | {"index": index, "module": f"block{index}", "branch": share}
    for name, share in (("plain-20", 1.0), ("resnet-20", 0.4)) for index in (1, 2, 3)
)  # fmt: skip


def looked(method="integrated gradients"):
    """One picture with four holes."""
    rows = []
    for kind, fall in FALLS.items():
        made = np.linspace(-2, 1, 16).reshape(4, 4)
        row = labels("resnet-20") | {"method": method, "kind": kind, "says": "3", "label": "3", "share": 0.25}
        row |= {"before": 0.9, "after": 0.9 - fall, "total": 4.1, "difference": 4.0, "map": made}
        row |= {"picture": np.zeros((4, 4, 3), np.uint8), "deleted": np.full((4, 4, 3), 9, np.uint8)}
        rows.append(row | {"shares": np.array([0, 0.5, 1]), "p": np.array([0.9, 0.9 - fall, 0.1])})
    return pd.DataFrame(rows)


# --- results ----------------------------------------------------------------------------------------------------------


def test_the_mean_over_the_images_and_then_the_median_over_the_seeds():
    table = results.falls(FALL).set_index(["name", "method", "kind"])
    row = table.loc["resnet-20", "Grad-CAM", "map"]
    assert row[["median", "low", "high"]].tolist() == pytest.approx([0.85, 0.8, 0.9])
    assert row["seeds"] == 2
    assert results.ratio(FALL, "moved") == pytest.approx(np.median([0.8 / 0.3, 0.9 / 0.4]))
    assert results.ratio(FALL, "disc") == pytest.approx(np.median([0.8 / 0.6, 0.9 / 0.7]))


@pytest.mark.parametrize(("fall", "answer"), [(0.1, 0), (0.3, 1), (0.9, 2)])
def test_the_verdict_is_of_the_ratio(fall, answer):
    frame = FALL.assign(fall=np.where(FALL["kind"] == "map", fall, 0.3))
    assert results.verdict(frame) == list(results.ANSWERS)[answer]


@pytest.mark.parametrize(
    ("fall", "other", "answer"), [(0.5, -0.02, 2), (-0.1, -0.5, 2), (-0.5, -0.1, 0), (0.0, 0.0, 1), (-0.1, 0.3, 0)]
)
def test_the_verdict_where_a_hole_does_not_lower_the_probability(fall, other, answer):
    frame = FALL.assign(fall=np.where(FALL["kind"] == "map", fall, other))
    assert results.verdict(frame) == list(results.ANSWERS)[answer]


def test_what_is_not_in_the_frame_is_refused_with_what_is():
    assert "resnet-20" in refusal(results.ratio, FALL, "moved", "resnet-21")
    assert "Grad-CAM" in refusal(results.ratio, FALL, "moved", "resnet-20", "Grad-CAT")
    assert "lacks" in refusal(results.falls, FALL.drop(columns="fall"))


def test_the_area_is_that_under_the_curve():
    table = results.areas(CURVES).set_index(["kind", "way"])["median"]
    assert table["map", "insertion"] == pytest.approx(0.5)
    assert table["map", "deletion"] == pytest.approx((1 + 2 * 0.5**3.2) / 4)
    assert table["map", "deletion"] < table["moved", "deletion"]


# --- charts -----------------------------------------------------------------------------------------------------------


def test_the_chart_of_falls_has_a_mark_a_net_and_kind_and_says_what_marks_mean():
    traces = keyed(attribution.falls(FALL))
    assert list(traces["resnet-20/map"].x) == pytest.approx([0.85, 0.85])
    assert traces["resnet-20/map"].marker.color == theme.colour(True, 20)
    named = {trace.name for key, trace in traces.items() if key.startswith("legend/")}
    assert named == {"plain-20", "resnet-20", *text.LABELS.values()}
    assert all(not trace.showlegend for key, trace in traces.items() if not key.startswith("legend/"))


def test_the_holes_of_one_map_are_a_bar_each():
    figure = attribution.holes(FALL.query("name == 'resnet-20' and method in ('Grad-CAM', '')"))
    bars = keyed(figure)
    kinds = list(reversed(text.LABELS))  # plotly's first is at the bottom
    assert [bar.y[0].replace("<br>", " ") for bar in figure.data] == [text.LABELS[kind] for kind in kinds]
    assert [bar.x[0] for bar in figure.data] == pytest.approx([FALLS[kind] + 0.05 for kind in kinds])
    error = bars["resnet-20/map"].error_x
    assert [*error.array, *error.arrayminus] == pytest.approx([0.05, 0.05])
    assert {note.text for note in figure.layout.annotations} >= {"<b>0.85</b>", "<b>0.35</b>"}


def test_bars_of_several_maps_are_refused():
    assert "one name can be shown, not plain-20, resnet-20" in refusal(attribution.holes, FALL)
    one = FALL[FALL["name"] == "plain-20"]
    assert "one method can be shown, not Grad-CAM, integrated gradients" in refusal(attribution.holes, one)


@pytest.mark.parametrize("way", ["deletion", "insertion"])
def test_curves_are_the_medians(way):
    figure = attribution.curves(CURVES, method="occlusion", way=way)
    lines = [trace for key, trace in keyed(figure).items() if key.endswith("/median")]
    assert len(lines) == 4
    assert {trace.y[0] for trace in lines} == {1.0 if way == "deletion" else 0.0}


def test_the_other_charts_draw_their_frames():
    assert list(keyed(attribution.randomised(LEFT))["saliency/live, this machine/median"].y) == [1, 0.8, 0.6]
    ends = [trace.x[0] for trace in attribution.randomised(LEFT).data if trace.meta["key"].endswith("/end")]
    assert ends == [102, 104]  # the ranges stand beside one another
    assert list(keyed(attribution.completeness_gaps(GAPS))["plain-20/live, this machine/median"].y) == [25, 12.5]
    assert list(keyed(attribution.branches(BRANCHES))["resnet-20/live, this machine/median"].y) == [40, 40, 40]


def test_the_axis_of_the_branches_holds_every_block():
    far = BRANCHES.assign(branch=[1.0, 2.6, 1.0, 0.4, -0.9, 0.4])
    assert list(attribution.branches(BRANCHES).layout.yaxis.range) == [-50, 200]
    assert list(attribution.branches(far).layout.yaxis.range) == pytest.approx([-95, 265])


def test_all_pictures_are_of_one_size_and_their_words_stand_beside_them():
    figure = attribution_maps.picture(looked())
    numbers = ["", *map(str, range(2, 7))]  # the picture, the picture with its map, four holes
    sides = [(figure.layout[f"xaxis{n}"].domain, figure.layout[f"yaxis{n}"].domain) for n in numbers]
    assert {round(right - left, 6) for (left, right), _ in sides} == {attribution_maps.TILE}
    assert {round(high - low, 6) for _, (low, high) in sides} == {0.4}
    assert len(set(sides)) == len(numbers)
    words = {note.name: note for note in figure.layout.annotations}
    for number, name in zip(numbers, ("says", "map", *(f"after/{kind}" for kind in FALLS)), strict=True):
        note = words[name]
        assert (note.xref, note.yref, note.xanchor) == (f"x{number}", f"y{number}", "left")
        assert 3.4 < note.x < figure.layout[f"xaxis{number}"].range[1]  # the right edge of 4 pixels


def test_a_map_is_on_one_diverging_scale_centred_on_0():
    traces = keyed(attribution_maps.picture(looked(), 0.4))
    shown = traces["picture/map"]
    assert (shown.zmid, shown.zmin, shown.zmax, shown.opacity) == (0, -1, 1, 0.4)
    assert np.array(shown.z).min() == -1
    assert np.array(shown.customdata).max() == 0.5
    assert np.array(shown.z).max() == pytest.approx(0.5**0.5)  # the root: small shares can be seen
    assert {key for key in traces if key.startswith("deleted/")} == {f"deleted/{kind}/image" for kind in FALLS}
    row = looked().set_index("kind").loc["disc"]
    differs = (np.asarray(row["picture"]) != np.asarray(row["deleted"])).any(-1)
    np.testing.assert_array_equal(np.isfinite(np.array(traces["marked/disc"].z, dtype=float)), differs)
    notes = " ".join(note.text for note in attribution_maps.picture(looked()).layout.annotations)
    for after in ("0.10", "0.50", "0.60", "0.30"):
        assert after in notes


def test_a_picture_curve_has_one_line_per_hole():
    assert len(keyed(attribution_maps.picture_curve(looked()))) == 4


CHARTS = [
    *(attribution.falls, attribution.holes, attribution.curves, attribution.randomised),
    *(attribution.completeness_gaps, attribution.branches),
]


@pytest.mark.parametrize("draw", [*CHARTS, attribution_maps.picture, attribution_maps.picture_curve])
def test_charts_without_rows_say_so(draw):
    drawn = draw(pd.DataFrame(), draw=theme.chart)
    assert drawn["data"] == []
    assert any(note.get("name") == "empty" for note in drawn["layout"]["annotations"])


# --- sentences --------------------------------------------------------------------------------------------------------


def test_the_sentences_say_the_numbers():
    said = attribution.sentence(FALL)
    for words in ("0.85 (0.80 to 0.90)", "an untrained net's map 0.45", "a disc in the centre 0.65", "2 seeds"):
        assert words in said
    wrong = pd.DataFrame([labels("plain-20", 0), labels("plain-20", 1) | {"error": 0.3}])
    assert attribution.errors_sentence(wrong).startswith(
        "Wrong, of all 2 test pictures: plain-20 20.0 % (10.0 to 30.0)."
    )
    assert "Grad-CAM 0.85 against 0.35" in attribution.methods_sentence(FALL)
    assert "the map 0.30 and 0.50" in attribution.areas_sentence(CURVES, method="occlusion")
    assert "Without signs: saliency 0.60" in attribution.randomisation_sentence(LEFT)
    assert "With signs: saliency 0.10" in attribution.randomisation_sentence(LEFT)
    assert "plain-20 25.0%, 12.5%" in attribution.completeness_sentence(GAPS)
    said = attribution.stability_sentence(STABLE.assign(strangers=0.1))
    assert "plain-56 0.65 (0.60 to 0.70)" in said
    assert "Two different pictures: plain-56 0.10" in said
    assert "different" not in attribution.stability_sentence(STABLE)
    assert "resnet-20 40% to 40%" in attribution.branches_sentence(BRANCHES)
    said = attribution_maps.picture_sentence(looked())
    assert "says 3, with a probability of 0.90" in said
    assert "adds up to 4.10; the logits differ by 4.00" in said
    assert "adds up" not in attribution_maps.picture_sentence(looked("saliency"))


def test_what_integrated_gradients_add_up_to_stands_on_the_picture():
    def origin(frame):
        notes = attribution_maps.picture(frame).layout.annotations
        return next(note.text for note in notes if note.name == "origin")

    assert "map's sum 4.10, logits' difference 4.00 · " in origin(looked())
    assert "sum" not in origin(looked("saliency"))


def test_the_alt_text_names_the_lines():
    said = attribution.sentence(FALL)
    assert "dashed vermillion" in attribution.alt_text(FALL, said)


def test_sentences_of_nothing_say_so():
    nothing = pd.DataFrame()
    for told in (attribution.sentence, attribution.methods_sentence, attribution.areas_sentence,
                 attribution.randomisation_sentence, attribution.completeness_sentence, attribution.branches_sentence,
                 attribution.stability_sentence, attribution_maps.picture_sentence):  # fmt: skip
        assert told(nothing) == "Nothing has been measured yet."
