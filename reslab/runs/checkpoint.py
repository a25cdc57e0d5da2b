"""Files of tensors: a `Checkpoint`, to resume a training, and the `Weights` of a trained net."""

from dataclasses import dataclass

import torch

from reslab.runs.files import loaded_tensors, save_tensors
from reslab.runs.run import Run

CHECKPOINT, WEIGHTS = "reslab checkpoint 1", "reslab weights file 1"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run so far, and its tensors: "model.*" and "momentum.*".

    weights: whether the trained weights are kept when it ends.
    """

    run: Run
    tensors: dict
    weights: bool = False

    def save(self, path):
        """Write the checkpoint to a .safetensors file, in place of an older one, whole or not at all."""
        # As a tensor: the header of a file has at most 100 MB.
        run = torch.frombuffer(bytearray(self.run.to_json().encode()), dtype=torch.uint8)
        said = {"weights": "kept"} if self.weights else {}
        save_tensors(path, CHECKPOINT, {"run": run} | self.tensors, **said)

    @classmethod
    def load(cls, path):
        """Read a checkpoint that `save` wrote; FileNotFoundError, or CorruptRun in one sentence."""
        with loaded_tensors(path, CHECKPOINT) as (tensors, said):
            run = Run.from_json(bytes(tensors.pop("run").numpy()).decode())
            return cls(run=run, tensors=tensors, weights="weights" in said)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What a net learned, for taking it apart: its parameters in half precision, and how often it is wrong with these.

    tensors: as of `state_dict`: parameters float16, all else (BatchNorm's running statistics) as it was.
    train_error, test_error: fractions, eval mode, of a net with these very numbers: up to rounding those of the Run;
    NaN where it was not measured.
    """

    tensors: dict
    train_error: float
    test_error: float

    def save(self, path):
        """Write the weights to a .safetensors file, in place of older ones, whole or not at all."""
        save_tensors(path, WEIGHTS, self.tensors, train_error=repr(self.train_error), test_error=repr(self.test_error))

    @classmethod
    def load(cls, path):
        """Read weights that `save` wrote; FileNotFoundError, or CorruptRun in one sentence."""
        with loaded_tensors(path, WEIGHTS) as (tensors, said):
            return cls(tensors=tensors, train_error=float(said["train_error"]), test_error=float(said["test_error"]))
