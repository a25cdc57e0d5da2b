"""What an explorer does in the real JupyterLab when its cell is run again, and when its kernel is gone."""

import os
import re
import signal

import nbformat
import pytest

EXPLORER = """
from reslab import TrainSpec, digits, explorers

split = digits().subset(n_train=256, n_test=64)
explorer = explorers.Degradation("plain-8", split=split, how=TrainSpec(epochs=100_000))
explorer
"""
QUESTION = """
explorers.Question("Which errs less?", ["plain", "residual"], measure=lambda: 1, verdict=lambda _: "residual")
"""
WIDGETS = """
from IPython.display import display

display(explorers.Stage(), explorers.Lesions())
"""
TRAININGS = """
import os, threading, time

time.sleep(2)  # a training that is stopped ends its step
trainings = sum(thread.name == "reslab-explorer" for thread in threading.enumerate())
print(f"trainings: {trainings}, process: {os.getpid()}")
"""


@pytest.fixture(scope="module")
def notebook(lab):
    """An explorer whose training takes for ever, a cell that counts the trainings, a question, and the two widgets that
    draw themselves."""
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in (EXPLORER, TRAININGS, QUESTION, WIDGETS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), lab.root / "kernel.ipynb")
    with lab.open("kernel.ipynb") as notebook:
        yield notebook


def trains(notebook):
    """Run both cells, and press Start."""
    notebook.run_all()
    notebook.wait_until(lambda: notebook.find(".reslab .js-plotly-plot").count() == 2)
    notebook.click(".reslab-start")
    notebook.wait_until(lambda: "step" in notebook.text(".reslab-progress-text"))


def counted(notebook):
    """(trainings, process) that the second cell printed."""
    printed = notebook.text(".jp-OutputArea-output >> text=trainings")
    return tuple(map(int, re.findall(r"\d+", printed)))


def says(notebook, words):
    """Whether the explorer says so over its controls."""
    said = ".reslab > .reslab-kernel"
    return notebook.find(said).count() and words in notebook.text(said)


def test_an_explorer_whose_cell_is_run_again_is_replaced_and_trains_no_more(notebook):
    trains(notebook)
    notebook.run_all()
    trainings, _ = counted(notebook)
    assert trainings == 0
    assert notebook.find(".reslab").count() == 1
    trains(notebook)
    notebook.click(".reslab-stop")  # the new one is there, and answers
    notebook.wait_until(lambda: "stopped at step" in notebook.text(".reslab-progress-text"))


def test_keys_of_a_control_are_no_commands_of_the_notebook(notebook):
    """Notebook 7 folds the section at an arrow key; JupyterLab makes, cuts and moves cells. Shift+Enter stays."""
    depth = notebook.find(".reslab-depth-text input").first
    before, cells = int(depth.input_value()), notebook.find(".jp-Cell").count()
    notebook.press(".reslab-depth .noUi-handle", "ArrowRight", times=2)
    notebook.wait_until(lambda: int(depth.input_value()) > before)
    for key in ("a", "b", "x", "ArrowLeft", "ArrowLeft"):
        notebook.page.keyboard.press(key)
    notebook.wait_until(lambda: int(depth.input_value()) == before)
    notebook.press(".reslab-question input[type=radio]", "Space")
    notebook.page.keyboard.press("ArrowDown")
    notebook.wait_until(lambda: notebook.find(".reslab-question input[type=radio]").nth(1).is_checked())
    assert notebook.find(".jp-Cell:visible").count() == cells
    said = notebook.text(".reslab-skip")
    notebook.press(".reslab-skip", "Shift+Enter")
    notebook.wait_until(lambda: notebook.find(".jp-Cell.jp-mod-active .reslab").count() == 0)  # to the next cell
    notebook._wait_for_kernel()
    assert notebook.text(".reslab-skip") == said


def test_a_kernel_that_is_busy_is_named_until_it_answers(notebook):
    _, process = counted(notebook)
    stage, lesions = ".stage:not(.lesions)", ".lesions .say"
    notebook.wait_until(lambda: "whole net" in notebook.text(".lesions .whole"), 120)
    os.kill(process, signal.SIGSTOP)
    notebook.click(".reslab-skip")
    notebook.wait_until(lambda: says(notebook, "The kernel is busy."))
    notebook.click(".lesions button:has-text('Each block alone')")
    notebook.wait_until(lambda: "The kernel is busy." in notebook.text(lesions))
    notebook.click(f"{stage} .more summary")
    notebook.click(f"{stage} button.live")
    notebook.wait_until(lambda: "The kernel is busy." in notebook.text(f"{stage} .origin"))
    os.kill(process, signal.SIGCONT)
    for gone in (".reslab-kernel", ":is(.stage, .lesions) >> text=The kernel is busy"):
        notebook.wait_until(lambda gone=gone: notebook.find(gone).count() == 0, 60)
    notebook.wait_until(lambda: "ON" in notebook.text(".reslab-skip"))
    notebook.wait_until(lambda: "Live" in notebook.text(f"{stage} .origin"), 60)
    notebook.click(f"{stage} .more summary")
    notebook.click(f"{stage} button.live")


def test_after_a_restart_it_says_to_run_the_cell_again(notebook):
    notebook._menu("Kernel", "kernelmenu:restart")
    notebook.page.locator(".jp-Dialog .jp-mod-accept").click()
    notebook.wait_until(lambda: says(notebook, "The kernel was restarted. Run this cell again."))
    assert notebook.find(".reslab").first.evaluate("explorer => explorer.inert")
    notebook.wait_until(lambda: "Run this cell again." in notebook.text(".reslab-question > .reslab-kernel"))
    notebook.show(".reslab")
    notebook.screenshot("explorer-kernel-restarted")
    notebook._wait_for_kernel()
    trains(notebook)
    assert notebook.find(".reslab-kernel").count() == 0


def test_after_a_crash_it_says_to_run_the_cell_again(notebook):
    _, process = counted(notebook)
    os.kill(process, signal.SIGKILL)  # as the system does when the memory is full
    notebook.wait_until(lambda: says(notebook, "The kernel was restarted. Run this cell again."), 60)
