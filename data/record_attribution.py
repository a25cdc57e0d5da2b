"""Record what lesson 07 shows of photographs: how good maps of the recorded CIFAR-10 nets are.

    python data/record_attribution.py cifar10    # data/attribution/cifar10.json.gz, two minutes; or an .npz file

Numbers alone: CIFAR-10's pictures have no licence, and come with the learner's own download.
"""

import dataclasses
import gzip
import json
import sys
from pathlib import Path

import pandas as pd

from reslab import recorded
from reslab.datasets import load
from reslab.experiments import deletion, lesions
from reslab.runs import Provenance

FOLDER = Path(__file__).parent
SOURCE = "CIFAR-10: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
IMAGES, FEW = 32, 12  # test images: of what lesson 07 asks, and of the gaps
STEPS = 16  # of integrated gradients
NUMBERS = ("before", "after", "fall", "alike", "total", "difference", "gap", "error")


def main(dataset="cifar10"):
    where = Provenance.here("cpu").committed()
    split, store = load(dataset), recorded()
    provenance = dataclasses.asdict(where) | {"source": SOURCE, "test_images": IMAGES, "steps": STEPS}
    frames, names = {}, []
    for depth in (20, 56):
        for skip in (False, True):
            run, net = lesions.longest(depth, skip)
            names.append(store.path_of(run).stem)
            origin = f"recorded, {run.history['step'].iloc[-1]:,} steps"
            for kind, frame in measured(net, split, depth).items():
                frames.setdefault(kind, []).append(frame.assign(origin=origin))
            print(run.name, run.how["epochs"], flush=True)
    provenance["weights"] = names
    content = {"provenance": provenance, "frames": {kind: rows(pd.concat(made)) for kind, made in frames.items()}}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    path = FOLDER / deletion.PHOTOGRAPHS
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def measured(net, split, depth):
    """{kind: frame}: of a net of 20 layers, how good its maps are; of every net, how stable they are."""
    found = {"stability": deletion.stability(net, split, images=IMAGES, progress=False)}
    if depth == 20:
        found["fall"] = deletion.fall(net, split, images=IMAGES, steps=STEPS, progress=False)
        found["gaps"] = deletion.completeness_gaps(net, split, steps=(8, 16, 32), images=FEW, progress=False)
    return found


def rows(frame):
    """A frame as columns of plain values, rounded to what is shown."""
    short = {name: frame[name].astype(float).round(5) for name in NUMBERS if name in frame}
    return frame.assign(**short).to_dict("list")


if __name__ == "__main__":
    main(*sys.argv[1:])
