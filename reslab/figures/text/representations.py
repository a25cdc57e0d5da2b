"""Lesson 04 in words: how many pictures a net still tells apart, and how far a small change grows."""

from reslab.figures.text.phrases import EMPTY, lines, nets_of, scientific
from reslab.results import representations as results

# Column → what is counted.
_PHRASES = {
    "neighbour_accuracy": "pictures whose most similar picture is of their own class",
    "readout_accuracy": "test pictures that one linear layer, trained on what the block puts out, gets right",
    "noise_cosine": "cosine of a picture with its noisy copy",
}


def sentence(frame, statistic="neighbour_accuracy"):
    """One statistic after the last block of every net, at its latest step, in one sentence; over several seeds median
    and range.

    frame: as `figures.representations.by_block` takes it. ValueError for another statistic or a missing column.
    """
    if statistic not in _PHRASES:
        raise ValueError(f"statistic is {statistic!r}; it can be {', '.join(map(repr, _PHRASES))}.")
    formatted = "{:.2f}".format if statistic == "noise_cosine" else "{:.0%}".format
    nets = list(results.at_the_end(frame, statistic).itertuples())
    texts = [f"{net.name}, {_when(net.step)}: {_number(net, formatted)}" for net in nets]
    if texts and statistic != "noise_cosine" and "guess" in frame:
        texts.append(f"a guess: {frame['guess'].iloc[0]:.0%}")
    seeds = f" Ranges are over {nets[0].seeds} seeds." if nets and nets[0].seeds > 1 else ""
    return f"After the last block, {_PHRASES[statistic]}: {'; '.join(texts)}.{seeds}" if texts else EMPTY


def chaos_sentence(frame):
    """How far a small change of the picture grows forward, and the gradient backward, in every net, in one sentence.

    frame: as `figures.representations.chaos` takes it; ValueError for a missing column.
    """
    texts = [
        f"by {_factor(net.change)} in {net.name}, and the gradient by {_factor(net.gradient)} on its way back"
        for net in results.totals(frame).itertuples()
    ]
    if not texts:
        return EMPTY
    seeds = frame["seed"].nunique()
    over = f" Medians and ranges are over {seeds} seeds." * (seeds > 1)
    return f"A small change of the picture is multiplied {'; '.join(texts)}.{over}"


def alt_text(frame, statistic):
    """A chart for screen readers: its lines, and its sentence. statistic: as `sentence` takes it, or "change"."""
    text = chaos_sentence(frame) if statistic == "change" else sentence(frame, statistic)
    return f"Line chart by block, from the stem to the last block. {lines(nets_of(frame))}{text}"


def _factor(numbers):
    """A factor over the seeds, [median, lowest, highest]: "13 (11 to 16)"."""
    median, low, high = map(scientific, numbers)
    return median + f" ({low} to {high})" * (low != high)


def _number(net, formatted):
    if net.seeds == 1 or net.low == net.high:
        return formatted(net.median)
    return f"{formatted(net.median)} ({formatted(net.low)} to {formatted(net.high)})"


def _when(step):
    return "untrained" if step == 0 else f"after {step} steps"

def title(frame, statistic="neighbour_accuracy"):
    """What is left of the pictures after the last block without skips, and with them, as a title; "" where it is lost
    or kept by both, or the seeds overlap.

    frame, statistic: as `sentence` takes them.
    """
    nets = results.at_the_end(frame, statistic)
    plain, residual = (nets[nets["skip"].astype(bool) == skip] for skip in (False, True))
    if plain.empty or residual.empty:
        return ""
    lost, kept = plain["high"].max(), residual["low"].min()
    nearly_all, half = (results.ANSWERS[answer] for answer in ("nearly all", "about half"))
    if statistic == "neighbour_accuracy" and lost < half <= kept and residual["high"].max() < nearly_all:
        return "Without skips the digits are lost, with skips only in part"
    if statistic == "noise_cosine" and lost < results.NEARLY_UNRELATED < results.ALIKE < kept:
        return "Without skips, nearly equal pictures become nearly unrelated"
    return ""


def chaos_title(frame):
    """Whether a change grows forward and the gradient backward, in every net and seed, as a title; otherwise "".

    frame: as `chaos_sentence` takes it.
    """
    lowest = [net[way][1] for _, net in results.totals(frame).iterrows() for way in ("change", "gradient")]
    return "Forward a change grows, backward the gradient" if lowest and all(low > 1 for low in lowest) else ""
