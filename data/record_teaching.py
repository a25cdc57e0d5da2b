"""Record what the explorers say in the states to try: `python data/record_teaching.py` writes data/teaching.json.

Each state of each lesson, with seeds 0, 1 and 2, as the explorer says it when its button is pressed, and Start where it
trains. `python data/record_teaching.py 02 05` does only those lessons. About fifteen minutes on one core for all.
"""

import json
import re
import sys
from dataclasses import asdict
from html import unescape
from pathlib import Path

from reslab import explorers
from reslab.explorers.live import Live
from reslab.lessons import lessons
from reslab.runs import Provenance

FILE = Path(__file__).parent / "teaching.json"
SEEDS = (0, 1, 2)
COUNTED = ("Backbones",)  # explorers of which nothing is drawn at random: they say one thing
A_NET = r"(?:plain|resnet|direct|residual)(?:-\d+)?(?:,\w+=[^|+\s]+)*"


def main(numbers):
    where = asdict(Provenance.here().committed())
    origin = {key: where[key] for key in ("machine", "torch", "commit", "date")}
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for lesson in lessons():
        if lesson.states and (not numbers or lesson.number in numbers):
            states = {line: said(lesson.explorer, look_at, line) for look_at, line in lesson.states.items()}
            found[lesson.number] = {"states": states, "origin": origin}
            text = json.dumps(dict(sorted(found.items())), ensure_ascii=False, indent=1)
            FILE.write_text(text + "\n", encoding="utf-8")


def said(kind, look_at, line):
    """The sentences of an explorer in one state, one for each seed."""
    sentences = []
    for seeded in [line] if kind in COUNTED else [with_seed(line, seed) for seed in SEEDS]:
        print(f"{kind}: {seeded}", flush=True)
        explorer = getattr(explorers, kind)(seeded)
        try:
            sentences.append(without_seed(sentence(explorer, look_at)))
        finally:
            explorer.close()
    return sentences


def with_seed(line, seed):
    """The same state with another seed: of every net in it, or of the pair of nets in lesson 05."""
    return re.sub(A_NET, rf"\g<0>,seed={seed}", line) if re.match(A_NET, line) else f"{line} seed={seed}"


def without_seed(text):
    return re.sub(r" · seed \d+|\(seed \d+\)", "", text).replace("  ", " ").replace(" :", ":").strip()


def sentence(explorer, look_at):
    """What an explorer says once all is measured: trained, if it trains, or if the state's own text says to train."""
    if isinstance(explorer, Live):
        explorer.start.click()
        explorer.worker.join()
        explorer._previews.join()
        explorer.draw()
    else:
        explorer.join()
    if "Train 20 steps" in look_at:
        explorer.go.click()
        explorer.worker.join()
    if hasattr(explorer, "answer"):
        return explorer.answer["sentence"]
    return unescape(explorer.sentence.value.partition("<span")[0])


if __name__ == "__main__":
    main(sys.argv[1:])
