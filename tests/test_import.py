"""`import reslab`: cheap, complete, and enough by itself on a machine without charts or widgets."""

import importlib
import os
import subprocess
import sys

import pytest

import reslab


def python(code, **environment):
    """What a fresh Python with warnings as errors prints, with the environment's variables set, or unset where None."""
    variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_reslab_imports_nothing_heavy():
    heavy = [
        "torch",
        "torchvision",
        "numpy",
        "pandas",
        "plotly",
        "ipywidgets",
        "anywidget",
        "captum",
        "skimage",
        "sklearn",
        "safetensors",
        "tqdm",
    ]
    code = f"import reslab, sys; dir(reslab); print(*[name for name in {heavy} if name in sys.modules])"
    assert python(code) == []


def test_explorers_are_imported_without_the_grammar_of_web_addresses_which_can_be_imported_after():
    code = """
import sys
from reslab import explorers
print(explorers.Question.__name__, explorers.Degradation.__name__, "lark" in sys.modules)
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "https://reslab.example/größe"))
"""
    assert python(code) == ["Question", "Degradation", "False", "True"]


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE"), ("PASSIVE", "PASSIVE")])
def test_torchs_idle_threads_are_told_to_sleep_unless_the_person_said_otherwise(before, after):
    assert python("import os, reslab; print(os.environ['OMP_WAIT_POLICY'])", OMP_WAIT_POLICY=before) == [after]


def test_the_wait_policy_is_set_before_torch_is_there():
    code = """
import sys, builtins, os
seen, real = [], builtins.__import__
def watched(name, *rest):
    if name == "torch" and not seen:
        seen.append(os.environ.get("OMP_WAIT_POLICY"))
    return real(name, *rest)
builtins.__import__ = watched
from reslab import NetSpec, build
build(NetSpec(depth=8, width=4))
print(*seen)
"""
    assert python(code, OMP_WAIT_POLICY=None) == ["PASSIVE"]


def test_a_headless_machine_trains_without_charts_widgets_attribution_or_a_cluster():
    absent = ["plotly", "ipywidgets", "anywidget", "captum", "skimage", "ray", "torchvision", "IPython"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))  # importing any of them now raises ImportError
import reslab.nets, reslab.datasets, reslab.capture, reslab.runs, reslab.store, reslab.train
import reslab.job, reslab.cluster, reslab.sweep, reslab.cli
from reslab import NetSpec, TrainSpec, digits, fit
split = digits()
spec = NetSpec(depth=8, width=4, **split.shape)
how = TrainSpec(epochs=0.2, capture_every=1)
run = fit(spec, split, how)
(same,) = reslab.sweep.sweep([spec], split, how)
assert same.history["loss"].equals(run.history["loss"])
print(run.outcome, len(run.history), run.layers["step"].max(), *[name for name in {absent} if sys.modules[name]])
"""
    assert python(code) == ["finished", "2", "2"]


def test_a_training_imports_nothing_that_it_does_not_need():
    """Each of these takes a second or more, and from 35 to 90 MB of every kernel of a class."""
    heavy = ["sklearn", "scipy", "sympy", "torch._dynamo", "torchvision"]
    code = f"""
import sys
from reslab import NetSpec, TrainSpec, digits, fit
split = digits()
fit(NetSpec(depth=8, width=4, **split.shape), split, TrainSpec(epochs=0.2, capture_every=1))
print(*[name for name in {heavy} if name in sys.modules])
"""
    assert python(code) == []


def test_every_name_of_the_face_is_there():
    assert len(reslab.__all__) == len(set(reslab.__all__))
    for name in reslab.__all__:
        assert getattr(reslab, name) is not None, name
        assert name in dir(reslab)
    namespace = {}
    exec("from reslab import *", namespace)
    assert set(reslab.__all__) <= set(namespace)


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("NetSpec", "nets"),
        ("build", "nets"),
        ("FAMILY", "nets"),
        ("replace", "nets"),
        ("digits", "datasets"),
        ("Split", "datasets"),
        ("TrainSpec", "train"),
        ("fit", "train"),
        ("evaluate", "train"),
        ("Run", "runs"),
        ("Checkpoint", "runs"),
    ],
)
def test_a_name_of_the_face_is_the_one_of_its_module(name, home):
    assert getattr(reslab, name) is getattr(importlib.import_module(f"reslab.{home}"), name)


@pytest.mark.parametrize("name", ["sweep", "train", "capture", "runs"])
def test_modules_are_modules_even_where_they_have_a_function_of_their_name(name):
    module = getattr(reslab, name)
    assert module is sys.modules[f"reslab.{name}"]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="reslab attribute resnet"):
        _ = reslab.resnet
    with pytest.raises(ImportError, match="cannot import name 'resnet'"):
        exec("from reslab import resnet")
    assert not hasattr(reslab, "_private")
