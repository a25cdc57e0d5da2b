"""Lesson 02, shattered gradients: the gradient against the input, and its autocorrelation.

`frame` has one row per net × depth × seed × input, `table` one row per net × depth × seed × lag, as
`experiments.shattering` gives them; depth 0 marks the noises. Every chart takes draw=theme.chart, to come as plain
dictionaries.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from textwrap import wrap

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.shattering import alt_text, sentence, title
from reslab.results import frames
from reslab.results import shattering as results
from reslab.results.shattering import COLUMNS, NET

__all__ = ["alt_text", "by_depth", "gradients", "sentence"]

STEP = 7  # standard deviations from one line to the next where lines are stacked


def gradients(frame, *, x="Input", empty=EMPTY, draw=theme.figure):
    """The gradient against the input, one line per net × depth (its first seed), stacked one above the other.

    frame: name, skip, depth, seed, origin, x, gradient. Each line is centred and divided by its standard deviation. x:
    the axis's title. ValueError for a missing column.
    """
    frame = frames.require(frame, (*NET, "x", "gradient"), "The gradient against the input")
    lines, traces, drawn = list(frame.groupby(["name", "skip", "depth"], sort=False)), [], []
    for row, ((name, skip, depth), group) in enumerate(lines):
        group = group[group["seed"] == group["seed"].iloc[0]].sort_values("x")
        gradient = group["gradient"].to_numpy(dtype=float)
        spread = gradient.std()
        y = (gradient - gradient.mean()) / (spread if spread > 0 else 1) - STEP * row
        drawn.append(group)
        hover = (
            f"<b>{_title(name, depth)}</b><br>at %{{x:.3f}}:"
            f" %{{customdata:.3~g}}<extra>{group['origin'].iloc[0]}</extra>"
        )
        traces.append(dict(
            type="scatter", mode="lines", x=group["x"], y=y,
            line=_look(name, skip, depth)["line"] | dict(width=1.5, dash="solid"),
            name=_title(name, depth), showlegend=False, customdata=gradient, hovertemplate=hover,
            meta={"key": f"{name}/{depth}/gradient"},
        ))  # fmt: skip
    names = ["<br>".join(wrap(_title(name, depth), 32)) for (name, _, depth), _ in lines]
    y = dict(
        title="Gradient of a random net, centred, over its spread",
        tickvals=[-STEP * row for row in range(len(lines))], ticktext=names,
        range=[0.6 - STEP * (len(lines) - 0.5), STEP / 2 + 0.4], showgrid=False, ticks="",
    )  # fmt: skip
    return draw(
        traces,
        title="Gradient against the input",
        origin=_origin(drawn),
        empty=empty,
        x=x,
        y=y,
        height=max(380, 140 + 66 * len(lines)),
    )


def by_depth(table, *, lag=1, empty=EMPTY, draw=theme.figure):
    """Autocorrelation at one lag against depth: the mean over the seeds, with a bar from the lowest to the highest.

    The two noises are horizontal lines.

    table: name, skip, depth, seed, origin, lag, autocorrelation. ValueError for a missing column.
    """
    table = frames.require(table, COLUMNS, "The autocorrelation")
    measured = results.by_depth(table, lag)
    traces, ends, shapes = [], [], []
    depths = sorted(set(measured["depth"]) - {0}) or [1, 50]
    for (name, skip), at in measured.groupby(["name", "skip"], sort=False):
        at = at.sort_values("depth")
        if at["depth"].iloc[0] == 0:  # noise has no depth
            level = at["mean"].iloc[0]
            line = dict(color=theme.GREY, width=1, dash="1px,3px")
            shapes.append(dict(type="line", xref="paper", x0=0, x1=1, y0=level, y1=level, line=line))
            ends.append((name, f"{name} {level:.2f}".replace("-", "−"), depths[-1], level, theme.GREY))
            continue
        bars = dict(
            type="data",
            symmetric=False,
            array=at["max"] - at["mean"],
            arrayminus=at["mean"] - at["min"],
            width=5,
            thickness=1.3,
        )
        hover = (
            f"<b>{name}</b>, %{{x}} layers<br>autocorrelation %{{y:.2f}} (%{{customdata}}"
            f" seeds)<extra>{at['origin'].iloc[0]}</extra>"
        )
        traces.append(dict(
            type="scatter", mode="lines+markers", x=at["depth"], y=at["mean"], error_y=bars, customdata=at["size"],
            hovertemplate=hover,
            name=theme.wrap(name), meta={"key": f"{name}/depth"}, **_look(name, skip, 56),
        ))  # fmt: skip
        ends.append((name, theme.wrap(name), at["depth"].iloc[-1], at["mean"].iloc[-1], traces[-1]["line"]["color"]))
    x = theme.depth_axis(depths)
    y = dict(title="Autocorrelation<br>(1: alike, 0: unrelated)", range=[-0.25, 1.1])
    return draw(
        traces,
        title=f"Autocorrelation of the gradient, lag {lag}",
        statement=lambda: title(table, lag),
        origin=_origin([table]),
        empty=empty,
        shapes=shapes,
        x=x,
        y=y,
        **theme.name_lines(ends, x, y),
    )


def _title(name, depth):
    return f"{name}, {depth} layer{'s' * bool(depth != 1)}" if depth else name


def _look(name, skip, depth):
    """Line and marker: the usual ones; with one flag more, an open marker and a finer dash; noises are grey."""
    if depth == 0:
        return dict(line=dict(color=theme.GREY, width=2), marker=dict(color=theme.GREY))
    flagged = "no norm" in name or "×" in name
    line, mark = theme.line(skip, depth), theme.marker(skip, depth, open=flagged, size=9)
    return dict(line=line | dict(dash="1px,3px" if not skip else "9px,2px") if flagged else line, marker=mark)


def _origin(frames):
    columns = ([value for frame in frames for value in frame[column].unique()] for column in ("origin", "seed"))
    return phrases.origin_line(*columns)
