"""What comes with reslab besides its code: the recorded files of data/."""

import csv
import gzip
import json
import zlib
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name):
    """The path of a file or folder of data/: the checkout's where there is one, else the installed package's.
    FileNotFoundError where there is neither."""
    for folder in (PACKAGE.parent / "data", PACKAGE / "data"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not there: install reslab again, it comes with it.")


@contextmanager
def whole(path, *errors):
    """ValueError in one sentence if the `with` block cannot read a shipped file, as one does that is damaged; errors:
    further ones that say so."""
    try:
        yield
    except (EOFError, ValueError, TypeError, LookupError, gzip.BadGzipFile, zlib.error, csv.Error, *errors) as error:
        what = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{path} is damaged ({what}): install reslab again, it comes with it.") from error


def shipped_json(name):
    """What a shipped file has: a dict with its provenance, JSON in gzip. FileNotFoundError as of `shipped`; ValueError,
    in one sentence, for a file that is damaged."""
    path = shipped(name)
    with whole(path):
        content = json.loads(gzip.decompress(path.read_bytes()))
        if "provenance" not in content:
            raise ValueError("it has no provenance")
    return content


def shipped_rows(name, numbers=()):
    """The rows of a shipped CSV file, as dicts of texts, and of floats in the columns `numbers` (empty: NaN).

    Errors as of `shipped_json`: a file that was cut off ends within a row.
    """
    path = shipped(name)
    with whole(path), path.open(encoding="utf-8", newline="") as file:
        lines = file.readlines()
        rows = list(csv.DictReader(lines, strict=True))
        if not rows or not lines[-1].endswith("\n") or any(None in (*row, *row.values()) for row in rows):
            raise ValueError("a row is not whole" if rows else "it has no rows")
        return [row | {column: float(row[column] or "nan") for column in numbers} for row in rows]
