"""Lesson 03 in words: what was learned, what a shortcut costs, and what a picture of a block shows."""

import numpy as np

from reslab.figures import theme

EMPTY = "Nothing has been measured yet."
WITHIN = 0.1  # a relative error below this counts as learned


def sentence(frame, within=WITHIN):
    """What the learning blocks of a frame did, measured, in one sentence.

    frame: name, skip, depth, seed, origin, step, outcome, error and branch (ratios), one learning rate a name; runs that differ by
    seed alone are told together. ValueError for a missing column.
    """
    frame = theme.require(frame, ("name", "skip", "depth", "seed", "step", "outcome", "error", "branch"), "The sentence")
    families = {}
    for run in theme.runs(frame):
        families.setdefault((run.skip, run.name), []).append(run)
    clauses = [_learned(name, runs, within) for (_, name), runs in sorted(families.items(), key=lambda family: family[0][0])]
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}." if clauses else EMPTY


def _learned(name, runs, within):
    """The clause for one kind of block, over its seeds."""
    name = "the " + name.replace(" · lr ", " at lr ") + (f" ({theme.seeds(run.seed for run in runs)})" if len(runs) > 1 else "")
    if any(run["outcome"][-1] == "diverged" for run in runs):
        return f"{name} diverged at step {max(run['step'][-1] for run in runs if run['outcome'][-1] == 'diverged')}"
    below = [run["step"][run.numbers("error") < within] for run in runs]
    first = [steps[0] for steps in below if len(steps)]
    last = 1 + max(run["step"][-1] for run in runs)
    when = f"within {100 * within:g} % of the target from step {_range(first)} on" if first else ""
    if not first:
        when = f"not within {100 * within:g} % of the target in {last} steps"
    elif len(first) < len(runs):
        when += f" in {len(first)} of {len(runs)} seeds"
    error, branch = ([run.numbers(column)[-10:].mean() for run in runs] for column in ("error", "branch"))
    return f"{name}: {when}, {100 * np.mean(error):.2g} % off at the end, F {np.mean(branch):.2g} × the size of x"


def _range(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def money(parameters, multiply_adds):
    """A price in words: "1,184 parameters, 73,728 multiply-adds"."""
    return f"{parameters:,} parameters, {multiply_adds:,} multiply-adds"


def kind(frame):
    """What block an anatomy is of: "residual bottleneck block, stride 2, 2 × channels"."""
    first = frame.iloc[0]
    changed = ", stride 2, 2 × channels" if first["changes_shape"] else ""
    return f"{'residual' if first['skip'] else 'plain'} {first['block']} block{changed}"


def cost_sentence(frame):
    """What the shortcut of an anatomy costs, measured, in one sentence. ValueError for a missing column."""
    columns = ("part", "layer", "parameters", "multiply_adds", "additions", "skip", "block", "shortcut", "changes_shape")
    frame = theme.require(frame, columns, "The sentence")
    if not len(frame):
        return EMPTY
    total = frame[["parameters", "multiply_adds", "additions"]].sum()
    if not frame["skip"].iloc[0]:
        return f"Without a shortcut nothing is added; the block costs {money(total['parameters'], total['multiply_adds'])}."
    shortcut = frame[frame["part"] == "shortcut"][["parameters", "multiply_adds"]].sum()
    what = "The identity" if list(frame[frame["part"] == "shortcut"]["layer"]) == ["identity"] else f"Shortcut {frame['shortcut'].iloc[0]}"
    share = f" ({theme.percent(shortcut['multiply_adds'] / total['multiply_adds'])} of the block's)" if shortcut["multiply_adds"] else ""
    price = money(shortcut["parameters"], shortcut["multiply_adds"])
    return f"{what} costs {price}{share}; adding it takes {total['additions']:,} element-wise additions, which are no multiply-adds."


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
    lines = [f"{run.label} ({'solid blue' if run.skip else 'dashed vermillion'})" for run in theme.runs(frame)] if len(frame) else []
    drawn = f"Lines: {', '.join(lines)}; thin lines with open markers are the size of F against x. " if lines else ""
    return f"Line chart of relative error, log scale, against step. {drawn}{sentence(frame)}"
