"""The results of a training: a `Run` (numbers, and where they came from), a `Checkpoint` (a run and its tensors, to
resume from), and `Weights` (what it learned).

A run is one JSON file, the others are safetensors files. They are read without unpickling anything, written whole or
not at all, and refused if a digit has changed since. files.py writes and checks them; `reslab.store` keeps many.
"""

from reslab.runs.checkpoint import Checkpoint, Weights
from reslab.runs.files import CorruptRun, NewerRun
from reslab.runs.provenance import Provenance
from reslab.runs.run import Run

__all__ = ["Checkpoint", "CorruptRun", "NewerRun", "Provenance", "Run", "Weights"]
