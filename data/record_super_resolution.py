"""Record what lesson 08 shows: nets that enlarge photographs, each at the best of five learning rates, three seeds.

    python data/record_super_resolution.py    # data/super_resolution/, about ten minutes on one idle core

Numbers and weights alone: the photographs come with scikit-learn and scikit-image.
"""

import dataclasses
import gzip
import json
from pathlib import Path

import pandas as pd
from safetensors.torch import save_file

from reslab.experiments import super_resolution as lesson
from reslab.experiments import super_resolution_files as files
from reslab.runs import Provenance

HERE = Path(__file__).parent
ROUNDED = {"psnr": 3, "bicubic": 3, "gain": 3, "ssim": 4, "bicubic_ssim": 4}
SOURCE = "photographs of scikit-learn and scikit-image"


def main():
    where = Provenance.here("cpu", 1).committed()
    pictures, steps, final, nets = lesson.training_pictures(), [], [], {}
    for spec in files.specs():
        frame, trained = lesson.best_rate(spec, pictures, progress=False)
        steps.append(frame)
        made = {files.key_of(spec, seed): net for seed, net in trained.items()}
        nets |= files.stored(made)
        lr = frame[frame["best"]]["lr"].iloc[0]
        how = {"similarity": True, "step": lesson.STEPS, "lr": lr}
        final += [lesson.measured(net, lesson.pieces(), **how) for net in made.values()]
        print(spec.name, spec.last, lr, f"{pd.concat(final[-3:])['gain'].mean():.2f} dB", flush=True)
    provenance = dataclasses.asdict(where) | {"source": SOURCE}
    frames = {"steps": rows(steps), "final": rows(final)}
    text = json.dumps({"provenance": provenance, "frames": frames}, separators=(",", ":"), allow_nan=False)
    (HERE / files.RUNS).parent.mkdir(exist_ok=True)
    (HERE / files.RUNS).write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    save_file(nets, HERE / files.WEIGHTS)


def rows(frames):
    """Frames as one dict of columns, rounded to what is shown; None where a net diverged."""
    frame = pd.concat(frames, ignore_index=True)
    short = frame.assign(**{name: frame[name].round(to) for name, to in ROUNDED.items() if name in frame})
    return {name: [None if value != value else value for value in column] for name, column in
            short.to_dict("list").items()}  # fmt: skip


if __name__ == "__main__":
    main()
