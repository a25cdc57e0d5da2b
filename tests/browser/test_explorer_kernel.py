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
explorer.start.click()
explorer
"""
TRAININGS = """
import os, threading, time

time.sleep(2)  # a training that is stopped ends its step
trainings = sum(thread.name == "reslab-explorer" for thread in threading.enumerate())
print(f"trainings: {trainings}, process: {os.getpid()}")
"""


@pytest.fixture(scope="module")
def notebook(lab):
    """An explorer that trains for ever, and a cell that counts the trainings."""
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in (EXPLORER, TRAININGS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), lab.root / "kernel.ipynb")
    with lab.open("kernel.ipynb") as notebook:
        notebook.run_all()
        notebook.wait_until(lambda: "step" in notebook.text(".reslab-progress-text"))
        yield notebook


def counted(notebook):
    """(trainings, process) that the second cell printed."""
    printed = notebook.text(".jp-OutputArea-output >> text=trainings")
    return tuple(map(int, re.findall(r"\d+", printed)))


def test_an_explorer_whose_cell_is_run_again_is_replaced(notebook):
    notebook.run_all()
    trainings, _ = counted(notebook)
    assert trainings == 1
    assert notebook.find(".reslab").count() == 1
    notebook.click(".reslab-stop")  # the new one is there, and answers
    notebook.wait_until(lambda: "stopped at step" in notebook.text(".reslab-progress-text"))


def test_after_a_restart_it_says_to_run_the_cell_again(notebook):
    notebook._menu("Kernel", "kernelmenu:restart")
    notebook.page.locator(".jp-Dialog .jp-mod-accept").click()
    notebook.wait_until(lambda: notebook.find(".reslab-kernel").count())
    assert notebook.text(".reslab-kernel") == "The kernel was restarted. Run this cell again."
    assert notebook.find(".reslab").evaluate("explorer => explorer.inert")
    notebook.show(".reslab")
    notebook.screenshot("explorer-kernel-restarted")
    notebook._wait_for_kernel()
    notebook.run_all()
    notebook.wait_until(lambda: "step" in notebook.text(".reslab-progress-text"))
    assert notebook.find(".reslab-kernel").count() == 0


def test_when_the_kernel_was_killed_a_click_says_that_it_does_not_answer(notebook):
    _, process = counted(notebook)
    os.kill(process, signal.SIGKILL)
    notebook.page.locator(".jp-Dialog .jp-mod-accept").click()  # "Kernel Restarting": the server starts another one
    notebook.click(".reslab-stop")
    notebook.wait_until(lambda: notebook.find(".reslab-kernel").count(), 60)
    assert "Run this cell again" in notebook.text(".reslab-kernel")
