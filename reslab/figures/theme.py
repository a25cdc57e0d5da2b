"""The look of every chart: the meaning of colours, dashes and markers, and one function that makes every chart.

Plain nets are vermillion, dashed, with diamonds; residual nets are blue, solid, with circles; a deeper net is darker; a
recorded run is thinner than a live one. Every colour of a line has a contrast of at least 3:1 on white and on the dark
background of JupyterLab (#111).

Text is at least 14 px, axis titles and the names of lines 16 px. A figure by itself is near-black on white in any
theme; inside an explorer, PAGE_CSS takes background and text colour from the page, so the contrast is above 7:1.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import re
import textwrap
from itertools import pairwise
from math import log

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

from reslab.figures.text.phrases import amount  # noqa: F401 – architecture.py takes it from here
from reslab.results.frames import recorded, require  # noqa: F401 – as above

PLAIN, RESIDUAL = "#D55E00", "#0072B2"  # Okabe and Ito's vermillion and blue: safe for colour-blind readers
INK = "#1A1A1A"  # text, 17:1 on white; PAGE_CSS replaces it on a dark page
GREY = "#767676"  # lines and marks that belong to no net: 4.5:1 on white, 4.1:1 on #111
GRID = "rgba(128, 128, 128, 0.22)"
AXIS = "rgba(128, 128, 128, 0.60)"
HEAT = "Viridis"  # of values from least to most; cividis, whose middle is grey, is for values on both sides of one
SMALL, LARGE, TITLE = 14, 16, 18  # px: of ticks and notes, of axis titles and names of lines, of the chart's title
HEIGHT = 420  # px of a chart, by default
TOP, BOTTOM = 66, 62  # px above and below the plot
ORIGIN = 76  # letters of a line of the origin under the title

# For the style of a page: a chart inside `.reslab` has the page's text colour and background, except in hover labels.
PAGE_CSS = """
    .reslab .js-plotly-plot {
        --reslab-ink: var(--jp-ui-font-color0, var(--vscode-foreground, var(--colab-primary-text-color, #1A1A1A)));
    }
    .reslab .js-plotly-plot .main-svg { background: transparent !important; }
    .reslab .js-plotly-plot text:not(.hoverlayer *) { fill: var(--reslab-ink) !important; fill-opacity: 1 !important; }
"""

# Depth → colour, for plain and residual nets. The lightest and the darkest are as far apart as 3:1 on both backgrounds
# allows. That range is narrow, so shallow nets also go towards amber and sky blue. Every channel falls or stays from
# shade to shade, and so does lightness.
_SHADES = {
    False: ((8, "#E27900"), (20, PLAIN), (110, "#B44400"), (1202, "#AA4000")),
    True: ((8, "#309CD8"), (56, RESIDUAL), (1202, "#0065B0")),
}
# Of nets with the same skip and depth, the first, the second, and all others.
DASHES = {False: ("5px,3px", "2px,3px", "9px,3px,2px,3px"), True: ("solid", "14px,3px", "14px,3px,2px,3px")}

template = go.layout.Template(
    layout=dict(
        paper_bgcolor="white",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        colorway=[RESIDUAL, PLAIN, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"],
        font=dict(
            color=INK, size=SMALL, family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
        ),
        title=dict(
            x=0,
            xref="paper",
            xanchor="left",
            y=1,
            yref="paper",
            yanchor="bottom",
            pad=dict(b=30),
            font=dict(size=TITLE),
        ),
        margin=dict(l=76, r=16, t=TOP, b=BOTTOM),
        legend=dict(font=dict(size=SMALL), tracegroupgap=0, itemwidth=34, bgcolor="rgba(0, 0, 0, 0)"),
        # Without the button that sends the chart, perhaps with a learner's own picture, to plotly's server.
        modebar=dict(bgcolor="rgba(0, 0, 0, 0)", color=GREY, activecolor=RESIDUAL, remove="sendChartToCloud"),
        hoverlabel=dict(font=dict(size=SMALL), align="left"),
        annotationdefaults=dict(font=dict(size=SMALL, color=INK), arrowcolor=GREY, arrowwidth=1, arrowhead=0),
        coloraxis=dict(colorbar=dict(title=dict(font=dict(size=LARGE)), tickfont=dict(size=SMALL), outlinewidth=0)),
        xaxis=dict(
            gridcolor="rgba(0, 0, 0, 0)",
            linecolor=AXIS,
            showline=True,
            zeroline=False,
            ticks="outside",
            ticklen=4,
            tickcolor=AXIS,
            automargin=True,
            tickfont=dict(size=SMALL),
            title=dict(standoff=8, font=dict(size=LARGE)),
        ),
        yaxis=dict(
            gridcolor=GRID,
            showline=False,
            zeroline=False,
            automargin=True,
            tickfont=dict(size=SMALL),
            title=dict(standoff=10, font=dict(size=LARGE)),
        ),
    )
)
pio.templates["reslab"] = template  # can be chosen by name; plotly's own default stays


def colour(skip, depth):
    """The colour of a net, as "#RRGGBB": the hue shows plain or residual, the lightness shows depth.

    Darker with depth, on a log scale from 8 to 1202 layers, and constant outside; PLAIN is the colour of plain-20 and
    RESIDUAL that of resnet-56. ValueError for a depth that is not a number of at least 1.
    """
    if depth is None or not depth >= 1:
        raise ValueError(f"A depth of {depth!r} has no colour: depth is the number of layers, 1 or more.")
    shades = _SHADES[bool(skip)]
    depth = min(max(depth, shades[0][0]), shades[-1][0])
    (low, light), (high, dark) = next(pair for pair in pairwise(shades) if depth <= pair[1][0])
    share = log(depth / low) / log(high / low)
    ends = [[int(shade[i : i + 2], 16) for i in (1, 3, 5)] for shade in (light, dark)]
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(*ends, strict=True))


def line(skip, depth, recorded=False, variant=0):
    """A net's line, as plotly's `line` dictionary: dashed when plain, solid when residual, thinner when recorded.

    variant: of nets with this skip and depth; from 1 on, the dashes are others.
    """
    dashes = DASHES[bool(skip)]
    dash = dashes[min(variant, len(dashes) - 1)]
    return dict(color=colour(skip, depth), dash=dash, width=1.6 if recorded else 3)


def marker(skip, depth, *, open=True, size=9):
    """A net's marker, as plotly's `marker` dictionary: a diamond when plain, a circle when residual; open for test
    error."""
    shape = ("circle" if skip else "diamond") + ("-open" if open else "")
    return dict(color=colour(skip, depth), symbol=shape, size=size, line=dict(width=2 if open else 0))


def wrap(name, width=20):
    """A name for the legend; a long one is broken into lines of about `width` letters, so that the chart stays wide."""
    first, *parts = name.split(" · ")
    lines = [first]
    for part in parts:
        if len(f"{lines[-1]} · {part}") <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(f"· {part}")
    return "<br>".join(lines)


def rgba(colour, alpha):
    """A "#RRGGBB" colour as plotly's "rgba(...)", transparent."""
    return f"rgba({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))}, {alpha})"


def run_line(run):
    """The line of a run, as plotly's `line` dictionary; see `line`."""
    return line(run.skip, run.depth, recorded=recorded(run.origin), variant=run.variant)


def trace(run, part, x, y, **style):
    """One of a run's traces as a dictionary; the traces of a run share one legend entry.

    Its meta has the name of the run, and a key that is unique in its chart and equal in every redraw.
    """
    meta = {"key": run.key(part), "run": run.name}
    group = dict(name=wrap(run.label), legendgroup=run.key("run"), meta=meta)
    return dict(type="scatter", x=x, y=y, **group, **style)


def separated(wanted, heights, low, high):
    """Positions of texts on an axis so that they do not overlap, each as near as possible to its wanted position.

    wanted, heights: of each text, in units of the axis, which goes from low to high. The positions are in the order of
    `wanted`; None if the texts do not fit.
    """
    if sum(heights) > high - low:
        return None
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups = []  # [members, lower edge (the mean of its members' wanted ones), height]
    for i in order:
        group = [[i], wanted[i] - heights[i] / 2, heights[i]]
        while True:
            group[1] = min(max(group[1], low), high - group[2])
            if not groups or groups[-1][1] + groups[-1][2] <= group[1]:
                break
            below = groups.pop()
            count, members = len(below[0]), below[0] + group[0]
            edge = (count * below[1] + len(group[0]) * (group[1] - below[2])) / len(members)
            group = [members, edge, below[2] + group[2]]
        groups.append(group)
    places = [0.0] * len(wanted)
    for members, edge, _ in groups:
        for i in members:
            places[i] = edge + heights[i] / 2
            edge += heights[i]
    return places


def name_lines(ends, x, y, *, left=False, height=HEIGHT - 40):
    """Names of lines right (or left) of the plot, each near the end of its line and connected to it.

    ends: (key, text, x, y, colour) of each line. x, y: the axes, as plotly dictionaries with a range. height: px of the
    lowest chart in which the names must not overlap. Returns a layout: annotations, the margin that they need, and no
    legend; if they do not fit, or there are none, a legend and no annotations.
    """
    margin = template.layout.margin.to_plotly_json()
    texts = [text for _, text, *_ in ends]
    low, high = y["range"]
    pixel = (high - low) / (height - TOP - BOTTOM)
    scale = [np.log10 if axis.get("type") == "log" else float for axis in (x, y)]
    points = [(scale[0](at), scale[1](value)) for _, _, at, value, _ in ends]
    heights = [(LARGE + 5) * pixel * (1 + text.count("<br>")) for text in texts]
    places = separated([value for _, value in points], heights, low, high)
    if not places:
        return dict(annotations=[], showlegend=True, margin=margin)
    start, end = x["range"]
    reach = start - 0.02 * (end - start) if left else end + 0.02 * (end - start)
    annotations = [
        dict(
            name=f"{key}/name", text=text, x=at, y=value, ax=reach, ay=place, axref="x", ayref="y",
            xanchor="right" if left else "left",
            yanchor="middle", align="right" if left else "left", showarrow=True, arrowcolor=AXIS, arrowwidth=1,
            font=dict(size=LARGE),
        )
        for (key, *_), text, (at, value), place in zip(ends, texts, points, places, strict=True)
    ]  # fmt: skip
    lines = [re.sub("<[^>]*>", "", part) for text in texts for part in text.split("<br>")]  # as they are read
    longest = max(map(len, lines), default=0)
    margin |= {"l" if left else "r": 28 + round(0.56 * LARGE * longest)}
    return dict(annotations=annotations, showlegend=False, margin=margin)


def depth_axis(depths):
    """A log axis with the measured depths as ticks; a label that would overlap a shallower one is left out."""
    at, named = np.log10(depths or [8, 56]), []
    for place in at:
        named += [place] if not named or place - named[-1] > (at[-1] - at[0]) / 14 else []
    ticks = dict(
        tickvals=depths,
        ticktext=[str(depth) if place in named else "" for depth, place in zip(depths, at, strict=False)],
    )
    return dict(title="Depth (layers, log scale)", type="log", range=[at[0] - 0.08, at[-1] + 0.08], **ticks)


def chart(data, *, title, x, y, statement=None, origin="", letters=ORIGIN, empty="", annotations=(), **layout):
    """A chart in the look of reslab, as plain dictionaries, {"data", "layout"}: what `figure` turns into a Figure.

    data: traces, as dictionaries. x, y: axes, as plotly dictionaries, or the axis title alone, with its unit.
    statement: used by `figure`; a chart that changes while it is measured keeps its title.
    origin: where the numbers come from, shown under the title; letters: in a line of it, fewer where the names on an
    axis take room. empty: the sentence that an empty chart shows.
    ValueError for an axis without a title.
    """
    axes = {}
    for side, axis in (("x", x), ("y", y)):
        axis = {"title": axis} if isinstance(axis, str) else dict(axis)
        axis["title"] = {"text": axis["title"]} if isinstance(axis.get("title"), str) else axis.get("title") or {}
        if not (text := (axis["title"].get("text") or "")).strip():
            raise ValueError(f'The {side} axis of "{title}" has no title: say what it shows, and its unit.')
        if "<br>" not in text:  # a long one would be cut at 700 px
            axis["title"] = dict(axis["title"], text="<br>".join(textwrap.wrap(text, {"x": 50, "y": 34}[side])) or text)
        axes[f"{side}axis"] = axis
    annotations = list(annotations)
    if not data:  # no line of the chart runs through the sentence
        axes["xaxis"].update(showticklabels=False, ticks="")
        axes["yaxis"].update(showgrid=False, zeroline=False)
        layout["shapes"] = []
        annotations.append(
            dict(
                name="empty",
                text=empty,
                showarrow=False,
                x=0.5,
                y=0.5,
                xref="paper",
                yref="paper",
                font=dict(size=LARGE),
            )
        )
    heading = dict(text=title)
    if origin:
        lines = _lines(origin, letters)  # a longer line would be cut at 700 px
        under = dict(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", xshift=-2, yshift=6)
        annotations.append(dict(name="origin", text="<br>".join(lines), showarrow=False, align="left", **under))
        if rise := (len(lines) - 1) * (SMALL + 4):  # px for the lines under the first
            margin = template.layout.margin.to_plotly_json() | dict(layout.get("margin") or {})
            layout["margin"] = margin | dict(t=margin["t"] + rise)
            heading["pad"] = dict(b=template.layout.title.pad.b + rise)
    # uirevision: the learner's zoom and hidden lines stay when the numbers change.
    fixed = dict(
        template=template, title=heading, annotations=annotations, uirevision="reslab", showlegend=True
    )
    return {"data": list(data), "layout": {**fixed, **axes, **layout}}


def _lines(origin, letters):
    """The line under a title, broken after one of its parts where that takes no more lines."""
    filled, lines = textwrap.wrap(origin, letters), []
    for part in origin.split(" · "):
        joined = " · ".join([*lines[-1:], part])
        lines = [*lines[:-1], joined] if len(joined) <= letters else [*lines, *textwrap.wrap(part, letters)]
    return lines if len(lines) <= len(filled) else filled


def figure(data, *, statement=None, **options):
    """A plotly Figure in the look of reslab; arguments and errors are those of `chart`.

    statement: a function without arguments; what it says of the numbers is the title, unless it is "".
    """
    said = statement() if statement and data else ""
    drawn = chart(data, **options | (dict(title=said) if said else {}))
    if said:
        drawn["layout"]["meta"] = {"statement": said}
    drawn["layout"].setdefault("height", HEIGHT)
    return go.Figure(**drawn)
