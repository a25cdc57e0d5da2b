"""Cells of the lessons that run before others, or once more after them."""

import ast
import builtins
import re
from pathlib import Path

import nbformat
import pytest

from reslab import explorers
from reslab.lessons import python

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
KINDS = {*explorers.__all__} - {"Question"}  # a question is about what the cells before it have set up


def code_cells(path):
    """The source of every cell with code, without IPython's own words."""
    cells = nbformat.read(path, as_version=4).cells
    return [python(cell.source) for cell in cells if cell.cell_type == "code"]


def explorer_cells():
    """The source of every cell that makes an explorer."""
    for path in LESSONS:
        for source in code_cells(path):
            if made := {*re.findall(r"\b(\w+)\(", source)} & KINDS:
                yield pytest.param(source, id=f"{path.stem}-{made.pop()}")


def bound(source):
    """The names that a cell imports and those that it assigns, of those that it reads without a definition."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = {alias.asname or alias.name for node in nodes for alias in getattr(node, "names", ()) if alias != "*"}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    inner = [node for node in nodes if isinstance(node, ast.comprehension)]
    inside = {name.id for one in inner for name in ast.walk(one.target) if isinstance(name, ast.Name)}
    return imported, assigned - inside, {name.id for name in names if isinstance(name.ctx, ast.Load)} - inside


@pytest.mark.parametrize("source", list(explorer_cells()))
def test_the_cell_of_an_explorer_runs_by_itself(source):
    """Run before the others, or after a restart, it must not put a NameError in the place of the stored picture."""
    imported, assigned, read = bound(source)
    assert read <= imported | assigned | set(dir(builtins))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_name_is_set_by_two_cells_for_a_third(path):
    """Run once more after the later one, the third would speak of something else."""
    cells = [bound(source)[1:] for source in code_cells(path)]
    for name in {name for assigned, _ in cells for name in assigned}:
        makers = [assigned for assigned, _ in cells if name in assigned]
        readers = [read for assigned, read in cells if name in read and name not in assigned]
        assert len(makers) < 2 or not readers, name
