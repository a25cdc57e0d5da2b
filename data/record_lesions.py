"""Record what lesson 05 shows of photographs: lesions and paths of the recorded CIFAR-10 nets.

    python data/record_lesions.py cifar10    # data/lesions/cifar10.json.gz, in about ten minutes; or an .npz file

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
from reslab.experiments import lesions, paths
from reslab.runs import Provenance

FOLDER = Path(__file__).parent
SOURCE = "CIFAR-10: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
IMAGES, PATH_IMAGES = 200, 32  # test images of an error; training images of a gradient
NUMBERS = ("error", "whole", "share", "along", "counted", "moved", "size")


def main(dataset="cifar10"):
    where = Provenance.here("cpu").committed()
    split, store = load(dataset), recorded()
    nets = [lesions.longest(depth, skip) for depth in (20, 56) for skip in (False, True)]
    frames = {}
    for run, net in nets:
        how = {"images": IMAGES, "progress": False}
        made = {
            "one out": lesions.one_out(net, split, **how),
            "one out, calibrated": lesions.one_out(net, split, calibrated=True, **how),
            "several out": lesions.several_out(net, split, **how),
            "swapped": lesions.swapped(net, split, **how),
        }
        if run.spec.skip:
            made["paths"] = paths.by_length(net, split, images=PATH_IMAGES, step=run.history["step"].iloc[-1])
        for kind, frame in made.items():
            frames.setdefault(kind, []).append(frame.assign(origin=f"recorded, {run.history['step'].iloc[-1]:,} steps"))
        print(run.name, run.how["epochs"], flush=True)
    provenance = dataclasses.asdict(where) | {"source": SOURCE, "test_images": IMAGES}
    provenance["weights"] = [store.path_of(run).stem for run, _ in nets]
    content = {"provenance": provenance, "frames": {kind: rows(pd.concat(made)) for kind, made in frames.items()}}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    path = FOLDER / lesions.PHOTOGRAPHS
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def rows(frame):
    """A frame as columns of plain values, rounded to what is shown."""
    short = {name: frame[name].round(5) for name in NUMBERS if name in frame}
    return frame.assign(**short).to_dict("list")


if __name__ == "__main__":
    main(*sys.argv[1:])
