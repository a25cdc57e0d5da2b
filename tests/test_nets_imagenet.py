"""ImageNet weights by name: from the cache, from the network, and a sentence where neither has them."""

import hashlib
import io
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import torchvision
from small_nets import refusal, same_bits, small

from reslab import downloads
from reslab.nets import FAMILY, WeightsUnavailable, build, pretrained
from reslab.nets.imagenet import PRETRAINED, key_map, load

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = torchvision.models.ResNet18_Weights.IMAGENET1K_V1


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return torchvision.models.resnet18().eval()


@pytest.fixture(scope="module")
def content(theirs):
    """A file of weights as torchvision serves them: drawn at random, not trained."""
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    return file.getvalue()


@pytest.fixture
def served(content, tmp_path, monkeypatch):
    """The file that a server in this process sends; what is in it can be changed. Its `asked` lists the requests."""
    site = tmp_path / "site"
    site.mkdir()
    file = site / f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file.write_bytes(content)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(WEIGHTS.value, "url", f"http://127.0.0.1:{server.server_port}/{file.name}")
    monkeypatch.setattr(downloads, "PAUSE", 0)
    monkeypatch.setenv("RESLAB_CACHE", str(tmp_path / "cache"))
    server.file, server.asked = file, asked
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_are_downloaded_with_a_bar_then_read_from_the_cache(served, theirs, tmp_path, capfd):
    net = pretrained("resnet-18")
    assert "100%" in capfd.readouterr().err
    served.file.unlink()
    again = pretrained("resnet-18")
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [served.file.name]
    assert len(served.asked) == 1
    assert same_bits(net.state_dict(), again.state_dict())
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(net(x), theirs(x))
    assert (net.spec, net.seed, net.training) == (FAMILY["resnet-18"], None, False)
    assert net.weights is WEIGHTS
    assert len(net.weights.meta["categories"]) == 1000
    assert net.weights.transforms()(torch.rand(3, 300, 400)).shape == (3, 224, 224)


def test_no_bar_where_none_is_wanted(served, tmp_path, capfd):
    pretrained("resnet-18", progress=False, root=tmp_path / "elsewhere")
    assert "%" not in capfd.readouterr().err
    assert (tmp_path / "elsewhere" / served.file.name).is_file()


def test_a_damaged_copy_is_fetched_again(served, content, tmp_path):
    copy = tmp_path / "cache" / "weights" / served.file.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(content[: len(content) // 2])
    pretrained("resnet-18", progress=False)
    assert copy.read_bytes() == content
    assert list(copy.parent.iterdir()) == [copy]


def test_a_file_put_there_by_hand_that_is_another_is_neither_read_nor_lost(served, content, tmp_path):
    """Its layers would fit: a net of the same layers that nobody trained."""
    served.file.unlink()
    other, mine = io.BytesIO(), tmp_path / served.file.name
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet18().state_dict(), other)
    for wrong in (other.getvalue(), content[:-100]):
        mine.write_bytes(wrong)
        with pytest.raises(WeightsUnavailable) as refused:
            pretrained("resnet-18", root=tmp_path, progress=False)
        assert f"the file {mine} is damaged or another one, its checksum does not match;" in str(refused.value)
        assert mine.read_bytes() == wrong


def test_a_download_that_stays_damaged_ends_in_one_sentence(served, content, tmp_path):
    served.file.write_bytes(content[:-100])
    with pytest.raises(WeightsUnavailable) as refused:
        pretrained("resnet-18", progress=False)
    cause, folder = "what arrived does not match its checksum", tmp_path / "cache" / "weights"
    assert (
        str(refused.value)
        == f"the weights of resnet-18 could not be downloaded in 3 tries ({cause}); build(FAMILY['resnet-18']) works"
        f" with no network, with weights drawn at random, or put {WEIGHTS.url} into {folder} by hand and call this"
        " again."
    )
    assert len(served.asked) == 3
    assert not list((tmp_path / "cache" / "weights").iterdir())


def test_offline_it_says_so_in_one_sentence(served, tmp_path):
    served.file.unlink()
    with pytest.raises(
        WeightsUnavailable,
        match=r"resnet-18 could not be downloaded in 3 tries \(HTTP Error 404: File not found\); build",
    ):
        pretrained("resnet-18", progress=False)


def test_a_file_put_there_by_hand_is_used_with_no_network(served, content, tmp_path):
    served.file.unlink()
    (tmp_path / served.file.name).write_bytes(content)
    assert pretrained("resnet-18", root=str(tmp_path)).fc.weight.isfinite().all()
    assert served.asked == []


def test_a_folder_that_cannot_be_made_is_told_as_the_cause(served, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsUnavailable, match=r"3 tries \(\[Errno \d+\] .*file"):
        pretrained("resnet-18", root=tmp_path / "file" / "weights")


def test_names_and_versions_are_checked():
    assert refusal(pretrained, "resnet-56").endswith("Did you mean 'resnet-50'?")
    said = refusal(pretrained, "resnet-50", version="V3")
    assert said == "the version of resnet-50's weights is 'V3'; it can be 'IMAGENET1K_V1', 'IMAGENET1K_V2', 'DEFAULT'."
    for name, theirs in PRETRAINED.items():
        assert FAMILY[name].name == name
        assert "IMAGENET1K_V1" in torchvision.models.get_model_weights(theirs).__members__


def test_the_key_map_is_the_one_of_the_table():
    resnet, resnet_d, vgg = (key_map(FAMILY[name]) for name in ("resnet-50", "resnet-50-d", "vgg-16-bn"))
    assert resnet["stem.conv.weight"] == "conv1.weight"
    assert resnet["stem.norm.running_mean"] == "bn1.running_mean"
    assert resnet["stage3.block6.branch.norm3.bias"] == "layer3.5.bn3.bias"
    assert resnet["stage4.block1.shortcut.norm.num_batches_tracked"] == "layer4.0.downsample.1.num_batches_tracked"
    assert [resnet_d[f"stem.conv{i}.weight"] for i in (1, 2, 3)] == [
        "conv1.0.weight",
        "conv1.3.weight",
        "conv1.6.weight",
    ]
    assert [resnet_d[f"stem.norm{i}.weight"] for i in (1, 2, 3)] == ["conv1.1.weight", "conv1.4.weight", "bn1.weight"]
    assert resnet_d["stage1.block1.shortcut.conv.weight"] == "layer1.0.downsample.1.weight"
    assert vgg["stage1.block2.branch.conv1.weight"] == "features.3.weight"
    assert vgg["stage2.block1.branch.norm1.bias"] == "features.8.bias"
    assert (vgg["head.fc2.bias"], vgg["fc.weight"]) == ("classifier.3.bias", "classifier.6.weight")
    for names in (resnet, resnet_d, vgg):
        assert len(set(names.values())) == len(names)


def test_weights_of_another_net_are_refused_and_change_nothing(theirs):
    net = build(FAMILY["resnet-18"])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = theirs.state_dict()
    part = {name: tensor for name, tensor in state.items() if name != "fc.bias"}
    assert (
        refusal(load, net, part)
        == "these weights are not those of a resnet-18: fc.bias does not fit; take those of the same layers."
    )
    more = state | {"layer5.weight": torch.zeros(1)}
    assert "layer5.weight does not fit" in refusal(load, net, more)
    wrong = state | {"fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}
    assert "fc.weight and 1 more do not fit" in refusal(load, net, wrong)
    assert "do not fit" in refusal(load, build(small()), state)
    assert same_bits(before, net.state_dict())
    load(net, state)
    assert net.seed is None
