"""Many runs in a folder: `Store` keeps one file per run, which you can read, copy and delete; processes can share it.

    store = Store()                                     # yours; `recorded()` is the one that comes with reslab
    list(sweep(specs, digits(), seeds=(0, 1, 2), store=store))
    store.history(skip=False, depth=56)                 # tidy, for the figures

    PATH/digits/plain-56.width8.seed0.1a2b3c4d.json         a run; it ends with a digest of what decides its numbers
    PATH/digits/plain-56.width8.seed1.5e6f7a8b.safetensors  a checkpoint: where a stopped or killed training goes on
    PATH/digits/weights/plain-56.width8.seed0.1a2b3c4d.safetensors  the trained weights, if asked for
    PATH/datasets.json                                      where your own images are, for printed commands

store.py reads and writes these files, names.py names them, filters.py chooses among runs.
"""

from reslab.store.store import Store, recorded

__all__ = ["Store", "recorded"]
