"""Lesson 11: whether trainings have the same losses in all places, whether a precision is faster, and how long
a training takes."""

from types import SimpleNamespace

import numpy as np

from reslab import checks
from reslab.results.frames import answer_up_to, require

EQUAL = 1e-4  # losses that differ by a smaller fraction are the same to 4 digits
TIMES = {"minutes": 1, "hours": 24, "days": float("inf")}  # of a training → up to how many hours
AS_FAST = 0.05  # so near to 1 is a ratio of speeds that is called as fast
FASTER, NO_DIFFERENCE, SLOWER = "it is faster", "it makes no clear difference", "it is slower"


def precision(usual, other):
    """The time of a step in another precision over that in the usual one: one row per net that both have.

    usual, other: name, step_seconds, precision. Columns: those of `other`, those of `usual` with the suffix _usual,
    times (a ratio), and verdict (FASTER below 0.9, SLOWER above 1.1, else NO_DIFFERENCE).
    """
    table = other.merge(usual, on="name", suffixes=("", "_usual"))
    times = table["step_seconds"] / table["step_seconds_usual"]
    verdict = np.select([times < 0.9, times > 1.1], [FASTER, SLOWER], NO_DIFFERENCE)
    return table.assign(times=times, verdict=verdict)


def agreement(losses):
    """How far the losses of the same trainings agree between places: nets, steps, lost, difference, agree.

    losses: indexed by name, seed, step, one column per place. lost: the number of steps without a finite loss in every
    place. difference: the largest relative one (NaN if any step is lost). agree: no step is lost and the losses are the
    same to 4 digits.
    """
    lost = int((~np.isfinite(losses)).any(axis="columns").sum())
    low, high = losses.min(axis="columns"), losses.max(axis="columns")
    difference = np.nan if lost else ((high - low) / low).max()
    nets = losses.index.droplevel("step").nunique()
    return SimpleNamespace(
        nets=nets, steps=len(losses), lost=lost, difference=difference, agree=bool(difference < EQUAL)
    )


def verdict(frame, name="resnet-56"):
    """How long a training of one net takes: "minutes", "hours" or "days"; NO_ANSWER if that was not measured.

    frame: as `experiments.scaling.paper_recipe` gives it.
    """
    frame = require(frame, ("name", "hours"), "The verdict")
    checks.choice("a net", name, list(frame["name"]))
    (hours,) = frame.loc[frame["name"] == name, "hours"]
    return answer_up_to(TIMES, hours)


def losses(frame):
    """The loss of every step of every training, a column for each place.

    frame: as `torchrun` and `clustered` of `experiments.scaling` give it.
    """
    frame = require(frame, ("name", "seed", "step", "where", "loss"), "The table of losses")
    return frame.pivot(index=["name", "seed", "step"], columns="where", values="loss")


def same_numbers(frame):
    """Whether the runs of a frame have the same numbers in every row, to the last digit, except the seconds."""
    frame = require(frame, ("name", "seconds"), "The comparison")
    runs = [run.drop(columns=["name", "seconds"]).reset_index(drop=True) for _, run in frame.groupby("name")]
    return all(run.equals(runs[0]) for run in runs)
