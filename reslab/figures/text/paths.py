"""Lesson 05 in words: the lengths of the gradient's paths."""

from reslab.figures.text.phrases import EMPTY
from reslab.results import paths as results


def sentence(frame):
    """The mean length of the gradient's paths, net by net, and that of all paths with equal weights.

    frame: as `results.paths.lengths` takes it; ValueError for a missing column.
    """
    if not len(frame):
        return EMPTY
    texts = [
        f"{net.name}, {'trained' if net.step else 'untrained'}: {_number(net)} of {net.blocks} branches"
        for net in results.lengths(frame).itertuples()
    ]
    counts = {net.name: f"{net.counted:.1f} in {net.name}" for net in results.lengths(frame).itertuples()}
    same = ", ".join(counts.values())
    lead = "How many branches the gradient's paths go through on average."
    return f"{lead} {'; '.join(texts)}. If all paths counted the same: {same}."


def sampled_sentence(exact, drawn):
    """The sampled estimate and the exact share of the same net: its mean path, and the range of one length's share
    over the repeats."""
    if not len(drawn):
        return EMPTY
    (net,), table = results.lengths(drawn).itertuples(), results.by_length(drawn)
    row = table.loc[(table["high"] - table["low"]).idxmax()]
    truth = results.lengths(exact[(exact["name"] == net.name) & (exact["step"] == net.step)])["mean"].iloc[0]
    return (
        f"Sampled paths of {net.name} give a mean path of {net.low:.1f} to {net.high:.1f}, exact {truth:.1f}; the share"
        f" of paths through {row.length} branches comes out as anything from {row.low:.0%} to {row.high:.0%}."
    )


def _number(net):
    return f"{net.mean:.1f}" + f" ({net.low:.1f} to {net.high:.1f})" * (net.seeds > 1)

def title(frame):
    """Whether the trained net's gradient takes short paths, as a title: in every seed, shorter on average than half of
    what counting all paths gives; otherwise "".

    frame: as `results.paths.lengths` takes it, of one net.
    """
    nets = [net for net in results.lengths(frame).itertuples() if net.step]
    short = bool(nets) and all(net.high < net.counted / 2 for net in nets)
    return "The trained net's gradient goes mostly through short paths" if short else ""
