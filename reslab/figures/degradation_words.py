"""Lesson 01 in words: the table of what each run came to, and the sentence that says what was measured."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd

from reslab.figures import theme

LABELS = ("name", "skip", "depth", "seed", "origin", "outcome")
EMPTY = "Nothing has been measured yet."
CLEAR = 0.02  # a smaller difference in training error (fraction) is not called one


def final(frame):
    """A row a run: name, skip, depth, seed, origin, parameters, steps, train_error, test_error (fractions), outcome, seconds.

    frame: the same columns a logged step, with step, epoch and loss. train_error is `final_train_error` where the frame has
    it; else the mean of the last epoch's rows (within one epoch of the last), finite ones only. test_error is the last one
    measured. ValueError for a missing column.
    """
    columns = ["name", "skip", "depth", "seed", "origin", "parameters", "steps", "train_error", "test_error", "outcome", "seconds"]
    return pd.DataFrame([vars(result) for result in results(frame)], columns=columns)


def results(frame):
    """`final`'s rows, each with `net` ("plain-56 · tanh": the name without its seed) and `family` ("plain · tanh": nor its depth)."""
    frame = theme.require(frame, (*LABELS, "parameters", "step", "epoch", "loss", "train_error", "test_error", "seconds"), "The result")
    table = []
    for run in theme.runs(frame):
        epoch, error, test = map(run.numbers, ("epoch", "train_error", "test_error"))
        finite, tested = np.isfinite(run.numbers("loss")) & np.isfinite(error), test[np.isfinite(test)]
        recent = finite & ~(epoch <= epoch[finite].max(initial=0) - 1 + 1e-6)
        whole = run.numbers("final_train_error")[-1] if "final_train_error" in frame else np.nan
        net = re.sub(r"( ·)? *\(?seed \d+\)?", "", run.name)
        table.append(SimpleNamespace(
            **{name: getattr(run, name) for name in ("name", "skip", "depth", "seed", "origin")},
            **{name: run[name][-1] for name in ("parameters", "outcome", "seconds")},
            steps=run["step"][-1], net=net, family=re.sub("^resnet", "residual", re.sub(rf"-{run.depth}\b", "", net, count=1)),
            train_error=whole if np.isfinite(whole) else error[recent].mean() if recent.any() else np.nan,
            test_error=tested[-1] if len(tested) else np.nan,
        ))  # fmt: skip
    return table


def grouped(items, *names):
    """Results that agree in the named fields, in the order in which they first appear: {values: [result, ...]}."""
    groups = {}
    for result in items:
        groups.setdefault(tuple(getattr(result, name) for name in names), []).append(result)
    return groups


def sentence(frame):
    """What the runs of a frame did, measured, in one sentence for anybody (one for each origin, if there are several).

    frame: as `final` takes it; ValueError for a missing column. A difference under 2 points is not called one, and several
    seeds are told as their mean and their range.
    """
    ordered = sorted(results(frame), key=lambda result: (result.skip, result.depth))
    told = {origin: _told(group) for (origin,), group in grouped(ordered, "origin").items()}
    if len(told) > 1:
        return " ".join(f"{origin[:1].upper()}{origin[1:]}: {text}." for origin, text in told.items())
    return "".join(told.values()) + "." if told else EMPTY


def _told(group):
    """The sentence for the runs of one origin, without its full stop: those that finished first, then the others."""
    nets = [result.net for result in group]
    for result in group:
        result.run = f"{result.net} (seed {result.seed})" if nets.count(result.net) > 1 else result.net
        result.wrong = theme.percent(result.train_error)
    ended = {outcome: runs for (outcome,), runs in grouped(group, "outcome").items()}
    clauses = [_compared(ended["finished"], whole=len(ended) == 1)] if "finished" in ended else []
    if running := ended.get("running"):
        first, *others = (f"{run.run} {run.wrong} (step {run.steps})" for run in running)
        first = f"{running[0].run} gets {running[0].wrong} of the training images wrong (step {running[0].steps})"
        clauses.append(f"so far {', '.join([first, *others])}")
    for run in ended.get("stopped", []):
        clauses.append(f"{run.run} was stopped at step {run.steps}, with {run.wrong} of the training images wrong")
    clauses += [f"{run.run} diverged at step {run.steps}" for run in ended.get("diverged", [])]
    text = "; ".join(clauses)
    return text if text.startswith(tuple(nets)) else text[:1].upper() + text[1:]  # a net's name keeps its own case


def _compared(done, whole):
    """The clause for runs that finished; `whole` when there are no others."""
    points = []
    for (family, skip, depth, net), runs in grouped(done, "family", "skip", "depth", "net").items():
        errors, seeds = [run.train_error for run in runs], {run.seed for run in runs}
        said = theme.percent(np.mean(errors))
        if len(runs) > 1:
            said += f" (mean of {len(runs)} seeds, {100 * min(errors):.1f} to {theme.percent(max(errors))})"
        points.append(SimpleNamespace(
            family=family, skip=skip, depth=depth, net=net, mean=np.mean(errors), low=min(errors), high=max(errors), said=said,
            wrong=f"{net} gets {said} of the training images wrong", seeds=seeds, parameters={run.parameters for run in runs},
        ))  # fmt: skip
    steps = sorted({run.steps for run in done})
    when = f"after {steps[0]} steps" if len(steps) == 1 else f"after {steps[0]} to {steps[-1]} steps"
    families = sorted(grouped(points, "family").values(), key=lambda group: len(group) == 1)  # those with a trend first
    paths = [_path(group) for group in families if len(group) > 1]
    facts = _shared(points)
    if not paths:
        first, *others = points
        verb = "gets"
        if len(others) == 1 and first.depth == others[0].depth and first.skip != others[0].skip:
            verb, fact = _verdict(first, others[0])
            facts = [fact, *facts] if fact else facts
        text = f"{when} " + ", ".join([first.wrong.replace("gets", verb), *(f"{point.net} {point.said}" for point in others)])
        if len(done) == 1 and np.isfinite(done[0].test_error):
            text += f", and {theme.percent(done[0].test_error)} of the test images"
    else:
        subjects = ["the training error", *["that"] * len(paths)]
        clauses = [f"{subject} of {_nets(group[0])} {path}" for subject, group, path in zip(subjects, families, paths, strict=False)]
        clauses += [group[0].wrong for group in families[len(paths) :]]
        plain = [path for group, path in zip(families, paths, strict=False) if not group[0].skip]
        no = "no degradation " + ("here: " if whole else "among the runs that finished: ")
        no = "" if not plain or any("rises" in path for path in plain) else no
        text = f"{no}{when} {', while '.join(clauses[:2])}" + "".join(f", {clause}" for clause in clauses[2:])
    return f"{text}: {', '.join(facts)}" if facts else text


def _nets(point):
    kind, _, rest = point.family.partition(" · ")
    return f"{kind} nets ({rest})" if rest else f"{kind} nets"


def _verdict(plain, residual):
    """How a plain net stands to the residual net of its depth: the verb, and a remark where the verb does not say it all."""
    gap = plain.mean - residual.mean
    if gap > CLEAR:
        return ("still gets", "") if plain.low > residual.high else ("gets", "the seeds overlap")
    return "gets", "here the residual net does worse" if gap < -CLEAR else "the skips make no clear difference at this depth"


def _shared(points):
    """What the compared runs have in common, in words: parameters at equal depth, and seeds."""
    alike = [group for group in grouped(points, "depth").values() if len({point.skip for point in group}) > 1]
    facts = []
    if alike and all(len(set.union(*(point.parameters for point in group))) == 1 for group in alike):
        one = len({point.depth for point in points}) == 1
        facts.append(f"same {min(points[0].parameters):,} parameters" if one else "same parameters at equal depth")
    if len(points) > 1 and all(point.seeds == points[0].seeds for point in points):
        facts.append("same seed" if len(points[0].seeds) == 1 else f"same {len(points[0].seeds)} seeds")
    return facts


def _path(points):
    """How training error goes with depth in one family, shallowest first: "rises from 1.0 % at 8 layers to 74.0 % at 56"."""
    first, *middle, last = points
    best, worst = min(points[:-1], key=lambda point: point.mean), max(points, key=lambda point: point.mean)
    if last.mean - best.mean > CLEAR:
        start = "rises from" if first.mean - best.mean <= CLEAR else "is lowest, and then rises, from"
        overlap = ", though the seeds overlap" if last.low <= best.high else ""
        return f"{start} {best.said} at {best.depth} layers to {last.said} at {last.depth}{overlap}"
    if worst in middle and worst.mean - max(first.mean, last.mean) > CLEAR:
        return f"is highest at {worst.depth} layers, {worst.said}, and {last.said} at {last.depth}"
    if first.mean - last.mean > CLEAR:
        return f"falls from {first.said} at {first.depth} layers to {last.said} at {last.depth}"
    low, high = theme.percent(min(best.mean, last.mean)), theme.percent(worst.mean)
    held = f"stays at {low}" if low == high else f"stays between {low} and {high}"
    return f"{held} from {first.depth} to {last.depth} layers"


def alt_text(frame):
    """A text alternative for the charts of a frame: what the axes are, what the lines, and what was measured.

    frame: as `final` takes it; ValueError for a missing column.
    """
    frame = theme.require(frame, (*LABELS, "step"), "The text")
    lines = [f"{run.label} ({'solid blue' if run.skip else 'dashed vermillion'})" for run in theme.runs(frame)]
    drawn = f"Lines: {', '.join(lines)}; open markers are test error. " if lines else ""
    return f"Line chart of training error, 0 to 100 %, against step. {drawn}{sentence(frame)}"
