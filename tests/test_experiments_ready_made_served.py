"""Lessons 07 and 10 where there is a network: files of weights as torchvision's server has them, from a server of this
process, which fails as networks do. The weights were drawn at random, so what is found means nothing.
"""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_sample_image
from small_nets import refusal
from torchvision.models import detection, segmentation
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from reslab import downloads
from reslab.experiments import deletion, ready_made
from reslab.figures import attribution_maps, backbones, receptive_field

pytestmark = pytest.mark.usefixtures("one_thread")
CERTAIN = 40.0  # the classifier's weights are multiplied by it: an untrained one is sure of nothing


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server of files of weights. site.offer(name, net) puts a net's file there, and its address into torchvision's
    own weights of that name; site.faults are what the next requests get instead of the file; site.asked counts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked += 1
            fault, content = server.faults.pop(0) if server.faults else "", server.files[self.path]
            if fault == "busy":
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            self.wfile.write({"half": content[:half], "wrong": content[half:] + content[:half]}.get(fault, content))

        def log_message(self, *args):
            """Quiet."""

    def offer(name, net):
        weights, file = ready_made._weights(name), tmp_path / "made.pth"
        torch.save(net.state_dict(), file)
        content = file.read_bytes()
        path = f"/{name.lower().replace(' ', '_')}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        server.files[path] = content
        monkeypatch.setattr(weights.value, "url", f"http://127.0.0.1:{server.server_port}{path}")
        return path[1:]

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.faults, server.asked, server.offer = {}, [], 0, offer
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("RESLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PAUSE", 0)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def photo():
    return load_sample_image("flower.jpg")[::2, ::2]  # (214, 320, 3)


def theirs(name):
    """torchvision's own model, its last layer so that it is sure of something."""
    torch.manual_seed(0)
    if "R-CNN" in name:
        kind = detection.MaskRCNN if name == "Mask R-CNN" else detection.FasterRCNN
        net = kind(resnet_fpn_backbone(backbone_name="resnet50", weights=None), 91)
        last = net.roi_heads.box_predictor.cls_score
    else:
        make = segmentation.deeplabv3_resnet50 if name == "DeepLabv3" else segmentation.fcn_resnet50
        net = make(weights=None, weights_backbone=None, aux_loss=True)
        last = net.classifier[-1]
    with torch.no_grad():
        last.weight *= CERTAIN
    return net


@pytest.mark.parametrize("name", ["Mask R-CNN", "DeepLabv3"])
def test_after_two_failures_the_weights_come_and_what_is_found_is_drawn(site, tmp_path, photo, name, capfd):
    file = site.offer(name, theirs(name))
    site.faults = ["busy", "half"]
    (drawn, frame), problem = ready_made.attempt(ready_made.detected, photo, name)
    assert (site.asked, problem) == (3, "")
    assert "100%" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [file]
    said = backbones.found_sentence(frame, name)
    assert said.startswith(f"{name} finds: {frame['says'][0]} ")
    assert drawn.shape == photo.shape
    assert not np.array_equal(drawn, photo)
    (shown,) = receptive_field.photo(drawn).data
    assert shown.type == "image"
    ready_made.model(name, progress=False)  # from the cache: nobody is asked
    assert site.asked == 3


def test_five_classes_and_a_map_of_a_net_that_was_trained_elsewhere(site, tmp_path, photo, monkeypatch):
    torch.manual_seed(0)
    net = torchvision.models.resnet18()
    file = site.offer("resnet-18", net)
    site.faults = ["wrong", "wrong", "wrong"]
    asked = ready_made.explained, photo, "resnet-18", "saliency"
    frame, problem = ready_made.attempt(*asked, progress=False)
    assert frame is None
    assert "3 tries (what arrived does not match its checksum)" in problem
    assert f"{file} into {tmp_path / 'cache' / 'weights'} by hand" in problem
    assert not list((tmp_path / "cache" / "weights").iterdir())
    frame, problem = ready_made.attempt(*asked, progress=False)
    words = backbones.classes_sentence(ready_made.top(photo, ["resnet-18"]))
    assert site.asked == 4
    assert words.startswith(f"resnet-18: {frame['says'][0]} {frame['before'][0]:.2f}, ")
    assert problem == ""
    said = attribution_maps.picture_sentence(frame)
    assert said.startswith(f"resnet-18 says {frame['says'][0]}, with a probability of {frame['before'][0]:.2f}.")
    assert set(frame["kind"]) == set(deletion.KINDS)
    assert frame["picture"][0].shape == (224, 224, 3)
    assert "torchvision's weights IMAGENET1K_V1" in str(attribution_maps.picture(frame).layout.annotations)
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path / "by-hand"))
    (tmp_path / "cache" / "weights").rename(tmp_path / "by-hand")
    assert ready_made.needed(["resnet-18"])["here"].all()
    assert backbones.classes_sentence(ready_made.top(photo, ["resnet-18"])) == words
    assert site.asked == 4


def test_what_cannot_be_asked_is_refused_before_anything_is_downloaded(site, photo):
    for wrong in ({"method": "CAM"}, {"name": "resnet-19"}, {"device": "tpu"}):
        assert str(*wrong.values()) in refusal(ready_made.explained, photo, **wrong)
    assert "No picture was given" in refusal(ready_made.explained, None)
    assert site.asked == 0
