"""`reslab.checks`: valid values come back as plain Python values; every other one gives a sentence."""

import json
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from reslab import checks


@dataclass(frozen=True)
class Recipe:
    flour: int = 1
    sugar: int = 2


def refusal(check, *args, **kwargs):
    """The sentence that a check refuses with."""
    with pytest.raises(ValueError, match=r".") as caught:
        check(*args, **kwargs)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
    return str(caught.value)


# choice


def test_choice_returns_what_is_allowed():
    assert checks.choice("norm", "batch", ("batch", "none")) == "batch"
    assert checks.choice("norm", "b", (letter for letter in "abc")) == "b"  # an iterator is read once


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("bath", "norm is 'bath'; it can be 'batch', 'none'. Did you mean 'batch'?"),
        ("batchnorm", "norm is 'batchnorm'; it can be 'batch', 'none'. Did you mean 'batch'?"),
        ("BATCH", "norm is 'BATCH'; it can be 'batch', 'none'. Did you mean 'batch'?"),
        ("zzz", "norm is 'zzz'; it can be 'batch', 'none'."),
        ("", "norm is ''; it can be 'batch', 'none'."),
        (None, "norm is None; it can be 'batch', 'none'. Did you mean 'none'?"),
        (0, "norm is 0; it can be 'batch', 'none'."),
        (["batch"], "norm is ['batch']; it can be 'batch', 'none'. Did you mean 'batch'?"),
    ],
)
def test_choice_names_what_is_allowed_and_the_nearest(value, sentence):
    assert refusal(checks.choice, "norm", value, ("batch", "none")) == sentence


def test_choice_may_be_among_anything():
    assert checks.choice("groups", 8, (1, 8, 32)) == 8
    assert refusal(checks.choice, "groups", "8", (1, 8, 32)) == "groups is '8'; it can be 1, 8, 32. Did you mean 8?"


# integer


@pytest.mark.parametrize("value", [1, 3, 4, np.int64(3), np.uint8(4)])
def test_integer_returns_a_plain_int(value):
    result = checks.integer("width", value, 1, 4)
    assert type(result) is int
    assert result == value
    assert json.dumps(result) == str(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0, "width is 0; it must be from 1 to 4."),
        (5, "width is 5; it must be from 1 to 4."),
        (np.int64(5), "width is 5; it must be from 1 to 4."),
        (10**30, f"width is 1{'0' * 30}; it must be from 1 to 4."),
        (2.0, "width is 2.0; it must be a whole number, from 1 to 4."),
        (True, "width is True; it must be a whole number, from 1 to 4."),
        (math.nan, "width is nan; it must be a whole number, from 1 to 4."),
        (math.inf, "width is inf; it must be a whole number, from 1 to 4."),
        ("2", "width is '2'; it must be a whole number, from 1 to 4."),
        (None, "width is None; it must be a whole number, from 1 to 4."),
    ],
)
def test_integer_names_the_range(value, sentence):
    assert refusal(checks.integer, "width", value, 1, 4) == sentence


def test_integer_without_an_upper_end():
    assert checks.integer("seed", 10**30, 0) == 10**30
    assert refusal(checks.integer, "seed", -1, 0) == "seed is -1; it must be at least 0."
    assert refusal(checks.integer, "seed", 0.5, 0) == "seed is 0.5; it must be a whole number, at least 0."


# number


@pytest.mark.parametrize(
    "value", [0, 0.0, 0.5, 1, np.float32(0.25), np.float64(0.1), np.int64(1), Fraction(1, 3), 5e-324]
)
def test_number_returns_a_plain_float(value):
    result = checks.number("momentum", value, 0, 1)
    assert type(result) is float
    assert result == float(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (math.nan, "momentum is nan; it must be a finite number at least 0 and at most 1."),
        (np.float32("nan"), "momentum is nan; it must be a finite number at least 0 and at most 1."),
        (math.inf, "momentum is inf; it must be a finite number at least 0 and at most 1."),
        (-math.inf, "momentum is -inf; it must be a finite number at least 0 and at most 1."),
        (-0.5, "momentum is -0.5; it must be a finite number at least 0 and at most 1."),
        (1.00000001, "momentum is 1.00000001; it must be a finite number at least 0 and at most 1."),
        (Fraction(3, 2), "momentum is 3/2; it must be a finite number at least 0 and at most 1."),
        (True, "momentum is True; it must be a number at least 0 and at most 1."),
        ("0.5", "momentum is '0.5'; it must be a number at least 0 and at most 1."),
        (None, "momentum is None; it must be a number at least 0 and at most 1."),
        (1j, "momentum is 1j; it must be a number at least 0 and at most 1."),
    ],
)
def test_number_names_the_range(value, sentence):
    assert refusal(checks.number, "momentum", value, 0, 1) == sentence


def test_number_above_leaves_the_lower_end_out():
    assert checks.number("lr", 5e-324, above=True) == 5e-324
    assert refusal(checks.number, "lr", 0, above=True) == "lr is 0; it must be a finite number above 0."
    assert refusal(checks.number, "lr", -1e-9, above=True) == "lr is -1e-09; it must be a finite number above 0."
    assert (
        refusal(checks.number, "lr", "x", 0, 2, above=True) == "lr is 'x'; it must be a number above 0 and at most 2."
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_number_is_finite_even_in_an_open_range(value):
    assert (
        refusal(checks.number, "shift", value, -math.inf)
        == f"shift is {value}; it must be a finite number."
    )


# flag


def test_flag_takes_true_and_false_only():
    assert checks.flag("skip", True) is True
    assert checks.flag("skip", False) is False
    assert refusal(checks.flag, "skip", 1) == "skip is 1; it must be True or False."
    assert refusal(checks.flag, "skip", "False") == "skip is 'False'; it must be True or False."
    assert refusal(checks.flag, "skip", None) == "skip is None; it must be True or False."


# replace


def test_replace_changes_the_named_fields_of_a_copy():
    recipe = Recipe()
    assert checks.replace(recipe, sugar=5) == Recipe(flour=1, sugar=5)
    assert checks.replace(recipe) == recipe == Recipe()


def test_replace_names_the_nearest_field():
    expected = "a field of Recipe is 'suger'; it can be 'flour', 'sugar'. Did you mean 'sugar'?"
    assert refusal(checks.replace, Recipe(), suger=3) == expected
    assert refusal(checks.replace, Recipe(), sugar=3, suger=3) == expected


def test_replace_refuses_a_field_named_like_its_own_argument():
    assert (
        refusal(checks.replace, Recipe(), **{"spec": 1}) == "a field of Recipe is 'spec'; it can be 'flour', 'sugar'."
    )


def test_numpys_numbers_are_taken_as_pythons():
    assert checks.number("lr", np.float32(0.5)) == 0.5
    assert type(checks.number("lr", np.float64(0.1))) is float
    with pytest.raises(ValueError, match=r"^lr is inf; it must be a finite number at least 0\.$"):
        checks.number("lr", np.float32("inf"))


def test_a_seed_is_one_that_every_generator_takes():
    assert checks.seed("seed", 2**63 - 1) == 2**63 - 1
    torch.Generator().manual_seed(2**63 - 1)
    with pytest.raises(ValueError, match=r"^seed is 9223372036854775808; it must be from 0 to 9223372036854775807\.$"):
        checks.seed("seed", 2**63)


# several


@pytest.mark.parametrize("values", [(1, 2), [1, 2], np.array([1, 2]), torch.tensor([1, 2]), range(1, 3), iter([1, 2])])
def test_several_takes_any_collection(values):
    assert checks.several(seeds=values) == [[1, 2]]


def test_several_names_what_is_empty_or_one_value():
    assert checks.several(nets={"a": 1}, seeds={3}) == [["a"], [3]]
    empty = "seeds is empty; give at least one value, or leave it out for the usual ones."
    one = "nets is 'x'; it must be several values, or one in a list, as ['x']."
    assert refusal(checks.several, nets="x", seeds=()) == one
    assert [refusal(checks.several, seeds=none) for none in ((), {}, np.array([]), iter(()))] == [empty] * 4
    keyed = "seeds is a {}; it must be a list of its values, or of its keys."
    assert refusal(checks.several, seeds={0: 5}) == keyed.format("dict")  # its keys are not what was meant
    assert refusal(checks.several, seeds=pd.DataFrame([[1, 2]])) == keyed.format("DataFrame")
    assert refusal(checks.several, nets=b"x") == one.replace("'x'", "b'x'")
    assert refusal(checks.several, seeds=3) == "seeds is 3; it must be several values, or one in a list, as [3]."


# named


def test_named_takes_a_dict():
    assert checks.named("nets", {"a": 1}, "number") == {"a": 1}
    assert checks.named("nets", {}, "number", empty=True) == {}
    assert refusal(checks.named, "nets", {}, "number").startswith("nets is empty; give at least one value")


@pytest.mark.parametrize(
    ("value", "given"),
    [("a", "'a'"), (3, "3"), (None, "None"), ([1], "a list"), (pd.Series([1]), "a Series"), (iter([]), "a list_iter")],
)
def test_named_says_what_a_dict_holds(value, given):
    assert refusal(checks.named, "nets", value, "number").startswith(f"nets is {given}")
    assert refusal(checks.named, "nets", value, "number").endswith("it must be a dict, {name: number}.")


def test_text_is_a_text():
    assert checks.text("name", "a") == "a"
    assert refusal(checks.text, "name", None) == "name is None; it must be a text."
