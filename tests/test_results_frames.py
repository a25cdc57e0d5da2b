"""Results are asked of a frame: what is no frame, or the frame of another lesson, is refused by its columns."""

import importlib
import inspect
import pkgutil

import pandas as pd
import pytest

from reslab import results

FRAMES = ("frame", "table", "layers", "steps", "remedies", "failures", "factors", "parts")
OTHERS = {  # of what results themselves made, or of any frame
    "degradation.trend", "feature_maps.first_image", "gradient_flow.first_level", "variants.cost_ratios",
}  # fmt: skip
MORE = {  # the other arguments
    "activations.medians": ["ratio"],
    "activations.nets": ["ratio"],
    "activations.by_depth": ["batch"],
    "attribution.per_seed": [[], "fall"],
    "degradation.best": [6],
    "feature_maps.edits": [3],
    "frames.require": [("name",), "The chart"],
    "representations.at_the_end": ["share"],
    "representations.over_seeds": ["share"],
    "residual_block.ends": ["lr", True],
    "residual_block.nearer_to_its_target": ["lr"],
    "super_resolution.at_step": ["direct-10"],
    "variants.verdict": ["wide"],
}


def functions():
    for module in pkgutil.iter_modules(results.__path__):
        made = importlib.import_module(f"reslab.results.{module.name}")
        for name, function in vars(made).items():
            if inspect.isfunction(function) and function.__module__ == made.__name__ and not name.startswith("_"):
                path = f"{module.name}.{name}"
                if next(iter(inspect.signature(function).parameters)) in FRAMES and path not in OTHERS:
                    yield pytest.param(function, MORE.get(path, []), id=path)


@pytest.mark.parametrize(("function", "more"), [*functions()])
def test_what_is_no_frame_is_refused_by_its_kind(function, more):
    """A pair is what `super_resolution.best_rate` gives: a frame and nets."""
    for wrong in ([{"ab": 1}], {"ab": 1}, "ab", None, pd.Series({"name": 1}), (pd.DataFrame(), {})):
        kind = type(wrong).__name__
        with pytest.raises(TypeError, match=rf"^[A-Z].* needs a frame with the columns .*, not a {kind}\.$"):
            function(wrong, *more)


@pytest.mark.parametrize(("function", "more"), [*functions()])
def test_the_frame_of_another_lesson_is_refused_by_what_it_lacks(function, more):
    with pytest.raises(ValueError, match=r"^[A-Z].* cannot be made: the frame lacks .*; it needs "):
        function(pd.DataFrame({"ab": [1]}), *more)
