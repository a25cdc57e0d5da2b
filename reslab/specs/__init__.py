"""What a net and a training are: `NetSpec`, `SRSpec` and `TrainSpec`, frozen dataclasses of plain values.

fields.py says what a field is; net.py, super_resolution.py and train.py have the fields. Nothing here imports torch, so
the command line shows its help at once.
"""

from reslab.checks import replace
from reslab.specs.fields import Spec, setting
from reslab.specs.net import NetSpec, nearest_depth, valid_depths
from reslab.specs.super_resolution import SRSpec
from reslab.specs.train import PRESETS, TrainSpec

__all__ = [
    "PRESETS",
    "NetSpec",
    "SRSpec",
    "Spec",
    "TrainSpec",
    "nearest_depth",
    "replace",
    "setting",
    "valid_depths",
]
