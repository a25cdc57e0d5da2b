"""Record what the stage shows: `python data/record_stage.py` writes data/stage/digits.json.gz, in about five minutes on one core.

Nets of width 8 on the digits, 60 steps (`film.RECORDED`), seed 0; how far seeds 1 and 2 differ is in it too.
"""

import gzip
import json
from pathlib import Path

from tqdm import tqdm

from reslab import digits, replace
from reslab.experiments import film
from reslab.experiments.degradation import small_net

FOLDER = Path(__file__).parent / "stage"
DEPTHS = (20, 56, 110)


def main():
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
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
