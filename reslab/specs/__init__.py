"""What a net and a training are: `NetSpec` and `TrainSpec`, frozen dataclasses of plain values.

fields.py says what a field is; net.py and train.py have the fields. Nothing here imports torch, so the command line
shows its help at once.
"""

from reslab.checks import replace
from reslab.specs.fields import Spec, setting
from reslab.specs.net import NetSpec, nearest_depth, valid_depths
from reslab.specs.train import PRESETS, TrainSpec

__all__ = ["PRESETS", "NetSpec", "Spec", "TrainSpec", "nearest_depth", "replace", "setting", "valid_depths"]
