"""The results of a training: a `Run` (numbers and provenance), a `Checkpoint` (a run and its tensors, to resume from),
and `Weights` (of the trained net).

A run is one JSON file, the others are safetensors files. Reading them unpickles nothing. They are written whole or not
at all, and refused if a digit has changed. files.py writes and checks them; `reslab.store` keeps many.
"""

from reslab.runs.checkpoint import Checkpoint, Weights
from reslab.runs.files import CorruptRun, NewerRun
from reslab.runs.provenance import Provenance
from reslab.runs.run import Run

__all__ = ["Checkpoint", "CorruptRun", "NewerRun", "Provenance", "Run", "Weights"]
