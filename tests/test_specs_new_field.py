"""A new field of a spec is one setting in one file: the command line, stores and printed commands know it then.

CONTRIBUTING.md promises this to anyone who adds a variant of a block (NetSpec) or a part of the recipe (TrainSpec).
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIELDS = {  # file → the class there, and the one line that is added to it
    "net.py": (
        "NetSpec",
        '    squeeze_excitation: bool = setting(False, "weigh the channels of a branch", before=False)\n',
    ),
    "train.py": ("TrainSpec", '    mixup: float = setting(0.0, "of pairs of images", low=0, high=1, before=0.0)\n'),
}
USE = """
import json, sys
from click.testing import CliRunner
from reslab import cli, recorded
from reslab.store import Store

def reslab(*words):
    result = CliRunner().invoke(cli.main, words, terminal_width=400)
    return result.output if result.exit_code == 0 else f"{result.exit_code}: {result.output}"

store = Store(sys.argv[1])
words = ["train", "resnet-8", "--width", "3", "--epochs", "0.1", "--store", str(store.path), "--device", "cpu"]
trained = [reslab(*words), reslab(*words, "--squeeze-excitation", "--mixup", "0.2")]
(old,), (new,) = store.runs(mixup=0), store.runs(squeeze_excitation=True)
print(json.dumps({
    "help": reslab("train", "--help"),
    "trained": trained,
    "show": reslab("runs", "show", "squeeze_excitationTrue", "--store", str(store.path)),
    "files": sorted(path.name for path in store.path.glob("*/*.json")),
    "old": [old.spec.squeeze_excitation, old.how["mixup"]],
    "new": [new.spec.squeeze_excitation, new.how["mixup"]],
    "recorded": [store.path_of(run).name for store in [recorded()] for run in store.runs()],
    "refused": reslab(*words, "--mixup", "2"),
}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package and its recorded runs, with a new field in each spec."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "reslab", folder / "reslab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "runs", folder / "data" / "runs", ignore=shutil.ignore_patterns("weights"))
    for name, (_, line) in FIELDS.items():
        add(folder, name, line)
    return folder


def add(folder, name, line):
    """Write a line where a newcomer would: after the last field."""
    file = folder / "reslab" / "specs" / name
    text = file.read_text(encoding="utf-8")
    before = "\n    def __post_init__"
    assert text.count(before) == 1
    file.write_text(text.replace(before, line + before), encoding="utf-8")


def python(folder, code, *words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *words], capture_output=True, text=True, cwd=folder
    )


def test_one_line_makes_an_option_a_mark_in_a_files_name_and_a_word_of_the_command(package):
    done = python(package, USE, str(package / "runs"))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "--squeeze-excitation / --no-squeeze-excitation" in said["help"]
    assert "Weigh the channels of a branch  [no]" in said["help"]
    assert "Of pairs of images  [0]" in said["help"]
    assert all("finished after 1 steps" in words for words in said["trained"])
    assert "--squeeze-excitation --epochs 0.1 --mixup 0.2 --dataset digits" in said["show"]
    assert [name.rsplit(".", 2)[0] for name in said["files"]] == [
        "resnet-8.width3.seed0",
        "resnet-8.width3.squeeze_excitationTrue.seed0",
    ]
    assert (said["old"], said["new"]) == ([False, 0.0], [True, 0.2])
    assert said["refused"].startswith("2: ")
    assert "mixup is 2.0; it must be a finite number at least 0 and at most 1." in said["refused"]
    assert sorted(said["recorded"]) == sorted(path.name for path in (ROOT / "data" / "runs").glob("*/*.json"))


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_without_before_is_named_when_reslab_is_imported(package, tmp_path, name):
    shutil.copytree(package / "reslab" / "specs", tmp_path / "reslab" / "specs")
    shutil.copy(package / "reslab" / "checks.py", tmp_path / "reslab")
    (tmp_path / "reslab" / "__init__.py").touch()
    add(tmp_path, name, "    forgotten: int = setting(3, 'of three', low=0)\n")
    done = python(tmp_path, "import reslab.specs")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert (
        f"TypeError: {FIELDS[name][0]}.forgotten is a new field and does not say what it was before it existed" in said
    )
    assert "add before=VALUE to its setting(...)" in said
