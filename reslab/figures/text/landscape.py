"""Lesson 06 in words: what a picture of the loss says, and over how many lines and seeds it holds."""

from reslab.figures.text.phrases import EMPTY, lines, nets_of, scientific
from reslab.results import landscape as results

HOW = {"filter": "", "layer": "layer by layer", "none": "steps of one size for all weights"}


def comparison_sentence(frame, alpha=0.5):
    """Plain against residual on the same lines. frame: as `results.landscape.compare` takes it."""
    table = results.compare(frame, alpha) if len(frame) else frame
    if not len(table):
        return EMPTY
    texts = []
    for row in table.itertuples():
        texts.append(
            f"{row.depth} layers, {_how(row)}: plain {_range(row, 'plain')}, residual {_range(row, 'residual')}; of "
            f"{row.pairs} pairs plain rises more in {row.share * row.pairs:.0f}, residual in {row.less * row.pairs:.0f}"
        )
    seeds, directions = int(table["seeds"].max()), int(table["directions"].max())
    over = f"over {directions} directions" + f" and {seeds} seeds" * (seeds > 1)
    raw = (table["normalisation"] == "none").any()  # steps of one size, whatever the weights are
    step = f"at {alpha:g}" if raw else f"after a step {alpha:g} times as long as the weights"
    return f"Rise of the loss {step} (nats, median and range {over}). {'. '.join(texts)}."


def rise_sentence(frame, alpha=0.5):
    """What each net's loss is at its own weights, and how far it rises. frame: as `results.landscape.rises` takes
    it."""
    if not len(frame):
        return EMPTY
    table = results.rises(frame, alpha)
    texts = []
    for name, rows in table.groupby("name", sort=False):
        rise = rows["rise"]
        span = f"{rise.median():.2g} ({rise.min():.2g} to {rise.max():.2g})"
        texts.append(f"{name} from {rows['start'].median():.2g} by {span}")
    lines = table.groupby("name").size().max()
    return f"At {alpha:g} the loss rises, in nats (median and range over {lines} lines): {'; '.join(texts)}."


def between_sentence(frame):
    """How high the loss rises between two nets. frame: as `results.landscape.barriers` takes it."""
    if not len(frame):
        return EMPTY
    texts = []
    for (name, mode), rows in results.barriers(frame).groupby(["name", "mode"], sort=False):
        barrier = rows["barrier"]
        texts.append(f"{name} ({mode} mode) {barrier.median():.1f} ({barrier.min():.1f} to {barrier.max():.1f})")
    return f"Between two seeds the loss rises above the higher end by, in nats: {'; '.join(texts)}."


def path_sentence(path, walks):
    """How much of a training's path its plane holds, beside a random walk's. path, walks: as `results.landscape.shares`
    takes them."""
    if not len(path):
        return EMPTY
    ours, theirs = results.shares(path, walks)
    return (
        f"The plane holds {ours:.0%} of the path of {path['name'].iloc[0]} ({len(path)} points); of a random walk of "
        f"as many points it would hold {theirs:.0%}."
    )


def pairs_title(frame, alpha=0.5):
    """Whose loss rises more, in how many pairs, as a title; "" where it depends on the direction and the seed.

    frame: as `results.landscape.verdict` takes it, of one depth.
    """
    table = results.compare(frame, alpha)
    if len(table) != 1:
        return ""
    row = table.iloc[0]
    answer = results.answer(row["share"], row["less"])
    share = dict(zip(results.ANSWERS, (row["share"], row["less"]), strict=False)).get(answer)
    return f"In {share * row['pairs']:.0f} of {row['pairs']} pairs {answer} loss rises more" if share else ""


def between_title(frame):
    """Whether the loss rises between two nets, as a title: to more than twice that of the higher end, in every pair;
    otherwise "".

    frame: as `results.landscape.barriers` takes it.
    """
    table = results.barriers(frame)
    high = table["top"] - table["barrier"]  # of the higher end
    return "Between two trained nets there is a hill" if len(table) and (table["barrier"] > high).all() else ""


def alt_text(frame, text):
    """A chart for screen readers: its lines, and its sentence."""
    return f"Chart of the loss around trained nets. {lines(nets_of(frame))}{text}"


def _how(row):
    norms = "" if row.norms == "kept" else ", BatchNorm's scale and shift too"
    how = f", {HOW[row.normalisation]}" * (row.normalisation != "filter")
    return f"{row.mode} mode{how}{norms}"


def _range(row, kind):
    middle, low, high = (scientific(getattr(row, f"{kind}{end}")) for end in ("", "_low", "_high"))
    return f"{middle} ({low} to {high})"
