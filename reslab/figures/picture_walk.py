"""Lesson 04: the test picture that is nearest to one picture after each block of a net, as pictures."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames

__all__ = ["walk"]

COLUMNS = ("name", "skip", "depth", "seed", "step", "origin", "index", "label", "same_class", "image", "picture")
BETWEEN = 1.2  # pixels of a picture between two pictures


def walk(frame, *, empty=EMPTY, draw=theme.figure):
    """The picture, and the test picture that is nearest to it after some blocks, from left to right: one row per net.

    frame: as `experiments.representations.walk` gives it. Under each picture is its block and its class; a class that
    is not the picture's own is crossed. ValueError for a missing column.
    """
    frame = frames.require(frame, COLUMNS, "The walk of a picture")
    runs = frames.runs(frame)
    traces, axes = [], {}
    for row, run in enumerate(runs):
        number, count = str(row + 1) * (row > 0), len(run["index"])
        image, size = run["image"][0], len(run["image"][0])
        for column, picture in enumerate([image, *run["picture"]]):
            at = (size + BETWEEN) * column + (BETWEEN if column else 0)
            traces.append(dict(
                type="heatmap", z=picture / picture.max(), x0=at, dx=1, y0=0, dy=1, colorscale="Greys_r", zmin=0,
                zmax=1, showscale=False, hoverinfo="skip", xaxis=f"x{number}", yaxis=f"y{number}",
                meta={"key": f"{run.key('walk')}/{column}"},
            ))  # fmt: skip
        words = [
            f"{f'block {index}' if index else 'stem'}<br><b>{label}{'' if same else ' ✗'}</b>"
            for index, label, same in zip(run["index"], run["label"], run["same_class"], strict=True)
        ]
        places = [(size - 1) / 2, *(BETWEEN + (size + BETWEEN) * k + (size - 1) / 2 for k in range(1, count + 1))]
        bare = dict(showgrid=False, zeroline=False, showline=False, ticks="", constrain="domain")
        top, bottom = 1 - row / len(runs), 1 - (row + 0.74) / len(runs)
        axes[f"xaxis{number}"] = bare | dict(
            tickvals=places, ticktext=["the<br>picture", *words], anchor=f"y{number}", tickangle=0,
            title=dict(text="Block, and its nearest digit", standoff=4), range=[-0.5, (size + BETWEEN) * (count + 1)],
        )  # fmt: skip
        axes[f"yaxis{number}"] = bare | dict(
            domain=[bottom, top], autorange="reversed", showticklabels=False, scaleanchor=f"x{number}",
            anchor=f"x{number}", title=run.label,
        )  # fmt: skip
    first = dict(x=axes.pop("xaxis", "Blocks"), y=axes.pop("yaxis", "Nets"))
    return draw(
        traces, title="After each block: the most similar other test picture", showlegend=False,
        origin=phrases.origin(runs), empty=empty, height=80 + 150 * max(len(runs), 1),
        margin=dict(l=60, r=16, t=theme.TOP, b=8), **first, **axes,
    )  # fmt: skip
