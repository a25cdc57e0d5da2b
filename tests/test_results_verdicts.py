"""Verdicts of nets that diverged: their numbers are NaN, and the answer says so, not an error or a wrong one."""

import numpy as np
import pandas as pd
import pytest

from reslab.results import (
    activations,
    attribution,
    backbones,
    gradient_factors,
    landscape,
    lesions,
    representations,
    scaling,
    super_resolution,
)
from reslab.results.frames import NO_ANSWER, answer_from, answer_up_to


def parts(cost):
    labels = {"model": "FCN", "body_name": "ours", "part": ["body", "head"], "name": ["stage 1", "head"], "grows": ""}
    return pd.DataFrame(labels | {"parameters": cost, "multiply_adds": cost})


def bands(plain, residual):
    labels = {"depth": 20, "seed": 0, "origin": "", "mode": "eval", "normalisation": "filter", "norms": "kept"}
    rows = [
        labels | {"name": name, "skip": skip, "direction": 0, "alpha": alpha, "loss": loss if alpha else start}
        for name, skip, (start, loss) in (("plain-20", False, plain), ("resnet-20", True, residual))
        for alpha in (-0.5, 0.0, 0.5)
    ]
    return pd.DataFrame(rows)


def falls(ours, other):
    rows = [("resnet-20", attribution.METHOD, kind, 0, fall) for kind, fall in (("map", ours), ("moved", other))]
    return pd.DataFrame(rows, columns=["name", "method", "kind", "seed", "fall"])


def gains(gain):
    labels = {"name": "direct-10", "skip": False, "block_skips": False, "depth": 10, "last": "He", "lr": 0.1}
    labels |= {"step": 9, "seed": 0, "origin": "", "picture": "camera", "psnr": gain}
    return pd.DataFrame([labels | {"gain": gain}])


def seeds(name, column, values, **labels):
    return pd.DataFrame({"name": name, "seed": range(len(values)), column: values} | labels)


def symptoms(shallow):
    return pd.DataFrame([{"ratio": 1.0, "autocorrelation": 0.9, "shallow_error": shallow, "train_error": 0.5}])


VERDICTS = {  # a verdict of one number, that of each net of a frame made by hand
    "lesions": (lesions.verdict, lambda x: seeds("resnet-56", "error", [x, x], whole=0.1), 0.1),
    "representations": (
        representations.verdict, lambda x: seeds("plain-56", "neighbour_accuracy", [x, x], step=0, index=13), 0.9,
    ),
    "activations": (activations.verdict, lambda x: seeds("resnet-56 · trained", "ratio", [x, x]), 2.0),
    "attribution": (attribution.verdict, lambda x: falls(x, 0.5), 0.1),
    "attribution beside a hole": (attribution.verdict, lambda x: falls(0.5, x), 0.9),
    "attribution, both": (attribution.verdict, lambda x: falls(x, x), 0.5),
    "super-resolution": (super_resolution.verdict, gains, 1.0),
    "landscape, plain": (landscape.verdict, lambda x: bands((x, x + 1), (0.1, 0.2)), 0.1),
    "landscape, residual": (landscape.verdict, lambda x: bands((0.1, 0.2), (x, x + 1)), 0.1),
    "scaling": (scaling.verdict, lambda x: pd.DataFrame({"name": ["resnet-56"], "hours": [x]}), 3.0),
    "gradient factors": (gradient_factors.diagnosis, symptoms, 0.1),
}  # fmt: skip


@pytest.mark.parametrize(("verdict", "frame", "measured"), VERDICTS.values(), ids=VERDICTS)
def test_a_verdict_of_what_is_not_a_number_says_so(verdict, frame, measured):
    assert verdict(frame(measured)) != NO_ANSWER
    assert verdict(frame(np.nan)) == NO_ANSWER


@pytest.mark.parametrize(
    ("verdict", "frame"),
    [
        (lesions.verdict, seeds("resnet-56", "error", [0.1, np.nan, 0.15], whole=0.1)),
        (representations.verdict, seeds("plain-56", "neighbour_accuracy", [0.9, np.nan, 0.8], step=0, index=13)),
    ],
)
def test_seeds_that_are_no_numbers_do_not_count_beside_others(verdict, frame):
    assert verdict(frame) in ("it hardly changes", "nearly all")


@pytest.mark.parametrize(("value", "up_to", "from_"), [(0.2, "a", "b"), (0.3, "b", "b"), (9.0, "b", "a")])
def test_answers_are_named_by_their_limits(value, up_to, from_):
    assert answer_up_to({"a": 0.2, "b": np.inf}, value) == up_to
    assert answer_from({"a": 1.0, "b": 0.0}, value) == from_


@pytest.mark.parametrize("share", [1.0, 1.0 + 1e-9])  # a sum of floats may be above the whole
def test_all_of_a_model_is_more_than_three_quarters(share):
    assert backbones.verdict(parts([share, 0.0]), "FCN") == "more than three quarters"


def test_the_time_of_a_net_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"a net is 'resnet-57'; it can be 'resnet-56'\. Did you mean 'resnet-56'\?"):
        scaling.verdict(pd.DataFrame({"name": ["resnet-56"], "hours": [1.0]}), "resnet-57")
