"""The architecture map, of frames written by hand and of the deepest nets: boxes, where they stand, what folds, and the
words."""

from itertools import pairwise

import pandas as pd
import pytest

from reslab.experiments import architecture as experiment
from reslab.figures import architecture, theme
from reslab.figures.architecture import architecture_map

LINE = 1.3  # the height of a line of text, in font sizes: what plotly sets them apart by


def row(net, module, label, shape, *, block="", shortcut="", path="branch", adds=0, parameters=0):
    where = {
        "net": net,
        "skip": net.startswith("resnet"),
        "module": module,
        "block": block,
        "shortcut": shortcut,
        "path": path,
    }
    what = {"label": label, "kind": "Conv2d" if "conv" in label else "Other", "output_shape": shape}
    return where | what | {"parameters": parameters, "multiply_adds": adds, "memory": 4}


def small_net(net, widths=(4, 8), sizes=(8, 4), blocks=3, projection=False):
    """A stem, stages of blocks of two convolutions with norms, and a classifier."""
    rows = [
        row(net, "stem.conv", "3×3 conv, 4", "4×8×8", adds=100, parameters=10),
        row(net, "stem.norm", "", "4×8×8", parameters=2),
    ]
    for stage, (width, size) in enumerate(zip(widths, sizes, strict=True), 1):
        for block in range(1, blocks + 1):
            name, changes = f"stage{stage}.block{block}", stage > 1 and block == 1
            kind = (
                ""
                if not net.startswith("resnet")
                else "identity"
                if not changes
                else "projection"
                if projection
                else "zero padding"
            )
            about = {"block": name, "shortcut": kind}
            shape = f"{width}×{size}×{size}"
            rows.append(
                row(
                    net,
                    f"{name}.branch.conv1",
                    f"3×3 conv, {width}{', /2' * changes}",
                    shape,
                    **about,
                    adds=200,
                    parameters=20,
                )
            )
            rows.append(row(net, f"{name}.branch.norm1", "", shape, **about, parameters=2))
            rows.append(row(net, f"{name}.branch.conv2", f"3×3 conv, {width}", shape, **about, adds=400, parameters=20))
            if kind == "projection":
                rows.append(
                    row(
                        net,
                        f"{name}.shortcut.conv",
                        f"1×1 conv, {width}",
                        shape,
                        **about,
                        path="shortcut",
                        adds=50,
                        parameters=5,
                    )
                )
    return pd.DataFrame(
        [*rows, row(net, "pool", "avg pool", f"{widths[-1]}×1×1"), row(net, "fc", "fc 3", "3", adds=30, parameters=33)]
    )


def traces(figure):
    return {trace.meta["key"]: trace for trace in figure.data}


def notes(figure):
    return {note.name: note.text for note in figure.layout.annotations}


def test_a_box_a_weighted_or_pooling_layer_from_top_to_bottom():
    boxes = traces(architecture_map(small_net("plain-14")))["plain-14/box"]
    assert list(boxes.text[:4]) == ["3×3 conv, 4"] * 4
    assert list(boxes.text[7:9]) == ["3×3 conv, 8, /2", "3×3 conv, 8"]
    assert list(boxes.text[-2:]) == ["avg pool", "fc 3"]
    assert list(boxes.y) == list(range(15))
    assert list(boxes.customdata[1]) == ["stage1.block1.branch.conv1", "stage1.block1"]


def test_norms_and_activations_count_into_the_layer_before_them():
    boxes = traces(architecture_map(small_net("plain-14")))["plain-14/box"]
    assert "100 multiply-adds, 12 parameters" in boxes.hovertext[0]
    assert "200 multiply-adds, 22 parameters" in boxes.hovertext[1]


@pytest.mark.parametrize(
    ("cost", "filled"),
    [
        ("multiply_adds", [100 / 400, 200 / 400, 1]),
        ("parameters", [12 / 33, 22 / 33, 20 / 33]),
        ("memory", [1, 1, 0.5]),
    ],
)
def test_a_box_is_filled_by_its_share_of_the_largest_cost(cost, filled):
    drawn = traces(architecture_map(small_net("plain-14"), cost=cost))
    assert list(drawn["plain-14/cost"].x[:3]) == pytest.approx([architecture.WIDTH * share for share in filled])
    assert set(drawn["plain-14/box"].x) == {architecture.WIDTH}


def test_nets_side_by_side_stand_level_where_their_output_size_is_equal():
    figure = architecture_map(pd.concat([small_net("plain-14", blocks=1), small_net("resnet-14", blocks=3)]))
    short, long = (traces(figure)[f"{net}-14/box"] for net in ("plain", "resnet"))
    assert short.y[short.text.index("3×3 conv, 8, /2")] == long.y[long.text.index("3×3 conv, 8, /2")] == 7
    assert short.y[short.text.index("fc 3")] == long.y[long.text.index("fc 3")] == 14
    assert {"8×8", "4×4", "1×1"} <= set(notes(figure))
    assert long.base - short.base == architecture.STRIDE


def test_a_net_that_grows_its_images_again_is_drawn_in_its_own_order():
    net = pd.DataFrame(
        [
            row("plain-u", name, "3×3 conv, 4", f"4×{size}×{size}")
            for name, size in (("down", 8), ("middle", 4), ("up", 8))
        ]
    )
    figure = architecture_map(net)
    assert list(traces(figure)["plain-u/box"].y) == [0, 1, 2]
    assert "8×8" not in notes(figure)


def test_skips_are_arcs_solid_where_the_shape_stays_and_dotted_where_it_changes():
    drawn = traces(architecture_map(small_net("resnet-14")))
    assert sum(x is None for x in drawn["resnet-14/identity"].x) == 5  # one a skip
    assert sum(x is None for x in drawn["resnet-14/changes"].x) == 1
    assert drawn["resnet-14/identity"].line.dash == "solid" != drawn["resnet-14/changes"].line.dash
    assert drawn["resnet-14/identity"].line.color == theme.RESIDUAL
    assert not any("identity" in key or "changes" in key for key in traces(architecture_map(small_net("plain-14"))))


def test_a_projection_is_counted_but_is_no_box():
    with_projection, without = (
        architecture_map(small_net("resnet-14", projection=projection)) for projection in (True, False)
    )
    assert traces(with_projection)["resnet-14/box"].text == traces(without)["resnet-14/box"].text
    assert notes(with_projection)["resnet-14"].split("<br>")[2] == "302 parameters"
    assert notes(without)["resnet-14"].split("<br>")[2] == "297 parameters"


def test_equal_blocks_of_a_deep_net_are_drawn_once_with_their_number():
    deep = small_net("resnet-400", blocks=200)
    figure = architecture_map(deep)
    boxes = traces(figure)["resnet-400/box"]
    # stem; 200 blocks; the one that changes the shape; 199 blocks; pool and classifier
    assert len(boxes.y) == 1 + 2 + 2 + 2 + 2
    assert {"<b>× 200</b>", "<b>× 199</b>"} <= set(notes(figure).values())
    assert "stage1.block1 to stage1.block200, 200 equal blocks" in boxes.hovertext[1]
    assert len(traces(architecture_map(deep, fold=False))["resnet-400/box"].y) == 1 + 800 + 2
    assert len(traces(architecture_map(small_net("resnet-14"), fold=True))["resnet-14/box"].y) == 9
    assert figure.layout.height < 500


# boxes; lone layers and kinds of blocks
DEEP = {"resnet-152": (29, 13), "resnet-1202": (14, 9), "preact-resnet-1001": (22, 10)}


@pytest.fixture(scope="module", params=[*DEEP, " + ".join(DEEP)])
def deep(request):
    """A map of the real nets of 152, 1,001 and 1,202 layers, one by one and side by side."""
    names = request.param.split(" + ")
    layers = experiment.layers(names)
    return names, layers, architecture_map(layers)


def test_the_deepest_nets_fold_into_few_boxes_traces_and_labels(deep):
    names, layers, figure = deep
    for name in names:
        assert len(traces(figure)[f"{name}/box"].y) == len(traces(figure)[f"{name}/cost"].y) == DEEP[name][0]
        blocks = layers.loc[(layers["net"] == name) & (layers["block"] != ""), "block"].nunique()
        drawn = architecture.groups(layers[layers["net"] == name])
        assert sum(group.times for group in drawn if group.module) == blocks > 3 * len(drawn)
    shapes = layers.loc[layers["path"] == "branch", "output_shape"].str.split("×")
    sizes = shapes[shapes.map(len) == 3].map(lambda shape: tuple(shape[1:])).nunique()
    assert len(figure.data) == 4 * len(names)  # boxes, their filling, and two kinds of skips
    assert len(figure.layout.shapes) == sizes - 1
    # a heading and at most four folds a net; where it comes from
    assert len(figure.layout.annotations) <= sizes + 5 * len(names) + 1
    assert sum(len(trace.x) for trace in figure.data) < 150 * len(names)


def test_no_label_of_the_deepest_nets_lies_on_another(deep):
    _, _, figure = deep
    high, margin = figure.layout.height, figure.layout.template.layout.margin
    bottom, top = figure.layout.yaxis.range
    row = (high - margin.t - margin.b) / (bottom - top)  # pixels
    font = figure.layout.template.layout.annotationdefaults.font.size
    columns = {}  # where it stands from left to right → (top, bottom) of its labels, in pixels
    for trace in figure.data:
        if trace.meta["key"].endswith("/box"):
            columns[trace.base] = [
                (row * y - trace.textfont.size / 2, row * y + trace.textfont.size / 2) for y in trace.y
            ]
    for note in figure.layout.annotations:
        if note.name != "origin":
            tall = LINE * font * (1 + note.text.count("<br>"))
            middle = row * note.y - (tall / 2 if note.yanchor == "bottom" else 0)
            # a heading stands over its boxes
            column = note.x - architecture.WIDTH / 2 if note.yanchor == "bottom" else note.x
            columns.setdefault(column, []).append((middle - tall / 2, middle + tall / 2))
            assert middle - tall / 2 >= row * top
    assert len(columns) >= 3
    for labels in columns.values():
        labels.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(labels))


def test_the_deepest_nets_are_told_in_words_that_count_their_blocks(deep):
    names, layers, _ = deep
    words = architecture.alt_text(layers)
    assert words.startswith(f"Architecture map of {len(names)} net")
    for name in names:
        (told,) = [part for part in words.split(". ") if part.startswith(f"{name}: ")]
        assert told.count(", ") + 1 == DEEP[name][1]
    if "resnet-1202" in names:
        assert "200 blocks of 3×3 conv 16 and 3×3 conv 16 with identity shortcut" in words
    if "preact-resnet-1001" in names:
        assert "110 blocks of 1×1 conv 64 and 3×3 conv 64 and 1×1 conv 256 with identity shortcut" in words
    if "resnet-152" in names:
        assert "35 blocks of 1×1 conv 256 and 3×3 conv 256 and 1×1 conv 1024 with identity shortcut" in words


def test_the_words_are_those_of_the_frame():
    frame = pd.concat([small_net("plain-14"), small_net("resnet-14")])
    said = architecture.sentence(frame)
    assert said.startswith("plain-14 takes 3.73 k multiply-adds and 297 parameters; resnet-14 takes")
    assert said.endswith("The 6 skips of resnet-14 add no multiply-adds and no parameters to plain-14.")
    said = architecture.sentence(pd.concat([small_net("plain-14"), small_net("resnet-14", projection=True)]))
    assert (
        "The 6 skips of resnet-14 add 50 multiply-adds and 5 parameters to plain-14: 1 of them is a projection" in said
    )
    assert said.endswith("option B); the others, identities, add none, and option A, zero padding, would add none.")
    words = architecture.alt_text(small_net("resnet-14"))
    blocks = "3 blocks of 3×3 conv 4 and 3×3 conv 4 with identity shortcut"
    assert words.startswith(f"Architecture map of 1 net. resnet-14: 3×3 conv 4, {blocks}")
    assert words.endswith("avg pool, fc 3.")


def test_wrong_arguments_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"cost is 'flops'; it can be 'multiply_adds', 'parameters', 'memory'\."):
        architecture_map(small_net("plain-14"), cost="flops")
    with pytest.raises(ValueError, match="the frame lacks block, path; it needs net, skip"):
        architecture_map(small_net("plain-14").drop(columns=["block", "path"]))


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (7, "7"), (999, "999"), (1000, "1 k"), (999_600, "1 M"), (214_402, "214 k"), (3.664e9, "3.66 G")],
)
def test_amounts_are_said_as_people_say_them(number, said):
    assert theme.amount(number) == said


def test_an_empty_frame_draws_a_chart_that_says_so():
    figure = architecture_map(small_net("plain-14").iloc[:0])
    assert notes(figure)["empty"] == "No net to draw."
