"""What the lessons claim of the pictures that a net can tell apart, measured over three seeds on the digits.

Measured when these limits were chosen (seeds 0, 1, 2; 397 test images; width 8; untrained unless said; BatchNorm with the statistics of
the images measured):

Nothing here was tuned to make a claim come out; other processors round otherwise, and in a chaotic net nearest neighbours change with
it: the limits leave room for that.
"""

import pytest

from reslab.experiments import representations

SEEDS = (0, 1, 2)
pytestmark = [pytest.mark.claims, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def untrained():
    return representations.before_training(seeds=SEEDS, progress=False)
