"""Run the lessons and keep the pictures of their figures, for readers with no kernel: `make lessons`.

What is kept is text and PNG, and nothing of the machine that made it: no paths, timestamps, widget ids or execution
metadata.

    python .ci/lessons.py                                all lessons
    python .ci/lessons.py notebooks/04_activations.ipynb one
"""

import ast
import base64
import hashlib
import io
import os
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = CHECKOUT / "notebooks"
# The parts of reslab that decide what a picture shows. The kernel is asked which of them it has imported, so that a
# lesson goes stale when a module that it uses changes, and not when another does.
DRAWN_BY = """
import sys
parts = ("reslab.experiments.", "reslab.figures.", "reslab.explorers.")
print(*sorted(name for name in sys.modules if name.startswith(parts)))
"""
SCRIPTED = ("reslab.explorers.stage", "reslab.explorers.lesions")  # drawn by JavaScript, with a style
KEPT = ("text/plain", "text/html", "image/png")
# Of a kept picture: as few colours as show the same, as every refresh adds its pictures to what a clone downloads. A
# colour of at least FLAT of its pixels, a fill or a tint, stays what it is; the others, edges of letters and lines,
# become one that is at most OFF away in red, green and blue: the finest that fits in ROOM bytes, and else the last.
FLAT, OFF, ROOM, MOST = 0.002, (6, 10, 16, 24), 18_000, 256


def fingerprint(notebook):
    """A digest of all that the pictures come from: the cells with code, the modules that drew them (in the metadata),
    and the JavaScript and style of the explorers that have some."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    files = [CHECKOUT / f"{name.replace('.', '/')}.py" for name in notebook.metadata.reslab["drawn_by"]]
    code = [without_comments(file.read_text(encoding="utf-8")) if file.exists() else "" for file in files]
    for package in SCRIPTED:
        if any(name.startswith(package) for name in notebook.metadata.reslab["drawn_by"]):
            drawing = (CHECKOUT / package.replace(".", "/")).glob("*.[cj]s*")
            code += [file.read_text(encoding="utf-8") for file in sorted(drawing)]
    return hashlib.sha256("\0".join(cells + code).encode()).hexdigest()[:16]


def without_comments(source):
    """Python code without comments, docstrings and layout: none of them changes a picture."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def refresh(path):
    """Execute one notebook and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    environment = os.environ | {"PLOTLY_RENDERER": "png"}  # figures and explorers answer with pictures
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if "BROWSER_PATH" not in environment and shutil.which(name):
            environment["BROWSER_PATH"] = shutil.which(name)
    notebook.cells.append(nbformat.v4.new_code_cell(DRAWN_BY))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute(env=environment)
    drawn_by = notebook.cells.pop().outputs[0].text.split()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(clean, cell.outputs) if output is not None]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.reslab = {"drawn_by": drawn_by}
    notebook.metadata.reslab["pictures_of"] = fingerprint(notebook)
    nbformat.write(notebook, path)


def clean(output):
    """An output as it is committed, or None: no progress bars, no widgets."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type == "error":
        raise RuntimeError(f"a cell raised {output.ename}: {output.evalue}")
    if "application/vnd.jupyter.widget-view+json" in output.data or not any(output.data.values()):
        return None
    output.data = {kind: value for kind, value in output.data.items() if kind in KEPT}
    if "image/png" in output.data:
        output.data["image/png"] = compressed(output.data["image/png"])
    return output


def compressed(png):
    """The picture, base64, on white paper, and in as few colours as show the same to the eye."""
    drawn = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    picture = np.asarray(Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB"))
    colours, which, counts = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    colours = colours.astype(int)
    for off in OFF:
        kept, count, file = np.empty((MOST, 3), int), 0, io.BytesIO()
        for i in np.argsort(-counts, kind="stable"):
            is_flat = counts[i] >= FLAT * counts.sum()
            if count < MOST and (is_flat or (np.abs(kept[:count] - colours[i]).max(1) > off).all()):
                kept[count], count = colours[i], count + 1
        nearest = np.abs(colours[:, None] - kept[:count]).max(2).argmin(1)
        few = Image.fromarray(nearest[which].astype(np.uint8).reshape(picture.shape[:2])).convert("P")
        few.putpalette(kept[:count].astype(np.uint8).tobytes())
        few.save(file, "PNG", optimize=True)
        if file.tell() <= ROOM:
            break
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    lessons = [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    for lesson in lessons:
        print(f"running {lesson.name}", flush=True)
        refresh(lesson)
