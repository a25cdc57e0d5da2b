"""Lesson 09 in words: the error and the cost of each variant, compared with the net that it changes."""

import pandas as pd

from reslab.figures.text.phrases import EMPTY, percent, seeds
from reslab.results import variants as results
from reslab.results.variants import ALONE, BROKEN, EQUAL, HIGHER, LOWER, SAME

FINISHED = "finished, and its base net did not"  # LOWER, without an error to compare with
_OUTCOMES = {  # of one seed, and of several
    LOWER: ("Lower than {}'s", "Lower than {}'s, in every seed"),
    FINISHED: ("Finished where its base net did not",) * 2,
    SAME: ("About the same", "About the same, or the seeds overlap"),
    HIGHER: ("Higher", "Higher in every seed"),
    BROKEN: ("Did not finish",) * 2,
    ALONE: ("Their base net was not trained here",) * 2,
}


def sentence(frame):
    """The variants of a comparison, sorted by training error: lower, about the same, higher, and did not finish.

    frame: as `results.variants.results` takes it; ValueError for a missing column.
    """
    table = results.results(frame)
    if not table:
        return EMPTY
    groups, first = {outcome: [] for outcome in _OUTCOMES}, next(iter(table.values()))
    for variant in table.values():
        base = table.get(variant.of)
        outcome = results.compare(variant, base)
        if outcome == LOWER and not len(base.train):
            outcome = FINISHED
        # One that is compared with nothing is named only if nothing is compared with it.
        if outcome != ALONE or not any(other.of == variant.name for other in table.values()):
            groups[outcome].append(_clause(variant, None if base is first and not first.broken else base))
    of = seeds(seed for variant in table.values() for seed in variant.seeds)
    several = max(len(variant.seeds) for variant in table.values()) > 1
    when = f"Training error after {max(variant.steps for variant in table.values())} steps,"
    when += f" {'median and range of ' * several}{of}."
    if not first.broken and any(variant.of == first.name for variant in table.values()):
        when += f" {first.name}: {_error(first)}."
    none_lower = bool(groups[SAME] or groups[HIGHER])  # "Lower: none" is useful only if something was compared
    based = {variant.of for variant in table.values()} & table.keys()
    beside = based.pop() if len(based) == 1 else "its base net"
    clauses = [
        f"{_OUTCOMES[outcome][several].format(beside)}: {', '.join(nets) or 'none'}."
        for outcome, nets in groups.items()
        if nets or (outcome == LOWER and none_lower)
    ]
    return " ".join([when, *clauses])


def _clause(variant, base):
    if variant.broken:
        return f"{variant.name} ({variant.broken[0][1]} in {len(variant.broken)} of {len(variant.seeds)} seeds)"
    if base is None:
        return f"{variant.name} ({_error(variant)})"
    if not len(base.train):
        return f"{variant.name} ({_error(variant)}, where {base.name} {base.broken[0][1]})"
    partly = f", {base.broken[0][1]} in {len(base.broken)} of {len(base.seeds)} seeds" if base.broken else ""
    return f"{variant.name} ({_error(variant)}; {base.name} {_error(base)}{partly})"


def _error(variant):
    """A variant's median training error, with its range over several seeds: "1.0 %, 0.4 to 1.6"."""
    low, high = 100 * variant.train.min(), 100 * variant.train.max()
    return percent(variant.error) + f", {low:.1f} to {high:.1f}" * (len(variant.train) > 1)


def outcome_table(frame):
    """One row per variant, as text: training error here (median and range over seeds), its best learning rate if
    several were tried, and its paper's measurement.

    frame: as `results.variants.spreads` takes it. Returns a DataFrame of text.
    """
    rows = []
    for row in results.spreads(frame).itertuples():
        ended = f"{percent(row.median)}, {100 * row.low:.1f} to {100 * row.high:.1f}" if row.finished else "–"
        broken = f" ({row.seeds - row.finished} of {row.seeds} diverged)" * (row.finished < row.seeds)
        cells = {"variant": row.name, "training error here": ended + broken}
        if "rates" in frame:
            cells["best rate"] = f"{row.lr:g}" + " (the edge of the grid)" * row.edge
        rows.append(cells | {"in its paper, on its data": row.claim or "–"})
    return pd.DataFrame(rows).set_index("variant")


def cost_sentence(frame):
    """The cost of a step of each variant, in multiply-adds, as a multiple of the first variant's."""
    (first, _), *others = results.cost_ratios(results.results(frame)).items()
    more = [(name, ratio) for name, ratio in others if ratio > 1 + EQUAL]
    less = [(name, ratio) for name, ratio in others if ratio < 1 - EQUAL]
    clauses = [
        f"{word} multiply-adds a step than {first}: {', '.join(f'{name} {ratio:.2f} ×' for name, ratio in group)}"
        for word, group in (("More", more), ("Fewer", less))
        if group
    ]
    rest = "The others" if clauses else "All"
    same = f"{rest}: as many as {first}, within {100 * EQUAL:.0f} %"
    clauses += [same] * (len(more) + len(less) < len(others))
    return ". ".join(clauses) + "."


def ratio(cost, base):
    """A cost, (parameters, multiply-adds), beside another: "1.00 × the parameters and 0.79 × the multiply-adds"."""
    return f"{cost[0] / base[0]:.2f} × the parameters and {cost[1] / base[1]:.2f} × the multiply-adds"


def alt_text(frame):
    """A text alternative for the errors of a race: what the axes are, and every variant's median."""
    clauses = [
        f"{variant.name} {percent(variant.error)}"
        + f" ({len(variant.broken)} of {len(variant.seeds)} broke off)" * bool(variant.broken)
        for variant in results.results(frame).values()
    ]
    chart = "Strip chart, one row per variant, of training error on a log scale, one mark per seed"
    return f"{chart}. Medians: {', '.join(clauses)}. {sentence(frame)}"

def race_title(frame, base):
    """Whether one variant errs less than its base, as a title; "" for several variants, or a difference that is not
    clear.

    frame: as `results.variants.verdict` takes it. base: the name of the net that the variant changes.
    """
    names = [name for name in dict.fromkeys(frame["name"]) if name != base]
    if len(names) != 1 or base not in set(frame["name"]) or not {*results.COLUMNS} <= {*frame}:
        return ""  # a chart of the race needs fewer columns
    found = results.verdict(frame, names[0], of=base)
    clear = found in (results.LOWER, results.HIGHER)
    return f"{names[0][:1].upper()}{names[0][1:]}: {found} training error than {base}" if clear else ""


def errors_title(frame):
    """How many variants have a clearly higher error than the first net, and how many a lower one, as a title (short, as
    the names of the variants take its room); "" where none changes it, or one did not finish.

    frame: as `results.variants.verdict` takes it.
    """
    first, *others = results.results(frame).values()
    if not any(variant.of == first.name for variant in others) or any(variant.broken for variant in (first, *others)):
        return ""
    found = [results.compare(variant, first) for variant in others]
    less, more = (found.count(outcome) or "none" for outcome in (LOWER, HIGHER))
    return f"{more} of {len(found)} clearly higher, {less} clearly lower"
