"""Many runs in a folder: `Store` keeps a file a run, so that a person can read, copy and delete them, and processes share one.

    store = Store()                                     # yours; `recorded()` is the one that comes with reslab
    list(sweep(specs, digits(), seeds=(0, 1, 2), store=store))
    store.history(skip=False, depth=56)                 # tidy, for the figures

    PATH/digits/plain-56.width8.seed0.1a2b3c4d.json         a run; the last part is a digest of all that decides its numbers
    PATH/digits/plain-56.width8.seed1.5e6f7a8b.safetensors  where a training goes on that was stopped, or killed
    PATH/digits/weights/plain-56.width8.seed0.1a2b3c4d.safetensors  what a net learned, where that was asked for
"""

import hashlib
import json
import os
import re
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pandas as pd
from filelock import FileLock  # torch depends on it too

from reslab import checks
from reslab.nets import build
from reslab.runs import Checkpoint, CorruptRun, Run, Weights
from reslab.specs import TrainSpec

NOT_IN_NAMES = ("skip", "depth", "in_channels", "image_size", "classes")  # the net's name and the dataset say them
ABANDONED = 86_400  # seconds after which a half-written file is nobody's any more


class Store:
    """A folder of runs, and of the checkpoints of trainings that did not end.

    path: the folder, made when the first run comes; None for $RESLAB_RUNS, else ~/.reslab/runs.
    A file that is not a whole run is passed over, with a warning that names it.
    Filters are fields of Run, NetSpec or TrainSpec with a value or a collection of values: `dataset="digits", depth=(20, 56)`;
    ValueError for one that no run has.
    """

    def __init__(self, path=None):
        self.path = Path(path or os.environ.get("RESLAB_RUNS") or Path.home() / ".reslab" / "runs").expanduser().absolute()

    def __repr__(self):
        return f"<Store {self.path}>"

    # Runs

    def add(self, run, *, overwrite=False):
        """Write a run, and drop the checkpoint that led to it; returns its path.

        It takes the place of one that was stopped or failed. One that ended stays, unless told to `overwrite`: the new one has the same
        numbers. Several processes may add to one store at the same time.
        """
        path = self.path_of(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / ".lock"):
            if overwrite or not self._has_ended(path):
                run.save(path, overwrite=True)
        if run.ended:
            path.with_suffix(".safetensors").unlink(missing_ok=True)
        self._remove_abandoned()
        return path

    def find(self, spec, split, how, seed=0):
        """The run of this training, as `fit` takes it, or None. Measured by what it asks, so that it has what is asked: a run
        without captures is not one with them."""
        for path in sorted(self.path.glob(f"{_plain(split.name)}/{_plain(spec.name)}.*.json")):
            run = self._load(path) if f".seed{seed}." in path.name else None
            if run and (run.spec, run.data, run.seed) == (spec, split.fingerprint, seed) and _same_training(run.how, how):
                return run
        return None

    def path_of(self, run):
        """Where the store keeps a run, whether or not it has it."""
        return self.path / _file(run.spec, run.name, run.how, run.dataset, run.data, run.seed)

    def named(self, text):
        """The run whose file's name contains a text, such as its digest; ValueError if none does, or several."""
        paths = [path for path in sorted(self.path.glob("*/*.json")) if text in str(path.relative_to(self.path))]
        if len(paths) != 1:
            some = ", ".join(path.stem for path in paths[:4]) + ", ..." * (len(paths) > 4)
            there = f"{len(paths)} runs have it in their names: {some}" if paths else "none of its runs has it in its name"
            raise ValueError(f"{self.path} has no one run {text!r}; {there}.")
        return Run.load(paths[0])

    def runs(self, **filters):
        """The runs that pass the filters, as a list, shallowest first."""
        loaded = (self._load(path) for path in sorted(self.path.glob("*/*.json")))
        return _in_order(_passing([run for run in loaded if run], filters))

    def unfinished(self):
        """The runs so far of the trainings that were stopped or killed and can go on, as a list."""
        paths = sorted(self.path.glob("*/*.safetensors"))
        ended = [run is not None and run.ended for run in (self._load(path.with_suffix(".json")) for path in paths)]
        begun = [self._load(path, Checkpoint) for path, is_over in zip(paths, ended, strict=True) if not is_over]
        return _in_order([checkpoint.run for checkpoint in begun if checkpoint])

    def frame(self, **filters):
        """One row a run: the columns of `Run.summary`, times in s, errors as fractions."""
        return pd.DataFrame([run.summary() for run in self.runs(**filters)])

    def history(self, **filters):
        """The runs' histories as one tidy frame, with the columns of `Run.frame`; their origin begins with "recorded"."""
        return _together([run.frame() for run in self.runs(**filters)])

    def layers(self, **filters):
        """What was captured in every block, as one tidy frame, with the columns of `Run.layers_frame`; origin as in `history`."""
        return _together([run.layers_frame() for run in self.runs(**filters)])

    # Checkpoints

    def save_checkpoint(self, checkpoint):
        """Write the checkpoint of a training under way, in place of an older one."""
        checkpoint.save(self.path_of(checkpoint.run).with_suffix(".safetensors"))

    def checkpoint(self, spec, split, how, seed=0):
        """Where this training, as `fit` takes it, can go on, or None; CorruptRun if the file is not whole."""
        path = (self.path / _file(spec, spec.name, how.to_dict(), split.name, split.fingerprint, seed)).with_suffix(".safetensors")
        return Checkpoint.load(path) if path.exists() else None

    # Weights

    def save_weights(self, run, weights):
        """Keep what the net of a run learned; returns the path."""
        path = self._weights_path(run)
        weights.save(path)
        return path

    def has_weights(self, run):
        return self._weights_path(run).exists()

    def weights(self, run):
        """The `Weights` of a run; FileNotFoundError if they were not kept, CorruptRun if the file is not whole."""
        if not self.has_weights(run):
            raise FileNotFoundError(f"{self.path} has no weights of {run.name}, seed {run.seed}; sweep(..., weights=True) would keep them.")
        return Weights.load(self._weights_path(run))

    def net(self, run):
        """The net of a run as it was when trained, in eval mode; errors as of `weights`."""
        net = build(run.spec, seed=run.seed)
        net.load_state_dict(self.weights(run).tensors)
        return net.eval()

    def _weights_path(self, run):
        path = self.path_of(run)
        return path.parent / "weights" / path.with_suffix(".safetensors").name

    # Files

    def _load(self, path, kind=Run):
        try:
            return kind.load(path)
        except FileNotFoundError:  # another process removed it meanwhile
            return None
        except (CorruptRun, OSError) as error:
            warnings.warn(f"passed over: {error}", stacklevel=3)
            return None

    def _has_ended(self, path):
        """Whether a run that ended is there; what is no run is moved aside, not deleted."""
        try:
            return path.exists() and Run.load(path).ended
        except CorruptRun as error:
            aside = path.with_suffix(".json.corrupt")
            path.replace(aside)
            warnings.warn(f"{error} It is now {aside.name}.", stacklevel=4)
            return False

    def _remove_abandoned(self):
        """Remove what killed processes left half-written, after a day."""
        for path in self.path.glob("*/.*"):
            with suppress(FileNotFoundError):  # it was somebody's after all, and is done
                if re.search(r"\.[0-9a-f]{16}$", path.name) and time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def recorded():
    """The store that comes with reslab: the runs that the lessons show, listed in data/README.md."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "data" / "runs"
    return Store(checkout if checkout.is_dir() else package / "data" / "runs")


def _file(spec, name, how, dataset, data, seed):
    """The file of a run, relative to its store."""
    net = spec and spec.deciding(spec.to_dict())
    decides = {"spec": net, "name": name, "how": TrainSpec.deciding(how), "data": data, "seed": seed}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
    usual = type(spec)().to_dict() if spec else {}
    changed = {field: value for field, value in (net or {}).items() if value != usual[field] and field not in NOT_IN_NAMES}
    marks = [f"{field}{value}" for field, value in changed.items()] + ([] if seed is None else [f"seed{seed}"])
    return Path(_plain(dataset), ".".join([_plain(name), *map(_plain, marks), digest, "json"]))


def _plain(text):
    """A part of a file's name that every system takes."""
    return re.sub(r"[^\w-]+", "-", str(text)).strip("-")[:60] or "unnamed"


def _same_training(recorded, how):
    """Whether a run's `how` is this TrainSpec."""
    try:
        return how.from_dict(recorded) == how
    except ValueError:  # a field that no longer exists
        return False


def _passing(runs, filters):
    labels = [run.how | (run.spec.to_dict() if run.spec else {}) | vars(run) for run in runs]
    names = {name for label in labels for name in label} - {"spec", "how", "history", "layers", "provenance"}
    for name in filters if runs else ():
        checks.choice("a filter", name, sorted(names))
    allowed = {name: value if isinstance(value, (tuple, list, set, range)) else (value,) for name, value in filters.items()}
    return [run for run, label in zip(runs, labels, strict=True) if all(label.get(name) in allowed[name] for name in allowed)]


def _together(frames):
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1] or [pd.DataFrame()], ignore_index=True)


def _in_order(runs):
    return sorted(runs, key=lambda run: (run.dataset, *((run.spec.skip, run.spec.depth) if run.spec else (False, 0)), run.seed or 0))
