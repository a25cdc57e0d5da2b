"""What comes with reslab besides its code: the recorded files of data/."""

import gzip
import json
import zlib
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
    """What a shipped file has: a dict with its provenance, JSON in gzip. FileNotFoundError as of `shipped`; ValueError,
    in one sentence, for a file that is damaged."""
    path = shipped(name)
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        if "provenance" not in content:
            raise ValueError("it has no provenance")
    except (EOFError, ValueError, TypeError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}): install reslab again, it comes with it.") from error
    return content
