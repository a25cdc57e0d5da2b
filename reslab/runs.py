"""What a training leaves behind: a `Run` (numbers, with where they came from), a `Checkpoint` (a run and its tensors, to go on from),
and `Weights` (what it learned).

A run is one JSON file, the others are safetensors files: readable without unpickling anything, written whole or not at all, and
refused when a digit of them has changed since. `reslab.store` keeps many.
"""

import dataclasses
import datetime
import hashlib
import json
import math
import os
import platform
import secrets
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from reslab import __version__
from reslab.nets import NetSpec

FORMAT, CHECKPOINT, WEIGHTS = "reslab run 1", "reslab checkpoint 1", "reslab weights file 1"


class CorruptRun(ValueError):
    """A file of reslab's that is not whole, or none of its files; the message says which file and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a run's numbers came from. Names the kind of machine, never which one."""

    machine: str  # processor, or accelerator
    device: str  # "cpu", "cuda" or "mps"
    threads: int  # that a step on the CPU used, in each process
    date: str  # UTC, "2026-11-21"
    python: str
    torch: str
    reslab: str
    commit: str | None  # of the checkout that ran, "-dirty" with changes not committed; None for an installed package
    processes: int = 1  # that shared each batch

    @classmethod
    def here(cls, device="cpu", threads=None, processes=1):
        """The provenance of a run made now, on this machine."""
        device = torch.device(device)
        return cls(
            machine=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
            device=device.type,
            threads=torch.get_num_threads() if threads is None else threads,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            reslab=__version__,
            commit=_commit(),
            processes=processes,
        )

    def after(self, earlier):
        """This provenance, for a training that began with an earlier one: where the two differ, "2.14.0, then 2.15.0"."""
        changes = {}
        for name, now in dataclasses.asdict(self).items():
            before = getattr(earlier, name)
            if isinstance(now, str) and before:
                changes[name] = before if before.split(", then ")[-1] == now else f"{before}, then {now}"
        return dataclasses.replace(self, **changes)

    @property
    def origin(self):
        """What a chart says of where its numbers come from: the machine and the month."""
        return f"{self.machine}, {self.date[:7]}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of one net: what was asked, what was measured, and where.

    history: a row a logged step: step, epoch, lr, loss (nats), train_error and test_error (fractions; the first in training mode
    on the batches as they were shown, the second in eval mode, NaN where it was not measured), seconds (of training so far).
    layers: a row a captured step × block, with the columns of `capture.Trace.frame`; empty without capture.
    """

    name: str  # "plain-56"
    spec: NetSpec | None  # None for a module that no spec describes
    how: dict  # the TrainSpec, as plain values
    dataset: str
    seed: int | None  # of the weights; None where `build` did not draw them
    parameters: int
    outcome: str  # "finished", "diverged", "stopped" (there was more to come), or "failed" (by `cause`)
    final_train_error: float  # fraction, eval mode, over the whole training part; NaN unless finished
    history: pd.DataFrame
    layers: pd.DataFrame
    provenance: Provenance
    data: str | None = None  # the `fingerprint` of its Split; None where nobody took it
    source: str = ""  # the Split's: what the images are, whose, and which of them
    cause: str = ""  # of a failure: "OutOfMemoryError: ... (resnet.py:80)"
    recorded: bool = field(default=False, compare=False)  # read from a file, so not measured here and now; not saved

    @property
    def ended(self):
        """Whether there is nothing left to train: it finished or diverged."""
        return self.outcome in ("finished", "diverged")

    def summary(self):
        """The run in one row, as a dict of plain values: what it is of, how it ended, how long it took (s), and where."""
        history = self.history
        tested = history["test_error"].dropna()
        last = {"steps": int(history["step"].iloc[-1]), "seconds": float(history["seconds"].iloc[-1])} if len(history) else {}
        return {
            "name": self.name,
            "dataset": self.dataset,
            "seed": self.seed,
            **{name: getattr(self.spec, name, None) for name in ("skip", "depth", "width")},
            "parameters": self.parameters,
            "outcome": self.outcome,
            "cause": self.cause,
            "steps": last.get("steps", 0),
            "final_train_error": self.final_train_error,
            "test_error": float(tested.iloc[-1]) if len(tested) else math.nan,
            "seconds": last.get("seconds", 0.0),
            **dataclasses.asdict(self.provenance),
        }

    def frame(self):
        """The history with the columns name, skip, depth, seed, parameters, outcome, final_train_error and origin before it: tidy,
        so that the frames of many runs concatenate into one."""
        return self._labelled(self.history)

    def layers_frame(self):
        """The captured layers, labelled as `frame` labels the history."""
        return self._labelled(self.layers)

    def _labelled(self, frame):
        skip, depth = (self.spec.skip, self.spec.depth) if self.spec else (None, None)
        labels = {"name": self.name, "skip": skip, "depth": depth, "seed": self.seed, "parameters": self.parameters}
        labels |= {"outcome": self.outcome, "final_train_error": self.final_train_error, "origin": self.origin}
        return pd.DataFrame({key: [value] * len(frame) for key, value in labels.items()} | dict(frame.items()))

    @property
    def origin(self):
        """What a chart says of where the run comes from: that of its provenance, after "recorded" if it was read from a file."""
        return f"{'recorded, ' * self.recorded}{self.provenance.origin}"

    def save(self, path, *, overwrite=False):
        """Write the run to a .json file, whole or not at all; FileExistsError if it is there and `overwrite` is not set."""
        _write(Path(path), lambda temporary: temporary.write_text(self.to_json(), encoding="utf-8"), overwrite)

    @classmethod
    def load(cls, path):
        """Read a run that `save` wrote; FileNotFoundError, or CorruptRun in one sentence."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no run at {path}.")
        try:
            return dataclasses.replace(cls.from_json(path.read_text(encoding="utf-8")), recorded=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptRun(f"{path} is not a whole reslab run: {error}.") from error

    def to_json(self):
        """The run as JSON text, with a checksum of its content: a curve edited by hand does not load."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "recorded"}
        content["spec"] = self.spec and self.spec.to_dict()
        content["provenance"] = dataclasses.asdict(self.provenance)
        content["final_train_error"] = _to_plain(self.final_train_error)
        for table in ("history", "layers"):
            content[table] = {name: [_to_plain(value) for value in column.tolist()] for name, column in content[table].items()}
        return json.dumps({"format": FORMAT, "sha256": _digest(content)} | content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text):
        """The run that `to_json` wrote; ValueError, KeyError or TypeError if it is not one."""
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"it does not say {FORMAT!r}")
        if content.pop("sha256", None) != _digest(content):
            raise ValueError("its checksum does not match its content")
        content["spec"] = content["spec"] and NetSpec.from_dict(content["spec"])
        content["provenance"] = Provenance(**content["provenance"])
        content["final_train_error"] = _from_plain(content["final_train_error"])
        for table in ("history", "layers"):
            content[table] = pd.DataFrame({name: [_from_plain(v) for v in column] for name, column in content[table].items()})
        return cls(**content)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run so far, and the tensors to go on from: "model.*" and "momentum.*"."""

    run: Run
    tensors: dict

    def save(self, path):
        """Write the checkpoint to a .safetensors file, in place of an older one, whole or not at all."""
        run = torch.frombuffer(bytearray(self.run.to_json().encode()), dtype=torch.uint8)  # a header, of 100 MB at most, may be too short
        _save_tensors(path, CHECKPOINT, {"run": run} | self.tensors)

    @classmethod
    def load(cls, path):
        """Read a checkpoint that `save` wrote; FileNotFoundError, or CorruptRun in one sentence."""
        with _loaded_tensors(path, CHECKPOINT) as (tensors, _):
            run = Run.from_json(bytes(tensors.pop("run").numpy()).decode())
            return cls(run=run, tensors=tensors)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What a net learned, for taking it apart: its parameters in half precision, and how often it is wrong with these.

    tensors: as of `state_dict`: parameters float16, all else (BatchNorm's running statistics) as it was.
    train_error, test_error: fractions, eval mode, of a net with these very numbers: up to rounding those of the Run.
    """

    tensors: dict
    train_error: float
    test_error: float

    def save(self, path):
        """Write the weights to a .safetensors file, in place of older ones, whole or not at all."""
        _save_tensors(path, WEIGHTS, self.tensors, train_error=repr(self.train_error), test_error=repr(self.test_error))

    @classmethod
    def load(cls, path):
        """Read weights that `save` wrote; FileNotFoundError, or CorruptRun in one sentence."""
        with _loaded_tensors(path, WEIGHTS) as (tensors, said):
            return cls(tensors=tensors, train_error=float(said["train_error"]), test_error=float(said["test_error"]))


def _save_tensors(path, kind, tensors, **said):
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = {"format": kind, "sha256": _digest_of_tensors(tensors, **said), **said}
    _write(Path(path), lambda temporary: temporary.write_bytes(save(tensors, metadata)), overwrite=True)  # save_file's none but we may read


@contextmanager
def _loaded_tensors(path, kind):
    """(tensors, metadata) of a file of this kind; what is wrong with it, here or in the `with` block, is a CorruptRun."""
    path, what = Path(path), kind.removesuffix(" 1")
    if not path.is_file():
        raise FileNotFoundError(f"there is no {what.removeprefix('reslab ')} at {path}.")
    try:
        content = path.read_bytes()  # in one go: safe_open opens a file twice, and a newer one may be put there in between
        tensors = dict(sorted(load(content).items()))
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        if metadata.pop("format", None) != kind:
            raise ValueError(f"it does not say {kind!r}")
        if metadata.pop("sha256", None) != _digest_of_tensors(tensors, **metadata):
            raise ValueError("its checksum does not match its tensors")
        yield tensors, metadata
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = textwrap.shorten(str(error), 150, placeholder=" ...").rstrip(".")  # safetensors lists all the types it knows
        raise CorruptRun(f"{path} is not a whole {what}: {reason}.") from error


def _write(path, write, overwrite):
    """Let `write` fill a temporary file beside `path`, then move it there in one step."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # not tempfile's: those files none but their owner may read
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _to_plain(value):
    """JSON knows neither NaN nor infinity: null, and "inf" or "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _from_plain(value):
    return math.nan if value is None else float(value) if value in ("inf", "-inf") else value


def _digest(content):
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of_tensors(tensors, **said):
    digest = hashlib.sha256("".join(f"{name} {value}\n" for name, value in sorted(said.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).cpu().numpy())
    return digest.hexdigest()


@cache
def _processor():
    """The processor's model name, where the system tells it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or platform.machine()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _commit():
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine
        return None
