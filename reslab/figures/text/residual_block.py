"""Lesson 03 in words: what a block learned, what a shortcut costs, and what the diagram of a block shows."""

import pandas as pd

from reslab.figures.text.phrases import EMPTY, lines, percent, seeds
from reslab.results import residual_block as results
from reslab.results.frames import runs


def sentence(frame, within=results.WITHIN):
    """How soon and how well the blocks of a frame learned, in one sentence.

    frame: as `results.residual_block.learned` takes it; runs that differ only in their seed are given together.
    ValueError for a missing column.
    """
    text = "; ".join(_learned(block, within) for block in results.learned(frame, within))
    return f"{text[:1].upper()}{text[1:]}." if text else EMPTY


def learned_table(frame, within=results.WITHIN):
    """`sentence` of blocks that did not diverge, as a table of text: one row per kind of block.

    frame: as `results.residual_block.learned` takes it.
    """
    rows = {}
    for block in results.learned(frame, within):
        low, high, kinds = min(block.first, default=0), max(block.first, default=0), len(block.seeds)
        when = f"{low if low == high else f'{low} to {high}'} steps" if block.first else f"not in {block.steps} steps"
        rows[block.name] = {
            f"within {100 * within:g} % of the target after": when
            + f" ({len(block.first)} of {kinds} seeds)" * (0 < len(block.first) < kinds),
            "how far off at the end": f"{_range(min(block.errors), max(block.errors), '{:.2g}')} %",
            "size of F at the end": f"{block.branch:.2g} × that of x",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _learned(block, within):
    """The clause for one kind of block, over its seeds."""
    name = "the " + block.name.replace(" · rate ", " at rate ") + f" ({seeds(block.seeds)})" * (len(block.seeds) > 1)
    if block.diverged is not None:
        return f"{name} diverged at step {block.diverged}"
    low, high = min(block.first, default=0), max(block.first, default=0)
    when = f"within {100 * within:g} % of the target after {low if low == high else f'{low} to {high}'} steps"
    if not block.first:
        when = f"not within {100 * within:g} % of the target in {block.steps} steps"
    elif len(block.first) < len(block.seeds):
        when += f" in {len(block.first)} of {len(block.seeds)} seeds"
    off = _range(min(block.errors), max(block.errors), "{:.2g}")
    return f"{name}: {when}, {off} % off at the end, F {block.branch:.2g} × the size of x"


def _range(low, high, number="{:.0f}"):
    """Two fractions in percent, or one where they read alike."""
    low, high = number.format(100 * low), number.format(100 * high)
    return low if low == high else f"{low} to {high}"


def cost_text(parameters, multiply_adds):
    """A cost: "1,184 parameters, 73,728 multiply-adds"."""
    return f"{parameters:,} parameters, {multiply_adds:,} multiply-adds"


def kind(frame):
    """The kind of block in a frame of `block_parts`: "residual bottleneck block, stride 2, 2 × channels"."""
    first = frame.iloc[0]
    changed = ", stride 2, 2 × channels" if first["changes_shape"] else ""
    return f"{'residual' if first['skip'] else 'plain'} {first['block']} block{changed}"


def cost_sentence(frame):
    """What the shortcut costs, in one sentence; frame of `block_parts`. ValueError for a missing column."""
    if not len(frame):
        return EMPTY
    total, shortcut = results.costs(frame)
    if not frame["skip"].iloc[0]:
        of_all = cost_text(total["parameters"], total["multiply_adds"])
        return f"Without a shortcut nothing is added; the block costs {of_all}."
    layers = list(frame[frame["part"] == "shortcut"]["layer"])
    what = "The identity" if layers == ["identity"] else f"Shortcut {frame['shortcut'].iloc[0]}"
    of_it = cost_text(shortcut["parameters"], shortcut["multiply_adds"])
    if shortcut["multiply_adds"]:
        of_it += f" ({percent(shortcut['multiply_adds'] / total['multiply_adds'])} of the block's)"
    added = f"adding it takes {total['additions']:,} element-wise additions, which are no multiply-adds"
    return f"{what} costs {of_it}; {added}."


def block_text(frame):
    """A text alternative for the diagram: every tensor in the order of the forward pass, with its shape."""
    if not len(frame):
        return EMPTY
    rows = dict(list(frame.groupby("part", sort=False)))
    path = [f"x, {rows['x']['shape'].iloc[0]}"]
    layers = rows["branch"][rows["branch"]["layer"] != "identity"]
    if "before" in rows:
        path += [*rows["before"]["layer"], "from here both paths go on"]
    path += [f"{layer}, {shape}" for layer, shape in zip(layers["layer"], layers["shape"], strict=True)]
    text = f"Diagram of a {kind(frame)}, shapes as channels × height × width of one image. Branch: {' → '.join(path)}. "
    if "shortcut" in rows:
        over = rows["shortcut"]
        text += f"Shortcut: {' → '.join(over['layer'])}, {over['shape'].iloc[-1]}; added to the branch. "
    else:
        text += "No shortcut. "
    return text + f"Then {rows['y']['layer'].iloc[0]}: y, {rows['y']['shape'].iloc[0]}. {cost_sentence(frame)}"


def alt_text(frame):
    """A text alternative for the learning curves of a frame."""
    named = [(run.label, run.skip) for run in runs(frame)] if len(frame) else []
    drawn = lines(named, "; thin lines with open markers are the size of F against x")
    return f"Line chart of relative error, log scale, against step. {drawn}{sentence(frame)}"


def starts_sentence(frame):
    """How much better a plain net trains from a start near the identity, in one sentence.

    frame: of `experiments.residual_block.starts`.
    """
    table = results.by_start(frame)
    texts = [f"{net.name} {percent(net.low)} to {percent(net.high)}" for net in table.itertuples()]
    low, high = (f"{100 * share:.0f}" for share in results.share_of_the_start(frame))
    return (
        f"Training error after {frame['step'].max()} steps, {table['seeds'].min()} seeds: {'; '.join(texts)}. "
        f"The start near the identity closes {low} to {high} % of the gap between Kaiming's start and the residual net."
    )


def stacks_sentence(frame):
    """The relative errors of stacks of blocks at the start and at the end, in one sentence.

    frame: of `results.residual_block.at_best_rate`.
    """
    table = results.stacks(frame)
    texts = [
        f"{stack.name.replace(' · rate ', ' at rate ')} begin {_range(stack.start_low, stack.start_high)} % off, and"
        f" end {_range(stack.end_low, stack.end_high)} % off"
        for stack in table.itertuples()
    ]
    return f"Away from the identity, {table['seeds'].min()} seeds: {'; '.join(texts)}."

def learning_title(frame):
    """Which block learns to put out its target sooner, as a title; "" where the seeds overlap, or neither learns.

    frame: as `results.residual_block.learned` takes it, of one plain and one residual block.
    """
    if set(frame["skip"]) != {False, True} or frame["name"].nunique() != 2:
        return ""
    plain, residual = results.learned(frame)
    all_learn = len(residual.first) == len(residual.seeds)
    if all_learn and not plain.first:
        return f"Only the block with the skip comes within {100 * results.WITHIN:g} % of its target"
    if all_learn and max(residual.first) < min(plain.first):
        return "With the skip the block learns its target sooner"
    if len(plain.first) == len(plain.seeds) and max(plain.first) < min(residual.first, default=float("inf")):
        return "Without the skip the block learns its target sooner"
    return ""


_EACH = {"lr": "each learning rate", "distance": "each distance", "blocks": "each number of blocks"}


def end_title(table, x):
    """Which block or stack ends nearer to its target, as a title: at each place on the x axis, or each at its best
    learning rate; "" where the seeds overlap there.

    table, x: as `figures.residual_block.final_error` takes them.
    """
    where, skip = results.nearer_to_its_target(table, x) or ("", None)
    what = "stack" if "blocks" in table and x != "blocks" and table["blocks"].min() > 1 else "block"
    if where == "everywhere":
        return f"At {_EACH[x]} the {what} with{'out' * (not skip)} the skip ends nearer"
    if where == "at the identity":
        return "The skip helps at the identity, and harms far from it"
    if where == "at the best rate":
        skips = "skips" if what == "stack" else "a skip"
        return f"Each at its best rate, the {what} with{'out' * (not skip)} {skips} ends nearer"
    return ""
