"""What a training leaves behind: a `Run` (numbers, and where they came from), a `Checkpoint` (a run and its tensors, to go on from),
and `Weights` (what it learned).

A run is one JSON file, the others are safetensors files: readable without unpickling anything, written whole or not at all,
and refused if a digit of them has changed since. files.py writes and checks them; `reslab.store` keeps many.
"""

from reslab.runs.checkpoint import Checkpoint, Weights
from reslab.runs.files import CorruptRun, NewerRun
from reslab.runs.provenance import Provenance
from reslab.runs.run import Run

__all__ = ["Checkpoint", "CorruptRun", "NewerRun", "Provenance", "Run", "Weights"]
