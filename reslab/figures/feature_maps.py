"""Lessons 03 and 04, feature maps: what blocks make of one image, one small picture per channel; plain nets left of
residual ones, in `edit` below them.

`frame` is what `experiments.activations.feature_maps` gives, of one net or several: one row per channel of a block,
with its map as an (H, W) array, and at index 0 the image itself; of several images, the first is drawn. Lighter pixels
are larger activations.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import panes, theme
from reslab.figures.text import phrases
from reslab.figures.text.feature_maps import alt_text, edit_sentence, edit_title
from reslab.figures.text.phrases import EMPTY
from reslab.results import feature_maps as results
from reslab.results import frames

__all__ = ["alt_text", "block", "edit", "edit_sentence", "walk"]

WIDE = 1.9  # width over height of the room for maps, of all nets together
# Purple to green, as the maps of lesson 07
CHANGE = [[0, "rgb(118, 42, 131)"], [0.5, "rgb(247, 247, 247)"], [1, "rgb(27, 120, 55)"]]
FRAMED = "#D55E00"  # round the pixel whose numbers are shown
PARTS = ("x", "branch", "y")
PHOTO = (0.0, 0.15)  # of the width: the picture in `edit`
TILES = ((0.22, 0.45), (0.495, 0.725), (0.77, 1.0))  # of the width: PARTS
SIGN = 28  # px
BRIGHTEST = 0.99  # of the pixels are not brighter than the end of the scale
IMAGE = 3  # the axes of the image: after those of the nets that `block` has room for
IMAGE_WIDE = 0.15  # of the chart's width: the image


def block(frame, index, *, empty=EMPTY, draw=theme.figure):
    """Every channel of one block of each net (three at most, side by side), with one colour scale a net, and the image
    at the left.

    index: of the block, from 1; of a net with fewer blocks, the last one is shown. ValueError for a missing column.
    """
    nets = results.nets(results.first_image(frame))[:IMAGE]
    traces, axes = [], {}
    wide = (1 - IMAGE_WIDE) / max(1, len(nets))
    for place, net in enumerate(nets):
        here = results.of_block(net, index)
        maps, name = np.stack(here["map"]), here["name"].iloc[0]  # (C, H, W)
        z, channel = _tiled(maps, WIDE / len(nets))
        most = z[np.isfinite(z)].max(initial=0)
        hover = f"<b>{name}</b>, {here['module'].iloc[0]}<br>"
        hover += "channel %{customdata}: %{text}<extra></extra>"
        look = dict(
            colorscale=theme.HEAT, zmin=0, zmax=np.sqrt(most) or 1.0, showscale=False, hovertemplate=hover,
            customdata=channel, text=np.vectorize("{:.3g}".format)(z),
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
    nets = results.nets(results.first_image(frame))
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


def edit(frame, index=2, *, empty=EMPTY, draw=theme.figure):
    """The sum of a block in pictures: x + F(x), and y, of one channel, with the numbers of one pixel; below it a plain
    net's block, which has no sum. The channel is a typical one: see `results.feature_maps.edits`.

    frame: with x and branch, as `experiments.feature_maps.of_photographs` gives it, of one residual and one plain net.
    index: of the block, from 1. All maps have one scale, on which the largest hundredth of the pixels looks alike.
    ValueError for a missing column.
    """
    found = {each.skip: each for each in results.edits(frame, index)}
    rows = [found[skip] for skip in (True, False) if skip in found]
    traces, axes, notes, shapes, origin = [], {}, [], [], ""
    if rows:
        most = float(np.quantile([(each.x, each.y) for each in rows], BRIGHTEST)) or 1.0
        of = results.first_image(frame)
        pixels = np.stack(results.of_block(results.nets(of)[0], 0)["map"])  # (C, S, S)
        shape, size = pixels.shape[1:], "{} × {} pixels".format(*pixels.shape[1:])
        traces.append(_picture(pixels, ""))
        axes |= panes.axes("", PHOTO, _row(0), size, f"{_short(rows[0])} says:<br>{rows[0].predicted}", shape, "top")
        notes.append(panes.at("the picture", "", shape, "top"))
        rule = "typical channel: its cosine of x and y is the block's median"
        origin = phrases.origin_line(of["origin"], [], rule, "framed: x is largest")
    for row, each in enumerate(rows):
        for place, part in enumerate(PARTS):
            if part == "branch" and not each.skip:
                continue
            number, key, values = str(3 * row + place + 2), f"{row}/{part}", getattr(each, part)
            traces.append(_map(values, most, number, key, signed=part == "branch", bar=not row and part != "y"))
            name = f"{_short(each)}, block {index}" * (part == "x")
            axes |= panes.axes(number, TILES[place], _row(row), name, shape=values.shape, toward="top")
            shapes.append(_framed(each.pixel, number))
            for text, edge in zip(_words(each, part), ("top", "bottom"), strict=True):
                notes.append(panes.at(text, number, values.shape, edge, f"{key}/{edge}"))
        notes += _between(each.skip, row)
    return panes.drawn(
        traces, axes, notes, draw, title="One channel in a block", statement=lambda: edit_title(rows), origin=origin,
        empty=empty, shapes=shapes, height=600,
    )  # fmt: skip


def _short(edit):
    """The name of its net, without its training."""
    return edit.name.partition(" · ")[0]


def _row(row):
    """The bottom and the top of a row of `edit`."""
    return 0.63 - 0.55 * row, 0.96 - 0.55 * row


def _between(skip, row):
    """What stands between the maps of a row of `edit`: the signs of the sum, or that there is none."""
    y = sum(_row(row)) / 2
    if skip:
        gaps = ((TILES[0], TILES[1], "+"), (TILES[1], TILES[2], "="))
        return [panes.words(sign, (a[1] + b[0]) / 2, y, "middle", f"{row}/{sign}", SIGN) for a, b, sign in gaps]
    text = "two convolutions,<br>nothing is added"
    middle = sum(TILES[1]) / 2
    arrow = panes.words("→", middle, y, "bottom", f"{row}/arrow", SIGN)
    return [arrow, panes.words(text, middle, y, "top", f"{row}/plain")]


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


def _map(values, most, number, key, *, signed, bar):
    """One map of `edit`, from 0 (signed: from -most) to most; bar: whether a scale is below the picture, too."""
    look = dict(colorscale=CHANGE if signed else "Greys_r", zmin=-most * signed, zmax=most, showscale=bool(bar))
    if bar:
        ticks = {-most: f"≤ −{most:.1f}", 0: "0", most: f"≥ {most:.1f}"} if signed else {0: "0", most: f"≥ {most:.1f}"}
        look["colorbar"] = dict(
            orientation="h", x=sum(PHOTO) / 2, xanchor="center", len=PHOTO[1], y=0.36 if signed else 0.18,
            yanchor="top", thickness=12, outlinewidth=0, tickvals=[*ticks], ticktext=[*ticks.values()], tickangle=0,
            tickfont=dict(size=theme.SMALL), title=dict(text="F(x)" if signed else "x and y", side="top"),
        )  # fmt: skip
    hover = "%{z:.2f}<extra></extra>"
    return dict(type="heatmap", z=values, **panes.on(number), **look, hovertemplate=hover, meta={"key": key})


def _words(edit, part):
    """What is above a map of `edit` and what is below it: its name, the number of its framed pixel and its size."""
    number, size = edit.at[part], f"RMS {edit.sizes[part]:.2f}"
    if part == "x":
        name, text = f"x, channel {edit.channel + 1} of {edit.channels}", f"{number:.2f}"
    elif part == "branch":
        name, text = "F(x)", f"{'−' if number < 0 else '+'} {abs(number):.2f}"
    elif edit.skip:
        total = edit.at["x"] + edit.at["branch"]
        name, text = "y = ReLU(x + F(x))", f"= {number:.2f}" if total >= 0 else f"= −{-total:.2f}, so 0"
    else:
        name, text = "y", f"{number:.2f}"
    alike = f"<br>cosine of x and y {edit.cosine:.2f}" * (part == "y")
    return name, f"{panes.large(text)}<br>{size}{alike}"


def _framed(pixel, number):
    row, column = pixel
    where = dict(x0=column - 1, x1=column + 1, y0=row - 1, y1=row + 1, xref=f"x{number}", yref=f"y{number}")
    return dict(type="rect", **where, line=dict(color=FRAMED, width=2))


def _picture(pixels, number):
    """An image (C, S, S) from 0 to 1: a colour picture, or a grey one."""
    if len(pixels) == 3:
        return panes.image((255 * pixels.transpose(1, 2, 0)).round().astype("uint8"), number, "image")
    look = dict(colorscale="Greys_r", showscale=False, hoverinfo="skip")
    return dict(type="heatmap", z=pixels.mean(axis=0), **panes.on(number), meta={"key": "image"}, **look)


def _image(net):
    return _picture(np.stack(results.of_block(net, 0)["map"]), str(IMAGE + 1))


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
