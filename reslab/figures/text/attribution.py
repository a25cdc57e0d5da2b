"""Lesson 07 in words: how good a map is."""

from reslab.figures.text.phrases import EMPTY, lines, listed, median, nets_of, over_seeds
from reslab.results import attribution as results

LABELS = {  # what is deleted → words
    "map": "the map",
    "untrained": "an untrained net's map",
    "moved": "the same shape elsewhere",
    "disc": "a disc in the centre",
}


def sentence(frame, name=results.NAME, method=results.METHOD):
    """The fall of the probability of one net with one map, beside other holes of the same size. frame: as
    `results.attribution.falls` takes it; ValueError for a missing column."""
    if not len(frame):
        return EMPTY
    table = results.falls(frame)
    table = table[(table["name"] == name) & table["method"].isin([method, ""])].set_index("kind")
    texts = [f"{LABELS[kind]} {median(table.loc[kind])}" for kind in LABELS if kind != "map"]
    most = f"{name}, a quarter of the pixels deleted: with the map of {method} the probability falls by"
    return f"{most} {median(table.loc['map'])}; with {'; with '.join(texts)}.{over_seeds(table)}"


def methods_sentence(frame):
    """The fall with each method's map beside the same shape elsewhere, net by net."""
    if not len(frame):
        return EMPTY
    table, texts = results.falls(frame), []
    for name, rows in table[table["method"] != ""].groupby("name", sort=False):
        values = rows.set_index(["method", "kind"])["median"]
        methods = rows["method"].unique()
        pairs = [f"{m} {values[m, 'map']:.2f} against {values[m, 'moved']:.2f}" for m in methods]
        texts.append(f"{name}: {', '.join(pairs)}")
    return f"Fall with the map, against the same shape elsewhere. {'; '.join(texts)}.{over_seeds(table, ranges=False)}"


def errors_sentence(frame):
    """How often the nets that are compared are wrong, net by net. frame: as `results.attribution.errors` takes it."""
    if not len(frame):
        return EMPTY
    table = results.errors(frame)
    percents = table.assign(**{name: 100 * table[name] for name in ("median", "low", "high")})
    texts = [f"{row['name']} {median(row, '.1f', ' %')}" for _, row in percents.iterrows()]
    images = f"{frame['images'].iloc[0]:,} " if "images" in frame else ""
    return f"Wrong, of all {images}test pictures: {'; '.join(texts)}.{over_seeds(table)}"


def areas_sentence(frame, name=results.NAME, method=results.METHOD):
    """The areas under the curves of deletion and insertion of one map and of the other holes."""
    if not len(frame):
        return EMPTY
    table = results.areas(frame)
    table = table[(table["name"] == name) & table["method"].isin([method, ""])].set_index(["way", "kind"])["median"]
    texts = [
        f"{LABELS[kind]} {table['deletion', kind]:.2f} and {table['insertion', kind]:.2f}"
        for kind in LABELS if ("deletion", kind) in table
    ]  # fmt: skip
    return f"{name}, {method}: area under deletion (small is good) and insertion (large is good): {'; '.join(texts)}."


def randomisation_sentence(frame, name=results.NAME):
    """What is left of each method's maps with new random weights in all layers, without their signs and with them."""
    if not len(frame):
        return EMPTY
    texts = []
    for signs in (False, True):
        table = results.randomisation(frame, signs=signs)
        last = table[(table["name"] == name) & (table["drawn"] == table["drawn"].max())]
        values = "; ".join(f"{row['method']} {median(row)}" for _, row in last.iterrows())
        texts.append(f"{'With' if signs else 'Without'} signs: {values}.")
    lead = f"{name}, all layers with new random weights: rank correlation with its own maps."
    return f"{lead} {' '.join(texts)}{over_seeds(table)}"


def stability_sentence(frame):
    """How alike the maps of a picture and of its copy with a little noise are, net by net; beside it, where it was
    measured, those of two different pictures."""
    if not len(frame):
        return EMPTY
    table = results.stability(frame)
    noise = frame["noise"].iloc[0]
    texts = [f"{row['name']} {median(row)}" for _, row in table.iterrows()]
    method = listed(list(dict.fromkeys(table["method"])))
    known = table[table["strangers"].notna()]
    others = [f"{net} {alike:.2f}" for net, alike in zip(known["name"], known["strangers"], strict=True)]
    than = f" Two different pictures: {'; '.join(others)}." if others else ""
    copies = f"Maps of {method}, picture against a copy with noise of {noise:g}: {'; '.join(texts)}."
    return f"{copies}{than}{over_seeds(table)}"


def completeness_sentence(frame):
    """How far integrated gradients are from adding up, net by net, with the fewest and the most steps."""
    if not len(frame):
        return EMPTY
    table, texts = results.completeness_gaps(frame), []
    counts = sorted(table["steps"].unique())
    for name, rows in table.groupby("name", sort=False):
        values = rows.set_index("steps")["median"]
        texts.append(f"{name} {', '.join(f'{values[count]:.1%}' for count in counts)}")
    counted, over = listed(list(map(str, counts))), over_seeds(table, ranges=False)
    return f"With {counted} steps the sum misses the difference by: {'; '.join(texts)}.{over}"


def branches_sentence(frame):
    """The least and the most of the answer that passes through a branch, net by net."""
    if not len(frame):
        return EMPTY
    table, texts = results.branches(frame), []
    for name, rows in table.groupby("name", sort=False):
        texts.append(f"{name} {rows['median'].min():.0%} to {rows['median'].max():.0%}")
    return f"Through a block's branch passes, of the answer: {'; '.join(texts)}.{over_seeds(table, ranges=False)}"


def picture_sentence(frame):
    """One picture: what the net says, and the probability without a quarter of it. frame: as
    `experiments.deletion.of_picture` gives it, of one net and one method."""
    if not len(frame):
        return EMPTY
    rows = frame.set_index("kind")
    first = rows.loc["map"]
    texts = [f"{rows.loc[kind, 'after']:.2f} ({LABELS[kind]})" for kind in LABELS if kind in rows.index]
    text = f"{first['name']} says {first['says']}, with a probability of {first['before']:.2f}. Without a quarter of"
    text = f"{text} the pixels it is {', '.join(texts)}."
    if first["method"] == results.METHOD:
        text += f" The map adds up to {first['total']:.2f}; the logits differ by {first['difference']:.2f}."
    return text


def sum_words(row):
    """The sum of the map of a row of `picture_sentence`'s frame, for the line under a title; "" for a method whose maps
    need not add up."""
    if row["method"] != results.METHOD:
        return ""
    return f"map's sum {row['total']:.2f}, logits' difference {row['difference']:.2f}"


def falls_title(frame):
    """Whether deleting what the map marks harms more than other holes of the same size, as a title; "" of one seed, or
    where the seeds overlap, for any net or method. Where some of one net's maps do, how many do more than a disc.

    frame: as `results.attribution.falls` takes it.
    """
    table = results.falls(frame)
    if table.empty or table["seeds"].min() < 2:
        return ""
    maps, moved = (table[table["kind"] == kind].set_index(["name", "method"]) for kind in ("map", "moved"))
    if maps.empty or not maps.index.equals(moved.index):
        return ""
    if (maps["low"] > moved["high"]).all():
        if len(maps) > 1:
            return "Each map's pixels count more than the same shape elsewhere"
        if maps["low"].iloc[0] > table.loc[table["kind"] != "map", "high"].max() and table["kind"].nunique() > 2:
            return "Deleting the map's pixels lowers the probability most"
        return "The map's pixels count more than the same shape elsewhere"
    disc = table[table["kind"] == "disc"]
    if len(disc) != 1 or table["name"].nunique() > 1:
        return ""
    more = maps["low"] > disc["high"].iloc[0]
    if not more.any() or not (more | (maps["median"] < disc["median"].iloc[0])).all():
        return ""
    return f"{more.sum()} of {len(maps)} maps do more than a disc in the centre"


def randomisation_title(frame):
    """Whether new random weights change every method's map, as a title; "" of one seed, or where they do not.

    frame: as `results.attribution.randomisation` takes it.
    """
    table = results.randomisation(frame)
    last = table[table["drawn"] == table["drawn"].max()]
    changed = not last.empty and last["seeds"].min() > 1 and (last["high"] < results.CHANGED).all()
    return "New random weights change every kind of map" if changed else ""


def alt_text(frame, text):
    """A chart for screen readers: its lines, and its sentence."""
    return f"Chart of what maps are worth. {lines(nets_of(frame))}{text}"
