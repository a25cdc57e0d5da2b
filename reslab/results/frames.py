"""What all tidy frames have in common: required columns, and runs.

A run is a name × skip × depth × seed × origin of a tidy frame; its rows, in the order of their steps, are arrays.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

TRAINED = re.compile(r" · (un)?trained")  # in a name: the same net, before training and after
LIVE = "live, this machine"  # the origin of numbers that were measured here and now
NO_ANSWER = "no answer, because there is no number: a net diverged, or was not measured"


def require(frame, columns, what):
    """The frame, after a check for the columns that `what` needs. A frame without rows gets missing columns, empty.

    ValueError that names the missing columns, TypeError for what is no frame.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{what} needs a frame with the columns {', '.join(columns)}, not a {type(frame).__name__}.")
    missing = [column for column in columns if column not in frame]
    if missing and len(frame):
        raise ValueError(
            f"{what} cannot be made: the frame lacks {', '.join(missing)}; it needs {', '.join(columns)}."
        )
    return frame.reindex(columns=[*frame.columns, *missing]) if missing else frame


def median(values):
    """The median of a Series without its NaN; NaN of none. (Of NaN alone pandas 2.2 takes none without a warning.)"""
    return values.dropna().median()


def answer_up_to(limits, value):
    """The first answer of a dict, answer → its highest value, that a value is not above; NO_ANSWER of NaN."""
    return next((answer for answer, highest in limits.items() if value <= highest), NO_ANSWER)


def answer_from(limits, value):
    """The first answer of a dict, answer → its lowest value, that a value is not below; NO_ANSWER of NaN."""
    return next((answer for answer, lowest in limits.items() if value >= lowest), NO_ANSWER)


@dataclass(frozen=True)
class Run:
    """One run of a frame: what it is, a label that is unique in this frame, and run["column"], its values by step."""

    name: str
    skip: bool
    depth: int
    seed: int
    origin: str
    label: str
    columns: dict
    at: np.ndarray  # the positions of its rows in the frame
    variant: int = 0  # the number of its name among the names of nets with this skip and depth

    def __getitem__(self, column):
        return self.columns[column][self.at]

    def numbers(self, column):
        """A column's values by step as floats; missing values are NaN."""
        return self[column].astype(float)

    def key(self, part):
        """A key for one trace of the run, equal in every redraw: "plain-56/0/live, this machine/train"."""
        return f"{self.name}/{self.seed}/{self.origin}/{part}"


def runs(frame):
    """The runs of a tidy frame, as a list of `Run`s, in the order in which they first appear.

    frame: name, skip, depth, seed, step, and origin if there is one. Labels of runs with the same name add the seed;
    those of recorded runs next to live ones add "recorded".
    """
    frame = require(frame, ("name", "skip", "depth", "step"), "The chart")
    # Arrays instead of one frame a run: a live chart is redrawn five times a second, and small frames are slow.
    by = [column for column in ("name", "skip", "depth", "seed", "origin") if column in frame]
    columns = {column: frame[column].to_numpy() for column in frame}
    which = frame.groupby(by, sort=False, dropna=False).ngroup().to_numpy()
    found = []
    for number in range(which.max(initial=-1) + 1):
        at = np.flatnonzero(which == number)
        at = at[np.argsort(columns["step"][at], kind="stable")]
        run = {"origin": ""} | {column: columns[column][at[0]] for column in by}
        # A net whose weights come from no seed has None here, so pandas makes the whole column floats.
        run["seed"] = None if pd.isna(run["seed"]) else int(run["seed"])
        found.append((run, at))
    names = [name for name, _ in {(run["name"], run["seed"]) for run, _ in found}]
    both = len({recorded(run["origin"]) for run, _ in found}) > 1
    labelled, variants = [], {}
    for run, at in found:
        seed = f" · seed {run['seed']}" if names.count(run["name"]) > 1 and "seed" not in run["name"] else ""
        label = run["name"] + seed + " · recorded" * (both and recorded(run["origin"]))
        of_kind = variants.setdefault((run["skip"], run["depth"]), {})
        variant = of_kind.setdefault(TRAINED.sub("", run["name"]), len(of_kind))
        labelled.append(Run(**run, label=label, columns=columns, at=at, variant=variant))
    return labelled


def recorded(origin):
    """Whether numbers of this origin come from a recorded run, and are not measured live."""
    return origin.startswith("recorded")


def begun(origin):
    """An origin without the machines on which a training was resumed: runs that began on one machine are of one group.

    "recorded, NVIDIA H200, then AMD EPYC, 2026-11" gives "recorded, NVIDIA H200, 2026-11".
    """
    return re.sub(r", then [^,]+", "", origin)


def latest(frame):
    """The rows of each net's latest step. frame: name, seed, origin, step."""
    frame = require(frame, ("name", "seed", "origin", "step"), "The latest step")
    return frame[frame["step"] == frame.groupby(["name", "seed", "origin"], dropna=False)["step"].transform("max")]
