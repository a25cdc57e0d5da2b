"""Lesson 00 in words: what the stage showed of a pair, before and after its training."""

from reslab.figures.text.phrases import percent, scientific


def sentences(state, key="56"):
    """What the skips did to the pictures, the gradient and the training error: three sentences.

    state: the JSON state of the stage, as a dict; key: of a pair in it. KeyError if the pair is not there.
    """
    pairs = {net["key"]: net for net in state["nets"]}
    if key not in pairs:
        raise KeyError(f"there is no pair {key!r}; there are {', '.join(pairs)}.")
    pair = pairs[key]
    films = [pair["plain"], pair["residual"]]
    untrained, steps = [film["frames"][0] for film in films], films[0]["steps"]
    texts = [percent(frame["told_apart"][-1]) for frame in untrained]
    ratios = [frame["gradient"][1] / frame["gradient"][-1] for frame in untrained]
    first = [scientific(float(f"{ratio:.2g}")) for ratio in ratios]  # two digits, as on the stage
    final = [percent(film["curve"][-1][1]) for film in films]
    return (
        (
            f"{pair['depth']} layers, before any training, after the last block: the most similar picture shows the"
            f" same digit for {texts[0]} of {state['test_images']} pictures without skips, for {texts[1]} with skips"
            f" (by chance: {percent(state['guess'])})."
        ),
        (
            f"The gradient at block 1, as a multiple of that at the last block: {first[0]} without skips, "
            f"{first[1]} with them."
        ),
        f"Training error on the batch of step {steps}: {final[0]} without skips, {final[1]} with them.",
    )
