"""Arguments of experiments that hold several values: an empty one, a string and a single number are refused by name."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from reslab import NetSpec, build, digits, experiments
from reslab.experiments import film, representations, shattering, super_resolution, symptoms, variant_costs, variants

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
    with pytest.raises(ValueError, match=f"^{argument} {says}"):
        function(**{name: given[name] for name in needed} | {argument: value})
