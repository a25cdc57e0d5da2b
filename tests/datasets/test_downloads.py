"""Downloads, through torchvision, from a real server on this machine."""

import gc
import gzip
import hashlib
import http.server
import io
import pickle
import socket
import struct
import tarfile
import threading
import time
import warnings

import numpy as np
import pytest
import torch
import torchvision
from scipy.io import savemat
from sentences import saying

from reslab import downloads
from reslab.datasets import DatasetUnavailable, cifar10, cifar100, fashion_mnist, load, named


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A real HTTP server of tmp_path/site; `.asked` lists the files it was asked for. The cache is tmp_path/cache."""
    (tmp_path / "site").mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "site"))

        def do_GET(self):
            asked.append(self.path.strip("/"))
            super().do_GET()

        def log_message(self, *args):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.site, server.url = asked, tmp_path / "site", f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    server.stop = stop
    monkeypatch.setenv("RESLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield server
    if thread.is_alive():
        stop()


class OldDtype:
    """Pickles as a numpy of 2009 pickled uint8, as the real batches hold it: numpy 2.4 warns about that."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)


class OldArray:
    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        make, args, _ = self.array.__reduce__()
        return make, args, (1, self.array.shape, OldDtype(), False, self.array.tobytes())


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def serve_cifar(server, monkeypatch, kind, label_key, classes):
    """Put a tiny archive in CIFAR's format on the server, and its address and checksums in torchvision's class."""
    n, sent, files = classes, {}, {}
    for i, (name, _) in enumerate(kind.train_list + kind.test_list):
        pixels = np.random.default_rng(i).integers(0, 256, (n, 3072), dtype=np.uint8)
        sent[name] = pixels.reshape(n, 3, 32, 32)
        files[name] = pickle.dumps({"data": OldArray(pixels), label_key: list(range(n))}, protocol=2)
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: [f"thing {i}" for i in range(n)]}, protocol=2)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{kind.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (server.site / kind.filename).write_bytes(packed.getvalue())
    monkeypatch.setattr(kind, "url", f"{server.url}/{kind.filename}")
    monkeypatch.setattr(kind, "tgz_md5", md5(packed.getvalue()))
    for listing in ("train_list", "test_list"):
        monkeypatch.setattr(kind, listing, [[name, md5(files[name])] for name, _ in getattr(kind, listing)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(files[kind.meta["filename"]])})
    return sent


def serve_fashion(server, monkeypatch):
    """The same for Fashion-MNIST: ten training and ten test images in four gzipped IDX files."""
    kind, sent, resources = torchvision.datasets.FashionMNIST, {}, []
    for name, _ in kind.resources:
        if "images" in name:
            sent[name] = np.random.default_rng(len(name)).integers(0, 256, (10, 28, 28), dtype=np.uint8)
            content = struct.pack(">4i", 0x803, 10, 28, 28) + sent[name].tobytes()
        else:
            content = struct.pack(">2i", 0x801, 10) + bytes(range(10))
        packed = gzip.compress(content, mtime=0)
        (server.site / name).write_bytes(packed)
        resources.append((name, md5(packed)))
    monkeypatch.setattr(kind, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(kind, "resources", resources)
    return sent


@pytest.fixture
def served_cifar10(server, monkeypatch):
    return serve_cifar(server, monkeypatch, torchvision.datasets.CIFAR10, "labels", 10)


ARCHIVE = "cifar-10-python.tar.gz"


def test_cifar10_is_downloaded_with_a_progress_bar_then_read_from_the_cache(server, served_cifar10, capfd):
    first = cifar10()
    assert "100%" in capfd.readouterr().err
    assert ARCHIVE in server.asked
    assert first.x_train.dtype == torch.uint8
    assert np.array_equal(
        first.x_train.numpy(), np.concatenate([served_cifar10[f"data_batch_{i}"] for i in range(1, 6)])
    )
    assert np.array_equal(first.x_test.numpy(), served_cifar10["test_batch"])
    assert first.y_train.tolist() == list(range(10)) * 5
    assert first.class_names == tuple(f"thing {i}" for i in range(10))
    assert (first.name, first.scale, first.shape) == (
        "cifar10",
        255,
        {"in_channels": 3, "image_size": 32, "classes": 10},
    )
    server.stop()
    again = load("cifar10")
    assert torch.equal(again.x_train, first.x_train)


def test_a_cache_that_may_not_be_written_to_is_read(server, served_cifar10, tmp_path, monkeypatch):
    cifar10()
    server.stop()
    monkeypatch.setattr(downloads, "_download", lambda *args: pytest.fail("a whole copy was there"))
    assert len(cifar10(root=tmp_path / "cache").x_train) == 50


def test_cifar100_has_its_hundred_fine_classes(server, monkeypatch, tmp_path):
    sent = serve_cifar(server, monkeypatch, torchvision.datasets.CIFAR100, "fine_labels", 100)
    split = cifar100(root=tmp_path / "elsewhere")
    assert np.array_equal(split.x_train.numpy(), sent["train"])
    assert (split.name, len(split.class_names), split.y_test.tolist()) == ("cifar100", 100, list(range(100)))
    assert not (tmp_path / "cache").exists()


def test_fashion_mnist_is_downloaded_then_read_from_the_cache(server, monkeypatch):
    sent = serve_fashion(server, monkeypatch)
    first = fashion_mnist()
    server.stop()
    again = fashion_mnist()
    for split in (first, again):
        assert np.array_equal(split.x_train[:, 0].numpy(), sent["train-images-idx3-ubyte.gz"])
        assert np.array_equal(split.x_test[:, 0].numpy(), sent["t10k-images-idx3-ubyte.gz"])
        assert (split.name, split.class_names[9], split.shape["image_size"]) == ("fashion_mnist", "Ankle boot", 28)


def test_a_fashion_mnist_file_that_was_cut_short_is_unpacked_again(server, monkeypatch, tmp_path):
    serve_fashion(server, monkeypatch)
    first = fashion_mnist()
    server.stop()
    unpacked = tmp_path / "cache" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    unpacked.write_bytes(unpacked.read_bytes()[:999])
    assert torch.equal(fashion_mnist().x_train, first.x_train)


def test_a_damaged_download_is_fetched_again(server, served_cifar10, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ARCHIVE).write_bytes(b"half a download")
    assert len(cifar10().x_train) == 50
    assert server.asked.count(ARCHIVE) >= 1


def test_a_download_that_fails_twice_is_tried_a_third_time(server, served_cifar10, monkeypatch):
    good, pauses = (server.site / ARCHIVE).read_bytes(), []
    (server.site / ARCHIVE).write_bytes(good[:-100])

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:  # before the third try
            (server.site / ARCHIVE).write_bytes(good)

    monkeypatch.setattr(downloads.time, "sleep", sleep)
    monkeypatch.setattr(downloads, "PAUSE", 1.0)
    assert len(cifar10().x_train) == 50
    assert pauses == [0, 1, 2]  # short, and growing


def test_a_data_set_that_torchvision_asks_for_by_split_is_one_function_and_one_entry(server, monkeypatch):
    sent, listed = {}, {}
    for part, number in (("train", 12), ("test", 11)):
        sent[part] = np.random.default_rng(number).integers(0, 256, (number, 3, 32, 32), dtype=np.uint8)
        file = server.site / f"{part}_32x32.mat"
        # 10 stands for 0
        savemat(file, {"X": sent[part].transpose(2, 3, 1, 0), "y": np.arange(number)[:, None] % 10 + 1})
        listed[part] = [f"{server.url}/{file.name}", file.name, md5(file.read_bytes())]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)

    def svhn(root=None):
        return named._from_torchvision("svhn", "SVHN", root, "Netzer et al. 2011")

    monkeypatch.setitem(named.DATASETS, "svhn", svhn)
    first = load("svhn")
    server.stop()
    for split in (first, load("svhn")):
        assert np.array_equal(split.x_train.numpy(), sent["train"])
        assert np.array_equal(split.x_test.numpy(), sent["test"])
        assert (split.name, split.class_names) == ("svhn", tuple("0123456789"))


def unavailable(name, cause, files, folder):
    return (
        f"{name} could not be downloaded in 3 tries ({cause}); reslab.datasets.digits() works with no network, "
        f"or put {files} into {folder} by hand and call this again."
    )


def test_a_download_that_stays_damaged_ends_in_one_sentence(server, served_cifar10, tmp_path):
    (server.site / ARCHIVE).write_bytes(b"not what it should be")
    with pytest.raises(
        DatasetUnavailable,
        match=saying(unavailable("cifar10", "what arrived does not match its checksum", ARCHIVE, tmp_path / "cache")),
    ):
        cifar10()
    assert len([path for path in server.asked if path == ARCHIVE]) == 6  # per try: where it leads, then the file


def test_a_server_that_refuses_ends_quickly_in_one_sentence(server, served_cifar10, tmp_path, monkeypatch):
    server.stop()
    began = time.perf_counter()
    with pytest.raises(DatasetUnavailable) as refused:
        cifar10()
    assert time.perf_counter() - began < 2
    assert str(refused.value).startswith("cifar10 could not be downloaded in 3 tries ([Errno ")
    assert "refused); reslab.datasets.digits() works" in str(refused.value)
    assert f"put {ARCHIVE} into {tmp_path / 'cache'} by hand" in str(refused.value)


def test_a_file_put_there_by_hand_is_used_with_no_network(server, served_cifar10, tmp_path):
    server.stop()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ARCHIVE).write_bytes((server.site / ARCHIVE).read_bytes())
    assert len(cifar10().x_train) == 50


def test_fashion_mnist_names_its_four_files_when_offline(server, monkeypatch, tmp_path):
    serve_fashion(server, monkeypatch)
    for file in server.site.iterdir():
        file.unlink()
    files = ", ".join(f"{a}-{b}-ubyte.gz" for a in ("train", "t10k") for b in ("images-idx3", "labels-idx1"))
    sentence = unavailable(
        "fashion_mnist", "HTTP Error 404: File not found", files, tmp_path / "cache" / "FashionMNIST" / "raw"
    )
    with pytest.raises(DatasetUnavailable, match=saying(sentence)):
        fashion_mnist()
    with warnings.catch_warnings():  # torchvision leaves the connections of refused requests to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_server_that_never_answers_ends_at_the_time_limit(served_cifar10, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setattr(
            torchvision.datasets.CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/{ARCHIVE}"
        )
        monkeypatch.setattr(downloads, "TIMEOUT", 0.1)
        with pytest.raises(DatasetUnavailable, match=r"3 tries \(timed out\)"):
            cifar10()
    assert socket.getdefaulttimeout() is None


def test_a_cache_folder_that_cannot_be_made_is_told_as_the_cause(served_cifar10, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetUnavailable, match=r"3 tries \(\[Errno \d+\] .*file"):
        cifar10(root=tmp_path / "file" / "cache")


def test_two_at_once_download_once(server, served_cifar10):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = []
        threads = [threading.Thread(target=lambda: splits.append(cifar10())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(splits) == 4
    assert server.asked.count(ARCHIVE) == 2  # one download: where it leads, then the file
