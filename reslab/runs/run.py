"""`Run`: one training of one net, as one JSON file."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reslab import checks
from reslab.runs.files import NewerRun, check_format, check_is_file, digest, refusal, write
from reslab.runs.provenance import Provenance
from reslab.specs import NetSpec, TrainSpec

FORMAT = "reslab run 1"
OUTCOMES = ("finished", "diverged", "stopped", "failed")  # of a file; an explorer's run may be "running"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of one net: its settings, what was measured, and the machine.

    history: a row per logged step: step, epoch, lr, loss (nats), train_error and test_error (fractions; the first in
    training mode on the batches of the steps, the second in eval mode, NaN where it was not measured), seconds (of
    training so far).
    layers: a row per captured step × block, with the columns of `capture.Trace.frame`; empty without capture.
    """

    name: str  # "plain-56"
    spec: NetSpec | None  # None for a module that no spec describes
    how: dict  # the TrainSpec, as plain values
    dataset: str
    seed: int | None  # with which `build` makes the net that was trained; None where it was changed or is one's own
    parameters: int
    outcome: str  # "finished", "diverged", "stopped" (there was more to come), or "failed" (by `cause`)
    final_train_error: float  # fraction, eval mode, over the whole training part; NaN unless finished
    history: pd.DataFrame
    layers: pd.DataFrame
    provenance: Provenance
    data: str | None = None  # the `fingerprint` of its Split; None where it was not computed
    source: str = ""  # the Split's: what the images are, whose, and which of them
    cause: str = ""  # of a failure, "OutOfMemoryError: ... (resnet.py:80)"; of a stop, if it was noted
    recorded: bool = field(default=False, compare=False)  # read from a file, so not measured here and now; not saved

    @property
    def ended(self):
        """Whether there is nothing left to train: it finished or diverged."""
        return self.outcome in ("finished", "diverged")

    def summary(self):
        """The run in one row, as a dict of plain values: its net, how it ended, how long it took (s), and where."""
        history = self.history
        tested = history["test_error"].dropna()
        last = (
            {"steps": int(history["step"].iloc[-1]), "seconds": float(history["seconds"].iloc[-1])}
            if len(history)
            else {}
        )
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
        """The history after the columns name, skip, depth, seed, parameters, outcome, final_train_error and origin.

        The frames of many runs can be concatenated.
        """
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
        """Where the run comes from, for a chart: its provenance's, after "recorded" if it was read from a file."""
        return f"{'recorded, ' * self.recorded}{self.provenance.origin}"

    def save(self, path, *, overwrite=False):
        """Write the run to a .json file, whole or not at all; FileExistsError if it is there, unless `overwrite`."""
        write(Path(path), lambda temporary: temporary.write_text(self.to_json(), encoding="utf-8"), overwrite)

    @classmethod
    def load(cls, path):
        """Read a run that `save` wrote; FileNotFoundError or another OSError, or CorruptRun in one sentence."""
        path = Path(path)
        check_is_file(path, "run")
        try:
            text = path.read_text(encoding="utf-8-sig")  # some editors write a mark in front
            return dataclasses.replace(cls.from_json(text), recorded=True)
        except (ValueError, RecursionError) as error:
            raise refusal(path, "reslab run", error) from error

    def to_json(self):
        """The run as JSON text, with a checksum of its content: a curve edited by hand does not load."""
        content = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "recorded"
        }
        content["spec"] = self.spec and self.spec.to_dict()
        content["provenance"] = dataclasses.asdict(self.provenance)
        content["final_train_error"] = _to_plain(self.final_train_error)
        for table in ("history", "layers"):
            content[table] = {
                name: [_to_plain(value) for value in column.tolist()] for name, column in content[table].items()
            }
        return json.dumps({"format": FORMAT, "sha256": digest(content)} | content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text):
        """The run that `to_json` wrote; NewerRun if only a newer reslab can have written it, ValueError if damaged."""
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError(f"it does not say {FORMAT!r}")
        check_format(content.pop("format", None), FORMAT)
        if content.pop("sha256", None) != digest(content):
            raise ValueError("its checksum does not match its content")
        try:  # the content is whole, so what cannot be read is a field or a value that did not exist yet
            return cls._of(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NewerRun(str(error)) from error

    @classmethod
    def _of(cls, content):
        content["spec"] = content["spec"] and NetSpec.from_dict(content["spec"])
        TrainSpec.from_dict(content["how"])  # refuses what this reslab does not know
        checks.choice("outcome", content["outcome"], OUTCOMES)
        for what, kind, given in (("a run", cls, content), ("a provenance", Provenance, content["provenance"])):
            names = [field.name for field in dataclasses.fields(kind)]
            for name in given:
                checks.choice(f"a field of {what}", name, names)
        content["provenance"] = Provenance(**content["provenance"])
        content["final_train_error"] = _from_plain(content["final_train_error"])
        for table in ("history", "layers"):
            content[table] = pd.DataFrame(
                {name: [_from_plain(v) for v in column] for name, column in content[table].items()}
            )
        return cls(**content)


def _to_plain(value):
    """JSON has no NaN and no infinity: they become null, and "inf" or "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _from_plain(value):
    return math.nan if value is None else float(value) if value in ("inf", "-inf") else value
