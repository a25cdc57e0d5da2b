"""How `make lessons` stores a picture: small, and with the same fills and tints."""

import base64
import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture
def lessons():
    spec = importlib.util.spec_from_file_location("lessons", Path(__file__).parents[1] / ".ci" / "lessons.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(lessons, picture):
    """A picture as it is stored: its PNG and its pixels."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    png = base64.b64decode(lessons.compressed(base64.b64encode(file.getvalue()).decode()))
    return png, np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_pale_fills_stay_what_they_are(lessons):
    picture = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(picture)
    tints = [(238 + i, 240 + i, 242 + i) for i in range(0, 12, 2)]  # each two away from the next
    for place, tint in enumerate(tints):
        draw.rectangle((60 * place, 50, 60 * place + 50, 90), fill=tint)
    for colour in range(200):  # and many rare colours, more than a palette has room for beside them
        draw.point((colour, 200), fill=(colour, 255 - colour, colour // 2))
    _, pixels = stored(lessons, picture)
    for place, tint in enumerate(tints):
        assert tuple(pixels[70, 60 * place + 20]) == tint
    assert np.abs(pixels - np.asarray(picture)).max() <= lessons.OFF[-1]


def test_a_photograph_has_the_colours_of_a_palette(lessons):
    rng = np.random.default_rng(0)
    photograph = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    png, pixels = stored(lessons, photograph)
    assert Image.open(io.BytesIO(png)).mode == "P"
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= lessons.MOST


def test_what_is_transparent_becomes_white_paper(lessons):
    _, pixels = stored(lessons, Image.new("RGBA", (8, 8), (200, 30, 30, 0)))
    assert (pixels == 255).all()
