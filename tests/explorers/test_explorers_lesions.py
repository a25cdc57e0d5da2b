"""The explorer of lesson 05 without a browser: lines are set, clicks are messages, and what was measured is read."""

import pytest

from reslab.explorers import Lesions
from reslab.explorers.lesions.view import View


@pytest.fixture(scope="module")
def explorer():
    """A pair of 20 layers, measured once."""
    made = Lesions("layers=20")
    assert made.join(120)
    yield made
    made.close()


def shown(explorer, line):
    explorer.line = line
    assert explorer.join(60)
    return explorer.answer


def click(explorer, block):
    explorer._on_message(explorer, {"do": "toggle", "block": block}, [])
    assert explorer.join(60)


def test_lines_may_have_capitals_quotes_and_spaces_and_are_written_in_one_form():
    for line in ("layers=20 out=none", "layers=56 out=5,7 statistics=anew seed=1 first=6"):
        assert str(View.parse(line)) == line
    assert str(View.parse("“Layers = 56  OUT=7, 5”")) == "layers=56 out=5,7"
    assert View.parse("") == View()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("layers=21", "layers is 21"),
        ("layers=20 out=10", "it must be from 1 to 9"),
        ("layer=20", "Did you mean 'layers'"),
        ("layers=many", "cannot be read"),
        ("layers=20 out=-1", "'out=-1' cannot be read"),
        ("layers=20 out=5,a", "'out=5,a' cannot be read"),
        ("layers=20 out=1.5", "cannot be read"),
        ("layers=20 seed=-1", "'seed=-1' cannot be read"),
        ("layers=20 seed=1e2", "cannot be read"),
        ("layers=20 seed=٢", "cannot be read"),
        ("statistics=news", "'kept', 'anew'"),
    ],
)
def test_lines_that_say_nothing_are_refused(line, why):
    with pytest.raises(ValueError, match=r".") as caught:
        View.parse(line)
    assert why in str(caught.value)


def test_both_nets_answer_a_click_and_a_second_click_puts_the_block_back(explorer):
    whole = shown(explorer, "layers=20 out=none")
    assert whole["plain"]["error"] == whole["plain"]["whole"]
    click(explorer, 5)
    assert explorer.line == "layers=20 out=5"
    assert explorer.answer["plain"]["error"] > 0.5 > explorer.answer["residual"]["error"]
    assert explorer.answer["sentence"].startswith("Without block 5, plain-20 gets")
    assert explorer.alone["plain"][4] == explorer.answer["plain"]["error"]
    click(explorer, 5)
    assert explorer.answer == whole


def test_statistics_measured_again_undo_a_wrong_scale(explorer):
    kept, again = (shown(explorer, f"layers=20 out=1{end}")["residual"] for end in ("", " statistics=anew"))
    assert again["error"] < kept["error"]


def test_three_pictures_with_the_answers_of_both_nets(explorer):
    answer = shown(explorer, "layers=20 out=none first=395")  # the last two, and the first
    assert len(answer["pictures"]) == len(answer["plain"]["answers"]) == 3
    assert answer["pictures"][2] == shown(explorer, "layers=20 out=none")["pictures"][0]
    assert all(picture["url"].startswith("data:image/png") for picture in answer["pictures"])


def test_each_block_alone_fills_the_ribbon(explorer):
    shown(explorer, "layers=20 out=none")
    explorer.measure_all()
    assert explorer.join(60)
    assert len(explorer.alone["residual"]) == 9
    assert None not in explorer.alone["plain"] + explorer.alone["residual"]


def test_a_line_that_is_wrong_is_said_and_changes_nothing(explorer):
    before = shown(explorer, "layers=20 out=3")
    explorer.line = "layers=20 out=99"
    assert "must be from 1 to 9" in explorer.wrong
    assert explorer.line == "layers=20 out=3"
    assert explorer.join(60)
    assert explorer.answer == before
    shown(explorer, "layers=20 out=2")
    assert explorer.wrong == ""


def test_a_closed_one_measures_nothing():
    made = Lesions("layers=20")
    made.join(60)
    made.close()
    answer = made.answer
    made.measure_all()
    assert made.join(5)
    assert made.answer == answer
