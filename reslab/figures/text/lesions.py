"""Lesson 05 in words: what a net does without a block."""

from reslab.figures.text.phrases import EMPTY, lines, listed
from reslab.results import lesions as results


def sentence(frame):
    """The error of each net without one block, beside that of the whole net. frame: as `results.lesions.summary`
    takes it; ValueError for a missing column."""
    if not len(frame):
        return EMPTY
    table = results.summary(frame)
    told = [
        f"{net.name} goes from {net.whole:.0%} to {net.median:.0%} ({net.low:.0%} to {net.high:.0%})"
        for net in table.itertuples()
    ]
    how = ", with BatchNorm's statistics gathered anew" if table["calibrated"].all() else ""
    return f"With one block out{how}, the test error of {'; of '.join(told)}.{_over(table, 'blocks')}"


def statistics_sentence(kept, calibrated):
    """What is got back when BatchNorm's statistics are gathered anew: the worst block of every residual net."""
    told = []
    again = results.by_block(calibrated).set_index(["name", "module"])["median"]
    for net in results.summary(kept).itertuples():
        if net.skip:
            worst = results.by_block(kept).set_index(["name", "module"])["median"][net.name, net.worst]
            told.append(f"{net.name} without {net.worst}: {worst:.0%}, then {again[net.name, net.worst]:.0%}")
    return f"BatchNorm's statistics gathered anew: {'; '.join(told)}." if told else EMPTY


def count_sentence(frame, what="blocks out"):
    """The error of each net with the fewest and the most blocks out, or swaps. frame: as `results.lesions.by_count`."""
    if not len(frame):
        return EMPTY
    told = []
    for name, rows in results.by_count(frame).groupby("name", sort=False):
        ends = rows.sort_values("count").iloc[[0, -1]]
        told.append(f"{name}: " + ", ".join(f"{row.count_:.0f} {what} {row.median:.0%}" for row in _named(ends)))
    return f"Median test error. {'; '.join(told)}.{_over(results.by_count(frame), 'draws')}"


def alt_text(frame, said):
    """A chart for screen readers: its lines, and its sentence."""
    nets = list(dict.fromkeys(zip(frame["name"], frame["skip"], strict=True))) if len(frame) else []
    return f"Line chart of test error. {lines(nets)}{said}"


def _named(rows):
    return rows.rename(columns={"count": "count_"}).itertuples()  # a tuple's own `count` is a method


def _over(table, what):
    seeds = int(table["seeds"].max())
    return f" Medians and ranges are over {what}{f' and {seeds} seeds' * (seeds > 1)}."


def named_blocks(names):
    """Blocks as people say them: ["stage1.block2"] is "block 2 of stage 1"."""
    parts = [name.partition(".block") for name in names]
    return listed([f"block {block} of {stage.replace('stage', 'stage ')}" for stage, _, block in parts])
