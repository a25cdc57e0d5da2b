"""Every explorer has a presentation mode: the button "Present" of its page, or that of the stage."""

import inspect

import anywidget
import pytest

from reslab import explorers, lessons
from reslab.explorers.explorer import Explorer

SHOWN = [getattr(explorers, name) for name in dir(explorers)]
TEXTS = (explorers.Question, explorers.Ready)  # what is asked, and a list of checks: nothing to present
EXPLORERS = [shown for shown in SHOWN if inspect.isclass(shown) and shown not in TEXTS]


def test_these_are_the_explorers_of_the_lessons():
    named = {lesson.explorer for lesson in lessons.lessons()} - {""}
    assert len(named) > 8
    assert named <= {explorer.__name__ for explorer in EXPLORERS}


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda explorer: explorer.__name__)
def test_it_can_be_presented(explorer):
    if issubclass(explorer, Explorer):
        assert Explorer()._page.presents
    else:
        assert issubclass(explorer, anywidget.AnyWidget)
        module, style = str(explorer._esm), str(explorer._css)
        assert "presentButton(" in module.replace("function presentButton(", "")
        assert ".stage.present" in style
