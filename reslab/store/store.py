"""`Store`: reading and writing the files of a folder of runs."""

import copy
import json
import os
import re
import time
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import pandas as pd
from filelock import FileLock

from reslab import checks
from reslab.nets import build
from reslab.runs import Checkpoint, CorruptRun, NewerRun, Run, Weights
from reslab.runs.files import check_is_file, check_leads_somewhere, write
from reslab.shipped import shipped
from reslab.specs import TrainSpec
from reslab.store.filters import allowed_values, in_order, passes
from reslab.store.names import file_of, file_of_run, plain

ABANDONED = 86_400  # seconds after which a half-written file is removed: its process was killed


class Store:
    """A folder of runs, and of the checkpoints of trainings that did not end.

    path: the folder, made when the first run comes; None for $RESLAB_RUNS, else ~/.reslab/runs. NotADirectoryError for
    a file, OSError for a link that leads nowhere.
    A file that is not a whole run is left out, with a warning that names it.
    A file of a newer reslab is left out too, and never overwritten: a run of the same name gets "older" in its name.
    Filters are fields of Run, NetSpec or TrainSpec with one value or a collection of values: `dataset="digits",
    depth=(20, 56)`; ValueError for another name.
    """

    def __init__(self, path=None):
        chosen = path or os.environ.get("RESLAB_RUNS") or Path.home() / ".reslab" / "runs"
        self.path = Path(os.path.expanduser(chosen)).absolute()  # Path.expanduser would change "./~mine" too
        check_leads_somewhere(self.path, "store")
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file; a store is a folder of runs, such as {self.path}.runs/.")

    def __repr__(self):
        return f"<Store {self.path}>"

    # Runs

    def add(self, run, *, overwrite=False):
        """Write a run, and remove its checkpoint; returns its path.

        It replaces a run that was stopped or failed. A run that ended stays (a new one has the same numbers), unless
        `overwrite` is set. Every training of a model without a spec is a run of its own.
        Several processes may add to one store at the same time.
        """
        path = self.path_of(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / ".lock"):
            path, newer = _not_newer(path, Run), path
            if path != newer:
                warnings.warn(
                    f"{newer} was written by a newer reslab, and stays; this run is in {path.name}.", stacklevel=2
                )
            if overwrite or not self._has_ended(path):
                run.save(path, overwrite=True)
        if run.ended:
            self.checkpoint_path(run).unlink(missing_ok=True)
        self._remove_abandoned()
        return path

    def find(self, spec, split, how, seed=0):
        """The run of exactly this training, with the arguments of `fit`, or None. Other captures make another run.

        ValueError for what is no seed.
        """
        checks.seed("seed", seed)
        for path in self._files(f"{plain(spec.name)}.*.json", [plain(split.name)]):
            run = self._load(path) if f".seed{seed}." in path.name else None
            same = run and (run.spec, run.data, run.seed) == (spec, split.fingerprint, seed)
            if same and TrainSpec.from_dict(run.how) == how:
                return run
        return None

    def path_of(self, run):
        """The path of a run in this store, also if it is not there; TypeError for what is no Run."""
        if not isinstance(run, Run):
            raise TypeError(f"a store holds Runs, as fit(...) and event.run() give them, not {type(run).__name__}.")
        return self.path / file_of_run(run)

    def named(self, text):
        """The run whose file name contains a text, such as its digest; ValueError if no file or several files do."""
        paths = [path for path in self._files("*.json") if text in str(path.relative_to(self.path))]
        if len(paths) != 1:
            some = ", ".join(path.stem for path in paths[:4]) + ", ..." * (len(paths) > 4)
            there = (
                f"{len(paths)} runs have it in their names: {some}" if paths else "none of its runs has it in its name"
            )
            raise ValueError(f"{self.path} has no one run {text!r}; {there}.")
        return Run.load(paths[0])

    def runs(self, **filters):
        """The runs that pass the filters, as a list, shallowest first."""
        allowed = allowed_values(filters)
        folders = {plain(dataset) for dataset in allowed["dataset"]} if "dataset" in allowed else None
        loaded = (self._load(path) for path in self._files("*.json", folders))
        return in_order([run for run in loaded if run and passes(run, allowed)])

    def unfinished(self):
        """The unfinished runs of trainings that were stopped or killed and can go on, as a list."""
        paths = self._files("*.safetensors")
        ended = [run is not None and run.ended for run in (self._load(path.with_suffix(".json")) for path in paths)]
        begun = [self._load(path, Checkpoint) for path, is_over in zip(paths, ended, strict=True) if not is_over]
        return in_order([checkpoint.run for checkpoint in begun if checkpoint])

    def frame(self, **filters):
        """One row a run: the columns of `Run.summary`, times in s, errors as fractions."""
        return pd.DataFrame([run.summary() for run in self.runs(**filters)])

    def history(self, **filters):
        """The runs' histories as one tidy frame: the columns of `Run.frame`; origin begins with "recorded"."""
        return _together([run.frame() for run in self.runs(**filters)])

    def layers(self, **filters):
        """What was captured in every block, as one tidy frame: the columns of `Run.layers_frame`; origin as above."""
        return _together([run.layers_frame() for run in self.runs(**filters)])

    # Checkpoints

    def save_checkpoint(self, checkpoint):
        """Write the checkpoint of a running training, in place of an older one."""
        checkpoint.save(self.checkpoint_path(checkpoint.run))

    def checkpoint(self, spec, split, how, seed=0):
        """The checkpoint of a training, with the arguments of `fit`, or None; CorruptRun, OSError if it is damaged."""
        run = self.path / file_of(spec, spec.name, how.to_dict(), split.name, split.fingerprint, seed)
        path = _not_newer(run.with_suffix(".safetensors"), Checkpoint)
        return Checkpoint.load(path) if os.path.lexists(path) else None

    def checkpoint_path(self, run):
        """The path of the checkpoint of an unfinished run, also if it is not there."""
        return _not_newer(self.path_of(run).with_suffix(".safetensors"), Checkpoint)

    # Weights

    def save_weights(self, run, weights):
        """Keep the weights of a run; returns the path."""
        path = self._weights_path(run)
        weights.save(path)
        return path

    def has_weights(self, run):
        return os.path.lexists(self._weights_path(run))  # a link that leads nowhere, too: reading it says so

    def weights(self, run):
        """The `Weights` of a run; FileNotFoundError if they were not kept, CorruptRun if the file is not whole."""
        path = self._weights_path(run)
        if not os.path.lexists(path):
            seed = "" if run.seed is None else f", seed {run.seed}"
            keep = "sweep(..., weights=True)" if run.spec else "save_weights(run, event.weights())"
            raise FileNotFoundError(f"{self.path} has no weights of {run.name}{seed}; {keep} would keep them.")
        return Weights.load(path)

    def net(self, run):
        """The trained net of a run, in eval mode; errors as of `weights`, and ValueError for a person's own model."""
        self.path_of(run)  # TypeError for what is no Run
        if run.spec is None:
            raise ValueError(
                f"{run.name} is a model of your own, which the store cannot build; build it, and give it what it "
                "learned with model.load_state_dict(store.weights(run).tensors)."
            )
        net = build(run.spec, seed=run.seed or 0)
        net.load_state_dict(self.weights(run).tensors)
        return net.eval()

    def _weights_path(self, run):
        path = self.path_of(run)
        return _not_newer(path.parent / "weights" / path.with_suffix(".safetensors").name, Weights)

    # Datasets

    def remember_dataset(self, split, name):
        """Note that `datasets.load(name)` makes this Split, for `dataset_of`: a run contains no paths."""
        file = self.path / "datasets.json"
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / ".lock"):
            known = self._datasets()
            if known.get(split.fingerprint) != name:
                text = json.dumps(known | {split.fingerprint: name}, indent=1)
                write(file, lambda temporary: temporary.write_text(text, encoding="utf-8"), overwrite=True)

    def dataset_of(self, run):
        """The name or path from which `datasets.load` makes the images of a run, if it was noted; else None."""
        noted = self._datasets().get(run.data)
        return noted if isinstance(noted, str) else None  # a newer reslab may note more

    def _datasets(self):
        try:
            return dict(json.loads((self.path / "datasets.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # not there, or damaged: only printed commands need it
            return {}

    # Files

    def _files(self, pattern, folders=None):
        """The paths of files in some folders of the store (None: in all), in order. A folder that is a link which leads
        nowhere is left out, with a warning that names it."""
        folders = self.path.glob("*") if folders is None else [self.path / folder for folder in folders]
        paths = []
        for folder in sorted(folders):
            try:
                check_leads_somewhere(folder, "folder of runs")
            except OSError as error:
                warnings.warn(f"passed over: {error}", stacklevel=3)
            paths += sorted(folder.glob(pattern))
        return paths

    def _load(self, path, kind=Run):
        try:
            return _run_at(path) if kind is Run else kind.load(path)
        except FileNotFoundError:  # another process removed it meanwhile
            return None
        except (CorruptRun, OSError) as error:
            warnings.warn(f"passed over: {error}", stacklevel=3)
            return None

    def _has_ended(self, path):
        """Whether a run that ended is there; a damaged file is renamed, not deleted."""
        try:
            return path.exists() and Run.load(path).ended
        except CorruptRun as error:
            aside = path.with_suffix(".json.corrupt")
            path.replace(aside)
            warnings.warn(f"{error} It is now {aside.name}.", stacklevel=4)
            return False

    def _remove_abandoned(self):
        """Remove half-written files of killed processes, after a day."""
        for path in self.path.glob("*/.*"):
            with suppress(FileNotFoundError):  # its process has just finished it
                if re.search(r"\.[0-9a-f]{16}$", path.name) and time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def recorded():
    """The store that comes with reslab: the runs that the lessons show, listed in data/README.md."""
    return Store(shipped("runs"))


def _run_at(path):
    """The run of a file. It is kept in memory while the file stays the same: a lesson asks for it several times."""
    check_is_file(path, "run")
    file = path.stat()
    return copy.deepcopy(_read(path, file.st_ino, file.st_size, file.st_mtime_ns))


@lru_cache(maxsize=1000)
def _read(path, *_version):
    return Run.load(path)


def _not_newer(path, kind):
    """`path`; or, if a newer reslab has its own file there, one beside it."""
    try:
        if path.exists():
            kind.load(path)
    except NewerRun:
        return _not_newer(path.with_suffix(f".older{path.suffix}"), kind)
    except CorruptRun:
        pass
    return path


def _together(frames):
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1] or [pd.DataFrame()], ignore_index=True)
