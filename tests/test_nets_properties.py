"""Every valid spec builds, trains, counts right and survives JSON; every other one is refused in a sentence that leads
to a valid one."""

import json
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import blocks, images, layers, parameters, refusal
from torch.utils.flop_counter import FlopCounterMode

from reslab.nets import CHOICES, FAMILY, NetSpec, build, replace, valid_depths
from reslab.nets.complexity import complexity

pytestmark = pytest.mark.usefixtures("one_thread")

REPEATABLE = {"deadline": None, "derandomize": True, "database": None}


@st.composite
def valid_specs(draw):
    """Small nets of every kind: what the choice of one field leaves to the others is drawn from all that it leaves."""
    names = {field: draw(st.sampled_from(values)) for field, values in CHOICES.items() if field not in ("stem", "init")}
    fields = names | {
        "width": draw(st.integers(1, 4)),
        "in_channels": draw(st.integers(1, 3)),
        "classes": draw(st.integers(2, 5)),
    }
    if names["block"] == "vgg":
        fields |= {"stem": "none", "skip": False, "order": "original"}
    else:
        fields |= {"stem": draw(st.sampled_from(["cifar", "imagenet", "deep"])), "skip": draw(st.booleans())}
        fields |= {"widen": draw(st.integers(1, 3))}
    if names["block"] == "bottleneck":
        inner = fields["width"] * fields["widen"]
        fields |= {"groups": draw(st.sampled_from([n for n in range(1, inner + 1) if inner % n == 0]))}
    if fields["skip"]:
        fields |= {"stochastic_depth": draw(st.just(0.0) | st.floats(0, 1))}
    for_fixup = fields["skip"] and names["norm"] == "none" and names["residual_scale"] == "one"
    fields["init"] = draw(st.sampled_from(CHOICES["init"] if for_fixup else CHOICES["init"][:-1]))
    fields["image_size"] = draw(st.integers(*(4, 9) if fields["stem"] == "cifar" else (32, 35)))
    shallowest = valid_depths(names["block"], fields["stem"], fields.get("widen", 1))[
        : 2 if fields["stem"] == "cifar" else 1
    ]
    fields["depth"] = draw(st.sampled_from(shallowest))
    return NetSpec(**fields)


@given(spec=valid_specs())
@settings(max_examples=40, **REPEATABLE)
def test_any_valid_spec_is_built_trains_counts_right_and_survives_json(spec):
    assert NetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    net = build(spec)
    logits = net(images(spec))
    assert logits.shape == (2, spec.classes)
    assert logits.isfinite().all()
    F.cross_entropy(logits, torch.arange(2) % spec.classes).backward()
    missing = {name for name, parameter in net.named_parameters() if parameter.grad is None}
    if spec.stochastic_depth:  # only the branches that this pass went around have no gradient
        assert all(".branch." in name for name in missing)
    else:
        assert not missing
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters() if parameter.grad is not None)

    stem = spec.stem != "none"  # which counts once, however many convolutions it has
    weighted = stem + sum(".shortcut." not in name and not name.startswith("stem.") for name in layers(net))
    is_wide_cifar = spec.stem == "cifar" and spec.block == "basic" and spec.widen > 1
    assert spec.depth == weighted + 2 * is_wide_cifar  # Wide ResNets count three projections, and not the classifier
    assert len(blocks(net)) == sum(spec.blocks_per_stage)

    costs = complexity(spec)
    assert costs["parameters"].sum() == parameters(net)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(images(spec, 1))
    assert 2 * costs["multiply_adds"].sum() == counter.get_total_flops()


JUNK = st.sampled_from([None, True, -1, 0, 10**9, 2.5, float("nan"), "", "none", "resnet", [3], "imagenett"])
FIELDS = {field: st.sampled_from(values) for field, values in CHOICES.items()} | {
    "depth": st.integers(1, 60) | st.sampled_from([101, 110, 152, 1202, 2000]),
    "skip": st.booleans(),
    "stochastic_depth": st.sampled_from([0, 0.5, 1, 2]),
    "width": st.integers(1, 64),
    "widen": st.integers(1, 10),
    "groups": st.integers(1, 64),
    "in_channels": st.integers(1, 3),
    "image_size": st.sampled_from([3, 4, 8, 28, 32, 224]),
    "classes": st.integers(1, 10),
}


NUMBER = r"; it must be .*(?:from|at least) (\d+)|: (\d+) or \d+\.$|; the nearest is (\d+)\.$"


def advice(sentence):
    """The fields that a refusal asks for: read from its words alone."""
    field = sentence.partition(" is ")[0]
    if match := re.search(r": take (.*)\.$", sentence):
        return eval(f"dict({match[1]})")
    if match := re.search(NUMBER, sentence):
        return {field: int(match[match.lastindex])}
    if match := re.search(r"Did you mean '(.*)'\?$|; it can be '(.*?)'", sentence):
        return {field: match[match.lastindex]}
    assert sentence.endswith("it must be True or False."), sentence
    return {field: True}


@given(fields=st.fixed_dictionaries({}, optional={name: values | JUNK for name, values in FIELDS.items()}))
@settings(max_examples=300, **REPEATABLE)
def test_any_other_spec_is_refused_in_sentences_that_lead_to_a_valid_one(fields):
    for _ in range(2 * len(FIELDS)):
        try:
            spec = NetSpec(**fields)
        except ValueError:
            said = refusal(NetSpec, **fields)
        else:
            assert NetSpec.from_dict(spec.to_dict()) == spec
            return
        assert re.fullmatch(r"\w+ is [^\n]*[.?]", said)
        assert refusal(replace, NetSpec(), **fields) == said
        fields = fields | advice(said)
    raise AssertionError(f"the advice goes round in circles: {said}")


def test_the_advice_is_taken_from_nets_of_the_family_too():
    for name, spec in FAMILY.items():
        for field, values in CHOICES.items():
            for value in values:
                fields = spec.to_dict() | {field: value}
                for _ in range(len(FIELDS)):
                    try:
                        NetSpec(**fields)
                        break
                    except ValueError as error:
                        fields |= advice(str(error))
                else:
                    raise AssertionError(f"{name} with {field}={value!r} finds no way out")
