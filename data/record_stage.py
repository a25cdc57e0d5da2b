"""Record what the stage shows.

    python data/record_stage.py                    # data/stage/digits.json.gz, in about five minutes on one core
    python data/record_stage.py cifar10            # data/stage/without-pictures/cifar10.json.gz; or an .npz file, see
    `datasets.load`

Digits: nets of width 8, 60 steps (`film.RECORDED`), seed 0; how far seeds 1 and 2 differ is in it too. CIFAR-10: the
nets recorded with the preset paper-half, untrained and with the weights kept in data/runs; no pictures,
because they have no licence and come with the learner's own download.
"""

import gzip
import json
import sys
from pathlib import Path

from tqdm import tqdm

from reslab import Store, digits, replace
from reslab.datasets import load
from reslab.experiments import film
from reslab.experiments.degradation import small_net
from reslab.runs import Provenance
from reslab.specs import PRESETS

FOLDER = Path(__file__).parent / "stage"
DEPTHS = (20, 56, 110)


def main(dataset="digits"):
    Provenance.here().committed()
    if dataset == "digits":
        record_digits()
    else:
        split = load(dataset)
        half = {"dataset": split.name, "width": 16, "epochs": PRESETS["paper-half"].epochs}
        state = film.of_runs(Store(FOLDER.parent / "runs"), split, (20, 56), **half)
        save(state, FOLDER / "without-pictures" / f"{split.name}.json.gz")


def record_digits():
    split = digits()
    base = small_net(split)
    specs = {"": [replace(base, depth=depth) for depth in DEPTHS]}
    specs |= {variant: [replace(base, depth=56, **changes)] for variant, changes in film.VARIANTS.items()}
    with tqdm(unit=" patches") as bar:
        state = film.record(specs, split, seeds=(0, 1, 2), device="cpu", progress=lambda patch: bar.update())
    save(state, FOLDER / "digits.json.gz")


def save(state, path):
    """Write a state as compressed JSON; the same state makes the same bytes."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
