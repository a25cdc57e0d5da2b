"""Record what comes when in a training, for lesson 02: `python data/record_dynamics.py` writes data/dynamics.csv.

plain-56 and resnet-56 of width 8 on the digits, 60 steps, three seeds: a row per net × seed × measured step, with the
machine and the code that it comes from. About a minute on one idle core.
"""

from pathlib import Path

from reslab.experiments import dynamics
from reslab.runs import Provenance

COLUMNS = ["name", "seed", "step", "guess", *dynamics.MEASURED]


def main():
    where = Provenance.here("cpu").committed()
    frame = dynamics.in_training(device="cpu")[COLUMNS].round(dict.fromkeys(dynamics.MEASURED, 4))
    made = {key: getattr(where, key) for key in ("machine", "torch", "commit", "date")}
    frame.assign(**made).to_csv(Path(__file__).parent / dynamics.FILE, index=False)


if __name__ == "__main__":
    main()
