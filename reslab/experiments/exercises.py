"""The exercises, checked: `check("03", answer)` says in words what an answer shows, and what it still lacks.

Each check is a function from an answer to (what is missing, what it shows): a list of sentences, and one sentence. An
answer is right when nothing is missing. Limits that decide are constants here, as the text of the exercise has them.
"""

import inspect
from typing import get_args

import numpy as np
import pandas as pd

from reslab import checks
from reslab.experiments import residual_block, super_resolution
from reslab.results import degradation, gradient_flow, landscape

FAILS = 0.1  # 01: a net fails when it gets more than this share of the training images wrong
LARGE, LEVEL = 1000, 10  # 02: a ratio that has exploded; a ratio that is level is within this factor
HALFWAY, LEAST_RECOGNISED = 13, 0.5  # 04: the block after which so many pictures are to be told apart
LEAST_FACTOR = 2  # 05, 06: the least factor between two errors or losses that counts as a difference
PERCENTAGE_POINT = 0.01  # 09: errors that differ by no more are as good


def check(lesson, answer, *given):
    """What an answer to a lesson's exercise shows and lacks, as text that begins with "✓" or "Not yet".

    lesson: "01" to "11". answer: what the exercise asks for, as the function of the lesson in its docstring takes it.
    given: what else the check compares with. ValueError for a lesson that has no such exercise; for an answer of
    another kind the text says so.
    """
    of = CHECKS[checks.choice("the lesson", str(lesson).zfill(2), CHECKS)]
    try:
        missing, shows = of(*_read(of, (answer, *given)))
    except KeyError as error:
        problem = f"it has no {error.args[0]!r}"
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        problem = error
    else:
        return f"Not yet: {' '.join(_begun(missing))} {shows}".strip() if missing else f"✓ {shows}"
    return f"Not yet: this is not what the check reads ({problem}). It takes: {of.__doc__.splitlines()[0]}"


def _begun(sentences):
    """Sentences after a colon: all but the first begin with a capital letter."""
    return [text if i == 0 else text[0].upper() + text[1:] for i, text in enumerate(sentences)]


def _read(of, answers):
    """The answers, if they are of the types that the check takes; TypeError otherwise."""
    signature = inspect.signature(of)
    for name, answer in signature.bind(*answers).arguments.items():
        takes = signature.parameters[name].annotation
        if any(each is ... for each in (answer, *(answer.values() if isinstance(answer, dict) else ()))):
            raise TypeError("the dots stand for your own answer")
        if not isinstance(answer, takes):
            given = "None" if answer is None else f"a {type(answer).__name__}"
            raise TypeError(f"it is {given}, not a {(get_args(takes) or [takes])[0].__name__}")
    return answers


def depth_that_fails(frame: pd.DataFrame):
    """The frame of `degradation.by_depth`, of plain nets of several depths.

    Part 1: a depth at which they fail, and one at which they do not, for each seed. Part 2, the lowest error of a
    plain-56, is mentioned if the frame has one.
    """
    runs = degradation.final(frame)
    plain = runs[~runs["skip"].astype(bool)]
    missing, shown = [], []
    if plain.empty:
        return ["there is no plain net in it: train some with skips=(False,)."], ""
    if plain["depth"].nunique() < 2:
        missing.append("one depth shows no beginning: train several, such as depths=(14, 20, 26).")
    for seed, rows in plain.groupby("seed"):
        fails = rows["train_error"].isna() | (rows["train_error"] > FAILS)
        learned, failed = rows.loc[~fails, "depth"], rows.loc[fails, "depth"]
        if failed.empty:
            missing.append(f"with seed {seed} no net gets more than {FAILS:.0%} wrong: add a deeper one.")
        elif learned.empty:
            missing.append(f"with seed {seed} every net gets more than {FAILS:.0%} wrong: add one of fewer layers.")
        else:
            shown.append(f"With seed {seed}, {learned.max()} layers learn and {failed.min()} fail.")
    if plain["seed"].nunique() < 2:
        missing.append("one seed is one draw: add others, such as seeds=(1, 2, 3).")
    deep = plain.loc[plain["depth"] == 56, "train_error"]
    if deep.notna().any():
        shown.append(f"Part 2: a plain net of 56 layers gets down to {deep.min():.1%} wrong.")
    return missing, " ".join(shown)


def exploding_and_level(layers: pd.DataFrame):
    """The frames of `gradient_flow.at_initialisation`, joined by pd.concat: of nets that explode and are level."""
    table = gradient_flow.ratios(layers)
    deep = table[table["skip"].astype(bool) & (table["depth"] >= 110)].copy()
    if deep.empty:
        return ["there is no residual net of 110 layers in it."], ""
    lost = deep["state"] != ""
    explodes = lost | (deep["ratio"] > LARGE)
    level = ~lost & deep["ratio"].between(1 / LEVEL, LEVEL)
    missing = []
    if not explodes.any():
        missing.append(f"none explodes: the largest gradient at the first block is {deep['ratio'].max():.3g} × that at "
                       "the last. What keeps it level in a residual net?")  # fmt: skip
    if not level.any():
        nearest = _nearest(deep["ratio"])
        missing.append(f"none is level: the nearest has {nearest:.3g} ×. Make each branch smaller.")
    names = [", ".join(dict.fromkeys(deep.loc[which, "name"])) for which in (explodes, level)]
    shows = [f"Explodes: {names[0]}."] * bool(names[0]) + [f"Level: {names[1]}."] * bool(names[1])
    return missing, " ".join(shows)


def _nearest(ratios):
    return ratios.iloc[np.argmin(np.abs(np.log(ratios.clip(lower=1e-300))))]


def shortcuts_by_hand(added: dict | pd.Series):
    """A dict: "B" and "C" → the parameters that this option adds to resnet-110 of the paper's width."""
    counted = residual_block.shortcut_costs(depths=(110,)).set_index("shortcut")
    added = {checks.choice("an option", option, ["B", "C"]): number for option, number in added.items()}
    missing = [f"option {option} is not in it." for option in ("B", "C") if option not in added]
    right = {option for option, number in added.items() if number == counted["parameters_more"][option]}
    for option, number in added.items():
        if option not in right:
            missing.append(f"option {option} is another number: {_miscounted(option, number, counted)}")
    counted = counted["parameters_more"]
    return missing, " ".join(f"Option {option} adds {counted[option]:,} parameters." for option in sorted(right))


def _miscounted(option, number, counted):
    """What is probably wrong with a count. counted: a row for each option."""
    norms = {"B": 2 * (32 + 64), "C": 2 * 18 * (16 + 32 + 64)}
    if isinstance(number, str):
        return "this is a text; leave out the quotation marks."
    if number == counted["parameters"][option]:
        return "this is the whole net's; how many does the option add?"
    if number == counted["parameters_more"][option] - norms[option]:
        return "this is that of the convolutions alone; BatchNorm has two parameters per channel."
    if number == counted["parameters_more"]["C" if option == "B" else "B"]:
        return "this is that of the other option."
    if option == "B":
        return "where does the shape change, and between which widths?"
    return "each of the 54 blocks has a 1×1 convolution, and its BatchNorm has two parameters per channel."


def picture_that_comes_through(frame: pd.DataFrame):
    """The frame of `representations.before_training` of a plain net of 56 layers, with one field changed."""
    missing = []
    if frame["skip"].any():
        missing.append("it has skip connections: the net is to be plain.")
    if frame["depth"].min() < 56:
        missing.append(f"it has {frame['depth'].min()} layers, not 56.")
    if ((frame["norm"] != "batch") & (frame["init"] != "kaiming")).any():
        missing.append("two fields are changed, norm and init: one is enough.")
    told = frame[frame["index"] == HALFWAY].set_index("seed")["neighbour_accuracy"]
    if told.empty:
        return [*missing, f"it has no block {HALFWAY}."], ""
    if told.index.nunique() < 3:
        missing.append("take three seeds, as `before_training` does if you name none.")
    if not told.min() >= LEAST_RECOGNISED:
        missing.append("which start lets the picture through each block almost unchanged?")
    return missing, (f"After block {HALFWAY} it tells {told.min():.0%} to {told.max():.0%} of the pictures apart, "
                     "without training.")  # fmt: skip


def blocks_that_are_needed(frame: pd.DataFrame):
    """The frames of `lesions.one_out` with calibrated False and True, joined by pd.concat."""
    missing = []
    if set(frame["calibrated"]) != {False, True}:
        missing.append("both measurements are needed: calibrated=False and calibrated=True.")
    if set(frame["name"]) != {"resnet-56"}:
        missing.append(f"it is of {_words(frame['name'])}; the question is about resnet-56.")
    kept = frame[~frame["calibrated"].astype(bool)].set_index("module")
    if kept.empty:
        return missing, ""
    hurt = kept[kept["error"] > LEAST_FACTOR * kept["whole"].clip(lower=0.01)]["error"].sort_values(ascending=False)
    again = frame[frame["calibrated"].astype(bool)].set_index("module")["error"].reindex(hurt.index)
    texts = [f"{name} {was:.0%}" + (f", then {now:.0%}" if now == now else "") for name, was, now in
            zip(hurt.index, hurt, again, strict=True)]  # fmt: skip
    return missing, f"More than {LEAST_FACTOR} times the whole net's error without: {'; '.join(texts) or 'none'}."


def flatter_by_its_scale(frame: pd.DataFrame):
    """The frames of `landscape.bands` of both nets, joined: each with .assign(name=...), for both normalisations."""
    rises = landscape.rises(frame).groupby(["normalisation", "name"], sort=False)["rise"]
    rise = rises.median().unstack("normalisation")
    missing = [f'there is no normalisation="{kind}" in it.' for kind in ("none", "filter") if kind not in rise]
    if len(rise) != 2:
        missing.append("it needs two names, one for each net: give them with .assign(name=...).")
    if missing:
        return missing, ""
    factors = rise.max() / rise.min().clip(lower=1e-9)
    if factors["none"] < LEAST_FACTOR:
        missing.append('with "none" both rise alike: is one net rescaled?')
    if factors["filter"] > LEAST_FACTOR:
        missing.append('with "filter" they differ: do both compute the same?')
    none, scaled = factors["none"], factors["filter"]
    return missing, f'The rises differ by a factor of {none:.3g} with "none", {scaled:.3g} with "filter".'


def block_for_the_map(frames: dict | pd.Series):
    """A dict: layer → the frame of `deletion.over_seeds` with methods=("Grad-CAM",) and that layer."""
    wanted = {f"stage{stage}.block3" for stage in (1, 2, 3)}
    missing, falls = [], {}
    for layer, frame in frames.items():
        if set(frame["name"]) != {"resnet-20"} or not set(frame["method"]) <= {"Grad-CAM", ""}:
            missing.append(f"that of {layer} is not of resnet-20 and Grad-CAM alone.")
        falls[layer] = frame.groupby("kind")["fall"].mean()
    missing += [f"there is no {layer} in it." for layer in sorted(wanted - set(falls))]
    gains = {layer: mean["map"] - mean["moved"] for layer, mean in falls.items()}
    if len({mean["map"] for mean in falls.values()}) < len(falls):
        missing.append("two layers have equal maps: give each its own layer=.")
    if not gains:
        return missing, ""
    best = max(gains, key=gains.get)
    return missing, f"The map of {best} gains most over the same shape elsewhere: {gains[best]:+.2f}."


def smaller_differences(ratios: dict | pd.Series):
    """A dict: name of a piece → variance of the sharp picture over the mean square of what bicubic misses."""
    pieces = {piece.name: piece for piece in super_resolution.pieces()}
    missing = [f"there is no {name} in it." for name in pieces if name not in ratios]
    right = {}
    for name, ratio in ratios.items():
        piece = pieces[checks.choice("a piece", name, pieces)]
        missed = (piece.sharp - piece.bicubic).square().mean().item()
        measured = piece.sharp.var().item() / missed
        if not _near(ratio, measured):
            why = "are both of them means of squares?"
            if _near(ratio, 1 / measured):
                why = "it is the other way round."
            elif _near(ratio, piece.sharp.square().mean().item() / missed):
                why = "is the mean of the sharp picture subtracted?"
            elif _near(ratio, measured**0.5):
                why = "that is the ratio of their roots."
            missing.append(f"the ratio of {name} is not {ratio:.3g}: {why}")
        else:
            right[name] = ratio
    texts = ", ".join(f"{name} {ratio:.3g} times" for name, ratio in right.items())
    return missing, f"What bicubic misses is smaller: {texts}." if right else ""


def _near(number, other):
    return abs(number / other - 1) <= 0.05  # not so for NaN


def as_good_at_half_the_cost(frame: pd.DataFrame, others: pd.DataFrame):
    """The frame of `variants.race` of your net alone, and behind it that of the 56 layers: `frame`."""
    ends = [each.groupby(["name", "seed"], sort=False).last().reset_index() for each in (frame, others)]
    mine, usual = ends[0], ends[1][ends[1]["name"] == "ResNet"]
    missing = []
    if mine["name"].nunique() != 1:
        return [f"it has {_words(mine['name'])}: race one net."], ""
    cost = mine["multiply_adds"].max() / usual["multiply_adds"].max()
    if cost > 0.5:
        missing.append("that is more than half the cost: fewer layers, fewer channels, or groups?")
    if mine["seed"].nunique() < usual["seed"].nunique():
        missing.append(f"the 56 layers have seeds {_words(usual['seed'])}: take the same.")
    errors = [rows["final_train_error"].fillna(1.0).median() for rows in (mine, usual)]
    if not errors[0] <= errors[1] + PERCENTAGE_POINT:
        missing.append("its error is higher by more than one percentage point: what would the same cost buy elsewhere?")
    return missing, (f"{cost:.2f} of the multiply-adds, {errors[0]:.1%} wrong; the 56 layers {errors[1]:.1%} "
                     "(medians of the seeds).")  # fmt: skip


def body_that_is_swapped(frame: pd.DataFrame):
    """The frames of `backbones.layers` of Mask R-CNN, joined: with three bodies, resnet-50, resnet-101, resnet-18."""
    millions = frame.pivot_table("parameters", "body_name", "part", "sum") / 1e6
    missing = [f"there is no body {name} in it." for name in ("resnet-50", "resnet-101", "resnet-18")
               if name not in millions.index]  # fmt: skip
    if frame.duplicated().any():
        missing.append("a body is in it twice.")
    if set(frame["model"]) != {"Mask R-CNN"}:
        missing.append(f"it is of {_words(frame['model'])}; the exercise is about Mask R-CNN alone.")
    if missing:
        return missing, ""
    usual = millions.loc["resnet-50"]
    texts = []
    for name in ("resnet-101", "resnet-18"):
        whole = millions.loc[name].sum()
        added = usual.sum() + millions.loc[name, "body"] - usual["body"]
        texts.append(f"With {name} it has {whole:.1f} M; the difference of the bodies alone gives {added:.1f} M.")
    return [], " ".join(texts)


def sweep_that_goes_on(runs: list | tuple):
    """The list of the runs that the second sweep gave."""
    if not runs:
        return ["the list is empty: the second sweep gives all runs of the first."], ""
    kept = sum(run.recorded for run in runs)
    missing = []
    if not kept:
        missing.append("all were trained now: break the first sweep off after a run has ended, with the same store.")
    if kept == len(runs):
        missing.append("all were there already: nothing was broken off.")
    return missing, f"{kept} of {len(runs)} runs came from the store; the others were trained, or went on, now."


def _words(values):
    return ", ".join(map(str, pd.unique(pd.Series(list(values)))))


CHECKS = {
    "01": depth_that_fails, "02": exploding_and_level, "03": shortcuts_by_hand, "04": picture_that_comes_through,
    "05": blocks_that_are_needed, "06": flatter_by_its_scale, "07": block_for_the_map, "08": smaller_differences,
    "09": as_good_at_half_the_cost, "10": body_that_is_swapped, "11": sweep_that_goes_on,
}  # fmt: skip
