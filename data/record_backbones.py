"""Record what takes longer in lesson 10: frozen bodies of CIFAR-10's nets, the segmenter over three seeds, and the
receptive fields of nets of 56 layers.

    python data/record_backbones.py cifar10   # data/backbones/recorded.json.gz, ten minutes; or an .npz file

Numbers alone: CIFAR-10's pictures have no licence, and come with the learner's own download.
"""

import dataclasses
import gzip
import json
import sys
from pathlib import Path

import pandas as pd

from reslab.datasets import load
from reslab.experiments import probe, receptive_field, segmenter
from reslab.runs import Provenance

FOLDER = Path(__file__).parent
SOURCE = "CIFAR-10: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
SEEDS = (0, 1, 2)
STEPS = 300  # of a segmenter
DEPTH, SIDE = 56, 256  # layers, and pixels: more than the 249 that a place can see
BLOCKS = ("stage1.block9", "stage2.block9", "stage3.block3", "stage3.block6", "stage3.block9")
BULKY = ("energy", "centre", "pixels", "truth", "answers")  # arrays
ROUNDED = ("readout_accuracy", "mean_iou", "mean_ap", "loss", *segmenter.CLASSES)


def main(dataset="cifar10"):
    where = Provenance.here("cpu").committed()
    split = load(dataset).subset(probe.TRAINING, probe.PICTURES)
    provenance = dataclasses.asdict(where) | {"source": SOURCE, "steps": STEPS, "side": SIDE}
    origin = f"recorded, {provenance['date'][:7]}"
    probes = [
        probe.photographs_bodies(pictures, seeds=SEEDS, progress=False).assign(pictures=name)
        for name, pictures in (("digits", probe.on_digits()), ("CIFAR-10", split))
    ]
    print("probe", flush=True)
    frames = {"probe": pd.concat(probes, ignore_index=True)}
    frames["segmenter"] = segmenter.compare(seeds=SEEDS, steps=STEPS, progress=False)
    print("segmenter", flush=True)
    frames["field"] = receptive_field.trained_and_untrained(
        DEPTH, seeds=SEEDS, blocks=BLOCKS, side=SIDE, progress=False
    )
    content = {name: rows(frame.assign(origin=origin)) for name, frame in frames.items()}
    text = json.dumps({"provenance": provenance, "frames": content}, separators=(",", ":"), allow_nan=False)
    path = FOLDER / probe.RECORDED
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def rows(frame):
    """A frame as columns of plain values, with no arrays, rounded to what is shown; what is missing is None."""
    frame = frame.drop(columns=[name for name in BULKY if name in frame])
    short = {name: frame[name].astype(float).round(4) for name in ROUNDED if name in frame}
    frame = frame.assign(**short).astype(object)
    return frame.where(frame.notna(), None).to_dict("list")


if __name__ == "__main__":
    main(*sys.argv[1:])
