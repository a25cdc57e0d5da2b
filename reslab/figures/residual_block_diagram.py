"""Lesson 03: the block as a diagram, one arrow per tensor with its shape; and the tensors themselves as small
pictures."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from textwrap import wrap

import numpy as np

from reslab.figures import theme
from reslab.figures.text.phrases import EMPTY
from reslab.figures.text.residual_block import block_text, cost_text, kind
from reslab.results import frames
from reslab.results import residual_block as results

# Heights in percent: of the branch's arrows, of half a box, of the shortcut, of half its box.
LEVEL, BOX, ROOF, SHORTCUT = 37, 14, 76, 9
COLUMNS = (
    "part", "module", "layer", "shape", "parameters", "multiply_adds", "additions", "skip", "block", "shortcut",
    "changes_shape",
)  # fmt: skip
TITLES = {"x": "x", "shortcut": "shortcut(x)", "branch": "F(x)", "sum": "sum", "y": "y"}
GAP, APART = 1, 9  # pixels between two channels, and between two tensors


def diagram(frame, *, empty=EMPTY, draw=theme.figure):
    """A block, x on the left and y on the right, the shortcut above the branch; the costs are below each box.

    frame: as `experiments.residual_block.block_parts` gives it: part, module, layer, shape, parameters, multiply_adds,
    additions, skip, block, shortcut, changes_shape, seed, origin. Every shape is of one image, channels × height ×
    width. ValueError for a missing column.
    """
    frame = frames.require(frame, COLUMNS, "The diagram")
    hidden = dict(visible=False, fixedrange=True)
    axes = dict(
        x=dict(title="Input to output", range=[0, 100], **hidden),
        y=dict(title="Shortcut over branch", range=[-8, 86], **hidden),
    )
    axes["margin"] = dict(l=8, r=8, t=theme.TOP, b=8)
    if not len(frame):
        return draw([], title="The block", empty=empty, **axes)
    drawing = _Drawing(frame)
    drawing.branch()
    if drawing.skip:
        drawing.addition()
    else:
        drawing.no_shortcut()
    drawing.end()
    cost = cost_text(frame["parameters"].sum(), frame["multiply_adds"].sum())
    drawing.text(50, -8, f"Block: {cost} for one image", yanchor="bottom")
    x, y, label = zip(*drawing.hover, strict=True)
    points = dict(
        type="scatter", x=x, y=y, mode="markers", marker=dict(size=26, opacity=0), text=label, showlegend=False
    )
    points |= dict(hovertemplate="%{text}<extra></extra>", meta={"key": "block/hover"}, name=block_text(frame))
    origin = f"{frame['origin'].iloc[0]}: counted in a forward pass" if "origin" in frame else ""
    notes, shapes = drawing.notes, drawing.shapes
    return draw([points], title=f"A {kind(frame)}", origin=origin, annotations=notes, shapes=shapes, **axes)


class _Drawing:
    """A block from left to right: x, the boxes of the branch, the sum, the activation, y; an arrow between each two.

    shapes, notes: as plotly takes them. hover: (x, y, text) of what shows a text under the pointer. at: where the next
    part begins, in percent; shape: of the tensor there; fork: where the shortcut leaves the branch.
    """

    def __init__(self, frame):
        self.skip, self.part = bool(frame["skip"].iloc[0]), dict(list(frame.groupby("part")))
        self.shortcut = frame["shortcut"].iloc[0]
        self.colour = theme.line(self.skip, 56)["color"]
        self.shapes, self.notes, self.hover = [], [], []
        self.common = _boxes(self.part["before"]) if "before" in self.part else []  # on both paths
        self.boxes = [*self.common, *_boxes(self.part["branch"])]
        self.wide, self.small = 19 if len(self.boxes) < 3 else 13.5, 12.5  # of a box, and of the last one
        lengths = [*(self.wide for _ in self.boxes), *([3] if self.skip else []), self.small]
        self.space = (94 - sum(lengths)) / (len(lengths) + 1)  # of an arrow
        self.at, self.shape, self.fork = 2, self.part["x"]["shape"].iloc[0], 2

    def text(self, x, y, label, size=theme.SMALL, **more):
        self.notes.append(dict(x=x, y=y, text=label, showarrow=False, font=dict(size=size, color=theme.INK), **more))

    def arrow(self, x0, y0, x1, y1, shape="", **place):
        ends = dict(x=x1, y=y1, ax=x0, ay=y0, axref="x", ayref="y", xref="x", yref="y", text="", showarrow=True)
        self.notes.append(dict(**ends, arrowhead=2, arrowsize=1, arrowwidth=2.2, arrowcolor=self.colour, standoff=0))
        if shape:
            # Above the boxes: a small chart has no space between them.
            self.text(**dict(x=(x0 + x1) / 2, y=y0 + BOX, label=f"<b>{shape}</b>", yanchor="bottom", yshift=3) | place)

    def step(self, shape, **place):
        """An arrow along the branch to the next part."""
        self.arrow(self.at, LEVEL, self.at + self.space, LEVEL, shape, **place)
        self.at += self.space

    def box(self, x0, x1, y, half, layers, **look):
        line = dict(color=theme.GREY, width=1.5)
        self.shapes.append(dict(type="rect", x0=x0, x1=x1, y0=y - half, y1=y + half, line=line, **look))
        self.text((x0 + x1) / 2, y, "<br>".join(layers))

    def branch(self):
        self.text(self.at, LEVEL, "<b>x</b>", theme.LARGE)
        self.at += 1.5
        for number, (layers, shape_out, parameters, multiply_adds) in enumerate(self.boxes):
            if number == len(self.common) > 0:
                self.fork = self.at + 1
            self.step(self.shape)
            middle = self.at + self.wide / 2
            self.box(self.at, self.at + self.wide, LEVEL, BOX, layers)
            costs = f"{parameters:,} parameters<br>{multiply_adds:,} mult-adds"
            costs = costs if len(self.boxes) < 3 else costs.replace(" ", "<br>")
            self.text(middle, LEVEL - BOX, costs, yanchor="top", yshift=-2)
            cost = cost_text(parameters, multiply_adds)
            self.hover.append((middle, LEVEL, f"{', '.join(layers)}<br>puts out {shape_out}<br>{cost}"))
            self.at, self.shape = self.at + self.wide, shape_out

    def addition(self):
        """The plus, and the shortcut over the branch, which ends there."""
        self.step(self.shape, x=self.at + self.space + 0.5, xanchor="right")
        plus = self.at + 1.5
        circle = dict(x0=self.at, x1=self.at + 3, y0=LEVEL - 4, y1=LEVEL + 4)
        self.shapes.append(dict(type="circle", **circle, line=dict(color=self.colour, width=2)))
        self.text(plus, LEVEL, "<b>+</b>", theme.LARGE)
        additions = self.part["sum"]["additions"].iloc[0]
        self.text(plus, LEVEL - BOX, f"{additions:,}<br>additions", yanchor="top", yshift=-2)
        words = f"F(x) + shortcut(x), number by number<br>{additions:,} additions, no multiply-add"
        self.hover.append((plus, LEVEL, words))
        rows = self.part["shortcut"]
        middle, half = (self.fork + plus) / 2, min(23, (plus - self.fork) / 2 - 2)
        for path in (
            f"M {self.fork},{LEVEL + 7} L {self.fork},{ROOF} L {middle - half},{ROOF}",
            f"M {middle + half},{ROOF} L {plus},{ROOF} L {plus},{LEVEL + 12}",
        ):
            self.shapes.append(dict(type="path", path=path, line=dict(color=self.colour, width=2.6)))
        self.arrow(plus, LEVEL + 14, plus, LEVEL + 4)
        self.text(plus, (ROOF + LEVEL) / 2 + 4, f"<b>{rows['shape'].iloc[-1]}</b>", xanchor="left", xshift=5)
        costs, layers = cost_text(rows["parameters"].sum(), rows["multiply_adds"].sum()), list(rows["layer"])
        solid = dict(fillcolor="rgba(0, 114, 178, 0.13)")
        self.box(middle - half, middle + half, ROOF, SHORTCUT, [*_shortcut(self.shortcut, layers), costs], **solid)
        self.hover.append((middle, ROOF, f"shortcut(x): {', '.join(layers)}<br>{costs}"))
        self.at += 3

    def no_shortcut(self):
        """The way that a shortcut would take, dotted."""
        end = self.at + self.space / 2
        path = f"M {self.fork},{LEVEL + 7} L {self.fork},{ROOF} L {end},{ROOF} L {end},{LEVEL + BOX + 8}"
        self.shapes.append(dict(type="path", path=path, line=dict(color=theme.AXIS, width=1.4, dash="dot")))
        words = "no shortcut: x goes on only through the layers"
        self.text((self.fork + self.at) / 2, ROOF, words, yanchor="bottom")

    def end(self):
        """What comes after the addition, and y."""
        last, end = self.part["y"]["layer"].iloc[0], self.at + self.small + 2 * self.space
        if last != "identity":
            # The shape of the sum is that of the shortcut, which stands beside the plus.
            self.step("" if len(self.boxes) > 3 or self.skip else self.shape)
            self.box(self.at, self.at + self.small, LEVEL, BOX / 2, last.split(", "))
            self.hover.append((self.at + self.small / 2, LEVEL, f"{last}: no parameters"))
            self.at += self.small
        self.arrow(self.at, LEVEL, end, LEVEL, self.part["y"]["shape"].iloc[0], x=end - self.space / 2)
        self.text(end + 1.5, LEVEL, "<b>y</b>", theme.LARGE)


def _boxes(branch):
    """The branch, one box per convolution with its norm and activation: (names of layers, output shape, parameters,
    multiply-adds)."""
    # "branch.norm2" is of the second; "branch.scale" comes after the last
    number = branch["module"].str.extract(r"(\d+)$")[0].ffill()
    return [
        (
            [
                line
                for layer in rows["layer"]
                if layer != "identity"
                for part in layer.split(",")
                for line in wrap(part, 11)
            ],
            rows["shape"].iloc[-1],
            rows["parameters"].sum(),
            rows["multiply_adds"].sum(),
        )
        for _, rows in branch.groupby(number)
    ]


def _shortcut(option, layers):
    """The lines in the shortcut's box: the option's letter, and the names of its layers."""
    first, *others = layers
    if first == "identity" and not others:
        return ["<b>identity</b>"]
    return [f"<b>{option}</b>: {first}", *(layer for layer in others if layer != "identity")]


def tiles(frame, *, empty=EMPTY, draw=theme.figure):
    """The tensors in a block for one image, one tile per channel: x, the shortcut's output above F(x), their sum, and
    y.

    frame: as `experiments.residual_block.tensors` gives it: part, channel, row, column, value. One colour scale for
    all, cividis with 0 in the middle, and square pixels of one size, so that a halved image is half as large.
    ValueError for a missing column.
    """
    frame = frames.require(frame, ("part", "channel", "row", "column", "value"), "The tensors")
    limit = float(np.abs(frame["value"]).max()) if len(frame) else 1.0
    limit = limit if 0 < limit < np.inf else 1.0
    sheets = {part: _sheet(rows) for part, rows in frame.groupby("part", sort=False)}
    # Both addends in one column, the shortcut above the branch as in the diagram.
    both = "shortcut" in sheets
    height = sheets["branch"][0].shape[0] if both else 0
    rise = height / 2 + max(0.8 * APART, 0.28 * height)  # space for a caption between them
    traces, notes, at, top = [], [], 0.0, 1.0
    for part, (picture, shape) in sheets.items():
        high, wide = picture.shape
        middle = {"shortcut": rise, "branch": -rise}.get(part, 0) if both else 0
        traces.append(dict(
            type="heatmap", z=picture[::-1], x=at + np.arange(wide) + 0.5, y=np.arange(high) + 0.5 - high / 2 + middle,
            zmin=-limit,
            zmax=limit, colorscale="Cividis", showscale=not traces,
            hovertemplate=f"{TITLES[part]}: %{{z:.2f}}<extra></extra>",
            colorbar=dict(title=dict(text="value", side="right"), thickness=10, len=0.8), hoverongaps=False,
            name=TITLES[part],
            meta={"key": f"{part}/tiles"},
        ))  # fmt: skip
        sign = {"branch": "+ ", "sum": "= "}.get(part, "") if both else ""
        over = dict(x=at + wide / 2, y=middle + high / 2, yshift=2, yanchor="bottom", showarrow=False)
        notes.append(dict(text=f"<b>{sign}{TITLES[part]}</b><br>{shape}", **over))
        top = max(top, middle + high / 2)
        if part != "shortcut":  # the branch is below it
            at += wide + APART
    where = frame[["origin", "seed", "image"]].iloc[:1].itertuples(index=False) if "image" in frame else []
    origin = "".join(f"seed {seed} · image {image} · {label}" for label, seed, image in where)
    hidden = dict(visible=False, constrain="domain")
    return draw(
        traces, title="What flows through it: one tile per channel", origin=origin, empty=empty, annotations=notes,
        margin=dict(l=8, r=8, t=theme.TOP, b=8),
        x=dict(title="Column (pixels)", range=[-1, max(at - APART + 1, 1)], **hidden),
        y=dict(title="Row (pixels)", range=[-top - 1, top + APART], scaleanchor="x", **hidden),
    )  # fmt: skip


def kept(frame, *, empty=EMPTY, draw=theme.figure):
    """What a shortcut without weights hands on where the shape changes: one channel of x, the pixels that are kept
    framed, beside what the shortcut makes of it, and a channel that it adds.

    frame: as of `tiles`. The channel is the one of x that varies most. ValueError for a missing column.
    """
    frame = frames.require(frame, ("part", "channel", "row", "column", "value"), "The shortcut")
    traces, notes, shapes, at, found = [], [], [], 0, results.kept(frame) if len(frame) else None
    if found:
        first = f"<b>x</b>, channel {found.channel + 1} of {found.channels}"
        second = f"<b>shortcut(x)</b>, channel {found.channel + 1} of {found.made}"
        added = f"channels {found.added[0] + 1} to {found.added[-1] + 1}:<br>zeros" if found.added else ""
        for words, picture in ((first, found.x), (second, found.shortcut), (added, np.zeros_like(found.shortcut))):
            high, wide = picture.shape
            traces.append(dict(
                type="heatmap", z=picture[::-1], x=at + np.arange(wide) + 0.5, y=np.arange(high) + 0.5, zmin=0,
                zmax=float(found.x.max()), colorscale=theme.HEAT, showscale=False, xgap=1, ygap=1,
                hovertemplate="%{z:.2f}<extra></extra>", meta={"key": f"kept/{len(traces)}"},
            ))  # fmt: skip
            size = f"{high}×{wide} pixels"
            over = dict(x=at + wide / 2, y=high, yshift=4, yanchor="bottom", showarrow=False)
            notes.append(dict(text=f"{words}<br>{size}", **over))
            at += wide + 2.5
        high = len(found.x)
        line = dict(color="#D55E00", width=3)
        shapes = [
            dict(type="rect", x0=column, x1=column + 1, y0=high - row - 1, y1=high - row, line=line)
            for row, column in found.places
        ]
    where = frame[["origin", "seed", "image"]].iloc[:1].itertuples(index=False) if "image" in frame else []
    origin = "".join(f"seed {seed} · image {image} · framed: handed on · {label}" for label, seed, image in where)
    hidden = dict(visible=False, constrain="domain")
    high = len(found.x) if found else 8
    return draw(
        traces, title="Every second pixel, and zeros", origin=origin, empty=empty, annotations=notes, shapes=shapes,
        margin=dict(l=8, r=8, t=theme.TOP, b=8),
        x=dict(title="Column (pixels)", range=[-0.5, max(at - 2, 1)], **hidden),
        y=dict(title="Row (pixels)", range=[-0.5, high + 2], scaleanchor="x", **hidden),
    )  # fmt: skip


def _sheet(rows):
    """(the channels of a tensor side by side, as nearly square as can be, with gaps of NaN; its shape in words)."""
    channels, height, width = (int(rows[axis].max()) + 1 for axis in ("channel", "row", "column"))
    value = np.full((channels, height, width), np.nan)
    value[rows["channel"], rows["row"], rows["column"]] = rows["value"]
    across = int(np.ceil(np.sqrt(channels)))
    down = -(-channels // across)
    sheet = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP), np.nan)
    for channel, picture in enumerate(value):
        row, column = (channel // across) * (height + GAP), (channel % across) * (width + GAP)
        sheet[row : row + height, column : column + width] = picture
    return sheet, f"{channels}×{height}×{width}"
