"""The lessons as notebooks: where they are, and what they ask, read from their cells."""

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
NUMBERED = "[0-9][0-9]_*.ipynb"
IPYTHONS = re.compile(r"(?m)^( *)[%!].*")  # a line for IPython alone: a magic, or a command of the shell


@dataclass(frozen=True)
class Lesson:
    """One lesson. number: "01". title: "Degradation". questions: those that a learner answers, in order.

    states: what to look at → the state line, of the explorer's buttons. explorer: the name of its class, or "".
    """

    path: Path
    number: str
    title: str
    questions: tuple = ()
    states: dict = field(default_factory=dict, hash=False)
    explorer: str = ""


def folder():
    """The folder of the lessons: the checkout's where there is one, else the installed package's, else an error."""
    for place in (PACKAGE.parent / "notebooks", PACKAGE / "notebooks"):
        if any(place.glob(NUMBERED)):
            return place
    raise FileNotFoundError("the lessons are not there: install reslab again, they come with it.")


def lessons(place=None):
    """Every Lesson of a folder, in order; without one, of `folder()`."""
    return [read(path) for path in sorted((place or folder()).glob(NUMBERED))]


def read(path):
    """The Lesson in a notebook. Its questions and states are the literals in the cells that make them."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    heading = "".join(cells[0]["source"]).splitlines()[0]
    number, _, title = heading.removeprefix("# ").partition(" · ")
    questions, states, explorer = [], {}, ""
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        for call, name in _calls("".join(cell["source"])):
            match name, call.args:
                case "Question", [ast.Constant(value=str(text)), *_]:
                    questions.append(text)
                case "try_states", [ast.Dict() as shown, *_]:
                    states |= ast.literal_eval(shown)
        explorer = explorer or _explorer("".join(cell["source"]))
    return Lesson(path, number, title, tuple(questions), states, explorer)


def python(source):
    """The Python of a cell: the lines for IPython alone do nothing."""
    return IPYTHONS.sub(r"\1pass", source)


def _calls(source):
    """(call, name) of every call in a cell, in the order of the text; none of a cell that is no Python."""
    try:
        tree = ast.parse(python(source))
    except SyntaxError:
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(call, getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls]
    return sorted(named, key=lambda both: (both[0].lineno, both[0].col_offset))


def _explorer(source):
    """The class of the explorer that a cell gives states to try; "" for every other cell."""
    calls = _calls(source)
    if not any(name == "try_states" for _, name in calls):
        return ""
    made = [call for call, _ in calls if getattr(getattr(call.func, "value", None), "id", "") == "explorers"]
    return made[0].func.attr if made else ""
