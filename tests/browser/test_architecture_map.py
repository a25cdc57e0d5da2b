"""The architecture map in the real JupyterLab: every label can be read."""

import json

import pytest

NAME = "architecture_map.ipynb"
CODE = 'from reslab import explorers\nexplorers.Architecture("vgg-19 + plain-34 + resnet-34")'
MAP = ".reslab-map .js-plotly-plot"
LABELS = """chart => [...chart.querySelectorAll('.bartext, .annotation-text')].map(label => {
    const box = label.getBoundingClientRect(), style = getComputedStyle(label)
    const place = {left: box.left, right: box.right, top: box.top, bottom: box.bottom}
    return {...place, text: label.textContent, size: parseFloat(style.fontSize), ink: style.fill}
}).filter(label => label.text)"""
PAPER = "chart => getComputedStyle(chart.closest('.jp-Notebook')).backgroundColor"


@pytest.fixture(scope="module")
def notebook(lab):
    """A notebook with the map alone."""
    cell = {"cell_type": "code", "id": "map", "metadata": {}, "execution_count": None, "outputs": [], "source": CODE}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / NAME).write_text(json.dumps(content))
    with lab.open(NAME) as notebook:
        notebook.run_all()
        notebook.wait_until(lambda: len(labels(notebook)) > 80, 60)
        yield notebook


def labels(notebook):
    return notebook.find(MAP).first.evaluate(LABELS) if notebook.find(MAP).count() else []


def overlapping(labels):
    """Pairs of labels whose boxes share more than a pixel, which rounding may give to both."""
    return [
        (a["text"], b["text"])
        for i, a in enumerate(labels)
        for b in labels[:i]
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1
    ]


def luminance(colour):
    """WCAG 2.2, relative luminance, of "rgb(r, g, b)"; what is transparent is taken for what stands under it: black or
    white."""
    *channels, alpha = [float(part) for part in colour.split("(")[1].rstrip(")").split(",")] + [1.0] * (
        colour.count(",") == 2
    )
    paper = 255 if sum(channels) < 383 else 0
    shares = [(channel * alpha + paper * (1 - alpha)) / 255 for channel in channels]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 720), (1440, 900)])
def test_every_label_can_be_read(notebook, size, theme):
    notebook.resize(*size)
    notebook.page.emulate_media(color_scheme=theme)
    is_light = str(theme == "light").lower()
    notebook.wait_until(lambda: notebook.page.locator(f"body[data-jp-theme-light={is_light}]").count())
    notebook.wait_until(lambda: not overlapping(labels(notebook)))
    notebook.show(".reslab")
    notebook.screenshot(f"architecture_map-{size[0]}-{theme}")
    read, paper = labels(notebook), notebook.find(MAP).first.evaluate(PAPER)
    assert len(read) > 80
    assert min(label["size"] for label in read) >= 14
    assert min(contrast(label["ink"], paper) for label in read) >= 7
    box, chart = (notebook.find(css).first.bounding_box() for css in (".reslab-map", MAP))
    assert chart["height"] > 1000 > box["height"]  # it scrolls
    assert box["width"] >= 700
