"""Charts and sentences of lesson 10: what is drawn and said is what the frame says."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from drawn import keyed
from small_nets import refusal

from reslab.figures import backbones, receptive_field, theme
from reslab.figures.text import backbones as text
from reslab.results import backbones as results

PARTS = {  # invented: name → part, parameters, multiply_adds, grows
    "stem": ("body", 1e6, 2e9, "picture"),
    "stage 1": ("body", 5e6, 4e9, "picture"),
    "pyramid": ("neck", 1e6, 1e9, "picture"),
    "box head": ("head", 3e6, 3e9, "proposals"),
}
LAYERS = pd.DataFrame(
    {"model": model, "body_name": "resnet-18", "side": 320, "proposals": 1000, "objects": 100, "part": part,
     "name": name, "block": {"stage 1": "stage1.block1"}.get(name, ""), "grows": grows, "module": name,
     "parameters": int(parameters * size), "multiply_adds": int(adds)}
    for model, size in (("Faster R-CNN", 1), ("FCN", 2)) for name, (part, parameters, adds, grows) in PARTS.items()
    if (model, name) != ("FCN", "box head")
)  # fmt: skip


def net(name, seed=0, trained=False):
    """Test input, never product data: the columns that say which net it is."""
    labels = {"name": name, "skip": name.startswith("resnet"), "depth": 20, "seed": seed, "trained": trained}
    return labels | {"origin": "live, this machine"}


FIELDS = pd.DataFrame(
    net(name, seed, trained) | {"index": index, "field": 1 + 10 * index, "module": f"block{index}",
                                "side": 1 + index * (4 if name == "plain-20" else 2) + 2 * seed}
    for name in ("plain-20", "resnet-20") for trained in (False, True) for seed in ((0,) if trained else (0, 1, 2))
    for index in (0, 1, 2)
)  # fmt: skip
ENERGY = np.zeros((21, 21))  # of a gradient: all at one pixel
ENERGY[10, 10] = 1
MAPS = FIELDS[(FIELDS["index"] == 2) & FIELDS["trained"]]
MAPS = MAPS.assign(energy=[ENERGY] * 2, centre=[(10, 10)] * 2, label=MAPS["name"])
PROBES = FIELDS.assign(readout_accuracy=1 - FIELDS["side"] / 20, guess=0.1)
SHOWN = np.zeros((2, 4, 4), dtype=np.uint8)
SEGMENTS = pd.DataFrame(
    {"name": name, "skip": skip, "depth": 20, "seed": seed, "steps": 150.0, "mean_iou": iou + 0.02 * seed,
     "origin": "live, this machine" if skip is not None else None, "pixels": np.zeros((2, 4, 4, 3), dtype=np.uint8),
     "truth": SHOWN, "answers": SHOWN + kind}
    for seed in (0, 1) for kind, (name, skip, iou) in
    enumerate((("plain-20", False, 0.4), ("resnet-20", True, 0.6), ("none everywhere", None, 0.2)))
)  # fmt: skip


def test_bars_of_a_model_are_its_shares_one_after_the_other():
    traces = keyed(backbones.shares(LAYERS))
    body, neck, head = (traces[f"Faster R-CNN/{part}"] for part in ("body", "neck", "head"))
    assert [bar.x[0] for bar in (body, neck, head)] == pytest.approx([60, 10, 30])
    assert [bar.base[0] for bar in (body, neck, head)] == pytest.approx([0, 60, 70])
    assert body.text[0] == "<b>body</b> 6 M"
    assert (neck.text[0], head.text[0]) == ("<b>neck</b>", "<b>heads</b> 3 M")
    assert "3 M parameters, 3 G multiply-adds, proportional to the proposals" in head.hovertext
    assert keyed(backbones.shares(LAYERS, "multiply_adds"))["Faster R-CNN/body"].x[0] == pytest.approx(60)
    colours = [bar.marker.line.color for bar in (body, neck, head)]
    assert len(set(colours)) == 3
    assert colours[0] == theme.RESIDUAL


def test_the_ribbon_has_a_bar_a_block_and_stands_from_the_picture_to_the_answers():
    figure = backbones.ribbon(LAYERS)
    bars = [trace for trace in figure.data if not trace.meta["key"].startswith("legend")]
    assert [bar.meta["key"] for bar in bars] == ["stem", "stage1.block1", "pyramid", "box head"]
    assert [bar.y[0] for bar in bars] == pytest.approx([10, 50, 10, 30])
    assert sorted(bar.x[0] for bar in bars) == [bar.x[0] for bar in bars]
    assert list(figure.layout.xaxis.ticktext) == ["stem", "stage<br>1", "pyramid", "box<br>head"]
    assert "a model is 'YOLO'" in refusal(backbones.ribbon, LAYERS, "YOLO")
    assert "cost is 'flops'" in refusal(backbones.shares, LAYERS, "flops")


def test_sentences_of_the_parts():
    said = text.sentence(LAYERS)
    assert said.startswith("Faster R-CNN has 10 M parameters; 6 M of them, 60%, are its resnet-18. A picture of 320 ×")
    assert "takes 10 G multiply-adds with 1,000 proposals; 60% of these multiply-adds are the body's." in said
    assert "proposals" not in text.sentence(LAYERS, "FCN")
    assert text.models_sentence(LAYERS) == (
        "Of the parameters, the resnet-18 has 60% of Faster R-CNN and 86% of FCN."
    )  # fmt: skip
    assert text.alt_text(LAYERS, "So.") == "Bars, one a model: Faster R-CNN and FCN. So."
    assert results.verdict(LAYERS) == "half to three quarters"
    assert results.verdict(LAYERS, "FCN") == "more than three quarters"
    nearly = LAYERS.assign(parameters=np.where(LAYERS["part"] == "body", 48, 52) / LAYERS.groupby(
        ["model", LAYERS["part"] == "body"])["part"].transform("size"))  # fmt: skip
    assert results.verdict(nearly) == "a fifth to a half"


def test_lines_of_the_field_and_of_the_probe_are_medians_in_bands():
    traces = keyed(receptive_field.sizes(FIELDS))
    line = traces["plain-20, untrained/live, this machine/median/False"]
    assert list(line.y) == [3, 7, 11]
    assert "plain-20, untrained/live, this machine/band/False" in traces
    assert "plain-20, trained/live, this machine/band/True" not in traces
    assert list(traces["allowed"].y) == [1, 11, 21]
    several = text.field_sentence(FIELDS.assign(field=np.where(FIELDS["name"] == "resnet-20", 81, 35)))
    assert "81 × 81 pixels in resnet-20" in several
    assert "35 × 35 pixels in plain-20" in several
    said = text.field_sentence(FIELDS)
    assert said.startswith("A place of the last map can see 21 × 21 pixels.")
    assert "plain-20 11 (9 to 13) untrained, 9 trained; resnet-20 7 (5 to 9) untrained, 5 trained." in said
    assert said.endswith("Medians and ranges are over 3 seeds. Of the trained nets there is one seed.")
    right = keyed(receptive_field.probe(PROBES))["resnet-20, trained/live, this machine/median/True"]
    assert list(right.y) == pytest.approx([95, 85, 75])
    assert "resnet-20 65% (55% to 75%) untrained, 75% trained" in text.probe_sentence(PROBES)
    assert "the frame lacks guess" in refusal(receptive_field.probe, PROBES.drop(columns="guess"))


def test_a_map_lies_over_its_photograph_with_both_squares():
    figure = receptive_field.maps(MAPS, np.zeros((21, 21, 3), dtype=np.uint8))
    traces = keyed(figure)
    assert np.array(traces["1/seen"].z)[10, 10] == 1
    assert [(one.x0, one.x1) for one in figure.layout.shapes[:2]] == [(-0.5, 20.5 - 0.5 + 0.5), (5.5, 14.5)]
    assert any("measured 9, allowed 21 pixels" in note.text for note in figure.layout.annotations)


def test_segments_stand_below_the_truth_with_their_scores():
    figure = receptive_field.segmenters(SEGMENTS[SEGMENTS["seed"] == 0])
    assert np.array(figure.data[0].z).shape == (2 * 6, 5 * 6, 3)
    names = [note.text for note in figure.layout.annotations]
    assert {"the picture", "the truth", "resnet-20<br><b>0.60</b>", "none<br>everywhere<br><b>0.20</b>"} <= set(names)
    said = text.segmenters_sentence(SEGMENTS)
    assert said.startswith("Mean IoU after 150 steps: plain-20 0.41 (0.40 to 0.42); resnet-20 0.61 (0.60 to 0.62)")
    assert text.segmenters_sentence(SEGMENTS[SEGMENTS["seed"] == 0]).endswith(" One seed.")
    photo = receptive_field.photo(np.zeros((3, 5, 3), dtype=np.uint8))
    assert photo.layout.yaxis.scaleanchor == "x"


def test_the_field_with_strides_three_ways():
    frame = pd.DataFrame({"way": ["as it is", "as it is", "dilated"], "stage": ["s1", "s2", "s2"],
                          "stride": [4, 8, 4], "field": [30, 90, 90]})  # fmt: skip
    assert text.stages_table(frame).to_numpy().tolist() == [[8, 90], [4, 90]]


@pytest.mark.parametrize("draw", [backbones.shares, backbones.ribbon, receptive_field.sizes, receptive_field.probe,
                                  receptive_field.segmenters])  # fmt: skip
def test_an_empty_frame_is_said(draw):
    figure = draw(pd.DataFrame())
    assert isinstance(figure, go.Figure)
    assert any(note.name == "empty" for note in figure.layout.annotations)
    for say in (text.sentence, text.field_sentence, text.probe_sentence, text.segmenters_sentence):
        assert "measured" in say(pd.DataFrame())
