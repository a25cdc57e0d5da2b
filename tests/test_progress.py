"""Progress bars: drawn in the terminal, or handed to a widget; none where none is asked for."""

import threading

import nbformat
import pytest
import tqdm.notebook
from nbclient import NotebookClient

from reslab import NetSpec, TrainSpec, digits, fit
from reslab.progress import progress_bar, shown_by
from reslab.sweep import sweep


def test_a_listener_gets_what_the_bar_would_draw_and_nothing_is_printed(capfd):
    told = []
    with shown_by(lambda *state: told.append(state)):
        for _ in progress_bar(range(3), desc="nets", mininterval=0):
            pass
    assert [(done, total) for done, total, _ in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {words for *_, words in told} == {"nets"}
    assert capfd.readouterr() == ("", "")


def test_words_beside_the_bar_and_an_unknown_total_reach_the_listener():
    told = []
    with shown_by(lambda *state: told.append(state)), progress_bar(desc="plain-8", mininterval=0) as bar:
        bar.set_postfix_str("training error 9%")
        bar.update(2)
    assert told[-1] == (2, None, "plain-8 training error 9%")


def test_updates_from_other_threads_reach_the_listener_of_the_thread_that_made_the_bar():
    told = []
    with shown_by(lambda *state: told.append(state)), progress_bar(total=1, mininterval=0) as bar:
        thread = threading.Thread(target=bar.update)
        thread.start()
        thread.join()
    assert told[-1][:2] == (1, 1)


def test_without_a_listener_the_bar_is_drawn_and_vanishes(capfd):
    with shown_by(print):
        pass  # over
    list(progress_bar(range(2), desc="nets"))
    drawn = capfd.readouterr().err
    assert "nets" in drawn
    assert drawn.endswith("\r")
    list(progress_bar(range(2), disable=True))
    assert capfd.readouterr().err == ""


CELL = """
from reslab.progress import progress_bar

bar = progress_bar(total=2, delay={delay}, mininterval=0)
bar.update({steps})
bar.close()
"""


def test_a_bar_that_has_ended_leaves_nothing_in_its_cell():
    """A page that is drawn from the outputs later, as Voila's is, knows no widget that was closed."""
    cells = [CELL.format(delay=delay, steps=steps) for delay, steps in [(0, 2), (1e-9, 2), (100, 2), (0, 1)]]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    shown = [[output.data for output in cell.outputs] for cell in notebook.cells]
    assert shown[:3] == [[{"text/plain": ""}], [{"text/plain": ""}], []]
    ((interrupted,),) = shown[3:]
    assert "application/vnd.jupyter.widget-view+json" in interrupted  # it is not closed: it shows how far it came


@pytest.mark.parametrize("several", [False, True], ids=["fit", "sweep"])
def test_a_training_that_diverges_leaves_no_red_bar_in_a_notebook(monkeypatch, several):
    bars = []

    def notebook_bar(*arguments, **options):
        bars.append(tqdm.notebook.tqdm(*arguments, display=False, **options))
        return bars[-1]

    monkeypatch.setattr("reslab.progress.tqdm", notebook_bar)
    split = digits().subset(n_train=128, n_test=16)
    spec, how = NetSpec(depth=8, width=4, norm="none", **split.shape), TrainSpec(lr=1e6, schedule="constant", epochs=20)
    runs = list(sweep([spec], split, how)) if several else [fit(spec, split, how)]
    assert [run.outcome for run in runs] == ["diverged"]
    (bar,) = bars
    assert bar.container.children[1].bar_style != "danger"
    assert bar.n == bar.total
