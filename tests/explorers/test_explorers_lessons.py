"""The cells of the lessons that make an explorer."""

import ast
import builtins
import re
from pathlib import Path

import nbformat
import pytest

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
KINDS = {
    "Activations",
    "Architecture",
    "Attribution",
    "Backbones",
    "Degradation",
    "GradientFlow",
    "Landscape",
    "Lesions",
    "ResidualBlock",
    "SuperResolution",
    "Variants",
}


def explorer_cells():
    """The source of every cell that makes an explorer; a question is none."""
    for path in LESSONS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and (made := set(re.findall(r"\bexplorers\.(\w+)\(", cell.source)) & KINDS):
                yield pytest.param(cell.source, id=f"{path.stem}-{made.pop()}")


@pytest.mark.parametrize("source", list(explorer_cells()))
def test_the_cell_of_an_explorer_runs_by_itself(source):
    """Run before the others, or after a restart, it must not put a NameError in the place of the stored picture."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    bound = imported | {name.id for name in names if isinstance(name.ctx, ast.Store)} | set(dir(builtins))
    assert {name.id for name in names} <= bound
