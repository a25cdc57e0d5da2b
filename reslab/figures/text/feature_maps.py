"""Lesson 04 in words: how many maps of a block are dark."""

from reslab.figures.text.phrases import EMPTY
from reslab.results.feature_maps import nets, zero_maps


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
