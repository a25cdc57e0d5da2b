"""The look of every chart: what a colour, a dash and a marker mean, and one factory that keeps it so.

Plain nets are vermillion, dashed, with diamonds; residual nets are blue, solid, with circles; a deeper net is
darker; a recorded run is thinner than a live one. Paper and plot are transparent and every colour stands out
by at least 3:1 on white and on JupyterLab's dark background (#111), so one figure serves both themes.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from itertools import pairwise
from math import log

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

from reslab.figures.text.phrases import amount  # noqa: F401 – architecture.py takes it from here
from reslab.results.frames import recorded, require  # noqa: F401 – as above

PLAIN, RESIDUAL = "#D55E00", "#0072B2"  # Okabe and Ito's vermillion and blue: safe for colour-blind readers
INK = "#767676"  # the one grey that reads at 4.5:1 on white and still at 4.1:1 on #111
GRID = "rgba(128, 128, 128, 0.22)"
AXIS = "rgba(128, 128, 128, 0.60)"

# A hue at its shallowest, where it is the house colour, and at its deepest. The ends are as light and as dark as 3:1 on both
# backgrounds allows; that range is narrow, so a shallow net leans towards amber and sky blue too. Every channel falls or
# stays from shade to shade, so lightness does. Vermillion is lighter than the blue, so it is the house colour of a shallower net.
_SHADES = {
    False: ((8, "#E27900"), (20, PLAIN), (110, "#B44400"), (1202, "#AA4000")),
    True: ((8, "#309CD8"), (56, RESIDUAL), (1202, "#0065B0")),
}

template = go.layout.Template(
    layout=dict(
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        colorway=[RESIDUAL, PLAIN, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"],
        font=dict(color=INK, size=12, family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"),
        title=dict(x=0, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom", pad=dict(b=25), font=dict(size=15)),
        margin=dict(l=64, r=12, t=58, b=50),
        legend=dict(font=dict(size=11), tracegroupgap=0, itemwidth=34, bgcolor="rgba(0, 0, 0, 0)"),
        modebar=dict(bgcolor="rgba(0, 0, 0, 0)", color=INK, activecolor=RESIDUAL),
        hoverlabel=dict(font=dict(size=12), align="left"),
        annotationdefaults=dict(font=dict(size=11, color=INK), arrowcolor=INK, arrowwidth=1, arrowhead=0),
        xaxis=dict(
            gridcolor="rgba(0, 0, 0, 0)", linecolor=AXIS, showline=True, zeroline=False, ticks="outside",
            ticklen=4, tickcolor=AXIS, automargin=True, title=dict(standoff=8, font=dict(size=12)),
        ),
        yaxis=dict(gridcolor=GRID, showline=False, zeroline=False, automargin=True, title=dict(standoff=10, font=dict(size=12))),
    )
)
pio.templates["reslab"] = template  # offered by name; plotly's own default is left as it was


def colour(skip, depth):
    """The colour of a net, as "#RRGGBB": the hue says plain or residual, the lightness says how deep.

    Darker with depth on a log scale between 8 and 1202 layers, and level outside of them; plain-20 wears PLAIN itself and
    resnet-56 RESIDUAL. A depth that is not a number of at least 1 raises ValueError.
    """
    if depth is None or not depth >= 1:
        raise ValueError(f"A depth of {depth!r} has no colour: depth is the number of layers, 1 or more.")
    shades = _SHADES[bool(skip)]
    depth = min(max(depth, shades[0][0]), shades[-1][0])
    (low, light), (high, dark) = next(pair for pair in pairwise(shades) if depth <= pair[1][0])
    share = log(depth / low) / log(high / low)
    ends = [[int(shade[i : i + 2], 16) for i in (1, 3, 5)] for shade in (light, dark)]
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(*ends, strict=True))


def line(skip, depth, recorded=False):
    """A net's line, as plotly's `line` dictionary: dashed when plain, solid when residual, thinner when recorded."""
    return dict(color=colour(skip, depth), dash="solid" if skip else "5px,3px", width=1.3 if recorded else 2.2)


def marker(skip, depth, *, open=True, size=7):
    """A net's marker, as plotly's `marker` dictionary: a diamond when plain, a circle when residual; open for test error."""
    shape = ("circle" if skip else "diamond") + ("-open" if open else "")
    return dict(color=colour(skip, depth), symbol=shape, size=size, line=dict(width=1.6 if open else 0))


def wrap(name, width=20):
    """A run's name for the legend: a long one breaks before the parts that a line has no room for, so that the chart keeps its own."""
    first, *parts = name.split(" · ")
    lines = [first]
    for part in parts:
        if len(f"{lines[-1]} · {part}") <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(f"· {part}")
    return "<br>".join(lines)


def rgba(colour, alpha):
    """A "#RRGGBB" colour as plotly's "rgba(...)", see-through."""
    return f"rgba({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))}, {alpha})"


def run_line(run):
    """The line of a run, as plotly's `line` dictionary; see `line`."""
    return line(run.skip, run.depth, recorded=recorded(run.origin))


def trace(run, part, x, y, **style):
    """One of a run's traces as a dictionary; they share a legend entry, which the first of them shows.

    It wears meta={"key": ...}, unique in its chart and the same from one redraw to the next.
    """
    group = dict(name=wrap(run.label), legendgroup=run.key("run"), meta={"key": run.key(part)})
    return dict(type="scatter", x=x, y=y, **group, **style)


def depth_axis(depths):
    """A log axis that names the measured depths, but for those that would overprint a shallower one."""
    at, named = np.log10(depths or [8, 56]), []
    for place in at:
        named += [place] if not named or place - named[-1] > (at[-1] - at[0]) / 14 else []
    ticks = dict(tickvals=depths, ticktext=[str(depth) if place in named else "" for depth, place in zip(depths, at, strict=False)])
    return dict(title="Depth (layers, log scale)", type="log", range=[at[0] - 0.08, at[-1] + 0.08], **ticks)


def chart(data, *, title, x, y, origin="", empty="", annotations=(), **layout):
    """A chart in the house's look as plain dictionaries, {"data", "layout"}: what `figure` turns into a Figure.

    data: traces, as dictionaries. x, y: axes, as plotly dictionaries, or the axis title alone, with its unit.
    origin: where the numbers come from, worn under the title. empty: the sentence that an empty chart shows.
    An axis without a title raises ValueError: a number without its unit says nothing.
    """
    axes = {}
    for side, axis in (("x", x), ("y", y)):
        axis = {"title": axis} if isinstance(axis, str) else dict(axis)
        axis["title"] = {"text": axis["title"]} if isinstance(axis.get("title"), str) else axis.get("title") or {}
        if not (axis["title"].get("text") or "").strip():
            raise ValueError(f'The {side} axis of "{title}" has no title: say what it shows, and its unit.')
        axes[f"{side}axis"] = axis
    annotations = list(annotations)
    if not data:
        axes["xaxis"].update(showticklabels=False, ticks="")
        annotations.append(dict(
            name="empty", text=empty, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font=dict(size=14),
        ))
    if origin:
        under = dict(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", xshift=-2, yshift=5)
        annotations.append(dict(name="origin", text=origin, showarrow=False, **under))
    # uirevision: a learner's zoom, and the lines they hid, stay as they are while the numbers move.
    fixed = dict(template=template, title=dict(text=title), annotations=annotations, uirevision="reslab", showlegend=True)
    return {"data": list(data), "layout": {**fixed, **axes, **layout}}


def figure(data, **options):
    """A plotly Figure in the house's look; takes what `chart` takes, raises what it raises."""
    return go.Figure(**chart(data, **options))
