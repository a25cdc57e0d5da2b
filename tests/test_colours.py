"""The colours that carry meaning can be told apart by readers who see colours otherwise, simulated.

The simulation is that of Machado, Oliveira & Fernandes 2009, "A Physiologically-based Model for Simulation of Color
Vision Deficiency", severity 1, on linear RGB. A distance is CIE76's in L*a*b*: about 2 is just noticeable.
"""

import itertools

import numpy as np
import pytest
from plotly.colors import hex_to_rgb

from reslab.figures import attribution_maps, theme

SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
CLEAR, ENOUGH = 30, 9  # of the two kinds of net; of any two lines of a chart, which differ in their dash or name too


def lab(colour, vision):
    """L*a*b* of a colour "#RRGGBB" as a person with this colour vision sees it."""
    srgb = np.array(hex_to_rgb(colour)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_BY[vision]) @ linear, 0, 1)
    x, y, z = (XYZ @ seen) / (XYZ @ np.ones(3))
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, vision):
    return np.linalg.norm(lab(one, vision) - lab(other, vision))


def test_the_simulation_knows_what_is_known():
    """Black and white stay; red and green of one lightness come together for deuteranopia alone."""
    assert distance("#000000", "#ffffff", "everybody") == pytest.approx(100, abs=0.5)
    red, green = "#C05040", "#6E8540"
    assert distance(red, green, "everybody") > 50
    assert distance(red, green, "deuteranopia") < 20
    assert distance(red, green, "tritanopia") > 40


@pytest.mark.parametrize("vision", SEEN_BY)
def test_plain_and_residual_are_told_apart_at_every_depth(vision):
    for depth in (8, 20, 56, 110, 302, 1202):
        plain, residual = theme.colour(False, depth), theme.colour(True, depth)
        assert distance(plain, residual, vision) > CLEAR, (depth, plain, residual)


@pytest.mark.parametrize("vision", SEEN_BY)
def test_any_two_lines_of_a_chart_are_told_apart(vision):
    for one, other in itertools.combinations(theme.template.layout.colorway, 2):
        assert distance(one, other, vision) > ENOUGH, (one, other)


@pytest.mark.parametrize("vision", SEEN_BY)
def test_for_and_against_are_told_apart_on_a_map(vision):
    against, supporting = (
        "#" + "".join(f"{int(part):02x}" for part in colour.split(", "))
        for colour in (attribution_maps.AGAINST, attribution_maps.FOR)
    )
    assert distance(against, supporting, vision) > CLEAR
