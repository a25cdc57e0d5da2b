"""Lesson 05 in words: the error of a net without some of its blocks."""

from reslab.figures.text.phrases import EMPTY, lines, listed, nets_of
from reslab.results import lesions as results


def sentence(frame):
    """The error of each net without one block, beside that of the whole net. frame: as `results.lesions.summary`
    takes it; ValueError for a missing column."""
    if not len(frame):
        return EMPTY
    table = results.summary(frame)
    texts = [
        f"{net.name} {net.median:.0%} ({net.low:.0%} to {net.high:.0%}), whole {net.whole:.1%}"
        for net in table.itertuples()
    ]
    how = ", with BatchNorm's statistics measured again" if table["calibrated"].all() else ""
    return f"Test error with one block out{how}: {'; '.join(texts)}.{_over(table, 'blocks')}"


def statistics_sentence(kept, calibrated):
    """How the error changes if BatchNorm's statistics are measured again: of the worst block of every residual net."""
    texts = []
    again = results.by_block(calibrated).set_index(["name", "module"])["median"]
    for net in results.summary(kept).itertuples():
        if net.skip:
            worst = results.by_block(kept).set_index(["name", "module"])["median"][net.name, net.worst]
            texts.append(f"{net.name} without {net.worst}: {worst:.0%}, then {again[net.name, net.worst]:.0%}")
    return f"BatchNorm's statistics measured again: {'; '.join(texts)}." if texts else EMPTY


def count_sentence(frame, what="blocks out"):
    """The error of each net with more and more blocks out, or swaps; of a single net with its ranges, and whole. frame:
    as `results.lesions.by_count` takes it."""
    if not len(frame):
        return EMPTY
    table, texts = results.by_count(frame), []
    alone = table["name"].nunique() == 1
    for name, rows in table.groupby("name", sort=False):
        rows = rows.sort_values("count")
        errors = [f"{row.median:.0%}" + f" ({row.low:.0%} to {row.high:.0%})" * alone for row in rows.itertuples()]
        texts.append(f"{name} {', '.join(errors)}" + f"; whole {rows['whole'].iloc[0]:.1%}" * alone)
    counts = listed([str(count) for count in sorted(table["count"].unique())])
    return f"Median test error with {counts} {what}: {'; '.join(texts)}.{_over(table, 'draws', ranges=alone)}"


def pair_sentence(out, answer):
    """Two nets without the same blocks, in one sentence. out: numbers of blocks; answer: {"plain", "residual": {"name",
    "whole", "error"}} (fractions)."""
    nets = [answer[kind] for kind in ("plain", "residual")]
    if not out:
        texts = [f"{net['name']} gets {net['whole']:.0%} of the test pictures wrong" for net in nets]
        return f"Nothing is out: {', and '.join(texts)}."
    texts = [f"{net['name']} gets {net['error']:.0%} wrong (whole: {net['whole']:.0%})" for net in nets]
    blocks = f"block{'s' * (len(out) > 1)} {listed(list(map(str, out)))}" if len(out) < 7 else f"{len(out)} blocks"
    return f"Without {blocks}, {', and '.join(texts)}."


def title(frame):
    """Whether blocks can be taken out one at a time, with skips and without, as a title; "" where that is not clear.

    frame: as `results.lesions.by_block` takes it, with BatchNorm's statistics unchanged, and one plain net. "Most" are
    those of the deepest residual net without which it errs less than twice as often; "none" is without any exception,
    in any seed.
    """
    blocks = results.by_block(frame)
    plain, residual = (blocks[blocks["skip"].astype(bool) == skip] for skip in (False, True))
    few, many = list(results.ANSWERS.values())[1:3]
    if len(blocks) and blocks["whole"].max() > few:
        return ""  # a net that has not learned has nothing to lose
    if plain["name"].nunique() != 1 or residual.empty or blocks["calibrated"].any() or plain["low"].min() <= many:
        return ""
    deepest = residual[residual["depth"] == residual["depth"].max()]
    if deepest["name"].nunique() > 1 or len(results.needed(blocks)) >= len(deepest) / 2:
        return ""
    return f"Most single blocks of {deepest['name'].iloc[0]} can go, none of {plain['name'].iloc[0]}"


def alt_text(frame, text):
    """A chart for screen readers: its lines, and its sentence."""
    return f"Line chart of test error. {lines(nets_of(frame))}{text}"


def _over(table, what, ranges=True):
    seeds = int(table["seeds"].max())
    return f" Medians{' and ranges' * ranges} are over {what}{f' and {seeds} seeds' * (seeds > 1)}."
