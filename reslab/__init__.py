"""reslab: residual networks, taken apart live.

    spec  →  net  →  tidy frame  →  figure  →  explorer
    nets     build    capture, train  figures    explorers

    from reslab import NetSpec, build, digits, fit       # what a lesson needs, here
    from reslab.capture import capture                   # the rest where it lives, as with glob and copy
    from reslab.train import train

What is here is imported when it is first used, so `import reslab` costs next to nothing.
"""

import importlib
import os

# Before torch is imported: let its idle threads sleep. Spinning, they make a step ten times slower beside a busy neighbour.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_HOMES = {
    "reslab.nets": ("FAMILY", "NetSpec", "build", "nearest_depth", "replace"),
    "reslab.datasets": ("Split", "digits"),
    "reslab.train": ("TrainSpec", "evaluate", "fit"),
    "reslab.runs": ("Checkpoint", "Run"),
    "reslab.store": ("Store", "recorded"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("capture", "datasets", "experiments", "explorers", "figures", "nets", "runs", "store", "sweep", "train")
__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"reslab.{name}")
    raise AttributeError(f"module 'reslab' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
