"""A cell that is run again replaces its explorers: the ones before stop, and nothing of them is kept."""

import gc
import itertools
import json
import re
import time
import weakref
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Widget
from traitlets.config import Config
from waiting import wait_until

from reslab import TrainSpec, explorers
from reslab.explorers import cells, ready
from reslab.explorers.chart import SUBSCRIBE_AS_VIEW, Chart, Figure
from reslab.explorers.degradation import DegradationSetting
from reslab.progress import progress_bar


@pytest.fixture
def run(monkeypatch):
    """Takes a function and the id of a cell, and runs a cell `made = make()` in a real shell, as a kernel does."""
    config = Config(HistoryManager={"enabled": False})  # no file; results are kept in memory, as everywhere
    shell, message = InteractiveShell(user_module=ModuleType("learner"), config=config), {}
    shell.kernel = SimpleNamespace(get_parent=lambda: message)
    monkeypatch.setattr(cells, "get_ipython", lambda: shell)
    monkeypatch.setattr(cells, "_made", {})

    def execute(make, cell):
        message.update(header={"msg_type": "execute_request"}, metadata={"cellId": cell} if cell else {})
        message["content"] = {"code": "made = make()"}
        shell.user_ns["make"] = make
        shell.run_cell("made = make()\nmade", store_history=True).raise_error()
        message["header"] = {"msg_type": "comm_msg"}
        return shell.user_ns["made"]

    execute.shell = shell
    return execute


@pytest.fixture
def make(split):
    previews = []

    def make():
        explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=10_000))
        previews.append(explorer._previews._thread)
        return explorer

    yield make
    for thread in filter(None, previews):
        thread.join()


@pytest.mark.parametrize("cell", ["a1", None], ids=["by its id", "by its text"])
def test_run_again_it_stops_the_one_before_and_keeps_nothing_of_it(run, make, cell):
    first = run(make, cell)
    first.start.click()
    worker, gone = first.worker, weakref.ref(first)
    widgets = count_widgets()
    second = run(make, cell)
    assert worker.join(60)
    assert first._previews.join(60)
    assert not second.closed
    del first, worker
    wait_until(lambda: gc.collect() >= 0 and gone() is None)  # a thread that has answered is alive for a moment
    assert count_widgets() == widgets
    run(lambda: None, cell)  # the cell was changed, and makes none
    assert second.closed
    assert cells._close_replaced not in run.shell.events.callbacks["pre_run_cell"]


def endless(*_):
    """A training, a measurement or checks that would never end, with a bar."""
    for step in progress_bar(itertools.count()):
        time.sleep(0.01)
        yield {"check": "Python", "level": "ok", "found": str(step), "advice": ""}


def stage():
    made = explorers.Stage()
    made.live._film = endless
    made.live.start("digits", 20)
    return made


def question():
    made = explorers.Question("?", ["yes"], measure=lambda: list(endless()), verdict=str)
    made.skip.click()
    return made


@pytest.mark.parametrize("make", [stage, question, explorers.Ready], ids=lambda make: make.__name__)
def test_what_is_no_explorer_stops_too_and_its_widgets_go(run, make, monkeypatch):
    monkeypatch.setattr(ready, "examine", endless)
    first, second = run(make, "a1"), None
    before = count_widgets()
    try:
        second = run(make, "a1")
        assert (first.live if make is stage else first).join(60)
        assert count_widgets() == before
    finally:
        for made in filter(None, (first, second)):
            made.close()
            assert (made.live if make is stage else made).join(60)


def lesions():
    made = explorers.Lesions()
    assert made.join(60)
    return made


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda split: explorers.Degradation(split=split), "The explorer Degradation"),
        (lambda split: explorers.ResidualBlock(), "The explorer ResidualBlock"),
        (lambda split: lesions(), "The explorer Lesions"),
        (lambda split: explorers.Question("?", ["yes"], measure=list, verdict=str), "This question"),
        (lambda split: explorers.Ready(), "The check of this machine"),
        (lambda split: explorers.Stage(), "This stage"),
    ],
    ids=["live", "instant", "lesions", "question", "ready", "stage"],
)
def test_what_is_closed_says_so_where_it_is_shown_again(split, make, what, monkeypatch):
    monkeypatch.setattr(ready, "examine", lambda: [])
    made, shown = make(split), []
    monkeypatch.setattr(cells, "display", lambda html: shown.append(html.data))
    made.close()
    made.close()  # as its cell and the learner may do both
    made._ipython_display_()
    (text,) = shown
    assert f">{what} is closed, because its cell was run again or close() was called. Run the cell" in text


def test_a_closed_explorer_draws_nothing(make):
    explorer = make()
    before = explorer.curves.still()
    explorer.close()
    explorer.setting = DegradationSetting(depth=56)
    explorer.draw()
    assert explorer.curves.still() == before


def test_the_code_of_charts_on_the_page_exports_only_what_subscribes_as_a_view():
    code = getattr(Figure, "_esm", SUBSCRIBE_AS_VIEW)  # plotly 5 has its code elsewhere
    exports = code.rpartition("as FigureView")[2]
    assert len(re.findall("as default|export default", exports)) == 1
    assert exports.endswith(SUBSCRIBE_AS_VIEW)


def test_a_variable_of_the_learner_keeps_the_explorer_that_it_names(run, make):
    run.shell.user_ns["kept"] = first = run(make, "a1")
    run(lambda: None, "a1")
    assert first.closed
    assert run.shell.user_ns["kept"] is first
    assert first not in (*run.shell.user_ns["Out"].values(), *run.shell.user_ns_hidden.values())


def test_an_explorer_of_another_cell_or_of_a_button_stays(run, make):
    first, other = run(make, "a1"), run(make, "b2")
    by_a_button = make()
    run(make, "b2").close()
    assert (first.closed, other.closed, by_a_button.closed) == (False, True, False)
    first.close()
    by_a_button.close()


def count_widgets():
    return sum(issubclass(type(thing), Widget) and thing.comm is not None for thing in gc.get_objects())


def test_a_page_that_comes_later_gets_the_chart_of_now():
    """Voila's page, and one that is loaded again, ask for the whole state; the chart has other traces by then."""
    one, two, three = ({"type": "scatter", "y": [y], "meta": {"key": str(y)}} for y in (1, 2, 3))
    chart = Chart({"data": [one], "layout": {"title": {"text": "first"}}})
    chart.show({"data": [two, three], "layout": {"title": {"text": "then"}}})
    state = chart.figure.get_state()
    traces, layout = (state.get(f"_widget{name}", state.get(name)) for name in ("_data", "_layout"))
    assert [list(trace["y"]) for trace in traces] == [[2], [3]]
    assert layout["title"]["text"] == "then"
    assert list(chart.figure.get_state("_config")) == ["_config"]


def test_a_chart_shows_the_last_of_what_it_was_given():
    """Only what differs from the chart before is sent: after other traces, and after a value that comes back."""

    def drawn(key, y, title):
        return {"data": [{"type": "scatter", "y": y, "meta": {"key": key}}], "layout": {"title": {"text": title}}}

    charts = [drawn("a", [1, 2], "x"), drawn("a", [1, 3], "x"), drawn("b", [1, 2], "y"), drawn("a", [1, 3], "x")]
    chart = Chart(charts[0])
    sent = []
    chart.figure.observe(lambda change: sent.append(change.new), "_py2js_update")
    for shown in [*charts, charts[-1]]:
        sent.clear()
        chart.show(shown)
        (trace,) = chart.figure.data
        assert [trace.meta["key"], list(trace.y), chart.figure.layout.title.text] == [
            shown["data"][0]["meta"]["key"], shown["data"][0]["y"], shown["layout"]["title"]["text"]
        ]  # fmt: skip
    assert not any(sent)


def test_a_chart_behind_another_is_drawn_when_it_comes_to_the_front_when_it_is_read_or_a_moment_later():
    def drawn(y):
        return {"data": [{"type": "scatter", "y": [y], "meta": {"key": "a"}}], "layout": {}}

    chart, sent = Chart(drawn(0)), []

    def note(change):
        if change.new:
            sent.append(("y", change.new["style_data"]["y"][0][0], "reslab-behind" in chart.widget._dom_classes))

    chart._figure.observe(note, "_py2js_update")
    chart.put(behind=True)
    for y in (1, 2):
        chart.show(drawn(y))
    assert sent == []
    chart.put(behind=False)
    assert sent == [("y", 2, True)]  # before it is in sight
    chart.show(drawn(3))
    assert sent[1:] == [("y", 3, False)]  # at once
    chart.put(behind=True)
    chart.show(drawn(4))
    assert chart.trace("a").y == (4,)
    chart.show(drawn(5))
    wait_until(lambda: len(sent) == 4)
    assert sent[2:] == [("y", 4, True), ("y", 5, True)]
    chart.show(drawn(6))
    chart.close()
    chart.put(behind=False)
    assert chart.trace("a").y == (5,)


def test_a_chart_with_gaps_goes_to_the_page_as_json():
    """plotly sends lists, and arrays of two dimensions, as JSON, which has no NaN: Lab wrote a warning below."""
    gaps = np.array([[1.0, np.nan], [np.inf, 4.0]])
    mixed = np.array([["a", np.nan], ["b", 2.0]], dtype=object)
    map_ = {"type": "heatmap", "z": gaps, "customdata": mixed, "meta": {"key": "map"}}
    line = {"type": "scatter", "y": [1.0, np.nan], "customdata": gaps.tolist(), "meta": {"key": "line"}}
    for chart in (Chart({"data": [map_, line], "layout": {}}), Chart({"data": [], "layout": {}})):
        chart.show({"data": [map_, line], "layout": {}})
        json.dumps(chart.figure.get_state(), allow_nan=False, default=str)  # ValueError for a NaN
        assert [[*row] for row in chart.trace("map").z] == [[1.0, None], [None, 4.0]]
        assert [[*row] for row in chart.trace("map").customdata] == [["a", None], ["b", 2.0]]
        assert [[*row] for row in chart.trace("line").customdata] == [[1.0, None], [None, 4.0]]
    assert np.isnan(gaps[0, 1])  # what was given stays as it is
