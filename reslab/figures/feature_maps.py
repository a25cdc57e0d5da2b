"""Lesson 04, feature maps: what blocks make of one image, one small picture per channel; plain nets left of residual
ones.

`frame` is what `experiments.activations.feature_maps` gives, of one net or several: one row per channel of a block,
with its map as an (H, W) array, and at index 0 the image itself. Lighter pixels are larger activations.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.feature_maps import alt_text
from reslab.figures.text.phrases import EMPTY
from reslab.results import feature_maps as results
from reslab.results import frames

__all__ = ["alt_text", "block", "walk"]

WIDE = 1.9  # width over height of the room for maps, of all nets together
IMAGE = 3  # the axes of the image: after those of the nets that `block` has room for
IMAGE_WIDE = 0.15  # of the chart's width: the image


def block(frame, index, *, empty=EMPTY, draw=theme.figure):
    """Every channel of one block of each net (three at most, side by side), with one colour scale a net, and the image
    at the left.

    index: of the block, from 1; of a net with fewer blocks, the last one is shown. ValueError for a missing column.
    """
    nets = results.nets(frame)[:IMAGE]
    traces, axes = [], {}
    wide = (1 - IMAGE_WIDE) / max(1, len(nets))
    for place, net in enumerate(nets):
        here = results.of_block(net, index)
        maps, name = np.stack(here["map"]), here["name"].iloc[0]  # (C, H, W)
        z, channel = _tiled(maps, WIDE / len(nets))
        most = z[np.isfinite(z)].max(initial=0)
        hover = f"<b>{name}</b>, {here['module'].iloc[0]}<br>"
        hover += "channel %{customdata[0]}: %{customdata[1]:.3~g}<extra></extra>"
        look = dict(
            colorscale=theme.HEAT, zmin=0, zmax=np.sqrt(most) or 1.0, showscale=False, hovertemplate=hover,
            customdata=np.stack([channel, z], axis=-1),
        )  # fmt: skip
        traces.append(dict(type="heatmap", z=_root(z), **_on(place), meta={"key": f"maps/{place}"}, **look))
        count, height, width = maps.shape
        title = f"{here['module'].iloc[0]}: {count} maps of {height} × {width}<br>"
        title += f"yellow: {most:.2g} (root scale); answer: {here['predicted'].iloc[0]}"
        left = IMAGE_WIDE + place * wide
        axes |= _axes(place, (left + 0.05, left + wide), (0.0, 1.0), title, name)
    if nets:
        traces.append(_image(nets[0]))
        axes |= _axes(IMAGE, (0.0, IMAGE_WIDE), (0.0, 1.0), "the image", "")
        unused = range(len(nets), IMAGE)
        axes |= {_name(axis, place): dict(visible=False) for place in unused for axis in ("xaxis", "yaxis")}
    return _drawn(traces, axes, nets, "Feature maps of one block", empty, draw)


def walk(frame, blocks=(1, 2, 3), channels=3, *, empty=EMPTY, draw=theme.figure):
    """The first channels of some blocks of a stage, one row per channel and one column per block; the nets beside each
    other.

    Each map has its own colour scale: what is compared is the picture that it shows. ValueError for a missing column.
    """
    nets = results.nets(frame)
    traces, axes = [], {}
    for place, net in enumerate(nets):
        shown = net[net["index"].isin(blocks) & (net["channel"] < channels)]
        size = max(map(len, shown["map"]))
        columns = [_stacked(maps.sort_values("channel")["map"], size) for _, maps in shown.groupby("index")]
        z = np.hstack(columns)
        look = dict(colorscale=theme.HEAT, zmin=0, zmax=1, showscale=False, hoverinfo="skip")
        traces.append(dict(type="heatmap", z=z, **_on(place), meta={"key": f"walk/{place}"}, **look))
        wide = (1 - IMAGE_WIDE) / len(nets)
        left = IMAGE_WIDE + place * wide
        title = f"Block of {net['name'].iloc[0].replace(' · ', ', ')};<br>its answer: {shown['predicted'].iloc[0]}"
        axes |= _axes(place, (left + 0.05, left + wide), (0.0, 1.0), title, "one channel in each row" * (not place))
        at = (size + 1) * (np.arange(len(columns)) + 0.5) - 1
        ticks = [str(int(index)) for index in sorted(shown["index"].unique())]
        axes[_name("xaxis", place)] |= dict(tickvals=at, ticktext=ticks, showticklabels=True)
    if nets:
        traces.append(_image(nets[0]))
        axes |= _axes(IMAGE, (0.0, IMAGE_WIDE), (0.0, 1.0), "the image", "")
    return _drawn(traces, axes, nets, "One image, block by block", empty, draw)


def _root(z):
    """The square root, which keeps the sign: drawn by it, one large pixel does not make all others dark."""
    return np.sign(z) * np.sqrt(np.abs(z))


def _tiled(maps, wide):
    """(C, H, W) maps as one picture, wider than high, with gaps of a pixel; and the channel of each pixel."""
    count, height, width = maps.shape
    across = min(range(1, count + 1), key=lambda n: max(n * (width + 1) / wide, -(-count // n) * (height + 1)))
    down = -(-count // across)
    z = np.full((down * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    channel = np.full(z.shape, -1)
    for i, map_ in enumerate(maps):
        y, x = (i // across) * (height + 1), (i % across) * (width + 1)
        z[y : y + height, x : x + width], channel[y : y + height, x : x + width] = map_, i
    return z, channel


def _stacked(maps, size):
    """Maps of one block below one another, each enlarged to `size` pixels, with gaps of a pixel, relative to its own
    largest value."""
    shares = [map_ / (map_[np.isfinite(map_)].max(initial=0) or 1.0) for map_ in maps]
    grown = [np.kron(map_, np.ones((size // len(map_),) * 2)) for map_ in shares]
    return np.vstack([np.pad(map_, ((0, 1), (0, 1)), constant_values=np.nan) for map_ in grown])


def _image(net):
    channels = np.stack(net[net["index"] == 0].sort_values("channel")["map"])  # (C, S, S), normalised
    look = dict(colorscale="Greys_r", showscale=False, hoverinfo="skip")
    return dict(type="heatmap", z=channels.mean(axis=0), **_on(IMAGE), meta={"key": "image"}, **look)


def _name(axis, row):
    return axis + (str(row + 1) if row else "")


def _on(row):
    return dict(xaxis=_name("x", row), yaxis=_name("y", row))


def _axes(row, across, down, title, label):
    """A pair of axes whose pixels are square, titled below and at the left."""
    bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False, zeroline=False, constrain="domain")
    small = dict(font=dict(size=theme.SMALL), standoff=4)
    x = bare | dict(title=dict(text=title, **small), domain=list(across), anchor=_name("y", row))
    y = bare | dict(title=dict(text=label, **small), domain=list(down), anchor=_name("x", row), autorange="reversed")
    return {
        _name("xaxis", row): x,
        _name("yaxis", row): y | dict(scaleanchor=_name("x", row), constraintoward="top"),
    }


def _drawn(traces, axes, nets, title, empty, draw):
    bare = dict(x="Channels", y=dict(title="Nets", tickvals=[], showgrid=False))
    first = dict(x=axes.pop("xaxis"), y=axes.pop("yaxis")) if nets else bare
    origin = phrases.origin(frames.runs(nets[0])) if nets else ""
    layout = dict(showlegend=False, margin=dict(l=14, r=14, t=theme.TOP, b=52))
    return draw(traces, title=title, origin=origin, empty=empty, **first, **axes, **layout)
