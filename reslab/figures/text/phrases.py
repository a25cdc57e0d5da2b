"""Numbers, seeds and origins as text: the parts of all lessons' sentences."""

import math
import re

_OF_EVERY_MACHINE = re.compile(r"\((R|TM)\)| (Processor|CPU)\b")
EMPTY = "Nothing has been measured yet."
_COUNTS = ("parameters", "multiply_adds", "with_early_stride")
_WORDS = {
    "multiply_adds": "multiply-adds", "train_error": "training error", "paper_test_error": "test error in the paper",
    "parameters_ratio": "× the parameters", "multiply_adds_ratio": "× the multiply-adds",
}  # fmt: skip
_RAISED = str.maketrans("-0123456789.", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹·")


def percent(share):
    """A fraction: 0.714 is "71.4 %"; NaN is "an unknown share"."""
    return f"{100 * share:.1f} %" if share == share else "an unknown share"


def amount(number):
    """A count: 3,664,000,000 is "3.66 G", 214,402 is "214 k", 7 is "7"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:  # what rounds up to it
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def table(numbers):
    """A table of numbers as text: counts of a net as `amount` writes them, fractions of errors in percent (those of a
    paper with its two places), "–" for NaN, and the columns' names in words.

    numbers: a DataFrame whose columns are named as those of the experiments; other columns stay as they are.
    """
    texts = numbers.copy()
    for column in numbers:
        write = amount if column in _COUNTS else _paper if column.startswith("paper_") else percent
        if column in _COUNTS or column.endswith("_error"):
            texts[column] = ["–" if number != number else write(number) for number in numbers[column]]
    return texts.rename(columns=lambda column: _WORDS.get(column, column.replace("_", " ")))


def _paper(share):
    return f"{100 * share:.2f} %"


def scientific(number, places=0):
    """A number of any size: "4.6", "1,133", "2 × 10⁶"; places: of the mantissa."""
    if not math.isfinite(number):
        return "no finite number"
    if not number or 0.01 <= abs(number) < 9999.5:
        return f"{number:.2g}" if abs(number) < 9.95 else f"{number:,.0f}"
    mantissa, exponent = f"{number:.{places}e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"


def power(decades):
    """A number of decades as a power of ten: -8.7 is "10⁻⁸·⁷", and −∞ is "0"."""
    return "0" if decades == float("-inf") else f"10{f'{decades:.1f}'.translate(_RAISED)}"


def times(ratio):
    """A ratio: "813 times larger", "12 times smaller", "about as large"."""
    if 2 / 3 < ratio < 1.5:
        return "about as large"
    return f"{scientific(max(ratio, 1 / ratio))} times {'larger' if ratio > 1 else 'smaller'}"


def origin(runs, *also):
    """The line under a title of some runs: "seed 0 · live, this machine"; nets with several numbers of seeds are "1 to
    3 seeds a net". also: as in `origin_line`."""
    runs, each = list(runs), {}
    for run in runs:
        each.setdefault(run.name, set()).add(run.seed)
    some = several_counts(map(len, each.values()))
    return origin_line([run.origin for run in runs], [] if some else [run.seed for run in runs], some, *also)


def several_counts(counts):
    """The seeds of nets that differ in how many they have: "1 to 3 seeds a net"; else ""."""
    counts = set(counts)
    return f"{min(counts)} to {max(counts)} seeds a net" if len(counts) > 1 else ""


def origin_line(origins, numbers, *also):
    """The line under a title: seeds (unless an origin names them), what else counts, and where the numbers come from.

    origins, numbers: of every run, seed or row; repeats and missing ones (NaN, None) do not matter. also: texts; empty
    ones are left out. "" for no origins.
    """
    where = _joined(dict.fromkeys(origin for origin in origins if isinstance(origin, str) and origin))
    drawn = "" if "seed" in where else seeds(numbers)
    return " · ".join(filter(None, [drawn, *also, where])) if where else ""


def _joined(origins):
    """Some origins as one text: "recorded, NVIDIA H200; AMD EPYC, 2026-11". Those that differ in a number of steps
    alone become one, with the range. Of a machine, the words that every name of its kind has are left out.
    """
    alike = {}
    for origin in origins:
        steps = re.search(r"[\d,]+(?= steps)", origin)
        known = alike.setdefault(origin.replace(steps[0], "{}") if steps else origin, [])
        known += [int(steps[0].replace(",", ""))] if steps else []
    texts = [
        text.replace("{}", f"{min(known):,}" + f" to {max(known):,}" * (min(known) < max(known))) if known else text
        for text, known in alike.items()
    ]
    texts = list(dict.fromkeys(_OF_EVERY_MACHINE.sub("", text) for text in texts))
    first, last = ({text.split(", ")[end] for text in texts} for end in (0, -1))
    if len(texts) > 1 and len(last) == 1 and re.fullmatch(r"\d{4}-\d{2}", *last):  # the same month, once
        texts = [text.rpartition(", ")[0] for text in texts[:-1]] + texts[-1:]
    if len(texts) > 1 and first == {"recorded"} and all(", " in text for text in texts):
        texts = texts[:1] + [text.partition(", ")[2] for text in texts[1:]]
    return "; ".join(texts)


def seeds(numbers):
    """Seeds: "seed 0" for one, "seeds 0, 1, 2" for a few, "12 seeds" for more, nothing for none."""
    numbers = sorted({int(number) for number in numbers if number is not None and number == number})  # not NaN
    if not numbers or len(numbers) > 5:
        return f"{len(numbers)} seeds" if numbers else ""
    return f"seed{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def median(row, form=".2f", unit=""):
    """A median with its range over the seeds, of a row with median, low and high: "0.85 (0.83 to 0.87)"."""
    around = f" ({row['low']:{form}} to {row['high']:{form}})" if row["low"] < row["high"] else ""
    return f"{row['median']:{form}}{unit}{around}"


def over_seeds(table, ranges=True):
    """A sentence about the column seeds of a table of medians: over how many they are; "" for one. ranges: whether the
    sentence before gave them."""
    seeds = int(table["seeds"].max())
    return f" Medians{' and ranges' * ranges} are over {seeds} seeds." if seeds > 1 else ""


def nets_of(frame):
    """(name, skip) of each net of a frame, for `lines`; none of an empty one."""
    return list(dict.fromkeys(zip(frame["name"], frame["skip"], strict=True))) if len(frame) else []


def lines(nets, also="", most=8):
    """The lines of a chart by name and look, for screen readers; "" for none.

    nets: (name, skip) pairs. also: what follows the names of the lines. The lines beyond `most` are only counted.
    """
    named = [f"{name} ({'solid blue' if skip else 'dashed vermillion'})" for name, skip in nets]
    more = f" and {len(named) - most} more" * (len(named) > most)
    return f"Lines: {', '.join(named[:most])}{more}{also}. " if named else ""


def listed(parts):
    """Parts of a sentence: "a, b and c"."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
