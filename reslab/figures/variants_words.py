"""Lesson 09 in words: what each variant came to beside the net that it changes, and what it costs."""

from dataclasses import dataclass

import numpy as np

from reslab.figures import theme
from reslab.figures.degradation_words import CLEAR, EMPTY

COLUMNS = ("name", "of", "seed", "outcome", "final_train_error", "test_error", "step", "parameters", "multiply_adds")
LOWER, HIGHER, SAME, BROKEN, ALONE = "lower", "higher", "about the same", "did not finish", "nothing to compare it with"
EQUAL = 0.05  # costs that differ by a smaller fraction are called the same


@dataclass
class Result:
    """A variant over its seeds: errors are fractions, of the seeds that finished; steps and cost are those of one training."""

    name: str
    of: str
    seeds: list
    train: np.ndarray
    test: np.ndarray
    broken: list  # (seed, outcome, step) of the others
    steps: int
    parameters: int
    multiply_adds: int

    @property
    def error(self):
        """Its mean training error, as people say it."""
        return theme.percent(self.train.mean() if len(self.train) else np.nan)


def results(frame):
    """A `Result` for each variant of a race, by name."""
    frame = theme.require(frame, COLUMNS, "The race")
    table = {}
    for name, part in frame.groupby("name", sort=False):
        last = part.groupby("seed").last().reset_index()  # of the test errors, the last that was measured
        done = last[last["outcome"] == "finished"]
        table[name] = Result(
            name=name, of=part["of"].iloc[0], seeds=list(last["seed"]), train=done["final_train_error"].to_numpy(float),
            test=done["test_error"].to_numpy(float), steps=int(last["step"].max()), parameters=int(last["parameters"].iloc[0]),
            broken=list(last.loc[last["outcome"] != "finished", ["seed", "outcome", "step"]].itertuples(index=False, name=None)),
            multiply_adds=int(last["multiply_adds"].iloc[0]),
        )  # fmt: skip
    return table


def verdict(frame, name, *, of=None):
    """A variant's training error beside that of the net it changes: "lower" or "higher" (in every seed, and by 2 points on average),
    "about the same", or "did not finish" (of it, in any seed). ValueError where the frame lacks one of the two."""
    table = results(frame)
    for needed in (name, of or (name in table and table[name].of)):
        if needed not in table:
            raise ValueError(f"the race has no {needed!r}; it has {', '.join(map(repr, table))}.")
    return _verdict(table[name], table[of or table[name].of])


def _verdict(variant, base):
    if variant.broken:
        return BROKEN
    if base is None:
        return ALONE
    if base.broken:
        return LOWER  # it finished, where what it changes did not
    gap = variant.train.mean() - base.train.mean()
    if abs(gap) < CLEAR or (variant.train.min() <= base.train.max() and base.train.min() <= variant.train.max()):
        return SAME
    return HIGHER if gap > 0 else LOWER


def sentence(frame):
    """What each variant of a race bought, measured: sorted into lower, about the same, higher, and did not finish."""
    table = results(frame)
    if not table:
        return EMPTY
    groups = {LOWER: [], SAME: [], HIGHER: [], BROKEN: [], ALONE: []}
    for variant in table.values():
        outcome, told = _verdict(variant, base := table.get(variant.of)), _told(variant, base)
        if outcome != ALONE or not any(other.of == variant.name for other in table.values()):  # else others are told beside it
            groups[outcome].append(told)
    words = {
        LOWER: "Lower than that of the net it changes, in every seed",
        SAME: "About the same, or the seeds overlap",
        HIGHER: "Higher in every seed",
        BROKEN: "Did not finish",
        ALONE: "By themselves",
    }
    seeds = theme.seeds(seed for variant in table.values() for seed in variant.seeds)
    when = f"Training error after {max(variant.steps for variant in table.values())} steps, {seeds}."
    none_lower = bool(groups[SAME] or groups[HIGHER])  # which is worth saying, where there was something to be lower than
    told = [f"{words[k]}: {', '.join(told) or 'none'}." for k, told in groups.items() if told or (k == LOWER and none_lower)]
    return " ".join([when, *told])


def _told(variant, base):
    if variant.broken:
        return f"{variant.name} ({variant.broken[0][1]} in {len(variant.broken)} of {len(variant.seeds)} seeds)"
    if base is None:
        return f"{variant.name} ({variant.error})"
    beside = f", where {base.name} {base.broken[0][1]}" if base.broken else f" for {base.error}"
    return f"{variant.name} ({variant.error}{beside})"


def cost_sentence(frame):
    """What a step of each variant of a race costs beside the first one's, in multiply-adds, counted."""
    first, *others = results(frame).values()
    ratios = {variant.name: variant.multiply_adds / first.multiply_adds for variant in others}
    more, less = ([(name, r) for name, r in ratios.items() if (r > 1 + EQUAL) == up and abs(r - 1) > EQUAL] for up in (True, False))
    said = [
        f"{word} multiply-adds a step than {first.name}: {', '.join(f'{name} {ratio:.2f} ×' for name, ratio in group)}"
        for word, group in (("More", more), ("Fewer", less))
        if group
    ]
    rest = "The others" if said else "All"
    said += [f"{rest}: as many as {first.name}, within {100 * EQUAL:.0f} %"] * (len(more) + len(less) < len(others))
    return ". ".join(said) + "."


def ratio(cost, base):
    """A cost, (parameters, multiply-adds), beside another, in words: "1.00 × the parameters and 0.79 × the multiply-adds"."""
    return f"{cost[0] / base[0]:.2f} × the parameters and {cost[1] / base[1]:.2f} × the multiply-adds"


def alt_text(frame):
    """A text alternative for the errors of a race: what the axes are, and every variant's mean."""
    told = [f"{v.name} {v.error}" + f" ({len(v.broken)} of {len(v.seeds)} broke off)" * bool(v.broken) for v in results(frame).values()]
    return f"Strip chart, a row a variant, of training error on a log scale, a mark a seed. Means: {', '.join(told)}. {sentence(frame)}"
