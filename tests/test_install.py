"""What a new machine meets first: the index of torch, pip's progress, Colab's first cell, links and badges."""

import importlib.util
import re
import sys
import types
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from reslab import lessons

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob(lessons.NUMBERED))
COLAB = nbformat.read(LESSONS[0], as_version=4).cells[1].source


def script(name):
    """A file of .ci as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- torch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "system", "gpu", "answers", "index", "because"),
    [
        ("https://mine", "Linux", False, True, "https://mine", "as asked"),
        ("", "Linux", False, True, "https://download.pytorch.org/whl/cpu", "no GPU here, so the small CPU build"),
        ("", "Linux", False, False, "", "does not answer"),
        ("", "Linux", True, True, "", "there is a GPU"),
        ("", "Darwin", False, True, "", "small here"),
    ],
)
def test_torchs_index_follows_the_machine(monkeypatch, wanted, system, gpu, answers, index, because):
    chooser = script("torch_index")
    monkeypatch.setattr(chooser.platform, "system", lambda: system)
    monkeypatch.setattr(chooser, "has_gpu", lambda: gpu)
    monkeypatch.setattr(chooser, "answers", lambda address: answers)
    chosen, reason = chooser.choose(wanted)
    assert chosen == index
    assert because in reason


def test_a_server_answers_or_not(tmp_path):
    answers = script("torch_index").answers
    page = tmp_path / "torch.html"
    page.touch()
    assert answers(page.as_uri())
    assert not answers((tmp_path / "nothing").as_uri())
    assert not answers("http://127.0.0.1:9/torch/")


def test_the_first_make_lab_lets_pip_say_how_far_it_is():
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [
        line for line in recipes.splitlines() if "$(INSTALL)" in line and ("--editable" in line or "torch" in line)
    ]
    assert len(installs) >= 4
    assert not [line for line in installs if "--quiet" in line]
    assert recipes.count("pip install --no-compile") == recipes.count("-m pip install") == 1  # one way to install


# --- Colab --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_begins_with_the_same_cell_for_colab(path):
    cell = nbformat.read(path, as_version=4).cells[1]
    assert cell.source.startswith(COLAB)
    assert cell.metadata["jupyter"] == {"source_hidden": True}


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """run(cell) in a simulated Colab, whose /content is a folder of the test: (words to %pip, calls to its output)."""
    asked, calls = [], []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: calls.append("widgets"))
    module = types.ModuleType("google.colab")
    module.output = output
    monkeypatch.setitem(sys.modules, "google.colab", module)
    shell = InteractiveShell()
    shell.register_magic_function(asked.append, magic_name="pip")

    def run(cell):
        done = shell.run_cell(cell.replace("/content", tmp_path.as_posix()))
        done.raise_error()
        return asked, calls

    yield run
    shell.history_manager.end_session()


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["reslab-0.2.0-py3-none-any.whl", "reslab-0.1.0-py3-none-any.whl", "reslab"], "reslab-0.2.0-py3-none-any.whl"),
        (["reslab-0.2.0-py3-none-any (1).whl", "reslab"], "reslab/"),  # a name that Colab gives, and pip refuses
        (["sample_data", "reslab"], "reslab/"),
        (["sample_data"], None),
    ],
)
def test_in_colab_a_wheel_comes_before_a_checkout_and_a_release(colab, tmp_path, capsys, there, chosen):
    for name in there:
        file = tmp_path / name
        file.touch() if name.endswith(".whl") else file.mkdir()
    source = f"{tmp_path.as_posix()}/{chosen}" if chosen else "reslab"
    assert colab(COLAB) == ([f"install -q {source}"], ["widgets"])
    assert f"reslab is installed from {source}: " in capsys.readouterr().out


def test_elsewhere_the_cell_installs_nothing(capsys):
    assert "google.colab" not in sys.modules
    InteractiveShell().run_cell(COLAB).raise_error()
    assert capsys.readouterr().out == ""


# --- links --------------------------------------------------------------------------------------------------------


def relative_links(text):
    """What Markdown links to in this repository."""
    return [link for link in re.findall(r"\]\(([^)#\s]+)", text) if not re.match(r"[a-z]+:", link)]


def test_what_a_lesson_links_to_comes_with_it():
    """`reslab lab` copies the lessons and their pages to a folder, and there the links are still good."""
    copied = {path.name for path in (*LESSONS, *(ROOT / "notebooks").glob("*.md"))}
    links = []
    for path in LESSONS:
        cells = nbformat.read(path, as_version=4).cells
        links += [
            (path.name, link) for cell in cells if cell.cell_type == "markdown" for link in relative_links(cell.source)
        ]
    for path in (ROOT / "notebooks").glob("*.md"):
        links += [(path.name, link) for link in relative_links(path.read_text(encoding="utf-8"))]
    assert len(links) > 10
    assert [(name, link) for name, link in links if link not in copied] == []


def test_what_the_pages_of_the_checkout_link_to_is_there():
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")]
    links = [(page, link) for page in pages for link in relative_links(page.read_text(encoding="utf-8"))]
    assert len(links) > 15
    assert [link for page, link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "remote",
    ["https://github.com/ana/resnets.git", "git@github.com:ana/resnets.git", "ssh://git@github.com/ana/resnets",
     "https://github.com/ana/resnets/"],
)  # fmt: skip
def test_badges_are_of_the_fork(remote):
    colab, binder = script("badges").badges(remote).splitlines()
    assert "(https://colab.research.google.com/github/ana/resnets/blob/HEAD/notebooks/00_start_here.ipynb)" in colab
    assert "(https://mybinder.org/v2/gh/ana/resnets/HEAD?urlpath=lab/tree/notebooks/00_start_here.ipynb)" in binder


def test_badges_of_no_repository_on_github_are_refused():
    with pytest.raises(ValueError, match="not set"):
        script("badges").badges("")
