"""`Question`: an answer runs the experiment once, is marked on the figure, and nothing is measured twice or lost."""

import threading

import pandas as pd
import plotly.express as px
import plotly.io as pio
import pytest

from reslab.explorers import Question
from reslab.explorers.page import Page
from reslab.progress import progress_bar


class Experiment:
    """An experiment that counts how often it runs, and waits until it may end."""

    def __init__(self, error=None):
        self.times, self.may_end, self.error = 0, threading.Event(), error
        self.may_end.set()

    def __call__(self):
        self.times += 1
        for _ in progress_bar(range(4), desc="nets", mininterval=0):
            assert self.may_end.wait(60)
        if self.error:
            raise self.error
        return pd.DataFrame({"depth": [20, 56], "error": [0.1, 0.8]})


def asked(experiment, **options):
    draw = lambda frame: px.line(frame, x="depth", y="error", template="reslab")  # noqa: E731
    return Question(
        "Which?", ["lower", "higher"], measure=experiment, draw=draw, verdict=lambda frame: "higher", **options
    )


def test_an_answer_measures_once_and_is_marked_on_the_figure():
    experiment = Experiment()
    question = asked(experiment, takes="20 seconds")
    assert question.go.disabled
    assert "20 seconds" in question.status.value
    question.choice.value = "lower"
    question.go.click()
    question.go.click()
    assert question.join(60)
    assert (experiment.times, question.answer) == (1, "lower")
    (figure,) = question.figure_box.children
    assert figure.layout.annotations[0].text == question.sentence == "You said: lower. Measured: higher. ✗"
    assert question.sentence in question.status.value
    assert question.measured["error"].tolist() == [0.1, 0.8]
    assert experiment.times == 1
    assert all(control.disabled for control in (question.choice, question.go, question.skip))


def test_a_right_answer_is_ticked_and_a_question_may_be_passed_over():
    question = asked(Experiment())
    question.choice.value = "higher"
    question.go.click()
    assert question.join(60)
    assert question.sentence == "You said: higher. Measured: higher. ✓"
    passed = asked(Experiment())
    passed.skip.click()
    assert passed.join(60)
    assert (passed.answer, passed.sentence) == (None, "Measured: higher.")


def test_a_figure_whose_title_says_what_was_measured_needs_no_line_above_it_until_there_is_an_answer():
    question = asked(Experiment())
    drawn = question._draw
    question._draw = lambda frame: drawn(frame).update_layout(meta={"statement": "It is higher"})
    assert len(question.figure.layout.annotations) == 0
    question.answer = "lower"
    assert question.figure.layout.annotations[0].text == "You said: lower. Measured: higher. ✗"


def test_a_later_cell_measures_at_once_and_the_figure_is_shown():
    experiment = Experiment()
    question = asked(experiment)
    assert question.sentence == "Measured: higher."
    assert (experiment.times, len(question.figure_box.children)) == (1, 1)
    question.skip.click()
    assert question.join(60)
    assert experiment.times == 1


def test_a_later_cell_waits_for_what_is_being_measured():
    experiment = Experiment()
    experiment.may_end.clear()
    question = asked(experiment)
    question.skip.click()
    threading.Timer(0.05, experiment.may_end.set).start()
    assert len(question.measured) == 2
    assert experiment.times == 1


@pytest.mark.parametrize("asked_by", ["a click", "a later cell"])
def test_the_bar_of_the_experiment_is_shown_in_the_widget(monkeypatch, capfd, asked_by):
    """Also where a later cell measures: what that cell puts out is compared with what it put out before (nbval)."""
    monkeypatch.setattr("reslab.explorers.question.UPDATE", 0)
    seen, question = [], asked(Experiment())
    question.progress.observe(lambda change: seen.append(change.new), "value")
    if asked_by == "a click":
        question.skip.click()
        assert question.join(60)
    else:
        assert len(question.measured) == 2
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert capfd.readouterr().err == ""


def test_an_experiment_that_fails_says_why_here_and_where_it_is_asked_for():
    question = asked(Experiment(ValueError("depth is 57; take 56.")))
    question.skip.click()
    assert question.join(60)
    assert "⚠ depth is 57; take 56." in question.status.value
    with pytest.raises(ValueError, match=r"depth is 57"):
        _ = question.measured


def test_nothing_is_measured_once_too():
    calls = []
    question = Question("?", ["yes"], measure=lambda: calls.append(1), verdict=str)
    assert question.measured is None
    assert question.sentence == "Measured: None."
    assert calls == [1]


@pytest.mark.parametrize("answers", [(), "yes"])
def test_answers_are_several(answers):
    with pytest.raises(ValueError, match=r"^answers is "):
        Question("?", answers, measure=list, verdict=str)


def test_a_cell_above_that_was_not_run_is_named():
    question = asked(lambda: walk)  # noqa: F821
    question.skip.click()
    assert question.join(60)
    assert "⚠ walk comes from a cell further up: run that one, and then this one again." in question.status.value
    with pytest.raises(NameError, match="walk comes from a cell further up"):
        assert question.measured


def test_made_into_a_picture_it_shows_the_question_and_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(pio.renderers, "default", "png")
    monkeypatch.setattr("plotly.graph_objects.Figure.show", lambda figure: shown.append(figure))
    monkeypatch.setattr("reslab.explorers.question.display", shown.append)
    asked(Experiment())._ipython_display_()
    assert "Which?" in shown[0].data
    assert len(shown[1].data) == 1


def test_it_says_when_its_kernel_is_gone_as_the_explorers_do(monkeypatch):
    shown = []
    monkeypatch.setattr("reslab.explorers.page.display", lambda data, raw: shown.append(data))
    question = asked(Experiment())
    question._ipython_display_()
    assert isinstance(question.widget.children[0], Page)
    (data,) = shown
    assert data["text/plain"] == "This question needs a running kernel. Run this cell again."
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == question.widget.model_id


def test_of_a_dict_the_keys_are_the_answers():
    question = Question("Which?", {"plain": 0, "residual": 1}, measure=lambda: 1, verdict=lambda _: "plain")
    assert question.answers == ["plain", "residual"] == list(question.choice.options)
    question.close()
