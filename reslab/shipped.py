"""What comes with reslab besides its code: the recorded files of data/."""

import gzip
import json
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name):
    """The path of a file or folder of data/: the checkout's where there is one, else the installed package's.
    FileNotFoundError where there is neither."""
    for folder in (PACKAGE.parent / "data", PACKAGE / "data"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not there: install reslab again, it comes with it.")


def shipped_json(name):
    """What a shipped file has, which is JSON in gzip; FileNotFoundError as of `shipped`."""
    return json.loads(gzip.decompress(shipped(name).read_bytes()))
