"""reslab: residual networks, taken apart live.

    spec  →  net  →  tidy frame  →  figure  →  explorer
    nets     build    capture, train  figures    explorers

    from reslab import NetSpec, build, digits, fit       # what a lesson needs, here
    from reslab.capture import capture                   # the rest where it lives, as with glob and copy
    from reslab.train import train

What is here is imported when it is first used, so `import reslab` costs next to nothing.
"""

import os

import lazy_loader

# Before torch is imported: let its idle threads sleep. Spinning, they make a step ten times slower beside another
# busy program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "capture",
        "datasets",
        "experiments",
        "explorers",
        "figures",
        "nets",
        "runs",
        "store",
        "sweep",
        "train",
    ],
    submod_attrs={
        "nets": ["FAMILY", "NetSpec", "build", "nearest_depth", "replace"],
        "datasets": ["Split", "digits"],
        "train": ["TrainSpec", "evaluate", "fit"],
        "runs": ["Checkpoint", "Run"],
        "store": ["Store", "recorded"],
    },
)
