"""Record how variants end at several learning rates: `python data/record_rates.py` writes data/rates.csv.

Lesson 09's nets of 20 layers on the digits, 60 steps, in the order of `VARIANTS`. Each is trained with seed 0 at every
rate of `RATES`, and with seeds 1 and 2 at the rate that was best for seed 0: one row per training, with the machine and
the code that it comes from. Stopped, it goes on when started again. About two seconds a training on one idle core.
"""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from reslab import digits, fit
from reslab.experiments.variant_rates import RATES, rated
from reslab.experiments.variants import VARIANTS
from reslab.runs import Provenance

FILE = Path(__file__).parent / "rates.csv"
SEEDS = (0, 1, 2)


def main():
    Provenance.here().committed()
    split, rows = digits(), pd.read_csv(FILE).to_dict("records") if FILE.exists() else []
    with tqdm(total=len(VARIANTS) * (len(RATES) + len(SEEDS) - 1), unit=" trainings") as bar:
        for name in VARIANTS:
            for lr in RATES:
                row_of(rows, split, name, lr, SEEDS[0], bar)
            own = [row for row in rows if row["name"] == name and row["seed"] == SEEDS[0]]
            best = min(own, key=lambda row: (row["outcome"] != "finished", row["train_error"]))["lr"]
            for seed in SEEDS[1:]:
                row_of(rows, split, name, best, seed, bar)


def row_of(rows, split, name, lr, seed, bar):
    """Train, unless it was, and write all rows so far."""
    if not any((row["name"], row["lr"], row["seed"]) == (name, lr, seed) for row in rows):
        spec, how = rated(name, lr, split)
        run = fit(spec, split, how, seed=seed, device="cpu", progress=False)
        said, where = run.summary(), run.provenance
        rows.append({
            "name": name, "lr": lr, "seed": seed, "outcome": run.outcome, "steps": said["steps"],
            "train_error": run.final_train_error, "test_error": said["test_error"],
            **{key: getattr(where, key) for key in ("machine", "torch", "commit", "date")},
        })  # fmt: skip
        pd.DataFrame(rows).to_csv(FILE, index=False)
    bar.update()


if __name__ == "__main__":
    main()
