"""Write the expected results into notebooks/teaching.md: `python data/teaching.py`, after record_teaching.py.

Between `<!-- expected NN -->` and `<!-- /expected -->`: a row for each state of lesson NN, with what its explorer said.
A number that differs between the three recorded seeds is written as its lowest and highest: 82.7–88.0.
"""

import json
import re
from pathlib import Path

from reslab.lessons import lessons

HERE = Path(__file__).parent
RECORDED = HERE / "teaching.json"
PAGE = HERE.parent / "notebooks" / "teaching.md"
POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻·", "0123456789-.")
NUMBER = re.compile(r"10[⁻·⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<![\w.])[−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")
MARKED = re.compile(r"(<!-- expected (\d\d) -->\n).*?(<!-- /expected -->)", re.DOTALL)


def over_seeds(sentences):
    """One sentence for several of the same words: each number that differs becomes "lowest–highest".

    Sentences of different words are given one after the other, each with its seed.
    """
    if len({NUMBER.sub("#", sentence) for sentence in sentences}) > 1:
        return " ".join(f"*Seed {seed}:* {sentence}" for seed, sentence in enumerate(sentences))
    numbers = iter([_range(found) for found in zip(*map(NUMBER.findall, sentences), strict=True)])
    return NUMBER.sub(lambda _: next(numbers), sentences[0])


def _range(texts):
    low, high = min(texts, key=value), max(texts, key=value)
    between = " to " if re.search("[⁰¹²³⁴⁵⁶⁷⁸⁹]", low + high) else "–"
    return low if value(low) == value(high) else f"{low}{between}{high}"


def value(text):
    """The number that a text such as "−1,834", "2 × 10⁶" or "10⁻⁴⁸·⁸" stands for."""
    factor, power = re.fullmatch(r"([^×]*?)(?: ?×? ?10([⁻·⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text).groups()
    number = float(factor.replace("−", "-").replace(",", "")) if factor else 1.0
    return number * 10.0 ** float(power.translate(POWERS)) if power else number


def table(recorded, states):
    """The rows of one lesson. recorded: {line: sentences}. states: {what to look at: line}, as the lesson has them."""
    drawn = any(len(said) > 1 for said in recorded.values())
    seeds = ", with seeds 0, 1 and 2" if drawn else "; nothing in it is drawn at random"
    rows = [f"| state: what to look at | what the explorer says{seeds} |", "|---|---|"]
    for look_at, line in states.items():
        said = over_seeds(recorded[line]).replace("\n", " ").replace("|", "\\|")
        shown = line.replace("|", "\\|")
        rows.append(f"| **{look_at}**<br>`{shown}` | {said} |")
    return "\n".join(rows) + "\n"


def page(text):
    """The text of teaching.md with its tables written again."""
    recorded, known = json.loads(RECORDED.read_text(encoding="utf-8")), {one.number: one for one in lessons()}

    def written(found):
        number = found[2]
        return found[1] + table(recorded[number]["states"], known[number].states) + found[3]

    return MARKED.sub(written, text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
