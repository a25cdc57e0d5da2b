"""Image sets in memory: a `Split` is a training and a test part, ready for a net.

named.py has the data sets with a name, and `load`; own.py makes a Split from arrays, folder.py from a folder of
pictures, which pictures.py reads; split.py has `Split`. `digits()` needs no network; others are downloaded once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["folder", "named", "own", "pictures", "split"],
    submod_attrs={
        "split": ["Split", "check_split"],
        "named": [
            "DATASETS",
            "DatasetUnavailable",
            "cache_root",
            "cifar10",
            "cifar100",
            "digits",
            "fashion_mnist",
            "load",
            "or_digits",
        ],
        "own": ["from_arrays", "from_file"],
        "folder": ["from_folder"],
    },
)
