"""`reslab.specs.fields`: a field is complete in one place, and one that is not is refused when its class is defined."""

import dataclasses
import json
from dataclasses import dataclass

import pytest

from reslab import recorded
from reslab.specs import NetSpec, TrainSpec, setting


@dataclass(frozen=True, kw_only=True)
class Grown(NetSpec):
    """A NetSpec with fields of every kind that are newer than the recorded runs."""

    squeeze_excitation: bool = setting(False, "weigh the channels of a branch", before=False)
    pooling: str = setting("mean", "what is taken of a channel", choices=("mean", "max"), before="mean")
    ratio: int = setting(16, "channels per hidden unit", low=1, high=64, before=16)
    temperature: float = setting(2.0, "of the weights", above=0, high=9, before=1.0)


def refusal(make, **fields):
    with pytest.raises(ValueError, match=r"it (must|can) be") as caught:
        make(**fields)
    return str(caught.value)


def test_a_new_field_must_say_what_it_was_before_it_existed():
    with pytest.raises(TypeError) as caught:

        class Forgetful(NetSpec):
            squeeze: bool = setting(False, "weigh the channels")

    said = str(caught.value)
    assert said.startswith("Forgetful.squeeze is a new field and does not say what it was before it existed")
    assert "add before=VALUE to its setting(...)" in said


@pytest.mark.parametrize("default", [False, dataclasses.field(default=False)])
def test_a_field_without_a_setting_is_refused(default):
    with pytest.raises(TypeError, match=r"Bare\.squeeze must be made by setting\(default, help\)"):

        class Bare(TrainSpec):
            squeeze: bool = default


@pytest.mark.parametrize("spec", [NetSpec, TrainSpec])
def test_every_field_has_a_help_of_one_line_and_the_first_ones_are_there(spec):
    fields = {field.name: field for field in dataclasses.fields(spec)}
    assert set(spec.FIRST_FIELDS) <= set(fields)
    for field in fields.values():
        assert field.metadata["help"]
        assert "\n" not in field.metadata["help"]
        assert not field.metadata["choices"] or field.default in field.metadata["choices"]
    for name in set(fields) - set(spec.FIRST_FIELDS):
        assert dataclasses.replace(spec(), **{name: fields[name].metadata["before"]})  # a value that the field can have


def test_a_new_field_is_checked_by_what_it_says():
    assert Grown(ratio=8).ratio == 8
    assert Grown.choices() == NetSpec.choices() | {"pooling": ("mean", "max")}
    assert refusal(Grown, squeeze_excitation=1) == "squeeze_excitation is 1; it must be True or False."
    assert refusal(Grown, pooling="men") == "pooling is 'men'; it can be 'mean', 'max'. Did you mean 'mean'?"
    assert refusal(Grown, ratio=65) == "ratio is 65; it must be from 1 to 64."
    assert refusal(Grown, temperature=0) == "temperature is 0; it must be a finite number above 0 and at most 9."
    assert type(Grown(temperature=1).temperature) is float


def test_what_was_written_before_a_field_existed_is_read_as_it_was_then():
    old = NetSpec(depth=8)
    assert Grown.from_dict(old.to_dict()) == Grown(depth=8, temperature=1.0)
    assert Grown.from_dict(json.loads(json.dumps(Grown(ratio=4).to_dict()))) == Grown(ratio=4)
    named = NetSpec.identifying(old.to_dict())
    assert Grown.identifying(Grown.from_dict(old.to_dict()).to_dict()) == named
    assert Grown.identifying(Grown(depth=8).to_dict()) == named | {"temperature": 2.0}
    assert TrainSpec.from_dict(TrainSpec().to_dict()) == TrainSpec()
    said = refusal(lambda **values: TrainSpec.from_dict(values), epoch=3)
    assert said.startswith("a field of TrainSpec is 'epoch'; it can be 'epochs', ")


def test_the_recorded_runs_are_named_as_they_were():
    """Their files' names, with the digests, come from the specs, for the 94 runs that are older than `setting` too."""
    store = recorded()
    runs = store.runs()
    assert len(runs) >= 94
    assert {store.path_of(run) for run in runs} == set(store.path.glob("*/*.json"))
