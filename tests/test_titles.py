"""Titles that are statements: each is said by a frame that supports it, and not by one that does not, or whose seeds
overlap; a live chart keeps its title."""

import invented
import numpy as np
import pandas as pd
import pytest
import test_figures_attribution as seven
import test_figures_backbones as ten
import test_figures_landscape as six
import test_figures_lesions as five
import test_figures_representations as four
import test_figures_super_resolution as eight
from invented import along, edits, ends, grown, histories, learning, signal, together

from reslab.figures import backbones, degradation, receptive_field, theme
from reslab.figures.text import activations, attribution, gradient_factors, gradient_flow, landscape, lesions
from reslab.figures.text import backbones as of_models
from reslab.figures.text import degradation as errors
from reslab.figures.text import dynamics as in_time
from reslab.figures.text import feature_maps as looked
from reslab.figures.text import loss_along_gradient as steps
from reslab.figures.text import mean_field as grows
from reslab.figures.text import paths as of_paths
from reslab.figures.text import representations as seen
from reslab.figures.text import residual_block as block
from reslab.figures.text import scaling as hours
from reslab.figures.text import shattering as shattered
from reslab.figures.text import super_resolution as enlarged
from reslab.figures.text import variants as changed
from reslab.results import feature_maps as results_of_maps

LONGEST = 60  # letters that fit on one line at 700 px

# Lesson 01
PLAIN = {"plain-20": (0.1, 0.11), "plain-56": (0.7, 0.8)}
LEVEL = {"resnet-20": 0.01, "resnet-56": 0.02}
OTHERS = {"rising": {"resnet-20": 0.01, "resnet-56": 0.2}, "overlapping": {"plain-20": (0.1, 0.9), "plain-56": 0.8}}


def rates(short=(0.7, 0.8), long=(0.2, 0.3), twin=(0.01, 0.02)):
    of = {("plain-56", 0.1, 6): short, ("plain-56", 0.1, 60): long, ("resnet-56", 0.1, 6): twin}
    return invented.rates(of)


def over_steps(plain=(200, 150), residual=(9, 8), last=1.0):
    """The ratio first/last at step 1 of each seed, and of all at step 40."""
    return together(*(
        ends(name, ratio, seed=seed, step=step)
        for name, first in (("plain-56", plain), ("resnet-56", residual)) for seed, at in enumerate(first)
        for step, ratio in ((1, at), (40, last))
    ))  # fmt: skip


def by_depth(shallow=(1, 2), deep=(30, 40)):
    of = (("plain-8", shallow), ("plain-56", deep))
    return together(*(ends(name, ratio, seed=seed) for name, some in of for seed, ratio in enumerate(some)))


def growing(both=1.9, norm=1.0, relu=1.0):
    nets = (("both", both, True, "relu"), ("BatchNorm", norm, True, ""), ("ReLU", relu, False, "relu"))
    return together(*(grown(name, growth, norm=n, activation=a) for name, growth, n, a in nets))


def best_steps(plain=(0.1, 0.2), residual=(0.9, 1.0)):
    of = (("plain-56", plain), ("resnet-56", residual))
    return together(*(along(name, (0.0, fall), seed=seed) for name, some in of for seed, fall in enumerate(some)))


def symptoms(level=3.0, error=0.1, other=0.9):
    """A net that learned, one with a level gradient that did not, and one whose gradient vanishes."""
    nets = (("a", level, error), ("b", 1.0, other), ("c", 1e-6, 0.9))
    rows = [(name, ratio, wrong, "finished") for name, ratio, wrong in nets]
    return pd.DataFrame(rows, columns=["name", "ratio", "train_error", "outcome"])


# Lesson 03
def blocks(residual=(3, 4), plain=(20, 30)):
    """The step at which each seed is within 10 % of its target, of 20."""
    curve = lambda at: np.where(np.arange(20) < at, 1.0, 0.05)  # noqa: E731
    return together(*(
        learning(skip, curve(at), seed=seed) for skip, some in ((True, residual), (False, plain))
        for seed, at in enumerate(some)
    ))  # fmt: skip


def ended(x, *places, blocks=1):
    """places: (value of x, errors of the residual seeds, of the plain ones)."""
    rows = [(at, skip, seed, error) for at, *both in places for skip, some in zip((True, False), both, strict=True)
            for seed, error in enumerate(some)]  # fmt: skip
    return pd.DataFrame(rows, columns=[x, "skip", "seed", "error"]).assign(**{"blocks": blocks} if x == "lr" else {})


# Lessons 04 to 07
def nets(plain, residual):
    of = (("plain-20", plain), ("resnet-20", residual))
    return together(*(four.net(name, (1, end), seed=seed) for name, some in of for seed, end in enumerate(some)))


def kept(plain=(0.2, 0.3), residual=(0.8, 0.9)):
    of = (("plain-20", plain), ("resnet-20", residual))
    return together(*(signal(name, value, seed=seed) for name, some in of for seed, value in enumerate(some)))


def edited(plain=(5, 0, 3, 0), residual=(0, 3, 5, 0)):
    """Of an x of 0, 3, 4, 0: the cosines are 0.41 and 0.99."""
    return results_of_maps.edits(together(edits("resnet-20", (residual,)), edits(outputs=(plain,))), 1)


def out(plain=(0.8, 0.9, 0.9), residual=(0.6, 0.1, 0.1), **columns):
    return pd.concat([five.invented("plain-20", plain, **columns), five.invented("resnet-20", residual, **columns)])


def paths(short=0.9, step=60):
    """The shares of paths through 0, 1 .. 8 of 8 branches."""
    share = [short, *[(1 - short) / 8] * 8]
    frame = pd.DataFrame({"length": range(9), "share": share, "counted": 0.1, "blocks": 8})
    return frame.assign(name="resnet-20", depth=20, seed=0, step=step)


def pairs(plain, residual):
    return pd.concat([six.lines("plain-20", plain), six.lines("resnet-20", residual)], ignore_index=True)


def between(top):
    return six.LINE.assign(loss=[0.1, top, 0.2])


def holes(name="resnet-20", method="Grad-CAM", **falls):
    """The fall of the probability by hole: two seeds, 0.1 apart."""
    return pd.DataFrame(
        seven.labels(name, seed) | {"method": method, "kind": kind, "image": 0, "fall": fall + 0.1 * seed}
        for seed in (0, 1) for kind, fall in falls.items()
    )  # fmt: skip


MAPS = {"map": 0.8, "moved": 0.3}
LESS = holes(method="saliency", map=0.2, moved=0.3)  # a second map, which does less than other holes


def disc(fall):
    return holes(method="", disc=fall)


def changed_maps(*alike):
    """What is left of one kind of map with new weights in all layers; one number per seed."""
    rows = [{"method": "saliency", "drawn": 2, "module": "fc", "alike": value} for value in alike]
    return pd.DataFrame(seven.labels("resnet-20", seed) | row for seed, row in enumerate(rows))


# Lessons 08 to 11
def gains(*nets):
    """nets: (skip, depth, gain); three seeds, from this gain to 0.2 dB above."""
    return pd.DataFrame(row for skip, depth, gain in nets for row in eight.rows(skip, False, depth, gain))


def depths(bare, skip):
    return gains(*((kind, depth, gain) for kind, some in ((False, bare), (True, skip))
                   for depth, gain in zip((4, 20), some, strict=True)))  # fmt: skip


def race(base=0.5, variant=0.1, *seeds):
    return together(invented.variants("ResNet", base, *seeds), invented.variants("pre-activation", variant, *seeds))


def responding(plain, residual):
    of = (("plain-20", plain), ("resnet-20", residual))
    return together(*(signal(name, seed=seed).assign(std=std) for name, some in of for seed, std in enumerate(some)))


def apart(plain=(0.0, 0.1), other=(0.8, 0.9)):
    nets = [("plain · BatchNorm", depth, some) for depth, some in ((1, (0.9, 0.9)), (50, plain))]
    return invented.autocorrelations(*nets, ("residual · BatchNorm", 50, other), ("plain · no norm", 24, other))


def probes(trained=0.9, untrained=0.15):
    right = np.where(ten.FIELDS["trained"], trained, untrained)
    return ten.FIELDS.assign(readout_accuracy=right, guess=0.1, pictures="CIFAR-10")


SAID = {
    "With more layers plain nets err more, residual nets do not": errors.depth_title(
        histories(PLAIN | LEVEL, seeds=2)
    ),
    "With more layers nets err more, but less so with skips": errors.depth_title(histories(PLAIN | OTHERS["rising"])),
    "More time helps the plain net, but less than the skip does": errors.rate_title(rates()),
    "Without skips the gradient explodes, but only at first": gradient_flow.steps_title(over_steps()),
    "Without skips the gradient explodes": gradient_flow.steps_title(over_steps(last=200)),
    "The explosion ends, but the plain net errs on most pictures": in_time.title(invented.dynamics()),
    "The deeper the plain net, the more its gradient grows": gradient_flow.depth_title(by_depth()),
    "BatchNorm alone or ReLU alone: level. Together: it grows": grows.title(growing()),
    "Forward a change grows, backward the gradient": seen.chaos_title(nets((0.5, 0.4), (0.9, 0.8))),
    "At its best rate, a step lowers the loss more with skips": steps.title(best_steps()),
    "All that learned had a level gradient; some others had, too": gradient_factors.symptoms_title(symptoms()),
    "Only the block with the skip comes within 10 % of its target": block.learning_title(blocks()),
    "With the skip the block learns its target sooner": block.learning_title(blocks(plain=(10, 11))),
    "Without the skip the block learns its target sooner": block.learning_title(blocks((10, 11), (3, 4))),
    "At each learning rate the block with the skip ends nearer": block.end_title(
        ended("lr", (0.1, (0.1, 0.2), (0.3, 0.4)), (1, (0.1, 0.2), (0.5, 0.6))), "lr"
    ),
    "At each distance the block without the skip ends nearer": block.end_title(
        ended("distance", (0.5, (0.3, 0.4), (0.1, 0.2)), (1, (0.6, 0.6), (0.1, 0.2))), "distance"
    ),
    "The skip helps at the identity, and harms far from it": block.end_title(
        ended("distance", (0, (0.1, 0.2), (0.3, 0.4)), (1, (0.3, 0.4), (0.1, 0.2))), "distance"
    ),
    "Each at its best rate, the stack without skips ends nearer": block.end_title(
        ended("lr", (0.1, (0.3, 0.4), (0.8, 0.9)), (1, (0.5, 0.6), (0.1, 0.2)), (9, (0.01,), (0.9,)), blocks=8), "lr"
    ),
    "Without skips the digits are lost, with skips only in part": seen.title(nets((0.1, 0.2), (0.3, 0.4))),
    "Without skips, nearly equal pictures become nearly unrelated": seen.title(
        nets((0.1, 0.2), (0.8, 0.9)), "noise_cosine"
    ),
    "Residual blocks keep more of their input than plain ones do": activations.similarity_title(kept()),
    "Most single blocks of resnet-20 can go, none of plain-20": lesions.title(out()),
    "The trained net's gradient goes mostly through short paths": of_paths.title(paths()),
    "With the skip, y is x with changes; without, another picture": looked.edit_title(edited()),
    "In 2 of 3 pairs the residual net's loss rises more": landscape.pairs_title(pairs((2, 3, 1), (1, 4, 5))),
    "Between two trained nets there is a hill": landscape.between_title(between(3.0)),
    "The map's pixels count more than the same shape elsewhere": attribution.falls_title(holes(**MAPS, disc=0.9)),
    "Deleting the map's pixels lowers the probability most": attribution.falls_title(holes(**MAPS, disc=0.6)),
    "Each map's pixels count more than the same shape elsewhere": attribution.falls_title(
        pd.concat([holes(**MAPS), holes("plain-20", **MAPS)])
    ),
    "1 of 2 maps do more than a disc in the centre": attribution.falls_title(
        pd.concat([holes(**MAPS), LESS, disc(0.6)])
    ),
    "New random weights change every kind of map": attribution.randomisation_title(changed_maps(0.2, 0.6)),
    "Better than bicubic with the global skip, worse without": enlarged.title(gains((True, 10, 0.5), (False, 10, -2))),
    "More layers make it clearly worse only without any skip": enlarged.depth_title(depths((0.3, -2), (0.5, 0.45))),
    "Pre-activation: lower training error than ResNet": changed.race_title(race(), "ResNet"),
    "Pre-activation: higher training error than ResNet": changed.race_title(race(0.1, 0.5), "ResNet"),
    "More than half of each model's parameters are its body": of_models.shares_title(ten.LAYERS),
    "One place sees far less than its layers allow": of_models.field_title(
        ten.FIELDS[ten.FIELDS["name"] == "resnet-20"]
    ),
    "On CIFAR-10 only trained bodies get most pictures right": of_models.probe_title(probes()),
    "2 workers are 1.9 times as fast as 1 here": hours.throughput_title(invented.throughput()),
    "2 workers are no faster than 1 here": hours.throughput_title(invented.throughput().assign(speed=[1, 1.02])),
    "On average residual nets respond less than plain ones": activations.responses_title(
        responding(plain=(0.17, 0.18), residual=(0.12, 0.13))
    ),
    "Only with BatchNorm and no skips gradients become unrelated": shattered.title(apart(other=(0.6, 0.9))),
    "1 of 2 clearly higher, none clearly lower": changed.errors_title(
        together(race(0.1, 0.5), invented.variants("wide", 0.11))
    ),
    "The paper's training of resnet-56 would take 40 minutes here": hours.hours_title(
        pd.DataFrame({"name": ["resnet-20", "resnet-56"], "hours": [0.2, 2 / 3]})
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", SAID)
def test_a_frame_that_supports_a_title_has_it(title):
    assert SAID[title] == title
    assert len(title) <= LONGEST


NEUTRAL = {
    "lesions: a net has not learned": lesions.title(out(whole=0.89)),
    "representations: nothing is lost with skips": seen.title(nets((0.1, 0.2), (0.9, 0.95))),
    "probe: of another net": of_models.probe_title(probes().query("name != 'plain-20' or trained")),
    "probe: of pictures without a name": of_models.probe_title(probes().drop(columns="pictures")),
    "probe: on two kinds of pictures": of_models.probe_title(together(probes(), probes().assign(pictures="digits"))),
    "degradation: residual nets rise as far": errors.depth_title(
        histories(PLAIN | {"resnet-20": 0.1, "resnet-56": 0.8})
    ),
    "degradation: plain nets stay level": errors.depth_title(histories({"plain-20": 0.1, "plain-56": 0.11} | LEVEL)),
    "degradation: the seeds overlap": errors.depth_title(histories(OTHERS["overlapping"] | LEVEL, seeds=2)),
    "degradation: the error first falls": errors.depth_title(histories({"plain-8": 0.3} | PLAIN | LEVEL)),
    "degradation: between, the error falls": errors.depth_title(
        histories({"plain-20": 0.1, "plain-32": 0.3, "plain-44": 0.2, "plain-56": 0.8} | LEVEL)
    ),
    "degradation: the residual nets have another depth": errors.depth_title(
        histories(PLAIN | {"resnet-20": 0.01, "resnet-32": 0.01})
    ),
    "degradation: still running": errors.depth_title(histories(PLAIN | LEVEL, outcome="running")),
    "degradation: one kind of net": errors.depth_title(histories(PLAIN)),
    "degradation: two machines disagree": errors.depth_title(
        together(histories(PLAIN | LEVEL), histories(PLAIN | {"plain-56": 0.1} | LEVEL, origin="recorded, H200"))
    ),
    "rates: as good as the skip": errors.rate_title(rates(long=(0.01, 0.02))),
    "rates: more time does not help": errors.rate_title(rates(long=(0.7, 0.8))),
    "rates: the seeds overlap": errors.rate_title(rates(long=(0.2, 0.75))),
    "steps: the gradient is level": gradient_flow.steps_title(over_steps(plain=(9, 8))),
    "steps: of one seed it is not": gradient_flow.steps_title(over_steps(plain=(200, 90))),
    "steps: it explodes with skips, too": gradient_flow.steps_title(over_steps(residual=(9, 200))),
    "steps: lost": gradient_flow.steps_title(over_steps(plain=(200, np.nan))),
    "in time: it does not explode": in_time.title(invented.dynamics(ratios=(90, 8, 0.5))),
    "in time: the explosion does not end": in_time.title(invented.dynamics(ratios=(900, 8, 9.5))),
    "in time: then the plain net learns": in_time.title(invented.dynamics(plain=(0.9, 0.5))),
    "in time: with skips it does not learn, either": in_time.title(invented.dynamics(residual=(0.9, 0.9))),
    "in time: one net": in_time.title(invented.dynamics().query("skip")),
    "depth: the seeds overlap": gradient_flow.depth_title(by_depth((1, 35))),
    "depth: level": gradient_flow.depth_title(by_depth((1, 2), (3, 4))),
    "layers: all level": grows.title(growing(both=1.0)),
    "layers: one alone grows": grows.title(growing(norm=1.9)),
    "chaos: no gradient": seen.chaos_title(nets((0.5, 0.4), (0.9, 0.8)).assign(gradient=np.nan)),
    "chaos: a change shrinks": seen.chaos_title(nets((0.5, 0.4), (0.9, 1.5))),
    "best step: the same": steps.title(best_steps(residual=(0.1, 0.2))),
    "best step: at another moment the plain net's": steps.title(
        together(best_steps(), best_steps((0.3, 0.3), (0.1, 0.2)).assign(step=20))
    ),
    "best step: the seeds overlap": steps.title(best_steps(residual=(0.15, 0.9))),
    "symptoms: a level gradient was enough": gradient_factors.symptoms_title(symptoms(other=0.1)),
    "symptoms: learned without": gradient_factors.symptoms_title(symptoms(level=1e4)),
    "block: neither learns": block.learning_title(blocks((20, 20))),
    "block: the seeds overlap": block.learning_title(blocks((3, 12), (10, 30))),
    "block: one alone": block.learning_title(learning()),
    "ends: the seeds overlap": block.end_title(ended("distance", (0, (0.1, 0.5), (0.3, 0.4))), "distance"),
    "ends: the seeds overlap at the best rate": block.end_title(
        ended("lr", (0.1, (0.1, 0.5), (0.3, 0.4)), (1, (0.9, 0.9), (0.8, 0.8))), "lr"
    ),
    "ends: all diverged": block.end_title(ended("lr", (0.1, (np.inf, np.inf), (0.9, np.inf))), "lr"),
    "digits: both lost": seen.title(nets((0.1, 0.2), (0.1, 0.2))),
    "digits: one seed is not lost": seen.title(nets((0.1, 0.3), (0.4, 0.5))),
    "digits: of a statistic without a title": seen.title(nets((0.1, 0.2), (0.8, 0.9)), "readout_accuracy"),
    "noise: both alike": seen.title(nets((0.9, 0.9), (0.9, 0.9)), "noise_cosine"),
    "similarity: the seeds overlap": activations.similarity_title(kept(plain=(0.2, 0.85))),
    "similarity: one measure disagrees": activations.similarity_title(kept().assign(cka=0.5)),
    "lesions: the plain net can do without one": lesions.title(out(plain=(0.8, 0.3, 0.9))),
    "lesions: the residual net cannot": lesions.title(out(residual=(0.6, 0.6, 0.1))),
    "lesions: of other statistics": lesions.title(out(calibrated=True)),
    "paths: long ones": of_paths.title(paths(short=0.1)),
    "paths: untrained": of_paths.title(paths(step=0)),
    "edit: another picture with the skip, too": looked.edit_title(edited(residual=(0, 5, 0, 0))),
    "edit: much is left without the skip": looked.edit_title(edited(plain=(0, 5, 0, 0))),
    "edit: one net alone": looked.edit_title(edited()[:1]),
    "edit: nothing": looked.edit_title([]),
    "pairs: it depends": landscape.pairs_title(pairs((2, 3), (1, 4))),
    "pairs: equal": landscape.pairs_title(pairs((2, 3), (2, 3))),
    "between: level": landscape.between_title(between(0.2)),
    "between: one pair has none": landscape.between_title(pd.concat([between(3.0), between(0.2).assign(other=2)])),
    "holes: elsewhere harms more": attribution.falls_title(holes(map=0.3, moved=0.8)),
    "holes: one seed": attribution.falls_title(holes(**MAPS).query("seed == 0")),
    "holes: the seeds overlap": attribution.falls_title(holes(map=0.35, moved=0.3)),
    "holes: of one net not": attribution.falls_title(
        pd.concat([holes(**MAPS), holes("plain-20", map=0.3, moved=0.3)])
    ),
    "holes: a disc harms as much": attribution.falls_title(pd.concat([holes(**MAPS), LESS, disc(0.75)])),
    "holes: discs of two nets": attribution.falls_title(
        pd.concat([holes(**MAPS), holes("plain-20", map=0.3, moved=0.3), disc(0.6), disc(0.6).assign(name="plain-20")])
    ),
    "weights: one map is nearly the same": attribution.randomisation_title(changed_maps(0.2, 0.9)),
    "weights: one seed": attribution.randomisation_title(changed_maps(0.2)),
    "enlarged: both better": enlarged.title(gains((True, 10, 0.5), (False, 10, 0.5))),
    "enlarged: the seeds are on both sides": enlarged.title(gains((True, 10, 0.5), (False, 10, -0.2))),
    "depths: the seeds overlap": enlarged.depth_title(depths((0.3, 0.15), (0.5, 0.5))),
    "depths: worse with a skip, too": enlarged.depth_title(depths((0.3, -2), (0.5, -1))),
    "race: about the same": changed.race_title(race(0.1, 0.11), "ResNet"),
    "race: the seeds overlap": changed.race_title(race(0.5, 0.1, 0.3), "ResNet"),
    "race: without its base": changed.race_title(race(), "plain"),
    "shares: a model has less": of_models.shares_title(ten.LAYERS.assign(part="head")),
    "fields: about half": of_models.field_title(ten.FIELDS),
    "probes: untrained keeps it": of_models.probe_title(probes(untrained=0.8)),
    "probes: trained loses it": of_models.probe_title(probes(trained=0.3)),
    "degradation: a column that the curves do not need": errors.depth_title(
        histories(PLAIN | LEVEL).drop(columns="seconds")
    ),
    "race: no costs": changed.race_title(race().drop(columns="multiply_adds"), "ResNet"),
    "responses: the seeds overlap": activations.responses_title(responding((0.12, 0.18), (0.12, 0.13))),
    "responses: of residual nets alone": activations.responses_title(signal("resnet-20").assign(std=0.1)),
    "shattering: with skips, too": shattered.title(apart(other=(0.1, 0.9))),
    "shattering: alike": shattered.title(apart(plain=(0.1, 0.4), other=(0.6, 0.9))),
    "variants: one diverged": changed.errors_title(
        together(race(), invented.variants("wide", 0.1, outcome="diverged"))
    ),
    "variants: of another net": changed.errors_title(race().assign(of="wide")),
    "enlarged: a seed diverged": enlarged.title(
        gains((True, 10, 0.5), (False, 10, -2)).assign(gain=lambda frame: frame["gain"].mask(frame["seed"] == 2))
    ),
    "layers: a seed diverged": enlarged.depth_title(
        depths((0.3, -2), (0.5, 0.45)).assign(gain=lambda frame: frame["gain"].mask(frame["seed"] == 2))
    ),
    "enlarged: no gain": enlarged.title(gains((True, 10, 0.5), (False, 10, -2)).drop(columns="gain")),
    "depths: no gain": enlarged.depth_title(depths((0.3, -2), (0.5, 0.45)).drop(columns="gain")),
    "hours: another net": hours.hours_title(invented.paper_hours()),
}


@pytest.mark.parametrize("case", NEUTRAL)
def test_a_frame_that_does_not_support_its_title_has_none(case):
    assert NEUTRAL[case] == ""


def test_the_statement_is_the_title_of_a_figure_and_not_of_a_live_chart():
    frame, neutral = histories(PLAIN | LEVEL, seeds=2), "Final training error"
    figure = degradation.error_by_depth(frame)
    assert figure.layout.title.text == figure.layout.meta["statement"] == errors.depth_title(frame) != ""
    assert degradation.error_by_depth(frame, draw=theme.chart)["layout"]["title"]["text"] == neutral
    plain = degradation.error_by_depth(histories(PLAIN))
    assert (plain.layout.title.text, plain.layout.meta) == (neutral, None)
    assert backbones.shares(ten.LAYERS).layout.title.text == of_models.shares_title(ten.LAYERS)
    assert receptive_field.probe(probes()).layout.title.text == of_models.probe_title(probes())
