"""The explorer of lesson 10 without a browser: swap the body, change the picture, paste a state."""

import re
from types import SimpleNamespace

import pytest

from reslab import experiments, explorers, figures
from reslab.explorers.backbones import BackbonesSetting
from reslab.figures.text.phrases import amount


@pytest.fixture(scope="module")
def explorer():
    made = explorers.Backbones("Faster R-CNN,body=resnet-18,side=224")
    assert made.join(120)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def at_first(explorer):
    explorer.state = "Faster R-CNN,body=resnet-18,side=224"
    assert explorer.join(120)


def share(explorer, key):
    return explorer.bars.trace(key).x[0]


def test_it_draws_every_model_and_one_of_them_block_by_block(explorer):
    drawn = {trace.y[0] for trace in explorer.bars.figure.data}
    assert drawn - {None} == set(experiments.backbones.MODELS)
    assert share(explorer, "Faster R-CNN/body") == pytest.approx(38.89, abs=0.01)
    ends = [explorer.bars.trace(f"FCN/{name}") for name in ("body", "head")]
    assert sum(trace.x[0] for trace in ends) == pytest.approx(100)
    keys = [key for key in explorer.ribbon.keys if not key.startswith("legend")]
    assert keys == ["stem", *(f"stage{i}.block{j}" for i in (1, 2, 3, 4) for j in (1, 2)), "FPN", "RPN", "box head"]
    assert sum(explorer.ribbon.trace(key).y[0] for key in keys) == pytest.approx(100)
    assert "11.2 M of them, 39%, are its resnet-18." in explorer.sentence.value


def test_each_control_changes_what_is_drawn_and_the_line(explorer):
    explorer.model.value = "FCN"
    assert explorer.state == explorer.share.value == "FCN,body=resnet-18,side=224"
    assert "second head" in explorer.ribbon.keys
    assert explorer.proposals.disabled
    assert "only multiply-adds of detectors depend on them" in explorer.controls.why.value
    explorer.cost.value = "multiply_adds"
    assert explorer.state == "FCN,body=resnet-18,side=224,cost=multiply_adds"
    assert "multiply-adds" in explorer.bars.figure.layout.xaxis.title.text
    assert not explorer.proposals.disabled
    explorer.model.value = "Faster R-CNN"
    before = share(explorer, "Faster R-CNN/head")
    explorer.proposals.value = 100
    assert explorer.join(120)
    assert share(explorer, "Faster R-CNN/head") < before
    explorer.body_menu.value = "resnet-34"
    assert explorer.join(120)
    assert "resnet-34" in explorer.sentence.value
    assert explorer.message.value == '<span role="status"></span>'
    explorer.side.value = 320
    assert explorer.join(120)
    assert "320 × 320" in explorer.sentence.value


def test_the_axes_do_not_move(explorer):
    before = [chart.figure.layout[axis].range for chart in (explorer.bars, explorer.ribbon) for axis in ("yaxis",)]
    explorer.cost.value = "multiply_adds"
    after = [chart.figure.layout[axis].range for chart in (explorer.bars, explorer.ribbon) for axis in ("yaxis",)]
    assert before == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faster rcnn", "a model is 'faster rcnn'; it can be"),
        ("FCN,body=resnet-20", "body is 'resnet-20'; it can be 'resnet-18'"),
        ("FCN,size=3", "what is looked at is 'size'"),
        ("FCN,proposals=0", "proposals is 0; it must be from 1 to 10000."),
    ],
)
def test_a_pasted_state_that_is_wrong_changes_nothing(explorer, text, said):
    before = explorer.state
    explorer.share.value = text
    assert explorer.state == explorer.share.value == before
    assert said in explorer.message.value.replace("&#x27;", "'")


def test_a_pasted_state_may_have_capitals_quotes_and_spaces(explorer):
    explorer.share.value = "“faster r‑cnn, Body = ResNet-18,side=224 ,cost=Multiply_Adds”"
    assert explorer.state == "Faster R-CNN,body=resnet-18,side=224,cost=multiply_adds"
    assert BackbonesSetting.parse(str(explorer.chosen)) == explorer.chosen


def test_the_code_draws_the_same_bars(explorer):
    names = {}
    exec(explorer.code.replace("\nfigures.backbones.shares", "\nfigure = figures.backbones.shares"), names)
    assert [trace.meta["key"] for trace in names["figure"].data] == explorer.bars.keys
    assert names["figures"] is figures


def test_a_closed_explorer_counts_no_more():
    made = explorers.Backbones("FCN,body=resnet-18,side=224")
    made.close()
    assert made.join(120)
    assert made.closed


def click(trace):
    """What plotly does after a click on the only bar of a trace."""
    for callback in trace._click_callbacks:
        callback(trace, SimpleNamespace(point_inds=[0]), None)


@pytest.mark.parametrize(
    ("chart", "key", "words"),
    [
        ("bars", "FCN/body", ["FCN: resnet-18", "stage4.block2", "stem"]),
        ("bars", "Faster R-CNN/head", ["Faster R-CNN: heads", "RPN", "box head"]),
        ("ribbon", "box head", ["Faster R-CNN: box head", "roi_heads.box_head.fc6"]),
        ("ribbon", "stage2.block1", ["Faster R-CNN: stage2.block1", "body.stage2.block1"]),
        ("ribbon", "FPN", ["Faster R-CNN: FPN"]),
    ],
)
def test_a_click_on_a_bar_opens_its_numbers(explorer, chart, key, words):
    frame = explorer._counted[explorer.chosen.counted]
    assert "Click a bar" in explorer.opened.value
    click(getattr(explorer, chart).trace(key))
    model, unit = key.split("/") if "/" in key else ("Faster R-CNN", key)
    rows = frame[frame["model"] == model]
    wanted = rows["part"] == unit if unit in ("body", "head") else (rows["block"] == unit) | (rows["name"] == unit)
    (parameters,) = re.findall(r"<th>all</th>\s*<td>(.*?)</td>", explorer.opened.value)
    assert parameters == amount(rows.loc[wanted, "parameters"].sum())
    for word in words:
        assert word in explorer.opened.value
