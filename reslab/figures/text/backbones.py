"""Lesson 10 in words: the parts of models, receptive fields, frozen bodies, segmenters, a picture of one's own."""

from reslab.figures.text.phrases import EMPTY, amount, lines, listed, median, nets_of, over_seeds
from reslab.results import backbones as results

COSTS = {"parameters": "parameters", "multiply_adds": "multiply-adds"}
MAX_NAMED = 10  # of what a model finds in a picture


def sentence(frame, model="Faster R-CNN"):
    """One model: its costs, and the body's share of them. frame: as `results.backbones.parts` takes it."""
    if not len(frame):
        return EMPTY
    body = results.body_shares(frame).set_index("model").loc[model]
    rows = frame[frame["model"] == model]
    first, whole = rows.iloc[0], rows[["parameters", "multiply_adds"]].sum()
    text = f"{_named(model)} has {amount(whole['parameters'])} parameters; {amount(body['parameters'])} of them, "
    text += f"{body['parameters_share']:.0%}, are its {first['body_name']}. A picture of {first['side']} × "
    text += f"{first['side']} pixels takes {amount(whole['multiply_adds'])} multiply-adds{_boxes(rows)}; "
    return text + f"{body['multiply_adds_share']:.0%} of these multiply-adds are the body's."


def models_sentence(frame, cost="parameters"):
    """The body's share of every model."""
    if not len(frame):
        return EMPTY
    table = results.body_shares(frame)
    texts = [f"{row[f'{cost}_share']:.0%} of {_the(row['model'])}" for _, row in table.iterrows()]
    return f"Of the {COSTS[cost]}, the {frame['body_name'].iloc[0]} has {listed(texts)}."


def field_sentence(frame):
    """The receptive field of the last block, allowed and measured, net by net."""
    if not len(frame):
        return EMPTY
    table = results.last(results.fields(frame))
    fields = table.drop_duplicates("name").set_index("name")["field"]
    sides = {name: f"{side:.0f} × {side:.0f} pixels" for name, side in fields.items()}
    seen = [f"{side} in {name}" for name, side in sides.items()] if fields.nunique() > 1 else list(sides.values())[:1]
    text = f"A place of the last map can see {listed(seen)}. Side of the square that holds 90 % "
    return text + f"of the squared gradient, in pixels: {_net_by_net(table, '.0f')}.{_over(table)}"


def stages_table(frame):
    """Stride and receptive field at the end of a net, as it is, with dilation, and with strides left out, as a table.
    frame: as `experiments.receptive_field.stages` gives it."""
    last = frame.groupby("way", sort=False).last()
    named = {"stride": "stride (pixels)", "field": "what a place at the end can see (pixels)"}
    return last[list(named)].rename(columns=named).rename_axis(None)


def probe_sentence(frame):
    """What a linear classifier gets right on the last block, net by net."""
    if not len(frame):
        return EMPTY
    table = results.last(results.probes(frame))
    return f"Right, of the test pictures, from the last block: {_net_by_net(table, '.0%')}.{_over(table)}"


def segmenters_sentence(frame):
    """The mean IoU of the segmenters and the baselines, and where it was measured, the average precision."""
    if not len(frame):
        return EMPTY
    texts = []
    for measure, words in (("mean_iou", "Mean IoU"), ("mean_ap", "AP of whole patches (IoU ≥ 0.5)")):
        if measure in frame:
            table = results.segmenters(frame, measure)
            rows = [f"{row['name']} {median(row, '.2f')}" for _, row in table.iterrows()]
            texts.append(f"{words} after {frame['steps'].max():.0f} steps: {'; '.join(rows)}.")
    return f"{' '.join(texts)}{_over(table) or ' One seed.'}"


def weights_sentence(frame):
    """Which files of weights are missing. frame: of `experiments.ready_made.needed`."""
    missing = frame[~frame["here"]]
    if missing.empty:
        return f"All {len(frame)} files of weights are there."
    return (
        f"{len(missing)} of {len(frame)} files of weights are not there yet. They are downloaded when they are first"
        " asked for; or copy them into a folder, and name it in the environment variable RESLAB_WEIGHTS:"
        f" {', '.join(missing['file'])}."
    )


def classes_sentence(frame):
    """The most probable classes of a picture, net by net. frame: of `experiments.ready_made.top`."""
    texts = [f"{name}: {_found(rows, 'probability')}" for name, rows in frame.groupby("name", sort=False)]
    return f"{'; '.join(texts)}."


def found_sentence(frame, name):
    """What the model of this name finds in a picture. frame: of `experiments.ready_made.detected`."""
    found = _found(frame, "score" if "score" in frame else "share")
    return f"{name} finds: {found or 'nothing that it is sure of'}."


def shares_title(frame, cost="parameters"):
    """Whether the body is more than half of each model, as a title; otherwise ""."""
    table = results.body_shares(frame)
    most = len(table) and (table[f"{cost}_share"] > 0.5).all()
    return f"More than half of each model's {COSTS[cost]} are its body" if most else ""


def field_title(frame):
    """Whether a place of the last map sees far less than its layers allow, as a title: less than half the side, of
    each net in every seed; otherwise ""."""
    table = results.last(results.fields(frame))
    far_less = len(table) and (table["high"] < table["field"] / 2).all()
    return "One place sees far less than its layers allow" if far_less else ""


def probe_title(frame):
    """Whether the class can be read from the last block of trained nets alone, as a title: right for most pictures from
    every trained net, plain or residual, and from no untrained one; in every seed. Otherwise "".

    frame: as `figures.receptive_field.probe` takes it; the title names its column pictures, and is "" without it.
    """
    pictures = set(frame.get("pictures", []))
    table = results.last(results.probes(frame))
    trained, random = (table[table["trained"] == kind] for kind in (True, False))
    if len(pictures) != 1 or trained.empty or set(trained["name"]) != set(random["name"]):
        return ""
    if trained["low"].min() <= 0.5 or random["high"].max() >= 0.5:
        return ""
    return f"On {pictures.pop()} only trained bodies get most pictures right"


def alt_text(frame, text):
    """A chart for screen readers: its parts or lines, and its sentence."""
    if "model" in frame and len(frame):
        table = results.body_shares(frame)
        return f"Bars, one a model: {listed([_named(name) for name in table['model']])}. {text}"
    return f"Chart. {lines(nets_of(frame))}{text}"


def _found(frame, number):
    """ "cat 0.91, dog 0.72": each class and its number, the first MAX_NAMED of them."""
    told = [f"{says} {value:.2f}" for says, value in zip(frame["says"], frame[number], strict=True)]
    return ", ".join(told[:MAX_NAMED]) + f", and {len(told) - MAX_NAMED} more" * (len(told) > MAX_NAMED)


def _named(model):
    return "The classifier" if model == "classifier" else model


def _the(model):
    return "the classifier" if model == "classifier" else model


def _boxes(rows):
    """For how many boxes a detector's costs are."""
    first, grows, texts = rows.iloc[0], set(rows["grows"]), []
    if "proposals" in grows:
        texts.append(f"{first['proposals']:,} proposals")
    if "objects" in grows:
        texts.append(f"{first['objects']} masks")
    return f" with {listed(texts)}" if texts else ""


def _net_by_net(table, form):
    """ "plain-20 35 (33 to 35) untrained, 33 trained; resnet-20 ...": a table's numbers, written in a form."""
    texts = []
    for name, rows in table.groupby("name", sort=False):
        parts = [
            f"{median(row, form)} {'trained' if row['trained'] else 'untrained'}"
            for _, row in rows.sort_values("trained").iterrows()
        ]
        texts.append(f"{name} {', '.join(parts)}")
    return "; ".join(texts)


def _over(table):
    fewest, most = table["seeds"].min(), table["seeds"].max()
    return over_seeds(table) + " Of the trained nets there is one seed." * bool(fewest == 1 < most)
