"""Downloading data sets through torchvision, and keeping them: retries, a time limit, one sentence when there is no
network."""

import inspect
import os
import socket
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

TRIES = 3
PAUSE = 1.0  # seconds before the second try; twice that before the third
TIMEOUT = 20.0  # seconds without a byte, after which a try has failed


class DatasetUnavailable(RuntimeError):
    """A dataset is not in the cache and cannot be downloaded; the message says what works instead."""


def cache_root():
    """Where downloads are kept: $RESLAB_CACHE, else data/cache of the checkout that runs, else ~/.cache/reslab."""
    if chosen := os.environ.get("RESLAB_CACHE"):
        return Path(os.path.expanduser(chosen))
    above = Path(__file__).resolve().parents[1]
    is_checkout = (above / "data").is_dir() and (above / "pyproject.toml").is_file()
    return above / "data" / "cache" if is_checkout else Path.home() / ".cache" / "reslab"


# torchvision raises these for a missing copy, a damaged copy and a failed download.
UNREADABLE = (OSError, RuntimeError, ValueError, AssertionError, LookupError)


class DownloadFailed(RuntimeError):
    """No try succeeded; the message is the cause of the last failure, as one phrase."""


def with_retries(download, failures=UNREADABLE):
    """Return download(), tried up to TRIES times with pauses; a try ends after TIMEOUT seconds without a byte.

    failures: the exceptions after which another try makes sense. Raises DownloadFailed.
    """
    for attempt in range(TRIES):
        time.sleep(PAUSE * attempt)
        try:
            with _socket_timeout(TIMEOUT):
                return download()
        except failures as error:
            last = error
    cause = (str(last).strip() or type(last).__name__).splitlines()[-1].removeprefix("<urlopen error ").rstrip(">. ")
    if "corrupted" in cause or "invalid hash" in cause:
        cause = "what arrived does not match its checksum"
    raise DownloadFailed(cause) from last


def fetch(name, kind, root=None, download=True):
    """(train, test) of the torchvision dataset class called `kind`: its address, its checksum, its progress bar.

    root: the folder to keep it in, else `cache_root()`. download: whether to download it if it is not there.
    Raises DatasetUnavailable.
    """
    import torchvision.datasets

    kind = getattr(torchvision.datasets, kind)
    root = cache_root() if root is None else Path(os.path.expanduser(root))
    try:
        return _open(kind, root)  # a copy in the cache needs no network, no lock and no right to write
    except UNREADABLE as error:
        if not download:
            raise DatasetUnavailable(f"{name} is not in {root}; datasets.load({name!r}) downloads it.") from error
        return _download(name, kind, root)


def bytes_here(kind, root=None):
    """How many bytes of the archives of the torchvision dataset class called `kind` are on the disk so far."""
    import torchvision.datasets

    folder, archives = _archives(getattr(torchvision.datasets, kind), cache_root() if root is None else Path(root))
    files = [folder / archive for archive in archives]
    return sum(file.stat().st_size for file in files if file.exists())


def _open(kind, root, download=False):
    """(train, test); some of torchvision's classes take train=True or False, others split="train" or "test"."""
    by_train = "train" in inspect.signature(kind).parameters
    asked = [{"train": part == "train"} if by_train else {"split": part} for part in ("train", "test")]
    with warnings.catch_warnings():  # CIFAR's files were pickled by a numpy so old that a new one warns about it
        warnings.filterwarnings("ignore", r"dtype\(\): align")
        return tuple(kind(root, download=download, **part) for part in asked)


def _download(name, kind, root):
    from filelock import FileLock  # torch depends on it too

    def download():
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):  # if two notebooks ask at once, one downloads and the other waits
            _discard_damaged(kind, root)
            return _open(kind, root, download=True)

    try:
        return with_retries(download)
    except DownloadFailed as failure:
        folder, archives = _archives(kind, root)
        raise DatasetUnavailable(
            f"{name} could not be downloaded in {TRIES} tries ({failure}); reslab.datasets.digits() works with no"
            f" network, or put {', '.join(archives)} into {folder} by hand and call this again."
        ) from failure.__cause__


def _archives(kind, root):
    """The folder in which torchvision looks for the archives, and a dict from their names to their md5."""
    if hasattr(kind, "resources"):  # the MNIST family
        return root / kind.__name__ / "raw", dict(kind.resources)
    if hasattr(kind, "split_list"):  # SVHN: an archive a part, of which only the two are asked for
        return root, dict(kind.split_list[part][1:] for part in ("train", "test"))
    return root, {kind.filename: kind.tgz_md5}


def _discard_damaged(kind, root):
    """Remove archives that fail their checksum, and unpacked files whose archive is whole.

    The unpacked files of the MNIST family have no checksum: torchvision would read a damaged one again and again.
    """
    from torchvision.datasets.utils import check_integrity

    folder, archives = _archives(kind, root)
    for archive, md5 in archives.items():
        whole = check_integrity(folder / archive, md5)
        (folder / (archive.removesuffix(".gz") if whole else archive)).unlink(missing_ok=True)


# The time limit of sockets is one for the whole process: two downloads at once would restore each other's.
_limiting = threading.Lock()


@contextmanager
def _socket_timeout(seconds):
    """torchvision sets no time limit: a firewall that drops packets would hang a notebook for minutes."""
    with _limiting:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(seconds)
        try:
            yield
        finally:
            socket.setdefaulttimeout(before)
