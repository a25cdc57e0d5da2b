"""One line per net, the median over its seeds, in a band from the lowest seed to the highest."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.results.frames import recorded

NET = ["name", "skip", "depth", "origin"]


def lines(frame, x, value, *, quantity, look=None, each="seeds"):
    """(traces, ends): the lines of a frame with one row per net × seed × x, and their ends, for `theme.name_lines`.

    frame: name, skip, depth, seed, origin, and the columns x and value. Values that are not finite do not count.
    quantity: the word before the number in the hover text: "loss". look: name → (line, marker) as plotly
    dictionaries; by default those of plain and residual nets. each: the rows at one x, for the hover text.
    """
    frame = frame[np.isfinite(frame[value].astype(float))]
    traces, ends = [], []
    for (name, skip, depth, origin), net in frame.groupby(NET, sort=False):
        at = net.groupby(x)[value].agg(["median", "min", "max", "size"])
        line, marker = (look or {}).get(name) or (
            theme.line(skip, depth, recorded(origin)),
            theme.marker(skip, depth, open=False, size=7) | dict(maxdisplayed=16),
        )
        key, label = f"{name}/{origin}", theme.wrap(name)
        shared = dict(type="scatter", name=label, legendgroup=key)
        if (at["min"] < at["max"]).any():
            around = dict(fill="toself", fillcolor=theme.rgba(line["color"], 0.18), line=dict(width=0), mode="lines")
            edge = [*at.index, *at.index[::-1]], [*at["max"], *at["min"][::-1]]
            hidden = dict(hoverinfo="skip", showlegend=False, meta={"key": f"{key}/band"})
            traces.append(shared | dict(x=edge[0], y=edge[1]) | around | hidden)
        hover = f"<b>{name}</b>, %{{x}}<br>{quantity} %{{y:.3~g}}"
        hover += " (%{customdata[0]:.3~g} to %{customdata[1]:.3~g}, %{customdata[2]} " + f"{each})"
        traces.append(shared | dict(
            x=list(at.index), y=list(at["median"]), mode="lines+markers", line=line, marker=marker,
            customdata=at[["min", "max", "size"]].to_numpy().tolist(),
            hovertemplate=f"{hover}<extra>{origin}</extra>", meta={"key": f"{key}/median"},
        ))  # fmt: skip
        ends.append((key, label, at.index[-1], at["median"].iloc[-1], line["color"]))
    return traces, ends


def band(run, at, good, factor=1.0):
    """The band of one run as a list of traces: one, or none if its lowest is its highest everywhere.

    run: with the columns low and high; at: x of its rows; good: which rows can be drawn; factor: of the values.
    """
    low, high = (factor * run.numbers(column) for column in ("low", "high"))
    good = good & np.isfinite(low) & np.isfinite(high)
    if not (low < high)[good].any():
        return []
    around = dict(fill="toself", fillcolor=theme.rgba(theme.colour(run.skip, run.depth), 0.18), line=dict(width=0))
    x, y = (np.concatenate([part, other[::-1]]) for part, other in ((at[good],) * 2, (high[good], low[good])))
    return [theme.trace(run, "band", x, y, mode="lines", hoverinfo="skip", showlegend=False, **around)]
