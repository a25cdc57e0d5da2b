"""Lesson 04 in the real JupyterLab, as a learner works through it."""

import io
import itertools

import pytest
from explorer_page import LEFT, RIGHT, at_rest, choose, click_mark, hand_out, unfolded, values
from PIL import Image

LESSON = "04_activations.ipynb"
MEASURED = ("seen", "untrained", "walk", "question")  # in the cells that measure: the explorer takes nothing from them


@pytest.fixture(scope="module")
def notebook(lab):
    """The lesson on a projector's 1280 × 720, run as far as its explorer, but for what it measures."""
    with lab.open(LESSON) as notebook:
        notebook.run_to("explorers.Activations(", without=MEASURED, timeout=900)
        notebook.wait_until(lambda: values(notebook, LEFT, "resnet-20 · trained") and len(maps(notebook)) == 3, 120)
        notebook.show(".reslab")
        yield notebook


def maps(notebook):
    """The pixels of every heatmap at the right."""
    return [drawn["z"] for drawn in notebook.figure_data(RIGHT)]


def titles(notebook):
    """What the second chart writes below the maps of each net."""
    return notebook.find(f"{RIGHT} >> .infolayer").first.evaluate("layer => layer.textContent")


def overlapping(notebook):
    """Pairs of the second chart's heatmaps that lie on one another."""
    drawn = notebook.find(f"{RIGHT} >> .heatmaplayer image").all()
    boxes = [
        (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        for box in (image.bounding_box() for image in drawn)
    ]
    apart = 1  # a pixel of rounding
    return [
        (a, b)
        for a, b in itertools.combinations(boxes, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > apart and min(a[3], b[3]) - max(a[1], b[1]) > apart
    ]


def fill(notebook, name, value):
    """Type a number into a box under "More"."""
    with unfolded(notebook):
        notebook.fill(f".reslab-{name} input", value)


def value(notebook, name):
    return notebook.find(f".reslab-{name} input").first.input_value()


def test_a_learner_follows_an_image_through_both_nets(notebook, record_property):
    answered = {}
    notebook.show(".reslab")

    # Plain and residual are both there, trained; the opened block wears a ring, and its maps are at the right.
    assert (
        max(values(notebook, LEFT, "resnet-20 · trained")[3:]) < 1 < min(values(notebook, LEFT, "plain-20 · trained"))
    )
    assert "stage1.block3" in titles(notebook)
    before = maps(notebook)
    assert len(before) == 3

    # A click on a point opens its block; so does its number.
    point = notebook.find(f"{LEFT} >> .scatterlayer .trace").first.locator(".point").nth(5)
    click_mark(notebook, LEFT, point.bounding_box)
    answered["click"] = notebook.wait_until(lambda: "stage2.block3" in titles(notebook))
    notebook.wait_until(lambda: value(notebook, "block") == "6")
    fill(notebook, "block", "99")
    notebook.wait_until(lambda: value(notebook, "block") == "9")
    notebook.wait_until(lambda: "the nearest is 9" in notebook.text(".reslab-message"))
    notebook.wait_until(lambda: "stage3.block3" in titles(notebook))
    fill(notebook, "block", "3")
    notebook.wait_until(lambda: maps(notebook) == before)

    # Another image, another statistic.
    fill(notebook, "image", "5")
    answered["image"] = notebook.wait_until(lambda: maps(notebook) != before)
    choose(notebook, "show", "output against input")
    answered["show"] = notebook.wait_until(lambda: "cosine" in notebook.text(".reslab-sentence"))
    notebook.screenshot("04_activations-cosine", ".reslab")
    hand_out(notebook, "resnet-20,weights=trained | plain-20,weights=trained | show=ratio,block=3,image=3")
    notebook.wait_until(lambda: maps(notebook) == before)
    assert not overlapping(notebook)
    notebook.show(".reslab")
    notebook.screenshot("04_activations-light")

    # The toggle, untrained and trained.
    notebook.find(".reslab-weights select").first.select_option("untrained")
    answered["untrained"] = notebook.wait_until(lambda: values(notebook, LEFT, "resnet-20 · untrained"))
    notebook.click(".reslab-skip")
    answered["skip"] = notebook.wait_until(lambda: values(notebook, LEFT, "plain-20 · untrained"))
    assert "OFF" in notebook.text(".reslab-skip")
    notebook.find(".reslab-weights select").first.select_option("trained")
    notebook.wait_until(lambda: values(notebook, LEFT, "plain-20 · trained"))  # what is typed before is lost
    notebook.fill(".reslab-depth-text input", "56")
    notebook.wait_until(lambda: "training plain-56" in notebook.text(".reslab-progress-text"), 60)
    notebook.wait_until(lambda: values(notebook, LEFT, "plain-56 · trained"), 180)
    notebook.wait_until(lambda: "plain-56 did not learn" in notebook.text(".reslab-sentence"))

    for name, seconds in answered.items():
        record_property(f"seconds until {name} answered", round(seconds, 2))
    print("\nanswered within:", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answered.items()))


def test_a_learners_own_image(notebook):
    hand_out(notebook, "resnet-20,weights=trained | plain-20,weights=trained | show=ratio,block=2,image=3")
    notebook.wait_until(
        lambda: titles(notebook).count("stage1.block2") == 2 and values(notebook, LEFT, "plain-20 · trained")
    )
    before = at_rest(notebook, lambda: maps(notebook))
    one = Image.new("L", (120, 90), "white")
    one.paste("black", (55, 10, 68, 80))
    file = io.BytesIO()
    one.save(file, "PNG")

    def give(name, content):
        with unfolded(notebook), notebook.page.expect_file_chooser() as chooser:
            notebook.click(".reslab-upload button")
        chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})

    give("notes.png", b"no image at all")
    notebook.wait_until(lambda: "no image that can be read" in notebook.text(".reslab-message"))
    assert at_rest(notebook, lambda: maps(notebook)) == before
    give("one.png", file.getvalue())
    notebook.wait_until(lambda: "inverted" in notebook.text(".reslab-message"))
    notebook.wait_until(lambda: maps(notebook) != before)
    image = maps(notebook)[-1]
    columns = [sum(row[i] for row in image) for i in range(8)]
    assert columns.index(max(columns)) in (3, 4)
    notebook.screenshot("04_activations-own", ".reslab")


def test_two_nets_have_a_place_each_however_they_came(notebook):
    """plotly.js squeezes an axis whose pixels are square, and had to be told that its place has changed."""
    for nets in ("resnet-20", "resnet-20 | plain-20", "plain-20", "resnet-56 | plain-56"):
        hand_out(notebook, f"{nets} | show=activation_rms,block=2,image=1")
        drawn = [[nets.count("-"), nets.count("-") + 1]]  # the nets' maps, and the image
        notebook.wait_until(
            lambda drawn=drawn: [[titles(notebook).count("stage1.block2"), len(maps(notebook))]] == drawn
        )
        at_rest(notebook, lambda: maps(notebook))
        assert not overlapping(notebook)
