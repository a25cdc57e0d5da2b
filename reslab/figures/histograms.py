"""Lesson 04, histograms of the activations at block outputs: one block as lines, or the whole net as colours.

`frame` is what `experiments.activations.histograms` gives, of one net or several: one row per block × bin.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.histograms import alt_text
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.histograms import COLUMNS

__all__ = ["alt_text", "block", "net"]

LOWEST = 0.005  # % of the activations, where the log scale of shares ends


def block(frame, index, *, empty=EMPTY, draw=theme.figure):
    """The share of one block's activations in each bin (%, log scale), one stepped line per net.

    The last bin has all larger values. index: of the block, from 1; of a net with fewer blocks, the last one is drawn.
    ValueError for a missing column.
    """
    traces, runs, ends = [], _runs(frame), [0.0, 1.0]
    for run in runs:
        here = run["index"] == min(index, run["index"].max())
        left, share = run.numbers("left")[here], 100 * run.numbers("share")[here]
        left[0] = 2 * left[1] - left[2]  # the first bin has no left edge: drawn as wide as the next
        ends += [left[share > 0].min(initial=0), left[share > 0].max(initial=1)]
        hover = (
            f"<b>{run.label}</b>, {run['module'][here][0]}<br>from %{{x}}: %{{y:.2f}} % of the"
            f" activations<extra>{run.origin}</extra>"
        )
        style = dict(mode="lines", line=theme.run_line(run) | dict(shape="hv"), hovertemplate=hover)
        traces.append(theme.trace(run, "histogram", left, np.maximum(share, LOWEST / 10), **style))
    x = dict(title="Activation at block output", range=[min(ends) - 0.3, max(ends) + 0.6])
    title = f"Histogram of block {index}"
    y = _shares("Share of the activations<br>(%, log scale)")
    return draw(traces, title=title, origin=phrases.origin(runs), empty=empty, x=x, y=y)


def net(frame, *, empty=EMPTY, draw=theme.figure):
    """The share of the activations in each bin, as a colour on a log scale: one panel per net, one column per block.

    ValueError for a missing column.
    """
    traces, axes, runs, top = [], {}, _runs(frame), 1.0
    for panel, run in enumerate(runs):
        blocks, number = int(run["index"].max()), str(panel + 1) if panel else ""
        share = 100 * run.numbers("share").reshape(blocks, -1).T  # (bins, blocks)
        left = run.numbers("left")[: len(share)]
        width = left[2] - left[1]
        left[0] = left[1] - width
        top = max(top, left[share.any(axis=1)].max() + width)
        scale = _shares("")
        bar = dict(
            thickness=12,
            outlinewidth=0,
            title=dict(text="%"),
            tickvals=np.log10(scale["tickvals"]),
            ticktext=scale["tickvals"],
        )
        look = dict(colorscale=theme.HEAT, zmin=scale["range"][0], zmax=2, colorbar=bar, showscale=panel == 0)
        hover = (
            f"<b>{run.label}</b>, block %{{x}}<br>about %{{y}}: %{{customdata:.2f}} % of the"
            f" activations<extra>{run.origin}</extra>"
        )
        z = np.log10(np.where(share > 0, share, np.nan))
        place = dict(
            x=np.arange(1, blocks + 1), y=left + width / 2, z=z, customdata=share, xaxis=f"x{number}", yaxis="y"
        )
        traces.append(dict(type="heatmap", **place, hovertemplate=hover, meta={"key": run.key("histograms")}, **look))
        room = [panel / len(runs) + 0.02 * (panel > 0), (panel + 1) / len(runs) - 0.02 * (panel + 1 < len(runs))]
        axes[f"xaxis{number}"] = dict(title=f"Block of {run.label}", domain=room, range=[0.5, blocks + 0.5])
        axes[f"xaxis{number}"] |= dict(tickvals=sorted({1, (blocks + 1) // 2, blocks}))
    first = dict(x=axes.pop("xaxis", "Block"), y=dict(title="Activation at block output", range=[-0.5, 1.03 * top]))
    return draw(traces, title="Histogram of every block", origin=phrases.origin(runs), empty=empty, **first, **axes)


def _runs(frame):
    return frames.runs(frames.require(frame, COLUMNS, "A histogram"))


def _shares(title):
    """The log axis of shares in per cent."""
    return dict(title=title, type="log", range=[np.log10(LOWEST), 2.05], tickvals=[0.01, 0.1, 1, 10, 100])
