"""Lesson 01 in words: the final training error of the nets, and how it changes with depth."""

from itertools import pairwise

import numpy as np

from reslab.figures.text.phrases import EMPTY, lines, percent
from reslab.results import degradation as results
from reslab.results.frames import begun, require, runs


def sentence(frame):
    """The result of the runs of a frame in one sentence (one for each origin, if they began on several machines).

    frame: as `results.degradation.final` takes it; ValueError for a missing column. A difference under 2 points counts
    as none. Several seeds are given as their median and range.
    """
    ordered = sorted(results.results(frame), key=lambda result: (result.skip, result.depth))
    groups = {}
    for result in ordered:
        groups.setdefault(begun(result.origin), []).append(result)
    texts = {origin: _clauses_of(group) for origin, group in groups.items()}
    if len(texts) > 1:
        return " ".join(f"{origin[:1].upper()}{origin[1:]}: {text}." for origin, text in texts.items())
    return "".join(texts.values()) + "." if texts else EMPTY


def alt_text(frame):
    """A text alternative for the charts of a frame: the axes, the lines, and what was measured.

    frame: as `sentence` takes it; ValueError for a missing column.
    """
    named = [(run.label, run.skip) for run in runs(require(frame, (*results.LABELS, "step"), "The text"))]
    drawn = lines(named, "; open markers are test error")
    return f"Line chart of training error, 0 to 100 %, against step. {drawn}{sentence(frame)}"


def rate_sentence(frame):
    """What longer trainings and other learning rates do for a plain net, compared with the residual one: two sentences.

    frame: as `results.degradation.by_rate` takes it, with one plain and one residual net.
    """
    table = results.by_rate(frame)
    plain, residual = (table[table["skip"] == skip] for skip in (False, True))
    short, long = (results.best(plain, epochs(plain["epochs"])) for epochs in (min, max))
    twin = results.best(residual, min(residual["epochs"]))
    still = "" if long["median"] <= twin["median"] + results.CLEAR else "still "
    return (
        f"After {short['epochs']:g} epochs {twin['name']} gets {_median(twin)} of the training images wrong, and"
        f" {short['name']} {_median(short)}, at {_of_rates(short, plain)}. After {long['epochs']:g} epochs"
        f" {long['name']} {still}gets {_median(long)} wrong, at {_of_rates(long, plain)}."
    )


def rate_table(frame):
    """The training errors of `rate_sentence` as a table of text, median (lowest to highest seed): one row per net and
    learning rate, one column per length.

    frame: as `results.degradation.by_rate` takes it.
    """
    rows = results.by_rate(frame)
    rows = rows.assign(text=[_range(row) for row in rows.to_dict("records")])
    table = rows.pivot(index=["name", "lr"], columns="epochs", values="text").rename(columns="{:g} epochs".format)
    return table.fillna("").rename_axis(index=["net", "learning rate"], columns=None)


def _of_rates(row, plain):
    """A learning rate, and how many were tried for trainings of that length: "0.05, the best of 4 learning rates"."""
    tried = plain.loc[plain["epochs"] == row["epochs"], "lr"].nunique()
    of = f"the best of {tried} learning rates" if tried > 1 else "the only learning rate tried for this length"
    return f"{row['lr']:g}, {of}"


def construction_sentence(table):
    """The errors of the net that was made by hand, and of the one that was trained.

    table: as `experiments.degradation.by_construction` gives it.
    """
    deep = table[table["depth"] == table["depth"].max()]
    made, trained = (deep[deep["how"] == how].set_index("seed") for how in ("made", "trained"))
    better = (made["train_error"] < trained["train_error"]).sum()
    texts = [f"{_median(_spread(nets['train_error']))}" for nets in (made, trained)]
    found = ": such a net exists, and training did not find it in this budget" * bool(better == len(made))
    return (
        f"Made by hand, {made['depth'].iloc[0]} plain layers get {texts[0]} of the training images wrong; trained,"
        f" {texts[1]}. By hand is better for {better} of {len(made)} seeds{found}."
    )


def _spread(errors):
    return {"median": errors.median(), "low": errors.min(), "high": errors.max(), "seeds": len(errors)}


def _range(row):
    """ "12.0 % (10.0 to 49.4 %)", a median training error, its lowest and its highest seed; of one seed, its own."""
    around = f" ({100 * row['low']:.1f} to {percent(row['high'])})" if row["seeds"] > 1 else ""
    return percent(row["median"]) + around


def _median(row):
    """A median training error with its range over the seeds."""
    spread = f" (median of {row['seeds']} seeds, {100 * row['low']:.1f} to {percent(row['high'])})"
    return percent(row["median"]) + spread * bool(row["seeds"] > 1)


def _clauses_of(group):
    """The sentence for the runs of one origin, without its full stop: those that finished first, then the others."""
    nets = [result.net for result in group]
    for result in group:
        result.run = f"{result.net} (seed {result.seed})" if nets.count(result.net) > 1 else result.net
        result.wrong = percent(result.train_error)
    ended = {outcome: runs for (outcome,), runs in results.grouped(group, "outcome").items()}
    clauses = [_finished(ended["finished"], whole=len(ended) == 1)] if "finished" in ended else []
    if running := ended.get("running"):
        first, *others = (f"{run.run} {run.wrong} (step {run.steps})" for run in running)
        first = f"{running[0].run} gets {running[0].wrong} of the training images wrong (step {running[0].steps})"
        clauses.append(f"so far {', '.join([first, *others])}")
    for run in ended.get("stopped", []):
        clauses.append(f"{run.run} was stopped at step {run.steps}, with {run.wrong} of the training images wrong")
    clauses += [f"{run.run} diverged at step {run.steps}" for run in ended.get("diverged", [])]
    text = "; ".join(clauses)
    return text if text.startswith(tuple(nets)) else text[:1].upper() + text[1:]  # a net's name keeps its own case


def _finished(done, whole):
    """The clause for runs that finished; `whole` when there are no others."""
    points = results.points(done)
    steps = sorted({run.steps for run in done})
    when = f"after {steps[0]} steps" if len(steps) == 1 else f"after {steps[0]} to {steps[-1]} steps"
    families = sorted(results.grouped(points, "family").values(), key=lambda group: len(group) == 1)
    if any(len(group) > 1 for group in families):
        text, facts = _by_depth(families, when, whole), _shared(points)
    else:
        text, facts = _side_by_side(points, when)
        if len(done) == 1 and np.isfinite(done[0].test_error):
            text += f", and {percent(done[0].test_error)} of the test images"
    return f"{text}: {', '.join(facts)}" if facts else text


def _side_by_side(points, when):
    """(clause, facts) for single nets: "after 66 steps plain-56 still gets 71 % ... wrong, resnet-56 0.4 %"."""
    first, *others = points
    verb, remark = "gets", []
    if len(others) == 1 and first.depth == others[0].depth and first.skip != others[0].skip:
        verb, *remark = {
            results.HIGHER: ("still gets",),
            results.OVERLAP: ("gets", "the seeds overlap"),
            results.LOWER: ("gets", "here the residual net does worse"),
            results.SAME: ("gets", f"less than {100 * results.CLEAR:.0f} points apart"),
        }[results.compare(first, others[0])]
    clauses = [_wrong(first, verb), *(f"{point.net} {_error(point)}" for point in others)]
    return f"{when} {', '.join(clauses)}", [*remark, *_shared(points)]


def _by_depth(families, when, whole):
    """The clause for families of nets over depth; `families`: their points, those with several depths first."""
    trends = [results.trend(group) for group in families if len(group) > 1]
    subjects = ["the training error", *["that"] * len(trends)]
    clauses = [
        f"{subject} of {_nets(group[0])} {_trend(trend)}"
        for subject, group, trend in zip(subjects, families, trends, strict=False)
    ]
    clauses += [_wrong(group[0]) for group in families[len(trends) :]]
    plain = [trend.kind for trend in trends if not trend.start.skip]
    none = bool(plain) and not {"rises", "peaks"} & set(plain)
    lead = f"no degradation {'here' if whole else 'among the runs that finished'}: " * none
    return f"{lead}{when} {', while '.join(clauses[:2])}" + "".join(f", {clause}" for clause in clauses[2:])


def _trend(trend):
    """A trend in words: "rises from 1.0 % at 8 layers to 74.0 % at 56"."""
    start, end = trend.start, trend.end
    if trend.kind == "peaks":
        return f"is highest at {start.depth} layers, {_error(start)}, and {_error(end)} at {end.depth}"
    if trend.kind == "level":
        low, high = percent(trend.low), percent(trend.high)
        held = f"stays at {low}" if low == high else f"stays between {low} and {high}"
        runs = max(start.runs, end.runs)
        single = f" (medians of {runs} seeds; single ones {100 * trend.least:.1f} to {percent(trend.most)})"
        return f"{held} from {start.depth} to {end.depth} layers" + single * (runs > 1)
    verb = "is lowest, and then rises," if trend.after_a_fall else trend.kind
    overlap = ", though the seeds overlap" if trend.overlap else ""
    return f"{verb} from {_error(start)} at {start.depth} layers to {_error(end)} at {end.depth}{overlap}"


def _error(point):
    """A net's median training error, with its range over several seeds."""
    spread = f" (median of {point.runs} seeds, {100 * point.low:.1f} to {percent(point.high)})" * (point.runs > 1)
    return percent(point.median) + spread


def _wrong(point, verb="gets"):
    return f"{point.net} {verb} {_error(point)} of the training images wrong"


def _nets(point):
    kind, _, rest = point.family.partition(" · ")
    return f"{kind} nets ({rest})" if rest else f"{kind} nets"


def _shared(points):
    """What the compared nets have in common: parameters at equal depth, and seeds."""
    facts = []
    if results.same_parameters(points):
        one_depth = len({point.depth for point in points}) == 1
        exact = f"same {min(points[0].parameters):,} parameters"
        facts.append(exact if one_depth else "same parameters at equal depth")
    if seeds := results.same_seeds(points):
        facts.append("same seed" if seeds == 1 else f"same {seeds} seeds")
    return facts

def depth_title(frame):
    """What more layers do to the training error, as a title; "" where the runs do not say it clearly: one that did not
    finish, overlapping seeds, an error that first falls, or machines that disagree.

    frame: as `results.degradation.final` takes it; of each family, its least deep and its deepest net count.
    """
    groups = {}
    if not {*results.LABELS, *results.MEASURED} <= {*frame}:
        return ""  # a chart of training curves needs fewer columns
    for result in results.results(frame):
        if result.outcome != "finished":
            return ""
        groups.setdefault(begun(result.origin), []).append(result)
    titles = {_depth_title(group) for group in groups.values()}
    return titles.pop() if len(titles) == 1 else ""


def _depth_title(done):
    nets = sorted(results.points(done), key=lambda point: point.depth)
    families = [group for group in results.grouped(nets, "family", "skip").values() if len(group) > 1]
    if [group[0].skip for group in sorted(families, key=lambda group: group[0].skip)] != [False, True]:
        return ""  # not one family of each kind
    plain, residual = sorted(map(results.trend, families), key=lambda trend: trend.start.skip)
    few, many = plain.start.depth, plain.end.depth
    same = {few, many} <= {net.depth for net in nets if net.skip} and many == max(net.depth for net in nets)
    each = {group[0].skip: all(one.median < next_.median for one, next_ in pairwise(group)) for group in families}
    if plain.kind != "rises" or plain.overlap or plain.after_a_fall or not each[False] or not same:
        return ""
    if residual.kind in ("level", "falls"):
        return "With more layers plain nets err more, residual nets do not"
    clear = residual.kind == "rises" and not residual.overlap and residual.start.depth == few
    less = plain.end.low > residual.end.high and _rise(plain) - _rise(residual) > results.CLEAR
    return "With more layers nets err more, but less so with skips" if clear and less and each[True] else ""


def _rise(trend):
    return trend.end.median - trend.start.median


def rate_title(frame):
    """Whether more time helps the plain net as much as the skip does, as a title; "" where the seeds overlap.

    frame: as `rate_sentence` takes it.
    """
    table = results.by_rate(frame)
    plain, residual = (table[table["skip"] == skip] for skip in (False, True))
    if plain["name"].nunique() != 1 or residual["name"].nunique() != 1:
        return ""
    short, long = (results.best(plain, epochs(plain["epochs"])) for epochs in (min, max))
    twin = results.best(residual, min(residual["epochs"]))
    helps = short["low"] > long["high"] and short["median"] - long["median"] > results.CLEAR
    less = long["low"] > twin["high"] and long["median"] - twin["median"] > results.CLEAR
    return "More time helps the plain net, but less than the skip does" if helps and less else ""
