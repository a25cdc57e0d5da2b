"""The wheel: it has all of reslab and its recorded runs, nothing else, and finds the runs where it is unpacked."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("reslab", "data", "tests", "notebooks")
# in a store that is used, or was when its process was killed
STRAYS = (".lock", "digits/.resnet-8.json.0123456789abcdef")
DOWNLOAD = "cache/photos.tar.gz"  # in the data folder of a checkout, see `reslab.downloads`
WEIGHTS = "digits/weights/resnet-8.safetensors"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy, with what may lie in a store besides its runs."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*", "cache"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for file in (folder / "data" / name for name in (DOWNLOAD, *(f"runs/{name}" for name in (*STRAYS, WEIGHTS)))):
        file.parent.mkdir(exist_ok=True)
        file.write_text("not read here", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=checkout, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(wheel):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "unpacked")
    return wheel.parent / "unpacked"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The python of an environment with the wheel, without a checkout, and with this environment's other packages."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=120)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)
    (site,) = home.glob("lib/python*/site-packages")  # before the other packages, so that its reslab is imported
    (site / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_every_module_and_every_run_and_nothing_else(checkout, unpacked):
    modules = {f"reslab/{name}" for name in files(checkout / "reslab")}
    runs = {f"reslab/data/runs/{name}" for name in files(checkout / "data" / "runs") - set(STRAYS)}
    assert f"reslab/data/runs/{WEIGHTS}" in runs
    assert len(modules) > 50
    assert len(runs) > 40
    stage = {f"reslab/data/stage/{name}" for name in files(checkout / "data" / "stage")}
    assert "reslab/data/stage/digits.json.gz" in stage
    others = {f"reslab/data/{name}" for name in ("README.md", "rates.csv", "dynamics.csv", "lesson_times.csv")}
    lessons = [file for kind in ("*.ipynb", "*.md") for file in (checkout / "notebooks").glob(kind)]
    others |= {f"reslab/notebooks/{file.name}" for file in lessons}
    others |= {f"reslab/data/{lesson}/cifar10.json.gz" for lesson in ("lesions", "attribution")}
    for lesson in ("backbones", "landscape", "super_resolution"):
        others |= {f"reslab/data/{lesson}/{name}" for name in files(checkout / "data" / lesson)}
    held = {name for name in files(unpacked) if ".dist-info/" not in name}
    assert held == modules | runs | stage | others


def test_what_is_installed_finds_its_runs(checkout, unpacked, tmp_path):
    ask = "import reslab; store = reslab.recorded(); print(reslab.__file__, store.path, len(store.runs()), sep='\\n')"
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ask],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    module, store, count = done.stdout.splitlines()
    assert Path(module) == unpacked / "reslab" / "__init__.py"
    assert Path(store) == unpacked / "reslab" / "data" / "runs"
    assert int(count) == len([name for name in files(checkout / "data" / "runs") if name.endswith(".json")])


def run(python, *words, cwd):
    """What a command prints, run in a folder that is no checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-W", "error", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_it_copies_the_lessons_and_opens_them(installed, checkout, tmp_path):
    where = run(installed, "-c", "import reslab; print(reslab.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parents[1])
    said = run(installed, "-m", "reslab", "lab", "--version", cwd=tmp_path)  # JupyterLab's own option: it ends at once
    copied, version = said.splitlines()
    assert copied.endswith("What was there already stays as it is.")
    assert version == metadata.version("jupyterlab")
    assert files(tmp_path / "reslab-lessons") == {
        file.name for kind in ("*.ipynb", "*.md") for file in (checkout / "notebooks").glob(kind)
    }


def test_installed_it_writes_its_pages_and_finds_what_a_lesson_shows(installed, tmp_path):
    for page in ("00", "handout"):
        run(installed, "-m", "reslab", "page", page, cwd=tmp_path)
        assert (tmp_path / f"reslab-{page}.html").stat().st_size > 3_000
    rates = "from reslab import experiments; print(len(experiments.degradation.by_rate()))"
    assert int(run(installed, "-c", rates, cwd=tmp_path)) > 10
