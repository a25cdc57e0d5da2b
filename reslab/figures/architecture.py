"""The architecture map: nets side by side, one box per layer, their skips drawn, as in He et al. 2015
(arXiv:1512.03385), Fig. 3.

`layers` is one row per net × layer, in the order of the forward pass: net, skip (False for a plain net), module (its
dotted name), block (the name of the residual block that it is in, "" for none), shortcut (of that block: "",
"identity", "zero padding" or "projection"), path ("branch", or "shortcut" for a layer on the shortcut itself), label
("3×3 conv, 128, /2"), kind ("Conv2d"), output_shape ("128×28×28"), parameters, multiply_adds, memory (bytes of its
output).
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import math
from dataclasses import dataclass, field
from itertools import groupby

from reslab.figures import theme

COLUMNS = (
    "net",
    "skip",
    "module",
    "block",
    "shortcut",
    "path",
    "label",
    "kind",
    "output_shape",
    "parameters",
    "multiply_adds",
    "memory",
)
COSTS = {"multiply_adds": "multiply-adds", "parameters": "parameters", "memory": "bytes of output"}
MOST_ROWS = 60  # boxes of a net that is drawn in full; in a deeper one, a sequence of equal blocks is drawn once
WIDTH, STRIDE = 1.55, 2.2  # of a box, and from one net to the next; what lies between is for the skips
TEXT = 14  # pixels; can be read from the last row of a classroom
ROW_PIXELS = 26  # pixels a row, so that the labels of two rows do not overlap


@dataclass
class Box:
    """A layer in the drawing; its costs include the norm and the activation after it."""

    module: str
    label: str
    output_shape: str
    costs: dict
    row: int = 0

    @property
    def size(self):
        """Height × width of its output, as "28×28"; "1×1" for a vector, and the whole shape of what is neither (tokens,
        say)."""
        shape = self.output_shape.split("×")
        return "×".join(shape[1:]) if len(shape) == 3 else "1×1" if len(shape) == 1 else self.output_shape


@dataclass
class Group:
    """A residual or plain block, or a single layer: the unit of skips and of folding."""

    module: str  # the block's name, "" for a single layer
    shortcut: str
    boxes: list = field(default_factory=list)
    times: int = 1
    last: str = ""  # the last of the blocks folded into it

    @property
    def signature(self):
        return self.shortcut, tuple((box.label, box.output_shape) for box in self.boxes)


def architecture_map(layers, *, cost="multiply_adds", fold=None, draw=theme.figure):
    """Nets side by side from top to bottom, one box per weighted or pooling layer; skips as arcs, dotted where the
    shape changes.

    The filled part of a box is its `cost` ("multiply_adds", "parameters" or "memory") over that of the most expensive
    box. Layers of equal output size are at the same height if every net only shrinks its images. fold: whether a
    sequence of equal blocks is drawn once, with their number; None folds nets of over 60 boxes. Traces have customdata
    [module, block] for clicks. ValueError for another cost or a missing column.
    """
    if cost not in COSTS:
        raise ValueError(f"cost is {cost!r}; it can be {', '.join(map(repr, COSTS))}.")
    layers = theme.require(layers, COLUMNS, "The architecture map")
    nets = [(net, rows["skip"].iloc[0], groups(rows, fold)) for net, rows in layers.groupby("net", sort=False)]
    bands = place([drawn for _, _, drawn in nets])
    highest = max((box.costs[cost] for *_, drawn in nets for group in drawn for box in group.boxes), default=0) or 1
    traces, notes, note = [], [], dict(showarrow=False, font=dict(size=TEXT))
    for column, (net, skip, drawn) in enumerate(nets):
        left, hue = column * STRIDE, theme.RESIDUAL if skip else theme.PLAIN
        traces += _traces(net, left, hue, drawn, cost, highest)
        notes += [_times(group, left) | note for group in drawn if group.times > 1]
        heading = dict(name=net, text=_heading(net, layers[layers["net"] == net]), y=-0.75, yanchor="bottom", **note)
        notes.append(heading | dict(x=left + WIDTH / 2))
    rows = 1 + max((box.row for *_, drawn in nets for group in drawn for box in group.boxes), default=0)
    span = [-0.66 if bands else -0.1, (len(nets) - 1) * STRIDE + WIDTH + 0.62]
    level = dict(x=-0.08, xanchor="right", **note)
    notes += [dict(name=size, text=size, y=(first + last) / 2, **level) for size, first, last in bands]
    line = dict(type="line", x0=span[0], x1=span[1], line=dict(color=theme.GRID, width=1))
    bare = dict(showticklabels=False, ticks="", showline=False, showgrid=False)
    left_of_nets = "; at the left the output size, height × width"
    return draw(
        traces,
        title="Architecture",
        empty="No net to draw.",
        annotations=notes,
        origin=f"counted; a box is filled by its {COSTS[cost]}",
        shapes=[dict(y0=first - 0.5, y1=first - 0.5, **line) for _, first, _ in bands[1:]],
        x=dict(title="One column per net" + left_of_nets * bool(bands), range=span, **bare),
        y=dict(title="Forward pass, from top to bottom", range=[rows - 0.4, -3.2], **bare),
        height=110 + ROW_PIXELS * (rows + 3),
        barmode="overlay",
        dragmode="pan",
        showlegend=False,
    )


def _traces(net, left, hue, drawn, cost, highest):
    """The traces of one net, its boxes from `left` on: how far they are filled, the boxes, and two kinds of skips.
    highest: the cost of a full box."""
    boxes = [(box, group) for group in drawn for box in group.boxes]
    look = dict(
        type="bar",
        orientation="h",
        base=left,
        width=0.72,
        name=net,
        y=[box.row for box, _ in boxes],
        hoverinfo="text",
        hovertext=[_hover_text(net, box, group) for box, group in boxes],
        customdata=[[box.module, group.module] for box, group in boxes],
    )
    filled = dict(color=theme.rgba(hue, 0.38), line=dict(width=0))
    share = [WIDTH * box.costs[cost] / highest for box, _ in boxes]
    traces = [{**look, "x": share, "marker": filled, "meta": {"key": f"{net}/cost"}}]
    outline = dict(color=theme.rgba(hue, 0.10), line=dict(color=hue, width=1))
    text = dict(textposition="inside", insidetextanchor="middle", constraintext="none", textangle=0)
    text |= dict(text=[box.label for box, _ in boxes], textfont=dict(color=theme.INK, size=TEXT))
    traces.append({**look, **text, "x": [WIDTH] * len(boxes), "marker": outline, "meta": {"key": f"{net}/box"}})
    for part, dash in (("identity", "solid"), ("changes", "2px,3px")):
        skips = [
            group for group in drawn if group.shortcut and (group.shortcut == "identity") == (part == "identity")
        ]
        x, y = _arcs(skips, left + WIDTH)
        line = dict(color=hue, width=1.8, dash=dash, shape="spline")
        arcs = dict(
            type="scatter", x=x, y=y, mode="lines", line=line, hoverinfo="skip", meta={"key": f"{net}/{part}"}
        )
        traces += [arcs] if x else []
    return traces


def sentence(layers):
    """The cost of each net for one image, and what the skips add where a plain net of the same depth is drawn too."""
    total = layers.groupby("net", sort=False)[["multiply_adds", "parameters"]].sum()
    costs = [
        f"{net} takes {theme.amount(n)} multiply-adds and {theme.amount(p)} parameters"
        for net, n, p in total.itertuples()
    ]
    words = "; ".join(costs)
    for net in layers.loc[layers["skip"], "net"].unique():
        if (twin := net.replace("resnet", "plain")) != net and twin in total.index:
            more = total.loc[net] - total.loc[twin]
            skips = layers.loc[(layers["net"] == net) & (layers["shortcut"] != ""), "block"].nunique()
            added = [theme.amount(number) if number else "no" for number in more]
            words += f". The {skips} skips of {net} add {added[0]} multiply-adds and {added[1]} parameters to {twin}"
            words += _why(layers[layers["net"] == net]) if any(more) else ""
    return words + "."


def _why(net):
    """The reason for the costs of a net's skips: its projections."""
    kinds = net[net["block"] != ""].drop_duplicates("block")["shortcut"]
    projections, others = (kinds == "projection").sum(), set(kinds) - {"projection", ""}
    cause = (
        f"{projections} of them {'is a projection' if projections == 1 else 'are projections'} (1×1 convolutions;"
        " option B)"
    )
    return f": {cause}; {'the others, identities, add none, and ' * bool(others)}option A, zero padding, would add none"


def alt_text(layers):
    """A text alternative for the map: every net from top to bottom, equal blocks counted together."""
    nets = [(net, groups(rows, True)) for net, rows in layers.groupby("net", sort=False)]
    parts = [f"{net}: {', '.join(map(_in_words, drawn))}" for net, drawn in nets]
    return f"Architecture map of {len(parts)} net{'s' * (len(parts) != 1)}. " + ". ".join(parts) + "."


def _in_words(group):
    labels = [box.label.replace(",", "") for box in group.boxes]
    if not group.module:
        return labels[0]
    kind = f"block{'s' * (group.times > 1)} of {' and '.join(labels)}"
    return f"{group.times} {kind}" + (f" with {group.shortcut} shortcut" if group.shortcut else "")


def groups(rows, fold=None):
    """One net's layers as `Group`s: blocks and single layers; a norm or activation belongs to the layer before it."""
    drawn = []
    for _, part in groupby(rows.to_dict("records"), key=lambda row: row["block"] or row["module"]):
        part = [row for row in part if row["path"] == "branch"]
        group = Group(part[0]["block"], part[0]["shortcut"])
        for row in part:
            costs = {name: row[name] for name in COSTS}
            if row["label"]:
                group.boxes.append(Box(row["module"], row["label"], row["output_shape"], costs))
            elif before := group.boxes or (drawn and drawn[-1].boxes):
                before[-1].costs = {name: before[-1].costs[name] + costs[name] for name in COSTS}
        if group.boxes:
            drawn.append(group)
    if fold or (fold is None and sum(len(group.boxes) for group in drawn) > MOST_ROWS):
        folded = []
        for group in drawn:
            if group.module and folded and folded[-1].module and folded[-1].signature == group.signature:
                folded[-1].times, folded[-1].last = folded[-1].times + 1, group.module
            else:
                folded.append(group)
        drawn = folded
    return drawn


def place(nets):
    """Set the row of every box; return the bands of equal output size, (size, first row, last row), if there are any.

    There are bands if all nets have their output sizes in the same order.
    """
    orders = [[size for size, _ in groupby(box.size for group in drawn for box in group.boxes)] for drawn in nets]
    sizes = sorted({size for order in orders for size in order}, key=lambda size: -_pixels(size))
    if any(order != [size for size in sizes if size in order] for order in orders):
        for drawn in nets:
            for row, box in enumerate(box for group in drawn for box in group.boxes):
                box.row = row
        return []
    bands, first = [], 0
    for size in sizes:
        level = [[box for group in drawn for box in group.boxes if box.size == size] for drawn in nets]
        for boxes in level:
            for row, box in enumerate(boxes, first):
                box.row = row
        bands.append((size, first, first + max(map(len, level)) - 1))
        first = bands[-1][2] + 1
    return bands


def _pixels(size):
    return math.prod(map(int, size.split("×")))


def _arcs(skips, right):
    """The arcs of some skips, from above each block's first box to below its last, as one line with gaps."""
    x, y = [], []
    for group in skips:
        top, bottom = group.boxes[0].row - 0.5, group.boxes[-1].row + 0.42
        bulge = right + 0.30
        x += [right - 0.04, bulge - 0.08, bulge, bulge, bulge - 0.08, right - 0.04, None]
        y += [top, top + 0.12, top + 0.4, bottom - 0.4, bottom - 0.12, bottom, None]
    return x, y


def _times(group, left):
    middle = (group.boxes[0].row + group.boxes[-1].row) / 2
    past = 0.34 if group.shortcut else 0.06  # the arc of a skip, where there is one
    return dict(name=group.module, text=f"<b>× {group.times}</b>", x=left + WIDTH + past, xanchor="left", y=middle)


def _heading(net, rows):
    total = rows[["multiply_adds", "parameters"]].sum().map(theme.amount)
    return f"<b>{net}</b><br>{total['multiply_adds']} multiply-adds<br>{total['parameters']} parameters"


def _hover_text(net, box, group):
    blocks = f" to {group.last}, {group.times} equal blocks" if group.times > 1 else ""
    shortcut = f"<br>in {group.module}{blocks}; shortcut: {group.shortcut or 'none'}" if group.module else ""
    memory = f"{theme.amount(box.costs['memory'])}B of output for one image, 4 bytes a number"
    costs = (
        f"{theme.amount(box.costs['multiply_adds'])} multiply-adds, {theme.amount(box.costs['parameters'])}"
        f" parameters<br>{memory}"
    )
    return f"<b>{net}: {box.label}</b><br>{box.module} → {box.output_shape}{shortcut}<br>{costs}"
