"""The look of every figure: colours, sizes of text, names that keep apart, axes with units, paper for either theme."""

import re

import drawn
import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from reslab.figures import theme, variants

FIGURES = drawn.every()
BARE = ("architecture", "diagram", "tiles", "maps", "edit", "walk")  # pictures, whose axes have no numbers


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


# Colours


@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"])
def test_every_line_stands_out_on_white_and_on_dark(background):
    nets = [theme.colour(skip, depth) for skip in (False, True) for depth in range(8, 1203)]
    colours = [*nets, theme.GREY, *(colour for colour, _ in variants.EXTRA_STYLES)]
    assert min(contrast(colour, background) for colour in colours) >= 3


def test_text_has_contrast_on_the_background_of_a_figure():
    layout = pio.templates["reslab"].layout
    assert (layout.paper_bgcolor, layout.font.color) == ("white", theme.INK)
    assert contrast(theme.INK, "#FFFFFF") >= 7
    assert pio.templates.default != "reslab"


@pytest.mark.parametrize("skip", [False, True])
def test_deeper_is_darker(skip):
    light = [luminance(theme.colour(skip, depth)) for depth in range(8, 1203)]
    assert np.all(np.diff(light) <= 0)
    named = [luminance(theme.colour(skip, depth)) for depth in (8, 20, 32, 44, 56, 110, 1202)]
    assert np.all(np.diff(named) < 0)


def test_colours_lines_and_markers_are_those_of_plain_and_residual():
    assert (theme.PLAIN, theme.RESIDUAL) == ("#D55E00", "#0072B2")
    assert theme.colour(False, 20) == theme.PLAIN
    assert theme.colour(True, 56) == theme.RESIDUAL
    assert theme.colour(True, 3) == theme.colour(True, 8)
    assert theme.line(True, 56)["dash"] == "solid" != theme.line(False, 56)["dash"]
    assert theme.line(True, 56, recorded=True)["width"] < theme.line(True, 56)["width"]
    assert theme.marker(True, 56)["symbol"] != theme.marker(False, 56)["symbol"]
    with pytest.raises(ValueError, match=r"A depth of 0 has no colour: depth is the number of layers, 1 or more\."):
        theme.colour(True, 0)


# Sizes of text


def sizes(part, path=""):
    """(path, size) of every font in a figure's dictionary."""
    if isinstance(part, dict):
        for key, value in part.items():
            if "font" in key and isinstance(value, dict) and "size" in value:
                yield f"{path}/{key}", value["size"]
            yield from sizes(value, f"{path}/{key}")
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from sizes(value, path)


def defaults(layout):
    return {axis: layout[axis].title.font.size for axis in ("xaxis", "yaxis")} | {"text": layout.font.size}


def test_the_template_is_legible_from_the_back_row():
    assert defaults(pio.templates["reslab"].layout) == {"xaxis": 16, "yaxis": 16, "text": 14}
    assert min(size for _, size in sizes(pio.templates["reslab"].to_plotly_json())) >= 14


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_smaller_than_14_and_no_name_than_16(name):
    figure = FIGURES[name]
    layout = figure.layout.to_plotly_json()
    layout.pop("template")
    found = list(sizes({"layout": layout, "data": [trace.to_plotly_json() for trace in figure.data]}))
    assert all(size >= 14 for _, size in found), found
    named = [note.font.size for note in figure.layout.annotations if (note.name or "").endswith("/name")]
    assert all(size >= 16 for size in named)
    titles = [(path, size) for path, size in found if re.search(r"axis\d*/title/", path)]
    assert name.startswith(BARE) or all(size >= 16 for _, size in titles)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_shows_its_origin_and_names_its_axes(name):
    figure = FIGURES[name]
    assert drawn.notes(figure)["origin"]
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert figure.layout.height >= 380 or name.startswith(BARE)


def test_a_chart_as_dictionaries_is_the_figure():
    for name, chart in drawn.every(draw=theme.chart).items():
        chart["layout"].setdefault("height", theme.HEIGHT)
        if said := FIGURES[name].layout.meta:  # a live chart keeps its title
            chart["layout"] |= {"meta": said, "title": chart["layout"]["title"] | {"text": said["statement"]}}
        assert go.Figure(**chart).to_json() == FIGURES[name].to_json(), name


def test_a_long_title_of_an_axis_is_broken():
    figure = theme.figure([], title="Channels", x="Step", y="Channels that are 0 for every image (%)")
    assert figure.layout.yaxis.title.text == "Channels that are 0 for every<br>image (%)"
    assert figure.layout.xaxis.title.text == "Step"


def test_a_line_under_the_title_is_broken_between_its_parts_where_that_takes_no_more_lines():
    pictures, machine = "200 test pictures, eval mode, all of them once", "recorded, NVIDIA H200, 2026-11"
    figure = theme.figure([], title="T", x="x", y="y", origin=f"seed 0 · {pictures} · {machine}")
    assert drawn.notes(figure)["origin"] == f"seed 0 · {pictures}<br>{machine}"
    words = "word " * 13
    long = theme.figure([], title="T", x="x", y="y", origin=f"seed 0 · {words}word · {words}word")
    assert drawn.notes(long)["origin"].count("<br>") == 1


def test_a_long_origin_is_broken_and_the_title_makes_room_for_it():
    short, long = (theme.figure([], title="T", x="x", y="y", origin=text) for text in ("live", "live, seed 0, " * 10))
    assert drawn.notes(long)["origin"].count("<br>") == 1
    rise = long.layout.margin.t - theme.TOP
    assert rise >= theme.SMALL
    assert long.layout.title.pad.b == theme.template.layout.title.pad.b + rise
    assert short.layout.margin.t is short.layout.title.pad.b is None


def test_an_axis_needs_a_title():
    with pytest.raises(ValueError, match=r'The y axis of "Loss" has no title: say what it shows, and its unit\.'):
        theme.figure([], title="Loss", x="Step", y=" ")
    figure = theme.figure([], title="Loss", x="Step", y={"title": "Loss (nats)"}, empty="Press Start.", height=300)
    assert (figure.layout.yaxis.title.text, figure.layout.height) == ("Loss (nats)", 300)
    assert drawn.notes(figure) == {"empty": "Press Start."}


# Names of lines


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([50], [50]),
        ([20, 80], [20, 80]),
        ([50, 50], [55, 45]),
        ([50, 52, 90], [46, 56, 90]),
        ([0, 0, 0], [5, 15, 25]),  # not below the axis
        ([100, 99], [95, 85]),  # nor above it
        ([0] * 10, [5 + 10 * i for i in range(10)]),
        ([0] * 11, None),
    ],
)
def test_names_are_as_near_to_their_lines_as_the_others_allow(wanted, places):
    found = theme.separated(wanted, [10] * len(wanted), 0, 100)
    if places is None:
        assert found is None
        return
    if len(set(wanted)) < len(wanted):
        assert sorted(found) == sorted(places)
    else:
        np.testing.assert_allclose(found, places)


@pytest.mark.parametrize("seed", range(20))
def test_names_never_overlap_and_never_leave_the_axis(seed):
    random = np.random.default_rng(seed)
    wanted, heights = random.uniform(-10, 110, 8), random.choice([5, 10], 8)
    found = np.array(theme.separated(wanted, heights, 0, 100))
    order = np.argsort(found)
    edges = np.stack([found - heights / 2, found + heights / 2])[:, order]
    assert edges.min() >= -1e-9
    assert edges.max() <= 100 + 1e-9
    assert np.all(edges[0, 1:] - edges[1, :-1] >= -1e-9)


def test_lines_too_many_to_be_named_have_a_legend():
    ends = [(str(i), f"net {i}", 1, i, theme.PLAIN) for i in range(20)]
    x, y = {"range": [0, 1]}, {"range": [0, 20]}
    assert theme.name_lines(ends, x, y) == {
        "annotations": [],
        "showlegend": True,
        "margin": theme.template.layout.margin.to_plotly_json(),
    }
    few = theme.name_lines(ends[:3], x, y)
    assert len(few["annotations"]) == 3
    assert not few["showlegend"]
    assert few["margin"]["r"] > theme.template.layout.margin.r
