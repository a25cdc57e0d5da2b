"""Photographs in the recorded nets of CIFAR-10: what is shown is the net's own sum, and what is claimed is typical."""

import numpy as np
import pytest
import torch
from PIL import Image

from reslab.experiments import feature_maps, lesions
from reslab.experiments.photographs import EXAMPLES, examples
from reslab.figures.text.feature_maps import edit_title
from reslab.results import feature_maps as results

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def frame():
    return feature_maps.of_photographs()


def test_the_maps_are_those_of_the_nets_in_use(frame):
    x = examples().batch(slice(None), "test")[0]
    for skip in (False, True):
        _, net = lesions.longest(20, skip)
        rows = frame[(frame["skip"] == skip) & (frame["image"] == "flower")]
        with torch.no_grad():
            inside = net.stage1[0](net.stem(x))
            branch = net.stage1[1].branch(inside)
        block = rows[rows["module"] == "stage1.block2"]
        np.testing.assert_allclose(np.stack(block["x"]), inside[1].numpy(), atol=1e-4)
        np.testing.assert_allclose(np.stack(block["branch"]), branch[1].numpy(), atol=1e-4)
    assert list(frame["image"].unique()) == list(EXAMPLES)
    assert frame["origin"].unique().tolist() == ["recorded weights, 32,000 steps on CIFAR-10"]
    assert frame.query("image == 'cat'")["predicted"].unique().tolist() == ["cat"]  # both nets are right


@pytest.mark.parametrize("image", EXAMPLES)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_residual_block_keeps_the_picture_and_a_plain_one_does_not(frame, image, block):
    """In every block of the first stage, and each picture: the claim of the figure is no matter of what is shown."""
    plain, residual = results.edits(frame[frame["image"] == image], block)
    assert (plain.skip, residual.skip) == (False, True)
    assert plain.cosine < 0.6 < 0.7 < residual.cosine


def test_the_shown_block_has_its_title(frame):
    for image in EXAMPLES:
        assert edit_title(results.edits(frame[frame["image"] == image], 2))


def test_a_picture_of_ones_own(frame, tmp_path):
    file = tmp_path / "mine.png"
    pixels = examples().x_test[1].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file)
    own = feature_maps.of_photographs([str(file), "cat"])
    assert list(own["image"].unique()) == ["your picture 1", "cat"]
    flower = frame[frame["image"] == "flower"].reset_index(drop=True)
    for mine, theirs in zip(own[own["image"] != "cat"]["map"], flower["map"], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_what_is_neither_a_name_nor_a_file_is_refused_with_the_names():
    with pytest.raises(ValueError, match=r"an image that is no file.*'dog'.*cat.*flower.*pagoda"):
        feature_maps.of_photographs(["dog"])
    with pytest.raises(ValueError, match="images is 'cat'; it must be several values"):
        feature_maps.of_photographs("cat")
