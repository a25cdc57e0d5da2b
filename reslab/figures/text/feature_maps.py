"""Lessons 03 and 04 in words: how many maps of a block are dark, and how much of a block's input is in its output."""

from reslab.figures.text.phrases import EMPTY, listed
from reslab.results.feature_maps import cosines, kept, nets, zero_maps


def alt_text(frame, index):
    """A text alternative for the maps of one block: of each net, how many are 0 everywhere, and the largest
    activation."""
    texts = []
    for net in nets(frame):
        count, zero, largest = zero_maps(net, index)
        zero = f"{zero} of them 0 everywhere, the largest activation {largest:.2f}"
        texts.append(f"{net['name'].iloc[0]}: {count} maps, {zero}")
    lead = f"Feature maps of block {index}, lighter where the activation is larger"
    return f"{lead}. {'; '.join(texts)}." if texts else EMPTY


def edit_title(edits):
    """The title of `figures.feature_maps.edit`, if every pair of x and y supports it; else ""."""
    return "With the skip, y is x with changes; without, another picture" * kept(edits)


def edit_sentence(frame):
    """The median cosine of x and y of each net, over all images, channels that are not 0, and blocks that keep the
    shape."""
    texts, counts = [], ""
    for net in nets(frame):
        angles = cosines(net).dropna()
        if len(angles):
            texts.append(f"{angles.median():.2f} in {net['name'].iloc[0].partition(' · ')[0]}")
            blocks = net.loc[angles.index, "index"].nunique()
            images = net["image"].nunique() if "image" in net else 1
            counts = f" ({_counted(images, 'picture')}, {_counted(blocks, 'block')}, their channels)"
    return f"Median cosine of x and y: {listed(texts)}{counts}." if texts else EMPTY


def _counted(number, what):
    return f"{number} {what}{'s' * (number != 1)}"
