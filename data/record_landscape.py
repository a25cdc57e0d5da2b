"""Record what lesson 06 shows of nets whose maps take longer than a learner waits, and of photographs.

    python data/record_landscape.py digits             # data/landscape/digits.json.gz, about two minutes on one core
    python data/record_landscape.py cifar10 FILE.npz   # data/landscape/cifar10.json.gz, about three

Numbers alone, of the recorded weights of 20 and 56 layers, plain and residual. CIFAR-10's pictures have no licence, and
come with the learner's own download, or from an .npz file.
"""

import dataclasses
import gzip
import json
import sys
from pathlib import Path

import pandas as pd

from reslab import recorded
from reslab.datasets import load
from reslab.experiments import landscape
from reslab.experiments.degradation import small_net
from reslab.experiments.landscape_files import FOLDER, to_plain
from reslab.experiments.lesions import RECORDED, longest, trained
from reslab.nets import replace
from reslab.runs import Provenance

HERE = Path(__file__).parent
ALPHAS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
IMAGES = 64  # training images that a loss is of
# Points a side of a map; modes of the maps, which are of seed 0 alone: lines are of every seed.
HOW = {"digits": (25, landscape.MODES), "cifar10": (11, ("eval",))}


def main(name, source=None):
    where, (points, modes) = Provenance.here("cpu").committed(), HOW[name]
    split = load(source or name)
    grids, bands, weights = [], [], []
    for net, step, file in nets_of(name, split):
        labels = {"step": step, "origin": f"recorded, {step:,} steps"}
        how = {"images": IMAGES, "device": "cpu", "progress": False}
        for mode in landscape.MODES:
            bands.append(landscape.bands(net, split, alphas=ALPHAS, mode=mode, **how).assign(**labels))
        for mode in modes if net.seed == 0 else ():
            grids.append(to_plain(landscape.grid(net, split, points=points, mode=mode, **how).assign(**labels)))
        weights.append(file)
        print(file, flush=True)
    provenance = dataclasses.asdict(where) | {"source": split.source, "training_images": IMAGES}
    rows = pd.concat(bands)
    rows = rows.assign(loss=[float(f"{loss:.4g}") for loss in rows["loss"]], error=rows["error"].round(3))
    content = {"provenance": provenance | {"weights": weights}, "grids": grids, "bands": rows.to_dict("list")}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    path = HERE / FOLDER / f"{name}.json.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def nets_of(name, split):
    """(net, steps of its training, file of its weights) of every net whose landscape is recorded."""
    store = recorded()
    if name == "digits":
        for depth in (20, 56):
            for skip in (False, True):
                for seed in (0, 1, 2):
                    spec = replace(small_net(split), depth=depth, skip=skip)
                    run = store.find(spec, split, RECORDED, seed)
                    yield trained(spec, split, seed=seed), run.history["step"].iloc[-1].item(), store.path_of(run).stem
    else:
        for depth in (20, 56):
            for skip in (False, True):
                run, net = longest(depth, skip)
                yield net, run.history["step"].iloc[-1].item(), store.path_of(run).stem


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in HOW:
        sys.exit(__doc__)
    main(*sys.argv[1:3])
