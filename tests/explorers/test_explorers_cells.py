"""A cell that is run again replaces its explorers: the ones before stop, and nothing of them is kept."""

import gc
import weakref
from types import SimpleNamespace

import pytest
from IPython.core.events import EventManager, available_events
from ipywidgets import Widget

from reslab import TrainSpec, explorers
from reslab.explorers import cells


@pytest.fixture
def run(monkeypatch):
    """Takes a function and the id of a cell, and does what a kernel does when that cell calls the function."""
    shell = SimpleNamespace(user_ns={"Out": {}}, kernel=SimpleNamespace(get_parent=lambda: message))
    shell.events, message = EventManager(shell, available_events), {}
    monkeypatch.setattr(cells, "get_ipython", lambda: shell)
    monkeypatch.setattr(cells, "_made", {})

    def execute(make, cell, source="explorer"):
        message.update(header={"msg_type": "execute_request"}, metadata={"cellId": cell} if cell else {})
        message["content"] = {"code": source}
        shell.events.trigger("pre_run_cell", None)
        made = make()
        count = len(shell.user_ns["Out"]) + 1
        shell.user_ns["Out"][count] = shell.user_ns[f"_{count}"] = made
        message["header"] = {"msg_type": "comm_msg"}
        return made

    execute.shell = shell
    return execute


@pytest.fixture
def make(split):
    return lambda: explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=10_000))


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
    gc.collect()
    assert gone() is None
    assert count_widgets() == widgets
    run(lambda: None, cell)  # the cell was changed, and makes none
    assert second.closed
    assert run.shell.events.callbacks["pre_run_cell"] == []


def test_an_explorer_of_another_cell_or_of_a_button_stays(run, make):
    first, other = run(make, "a1"), run(make, "b2")
    by_a_button = make()
    run(make, "b2").close()
    assert (first.closed, other.closed, by_a_button.closed) == (False, True, False)
    first.close()
    by_a_button.close()


def count_widgets():
    return sum(issubclass(type(thing), Widget) and thing.comm is not None for thing in gc.get_objects())
