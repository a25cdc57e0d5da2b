"""Lesson 04 in words: how many maps of a block are dark."""

from reslab.figures.text.phrases import EMPTY
from reslab.results.feature_maps import dark, nets


def alt_text(frame, index):
    """A text alternative for the maps of one block: of each net, how many are 0 everywhere, and the largest
    activation."""
    told = []
    for net in nets(frame):
        count, zero, largest = dark(net, index)
        zero = f"{zero} of them 0 everywhere, the largest activation {largest:.2f}"
        told.append(f"{net['name'].iloc[0]}: {count} maps, {zero}")
    lead = f"Feature maps of block {index}, lighter where the activation is larger"
    return f"{lead}. {'; '.join(told)}." if told else EMPTY
