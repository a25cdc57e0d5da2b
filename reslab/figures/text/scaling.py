"""Lesson 11 in words: how long trainings take, and whether the numbers stay the same."""

from reslab.results import scaling as results


def duration(hours):
    """Hours: "40 minutes", "7 hours", "3.5 days"."""
    return (
        f"{60 * hours:.0f} minutes" if hours < 1 else f"{hours:.0f} hours" if hours < 24 else f"{hours / 24:.1f} days"
    )


def paper_sentence(frame):
    """How long a step of each net takes, and 64,000 of them. frame: name, step_seconds, hours."""
    nets = frame.itertuples(index=False)
    steps = [f"{net.name} {net.step_seconds:.2g} s, so {duration(net.hours)}" for net in nets]
    return f"One step of 128 images takes {'; '.join(steps)} for the 64,000 of the paper."


def precision_sentence(usual, other):
    """The time of a step in two precisions, compared. usual, other: as `results.scaling.precision` takes them."""
    return " ".join(
        f"A step of {net.name} takes {net.times:.2g} times as long in {net.precision} as in {net.precision_usual}: "
        f"{net.verdict} here."
        for net in results.precision(usual, other).itertuples(index=False)
    )


def throughput_sentence(frame):
    """The speed of the most workers. frame: workers, speed (a multiple of the first row's)."""
    last, first = frame.iloc[-1], frame["workers"].iloc[0]
    times = f"{last['speed']:.2f} times"
    if abs(last["speed"] - 1) <= results.AS_FAST:
        return f"{last['workers']:.0f} workers train as many nets a minute as {first:.0f} ({times})."
    return f"{last['workers']:.0f} workers train {times} as many nets a minute as {first:.0f}."


def throughput_title(frame):
    """What the most workers bring, as a title; "" for one alone. frame: as `throughput_sentence` takes it."""
    if len(frame) < 2:
        return ""
    last, first = frame.iloc[-1], frame["workers"].iloc[0]
    many = f"{last['workers']:.0f} workers"
    if last["speed"] <= 1 + results.AS_FAST:
        return f"{many} are no faster than {first:.0f} here"
    return f"{many} are {last['speed']:.1f} times as fast as {first:.0f} here"


def agreement_sentence(losses, missing="Nothing to compare: see the warning above."):
    """Whether trainings have the same losses wherever they run, to rounding: 4 digits.

    losses: as `results.scaling.agreement` takes them; `missing` is returned for fewer than two places. Steps that are
    missing in one of them, or whose loss is not finite, are counted and not compared.
    """
    if losses.shape[1] < 2:
        return missing
    found, places = results.agreement(losses), " and ".join(losses.columns)
    if found.lost:
        no_loss = f"{found.lost} of {found.steps} steps have no loss in one of them"
        return f"{places}: {no_loss}, so the trainings do not agree."
    text = f"losses that differ by up to {found.difference:.1%}"
    if found.agree:
        text = f"the same losses to 4 digits, in all {found.steps} steps"
    return f"{found.nets} net{'s' * (found.nets > 1)}, {places}: {text}."

def hours_title(frame, name="resnet-56"):
    """How long one net's training of the paper would take, as a title; "" where it is not in the frame. frame: as
    `paper_sentence` takes it."""
    hours = frame.loc[frame["name"] == name, "hours"]
    return f"The paper's training of {name} would take {duration(hours.iloc[0])} here" if len(hours) else ""
