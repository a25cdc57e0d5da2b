"""The options of `reslab` are the specs' fields; its help comes at once."""

import dataclasses
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from reslab import cli
from reslab.cli import options, reproduce
from reslab.datasets import digits
from reslab.nets import FAMILY, NetSpec, replace
from reslab.store import Store
from reslab.train import PRESETS, TrainSpec

pytestmark = pytest.mark.usefixtures("one_thread")


def run_python(*words, **environment):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize(
    "words", ["--help", "train --help", "sweep --help", "runs --help", "runs list -h", "doctor -h", "--version"]
)
def test_help_imports_nothing_heavy(words):
    code = f"""
import sys
from reslab.cli import main
try:
    main({words.split()!r}, prog_name="reslab")
except SystemExit as end:
    heavy = {{"torch", "numpy", "pandas", "plotly", "ipywidgets", "ray", "sklearn"}} & set(sys.modules)
    sys.exit(f"{{end.code}} {{heavy}}" if end.code or heavy else 0)
"""
    done = run_python("-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reslab" in done.stdout


def test_python_m_reslab_is_reslab():
    done = run_python("-m", "reslab", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: reslab [OPTIONS] COMMAND")
    for word in ("lab", "doctor", "train", "sweep", "runs", "Exit codes"):
        assert word in done.stdout


@pytest.mark.parametrize("spec", [NetSpec, TrainSpec])
def test_every_field_of_a_spec_is_an_option_with_its_default_choices_and_comment(spec):
    ours = {option.name: option for option in cli.main.commands["train"].params}
    help = CliRunner().invoke(cli.main, ["train", "--help"], terminal_width=400).output
    for field in dataclasses.fields(spec):
        assert (field.name in ours) == (field.name not in options.OF_THE_DATASET)
        if field.name in ours:
            assert options.flag(field) in help
            assert f"{field.metadata['help'][1:]}  [{options.written(field.default)}]" in help
            assert "|".join(field.metadata["choices"] or ()) in help
            assert ours[field.name].is_flag == (field.type is bool)


def test_options_of_every_kind_reach_the_specs(reslab, folder):
    net = "--depth 14 --width 5 --no-skip --norm none --activation tanh"
    reslab(f"train {net} --epochs 0.1 --batch-size 100 --schedule step --milestones 0.25,0.5 --data-seed 3 --seed 7")
    (run,) = Store(folder).runs()
    assert run.spec == NetSpec(depth=14, width=5, skip=False, norm="none", activation="tanh", **digits().shape)
    assert TrainSpec(**run.how) == TrainSpec(
        epochs=0.1, batch_size=100, schedule="step", milestones=(0.25, 0.5), data_seed=3
    )
    assert run.seed == 7


def test_a_preset_is_a_recipe_that_the_options_change(reslab, folder):
    help = CliRunner().invoke(cli.main, ["sweep", "--help"], terminal_width=400).output
    assert f"--preset [{'|'.join(PRESETS)}]" in help
    reslab("train resnet-8 --width 3 --preset paper-110 --epochs 0.1 --warmup 3")
    (run,) = Store(folder).runs()
    assert TrainSpec(**run.how) == replace(PRESETS["paper-110"], epochs=0.1, warmup=3)
    shown = "reslab train resnet-8 --width 3 --preset paper --epochs 0.1 --warmup 3 --dataset digits --seed 0"
    assert reproduce.command([run]) == shown  # the nearest preset: paper and paper-110 differ in the warm-up alone
    reslab("train resnet-8 --width 3 --preset short --epochs 0.1")
    assert " --preset short --epochs 0.1 --dataset" in reproduce.command(Store(folder).runs(schedule="one-cycle"))


def test_a_name_of_the_paper_and_what_is_changed_of_it(reslab, folder):
    reslab("train plain-20 --width 3 --epochs 0.1")
    assert Store(folder).runs()[0].spec == dataclasses.replace(FAMILY["plain-20"], width=3, **digits().shape)
