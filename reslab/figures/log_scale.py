"""A log axis for values that may be 0, infinite or not a number: these are named marks at its bottom or top."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme

LOW = "underflow to 0"  # the one state that lies below a log scale; the others lie above
WRITTEN = 3  # powers of ten from 10^-3 to 10^3 are written out: 0.001, 1,000
POWER = 20  # px of other powers: plotly draws an exponent at 0.7 of its text, so at theme.SMALL; and ticks at 1.25
# where a ratio is 1
LEVEL = dict(type="line", xref="paper", x0=0, x1=1, y0=1, y1=1, line=dict(color=theme.AXIS, width=1.5))


def limits(*drawn):
    """(floor, ceiling) of a log axis: the next powers of ten around the values, at least from 0.1 to 10.

    So the axis of a live chart changes rarely, and noise does not look like a trend. What a log axis cannot show, 0 and
    what is not finite, does not count.
    """
    drawn = np.concatenate([[0.3, 3.0], *drawn]).astype(float)
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    bottom, top = np.log10([drawn.min(), drawn.max()])
    return 10.0 ** np.floor(bottom - 0.05), 10.0 ** np.ceil(top + 0.05)


def axis(title, limits):
    """The axis, as a plotly dictionary: from floor to ceiling, with at most eight powers of ten named."""
    floor, ceiling = np.log10(limits)
    span = ceiling - floor
    return dict(title=title, range=[floor - 0.05 * span, ceiling + 0.05 * span], **ticks(floor, ceiling))


def ticks(low, high):
    """What a plotly axis needs to be a log axis from 10^low to 10^high: at most eight powers of ten are named.

    Within 0.001 and 1,000 they are written out; beyond, as powers, in letters so large that an exponent can be read.
    """
    is_near = low > -WRITTEN - 1 and high < WRITTEN + 1
    look = dict(tickformat=",~r") if is_near else dict(exponentformat="power", tickfont=dict(size=theme.LARGE))
    return dict(type="log", dtick=int(max(1, np.ceil((high - low) / 7))), **look)


def written(exponent):
    """10 to a whole exponent, as `ticks` writes it, in plotly's HTML."""
    return f"{10.0**exponent:,g}" if abs(exponent) <= WRITTEN else power(exponent)


def power(exponent):
    """10 to an exponent, a number or its text, in plotly's HTML."""
    exponent = str(exponent).replace("-", "−")
    return f"<span style='font-size: {POWER}px'>10<sup>{exponent}</sup></span>"


def out_of_range(states, limits, colour):
    """(y, look) of the marks for values in these states: at the bottom or top of the axis."""
    low = np.asarray(states) == LOW
    mark = dict(color=colour, size=10, symbol=np.where(low, "triangle-down", "triangle-up"))
    return np.where(low, *limits), dict(mode="markers", marker=mark)


def names(states, limits):
    """Annotations that name the marks at the bottom and at the top. states: a set."""
    sides = {"floor": (limits[0], "bottom", states & {LOW}), "ceiling": (limits[1], "top", states - {LOW})}
    return [
        dict(
            name=name, text=" or ".join(sorted(words)), x=1, xref="paper", xanchor="right", y=np.log10(y),
            yanchor=anchor, showarrow=False,
        )
        for name, (y, anchor, words) in sides.items() if words
    ]  # fmt: skip
