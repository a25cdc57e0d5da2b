"""Arguments of experiments that hold several values: an empty one, a string and a single number are refused by name."""

import importlib
import inspect
import pkgutil

import numpy as np
import pandas as pd
import pytest

from reslab import NetSpec, build, digits, experiments
from reslab.experiments import (
    film,
    mean_field,
    representations,
    shattering,
    super_resolution,
    symptoms,
    variant_costs,
    variants,
)

MAY_BE_EMPTY = {"activation", "dilate", "out", "shown", "thorough"}


REQUIRED = [  # without such a default
    (film.of_runs, "depths"),
    (representations.neighbours, "places"),
    (shattering.on_a_grid, "nets"),
    (super_resolution.best_rate, "pictures"),
    (symptoms.symptoms, "specs"),
    (variant_costs.step_times, "specs"),
    (variants.recorded_nets, "names"),
]
NAMED = [  # arguments that are a dict, with what is no value of one of its names, and what is said of it
    (super_resolution.pieces, "names", {"camera": 5}, "the corner of camera is 5; "),
    (super_resolution.pieces, "names", {"camera": (5,)}, r"the corner of camera is \(5,\); it must be \(top, left\)"),
    (super_resolution.pieces, "names", {"camera": (0, 999)}, "the left of camera is 999; it must be from 0 to 384"),
    (shattering.on_a_grid, "nets", {"mine": [True]}, "mine is a list; it must be a dict, {name: value}"),
    (shattering.on_a_grid, "nets", {"mine": {"skips": True}}, "a flag of mine is 'skips'; .* Did you mean 'skip'?"),
    (mean_field.growth_by_layer, "layers", {"mine": 3}, r"mine is 3; it must be \(BatchNorm, activation\)"),
    (mean_field.growth_by_layer, "layers", {"mine": (1, "relu")}, "BatchNorm of mine is 1; it must be True or False"),
    (mean_field.growth_by_layer, "layers", {"mine": (True, "elu")}, "activation of mine is 'elu'; it can be '', "),
    (variant_costs.step_times, "specs", {"mine": 3}, "mine is 3; it must be a NetSpec"),
    (film.record, "specs", {"": 3}, "specs of '' is 3; it must be several values"),
]


NEEDED = {  # what else a function asks for before it looks at the split
    variant_costs.step_times: {"specs": {"a": NetSpec(depth=8)}},
    film.with_pictures: {"state": {}},
    film.only_referred: {"state": {"nets": [], "pictures": []}},
}


def functions():
    """(name, function) of every public function of reslab.experiments."""
    for module in pkgutil.iter_modules(experiments.__path__):
        made = importlib.import_module(f"reslab.experiments.{module.name}")
        for name, function in vars(made).items():
            if inspect.isfunction(function) and function.__module__ == made.__name__ and not name.startswith("_"):
                yield f"{module.name}.{name}", function


def collections():
    """(function's name, function, argument) where the default is a collection of several values."""
    for name, function in functions():
        for parameter in inspect.signature(function).parameters.values():
            if isinstance(parameter.default, tuple | list | dict) and parameter.name not in MAY_BE_EMPTY:
                yield pytest.param(function, parameter.name, id=f"{name}({parameter.name})")
    for function, argument in REQUIRED:
        yield pytest.param(function, argument, id=f"{function.__name__}({argument})")


@pytest.fixture(scope="module")
def given():
    """Arguments that a function needs, by their names."""
    split = digits().subset(64, 30)
    spec = NetSpec(depth=8, width=4, **split.shape)
    net = build(spec)
    x, y = split.batch(slice(4), "test")
    image = np.zeros((8, 8, 3), np.uint8)
    values = {"split": split, "spec": spec, "specs": {"": [spec]}, "net": net, "model": net, "x": x, "target": y}
    values |= {"pictures": [image], "picture": image, "lr": 0.1, "steps": 600, "nets": [net], "command": "reslab train"}
    return values | {"store": None, "dataset": "digits", "depths": (8,), "places": (0,), "names": ("plain-8",)}


@pytest.mark.parametrize(("function", "argument"), [*collections()])
@pytest.mark.parametrize(("value", "says"), [((), "is empty; give at least one"), ("ab", "is 'ab'"), (3, "is 3;")])
def test_it_is_refused_by_name(given, function, argument, value, says):
    needed = [name for name, parameter in inspect.signature(function).parameters.items()
              if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD]  # fmt: skip
    if value == () and any(function is takes and argument == name for takes, name, *_ in NAMED):
        value = {}
    with pytest.raises(ValueError, match=f"^{argument} {says}"):
        function(**{name: given[name] for name in needed} | {argument: value})


def of_a_split():
    for name, function in functions():
        if "split" in inspect.signature(function).parameters and name != "film.of_runs":  # it asks a store first
            yield pytest.param(function, id=name)


def begun(made):
    """Of a generator, the first value; anything else as it is."""
    return next(made) if inspect.isgenerator(made) else made


@pytest.mark.parametrize("function", [*of_a_split()])
def test_a_name_and_a_pair_of_arrays_are_no_split(given, function):
    """A split is asked for by its name, not by an attribute that a string does not have."""
    parameters = inspect.signature(function).parameters
    needed = [name for name, parameter in parameters.items()
              if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD]  # fmt: skip
    others = {name: given.get(name) for name in needed} | NEEDED.get(function, {})
    for wrong, makes in (("digits", r"load\('digits'\)"), ((given["x"], given["target"]), r"from_arrays\(x, y\)")):
        with pytest.raises(TypeError, match=rf"^split must be a Split, as digits\(\) and {makes} make one, not "):
            begun(function(**others | {"split": wrong}))


@pytest.mark.parametrize(("function", "argument", "value", "says"), NAMED)
def test_a_dict_is_asked_for_by_name_and_so_is_each_of_its_values(given, function, argument, value, says):
    needed = [name for name, parameter in inspect.signature(function).parameters.items()
              if parameter.default is parameter.empty and name != argument]  # fmt: skip
    others = {name: given[name] for name in needed}
    for wrong in (["a"], ("a",), pd.Series(["a"]), pd.DataFrame({"a": [1]}), iter(["a"]), {"a"}):
        kind = type(wrong).__name__
        with pytest.raises(ValueError, match=rf"^{argument} is a {kind}; it must be a dict, {{name: "):
            function(**others, **{argument: wrong})
    with pytest.raises(ValueError, match=f"^{says}"):
        function(**others, **{argument: value})


def test_a_flag_that_is_left_out_has_its_default():
    assert not shattering.on_a_grid({"mine": {}}, depths=(1,))["skip"].any()
