"""Lesson 09 in words: what each variant came to beside the net that it changes, and what it costs."""

from reslab.figures.text.phrases import EMPTY, percent, seeds
from reslab.results import variants as results
from reslab.results.variants import ALONE, BROKEN, EQUAL, HIGHER, LOWER, SAME

_WORDS = {
    LOWER: "Lower than that of the net it changes, in every seed",
    SAME: "About the same, or the seeds overlap",
    HIGHER: "Higher in every seed",
    BROKEN: "Did not finish",
    ALONE: "By themselves",
}


def sentence(frame):
    """What each variant of a race bought: sorted into lower, about the same, higher, and did not finish.

    frame: as `results.variants.results` takes it; ValueError for a missing column.
    """
    table = results.results(frame)
    if not table:
        return EMPTY
    groups = {outcome: [] for outcome in _WORDS}
    for variant in table.values():
        base = table.get(variant.of)
        outcome = results.compare(variant, base)
        # One that stands alone is told only if no other is told beside it.
        if outcome != ALONE or not any(other.of == variant.name for other in table.values()):
            groups[outcome].append(_told(variant, base))
    of = seeds(seed for variant in table.values() for seed in variant.seeds)
    when = f"Training error after {max(variant.steps for variant in table.values())} steps, {of}."
    none_lower = bool(groups[SAME] or groups[HIGHER])  # worth saying where there was something to be lower than
    told = [
        f"{_WORDS[outcome]}: {', '.join(nets) or 'none'}."
        for outcome, nets in groups.items()
        if nets or (outcome == LOWER and none_lower)
    ]
    return " ".join([when, *told])


def _told(variant, base):
    if variant.broken:
        return f"{variant.name} ({variant.broken[0][1]} in {len(variant.broken)} of {len(variant.seeds)} seeds)"
    if base is None:
        return f"{variant.name} ({percent(variant.error)})"
    beside = f", where {base.name} {base.broken[0][1]}" if base.broken else f" for {percent(base.error)}"
    return f"{variant.name} ({percent(variant.error)}{beside})"


def cost_sentence(frame):
    """What a step of each variant of a race costs, in multiply-adds, as a multiple of the first one's."""
    (first, _), *others = results.cost_ratios(results.results(frame)).items()
    more = [(name, ratio) for name, ratio in others if ratio > 1 + EQUAL]
    less = [(name, ratio) for name, ratio in others if ratio < 1 - EQUAL]
    said = [
        f"{word} multiply-adds a step than {first}: {', '.join(f'{name} {ratio:.2f} ×' for name, ratio in group)}"
        for word, group in (("More", more), ("Fewer", less))
        if group
    ]
    rest = "The others" if said else "All"
    same = f"{rest}: as many as {first}, within {100 * EQUAL:.0f} %"
    said += [same] * (len(more) + len(less) < len(others))
    return ". ".join(said) + "."


def ratio(cost, base):
    """A cost, (parameters, multiply-adds), beside another: "1.00 × the parameters and 0.79 × the multiply-adds"."""
    return f"{cost[0] / base[0]:.2f} × the parameters and {cost[1] / base[1]:.2f} × the multiply-adds"


def alt_text(frame):
    """A text alternative for the errors of a race: what the axes are, and every variant's mean."""
    told = [
        f"{variant.name} {percent(variant.error)}"
        + f" ({len(variant.broken)} of {len(variant.seeds)} broke off)" * bool(variant.broken)
        for variant in results.results(frame).values()
    ]
    chart = "Strip chart, a row a variant, of training error on a log scale, a mark a seed"
    return f"{chart}. Means: {', '.join(told)}. {sentence(frame)}"
