"""The teacher's guide, the lessons as they are read from their notebooks, and the hand-out."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner

from reslab import cli, explorers, handout
from reslab.lessons import folder, lessons, python, read

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "notebooks" / "teaching.md").read_text(encoding="utf-8")
RECORDED = json.loads((ROOT / "data" / "teaching.json").read_text(encoding="utf-8"))
SEEDS = 3


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "data" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


teaching, recorder = module("teaching"), module("record_teaching")


# --- the lessons ---------------------------------------------------------------------------------------------------


def test_the_lessons_are_those_of_the_checkout():
    assert folder() == ROOT / "notebooks"
    assert [lesson.path.name for lesson in lessons()] == [path.name for path in sorted(folder().glob("[0-9]*.ipynb"))]
    assert {"00", "01", "02"} <= {lesson.number for lesson in lessons()}


def test_questions_and_states_are_those_of_the_cells():
    """Every question and every state line of a lesson stands in its cells, and none is left out."""
    for lesson in lessons():
        cells = [cell.source for cell in nbformat.read(lesson.path, 4).cells if cell.cell_type == "code"]
        assert sum(source.count("explorers.Question(\n") for source in cells) == len(lesson.questions), lesson.number
        assert sum(source.count(".try_states(") for source in cells) == bool(lesson.states), lesson.number
        strings = {node.value for source in cells if "explorers." in source
                   for node in ast.walk(ast.parse(python(source))) if isinstance(node, ast.Constant)}  # fmt: skip
        assert {*lesson.questions, *lesson.states, *lesson.states.values()} <= strings
        assert bool(lesson.explorer) == bool(lesson.states)
        assert not lesson.explorer or hasattr(explorers, lesson.explorer)


def test_a_notebook_of_ones_own_is_read(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("# 42 · A title\n\nText."),
        nbformat.v4.new_code_cell("%%html\n<b>no Python</b>"),
        nbformat.v4.new_code_cell('e = explorers.Lesions("layers=20")\ne.try_states({"look": "layers=20 out=1"})'),
        nbformat.v4.new_code_cell('if True:\n    %pip install x\nexplorers.Question("Which? " "And why?", ["a"])'),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "42_x.ipynb")
    lesson = read(tmp_path / "42_x.ipynb")
    assert (lesson.number, lesson.title, lesson.explorer) == ("42", "A title", "Lesions")
    assert (lesson.questions, lesson.states) == (("Which? And why?",), {"look": "layers=20 out=1"})


# --- the guide -------------------------------------------------------------------------------------------------------


def test_the_tables_of_the_guide_are_what_was_recorded():
    assert teaching.page(GUIDE) == GUIDE, "notebooks/teaching.md is stale: run python data/teaching.py"


@pytest.mark.parametrize("lesson", [one for one in lessons() if one.number in RECORDED], ids=lambda one: one.number)
def test_every_state_of_a_lesson_was_recorded_over_the_seeds(lesson):
    found = RECORDED[lesson.number]
    assert list(found["states"]) == list(lesson.states.values()), (
        f"the states have changed: run python data/record_teaching.py {lesson.number}"
    )
    sentences = 1 if lesson.explorer in recorder.COUNTED else SEEDS
    assert all(len(said) == sentences and all(said) for said in found["states"].values())
    assert all(found["origin"].values())
    assert f"<!-- expected {lesson.number} -->" in GUIDE


def test_each_section_is_of_a_lesson_and_says_the_same_things():
    sections = dict(re.findall(r"^## (\d\d) [^\n]*\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE))
    assert set(RECORDED) <= set(sections) <= {lesson.number for lesson in lessons()}
    for number, text in sections.items():
        assert "**Goal**" in text, number
        assert re.search(r"\*\*\d+ minutes", text), number
        for part in ("The room", "Usual wrong answer", "- Skip:"):
            assert part in text, (number, part)


@pytest.mark.parametrize(("plan", "minutes"), [("Two hours", 120), ("Half a day", 240)])
def test_the_minutes_of_a_plan_add_up(plan, minutes):
    table = re.search(rf"^## {plan}\n(.*?)^## ", GUIDE, re.DOTALL | re.MULTILINE)[1]
    times = [(int(begin), int(end)) for begin, end in re.findall(r"^\| (\d+)–(\d+) \|", table, re.MULTILINE)]
    assert len(times) == len(re.findall(r"^\| [^-]", table, re.MULTILINE)) - 1  # all rows but the head
    ends = [0, *(end for _, end in times)]
    assert [begin for begin, _ in times] == ends[:-1]
    assert ends[-1] == minutes


def test_what_was_recorded_is_of_committed_code():
    times = pd.read_csv(ROOT / "data" / "lesson_times.csv", dtype=str)
    commits = [*times["commit"], *(lesson["origin"]["commit"] for lesson in RECORDED.values())]
    assert len(commits) > 20
    assert all(re.fullmatch("[0-9a-f]{12}", commit) for commit in commits)


def test_a_recorded_state_comes_out_again():
    """The quickest states of three explorers, live: the words that were recorded, and numbers of the recorded size."""
    for number, line in (("02", "plain-56,mode=eval | plain-56"), ("03", "residual,shape=halved,shortcut=B"),
                         ("05", "layers=20 out=1")):  # fmt: skip
        lesson = next(one for one in lessons() if one.number == number)
        explorer = getattr(explorers, lesson.explorer)(recorder.with_seed(line, 0))
        said = recorder.without_seed(recorder.sentence(explorer, ""))
        explorer.close()
        recorded = RECORDED[number]["states"][line][0]
        assert teaching.NUMBER.sub("#", said) == teaching.NUMBER.sub("#", recorded)
        for here, there in zip(*(map(teaching.value, teaching.NUMBER.findall(text)) for text in (said, recorded)),
                               strict=True):  # fmt: skip
            assert 0.2 < abs(here / there) < 5 if there else here == 0


def test_numbers_of_several_seeds_become_ranges():
    say = teaching.over_seeds
    assert say(["plain-56 gets 86.0 % wrong", "plain-56 gets 82.7 % wrong"]) == "plain-56 gets 82.7–86.0 % wrong"
    assert say(["1,834 times", "813 times", "980 times"]) == "813–1,834 times"
    assert say(["2 × 10¹⁷ times", "9 × 10⁻³ times"]) == "9 × 10⁻³ to 2 × 10¹⁷ times"
    assert say(["multiplied by 10⁻⁴⁸·⁸", "multiplied by 10⁻⁵·¹"]) == "multiplied by 10⁻⁴⁸·⁸ to 10⁻⁵·¹"
    assert say(["an RMS of 4.1e+04", "an RMS of 8e+05"]) == "an RMS of 4.1e+04–8e+05"
    assert say(["the same 0.5", "the same 0.5"]) == "the same 0.5"
    assert say(["it rises to 90 %", "it stays at 2 %"]) == "*Seed 0:* it rises to 90 % *Seed 1:* it stays at 2 %"


def test_a_seed_goes_into_every_net_of_a_state():
    seeded = recorder.with_seed
    assert seeded("plain-56,lr=0.02 | plain-56 + resnet-56", 1) == (
        "plain-56,lr=0.02,seed=1 | plain-56,seed=1 + resnet-56,seed=1"
    )
    assert seeded("resnet-20 | show=cosine,block=1", 2) == "resnet-20,seed=2 | show=cosine,block=1"
    assert seeded("plain,norm=none | residual", 0) == "plain,norm=none,seed=0 | residual,seed=0"
    assert seeded("direct-10 | wipe=40", 1) == "direct-10,seed=1 | wipe=40"
    assert seeded("layers=20 out=1", 2) == "layers=20 out=1 seed=2"


# --- the hand-out -------------------------------------------------------------------------------------------------


def test_the_hand_out_asks_the_first_question_of_each_lesson(tmp_path):
    file = tmp_path / "page.html"
    done = CliRunner().invoke(cli.main, ["page", "handout", "--output", str(file)])
    assert done.exit_code == 0, done.output
    assert "the hand-out" in done.output
    text = file.read_text(encoding="utf-8")
    assert text == handout.page()
    asked = [lesson for lesson in lessons() if lesson.questions]
    assert text.count("<tr><td>") == len(asked) >= 8
    assert all(f"<tr><td>{lesson.number}</td>" in text for lesson in asked)
    assert "http" not in text  # nothing is loaded
