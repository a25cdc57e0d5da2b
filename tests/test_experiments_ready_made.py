"""Lesson 10: torchvision's trained models on a picture of one's own, with files of weights that were drawn at random.

No box of an untrained detector is ever shown to a learner: here they only show that what is found is drawn.
"""

import hashlib
import io

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from small_nets import refusal
from torchvision.models import detection, segmentation
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from reslab import downloads
from reslab.experiments import ready_made
from reslab.figures.text import backbones as words
from reslab.nets import WeightsUnavailable

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def stored(name, net, folder, monkeypatch):
    """A file of weights as torchvision serves it, in a folder given by hand."""
    weights = ready_made._weights(name)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    path = folder / f"net-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    path.write_bytes(file.getvalue())
    monkeypatch.setattr(weights.value, "url", path.as_uri())
    return path


@pytest.mark.parametrize("name", ["Mask R-CNN", "FCN"])
def test_weights_of_a_folder_make_torchvisions_own_model(name, tmp_path, monkeypatch, picture):
    torch.manual_seed(0)
    if name == "FCN":
        theirs = segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    else:
        theirs = detection.MaskRCNN(resnet_fpn_backbone(backbone_name="resnet50", weights=None), 91)
    stored(name, theirs, tmp_path, monkeypatch)
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path))
    found = ready_made.needed([name, "resnet-18"])
    assert found["here"].tolist() == [True, False]
    said = words.weights_sentence(found)
    assert "1 of 2 files" in said
    assert "resnet18-f37072fd.pth" in said
    net = ready_made.model(name, progress=False)
    assert not net.training
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(net.state_dict()[key], tensor), key
    drawn, frame = ready_made.marked(net, ready_made.read_picture(picture), least=2.0)
    if name == "FCN":
        assert frame["share"].sum() <= 1 + 1e-6
        assert drawn.shape == picture.shape
    else:
        assert len(frame) == 0
        assert np.array_equal(drawn, picture)


def test_a_file_is_downloaded_by_name_with_its_checksum_and_kept(tmp_path, monkeypatch, picture):
    torch.manual_seed(0)
    site = tmp_path / "site"
    site.mkdir()
    path = stored("resnet-18", torchvision.models.resnet18(), site, monkeypatch)
    monkeypatch.setattr(downloads, "PAUSE", 0)
    frame = ready_made.top(picture, ["resnet-18"], root=tmp_path / "kept", progress=False)
    assert (tmp_path / "kept" / path.name).read_bytes() == path.read_bytes()
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    assert frame["probability"].is_monotonic_decreasing
    assert set(frame["says"]) <= set(ready_made._weights("resnet-18").meta["categories"])
    again, reason = ready_made.attempt(ready_made.top, picture, ["resnet-18"], root=tmp_path / "kept", progress=False)
    assert again.equals(frame)
    assert reason == ""
    assert words.classes_sentence(frame).startswith(f"resnet-18: {frame['says'][0]} 0.")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsUnavailable, match="what arrived does not match its checksum"):
        ready_made.top(picture, ["resnet-18"], root=tmp_path / "other", progress=False)


def test_without_a_network_one_sentence_says_what_to_do(tmp_path, monkeypatch, picture):
    weights = ready_made._weights("Faster R-CNN")
    monkeypatch.setattr(weights.value, "url", (tmp_path / "nowhere" / "detector-12345678.pth").as_uri())
    monkeypatch.setattr(downloads, "PAUSE", 0)
    with pytest.raises(WeightsUnavailable) as refused:
        ready_made.detected(picture, "Faster R-CNN", root=tmp_path, progress=False)
    said = str(refused.value)
    assert said.startswith("the weights of Faster R-CNN could not be downloaded in 3 tries (")
    assert said.endswith(f"detector-12345678.pth into {tmp_path} by hand and call this again.")
    asked = (ready_made.detected, picture, "Faster R-CNN")
    assert ready_made.attempt(*asked, root=tmp_path, progress=False) == (None, said)
    for measure in (ready_made.detected, ready_made.top):
        assert ready_made.attempt(measure, None) == (None, "No picture was given, so nothing was downloaded.")


def test_boxes_masks_and_segments_are_drawn_where_they_were_found():
    x = torch.zeros(3, 40, 60, dtype=torch.uint8)
    mask = torch.zeros(2, 1, 40, 60)
    mask[0, 0, 5:15, 5:25] = 1
    boxes = torch.tensor([[5.0, 5.0, 25.0, 15.0], [30.0, 20.0, 50.0, 35.0]])
    found = {"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.3]), "masks": mask}
    drawn, frame = ready_made._boxes(found, x, ["none", "cat", "dog"], 0.6)
    assert frame.to_dict("records") == [
        {"says": "cat", "score": pytest.approx(0.9), "left": 5.0, "top": 5.0, "right": 25.0, "bottom": 15.0}
    ]
    assert words.found_sentence(frame, "Mask R-CNN") == "Mask R-CNN finds: cat 0.90."
    assert words.found_sentence(frame[:0], "Mask R-CNN") == "Mask R-CNN finds: nothing that it is sure of."
    assert drawn[10, 15].any()
    assert not drawn[28, 40].any()  # a score below the least
    classes = torch.zeros(20, 30, dtype=torch.long)
    classes[:10, :15] = 2
    drawn, frame = ready_made._segments(classes, x, ["none", "cat", "dog"])
    assert frame.to_dict("records") == [{"says": "dog", "share": 0.25}]
    assert words.found_sentence(frame, "FCN") == "FCN finds: dog 0.25."
    assert drawn[5, 5].any()
    assert not drawn[35, 50].any()


def test_a_name_is_written_in_its_place_or_as_near_as_it_is_whole():
    white = torch.full((3, 60, 600), 255, dtype=torch.uint8)
    for place in ([5, 5], [595, 55], [-20, -20]):
        drawn = ready_made._named(white, ["cat 0.93"], [place], ["#0072B2"])
        rows, columns = np.nonzero((drawn == (0, 0x72, 0xB2)).all(2))
        wide, high = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert wide > 2 * high > 30
        assert (drawn[rows.min() : rows.max(), columns.min() : columns.max()] > 200).all(2).any()  # white letters
    assert ready_made._inside(torch.tensor([[True, False, False, True]]))[1] == 0
    ring = torch.ones(9, 9, dtype=bool)
    ring[1:8, 1:8] = False
    left, top = ready_made._inside(ring)
    assert ring[top, left]


def test_of_a_hundred_boxes_no_name_covers_another_and_ten_are_named():
    """Each has a colour of its own, so a name that is covered would miss some of its ground."""
    random = torch.Generator().manual_seed(0)
    places = (torch.rand(100, 2, generator=random) * torch.tensor([900.0, 500.0])).tolist()
    colours = [f"#{place + 1:02x}00ff" for place in range(100)]
    drawn = ready_made._named(torch.zeros(3, 600, 1000, dtype=torch.uint8), ["zebra 0.93"] * 100, places, colours)
    shown = [np.nonzero((drawn == (place + 1, 0, 255)).all(2)) for place in range(100)]
    sizes = {(np.ptp(rows) + 1, np.ptp(columns) + 1) for rows, columns in shown if len(rows)}
    assert len(shown[0][0])  # the best of them
    assert 10 < sum(len(rows) > 0 for rows, _ in shown) < 100
    assert np.ptp([wide for _, wide in sizes]) <= 1
    assert np.ptp([high for high, _ in sizes]) <= 1
    frame = pd.DataFrame({"says": "zebra", "score": np.linspace(1, 0.6, 100)})
    assert words.found_sentence(frame, "Mask R-CNN").endswith("zebra 0.96, and 90 more.")


def test_a_photograph_from_a_telephone_is_upright_and_what_is_transparent_is_white(tmp_path, picture):
    turned, file = Image.Exif(), tmp_path / "portrait.png"
    turned[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(np.rot90(picture)).save(file, exif=turned)
    with Image.open(file) as opened:
        for given in (file, file.read_bytes(), opened):
            assert np.array_equal(ready_made.read_picture(given).permute(1, 2, 0), picture)
    assert ready_made.read_picture(Image.new("RGBA", (4, 3))).eq(255).all()


def test_a_picture_is_a_file_its_bytes_or_an_array(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "mine.png")
    wanted = torch.from_numpy(picture).permute(2, 0, 1)
    for given in (picture, tmp_path / "mine.png", (tmp_path / "mine.png").read_bytes()):
        assert torch.equal(ready_made.read_picture(given), wanted)
    said = "the picture cannot be read as a picture: give a PNG or a JPEG."
    for other in (b"text", 3, torch.zeros(3, 8, 8)):
        assert refusal(ready_made.read_picture, other) == said
    assert "nothing.png cannot be opened (No such file" in refusal(ready_made.read_picture, tmp_path / "nothing.png")
    assert "the array is float64 (2, 2)" in refusal(ready_made.read_picture, np.zeros((2, 2)))
    said = refusal(ready_made.needed, ["resnet-20"])
    assert "a trained net is 'resnet-20'" in said
