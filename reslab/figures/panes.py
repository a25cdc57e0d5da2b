"""Pictures in a row or a grid: axes with square pixels and no ticks, and words beside them."""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import base64
import io

from PIL import Image

from reslab.figures import theme


def image(pixels, axis, key):
    """An (H, W, 3) uint8 picture on the axes of a number ("" is the first)."""
    return dict(type="image", z=pixels.tolist(), **on(axis), hoverinfo="skip", meta={"key": f"{key}/image"})


def photograph(pixels, axis, key):
    """A grey uint8 picture (H, W) as a PNG: of a larger one, the numbers of `image` would be slow to send to a page."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return dict(type="image", source=source, **on(axis), hoverinfo="skip", meta={"key": f"{key}/image"})


def on(number):
    """The axes of a trace."""
    return dict(xaxis=f"x{number}", yaxis=f"y{number}")


def axes(number, across, down, title=" ", under=" ", shape=None, toward="middle"):
    """A pair of axes with square pixels, the first row of the picture on top.

    shape: (H, W) of the picture, where words are put `at` its edges: plotly would give them room inside the axes.
    toward: "top", "middle" or "bottom" of `down`, where that is higher than the picture.
    """
    bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False, zeroline=False, constrain="domain")
    x = bare | dict(domain=list(across), anchor=f"y{number}", title=_title(under))
    y = bare | dict(domain=list(down), anchor=f"x{number}", scaleanchor=f"x{number}", constraintoward=toward)
    if shape is None:
        y["autorange"] = "reversed"
    else:
        x["range"], y["range"] = [-0.5, shape[1] - 0.5], [shape[0] - 0.5, -0.5]
    return {f"xaxis{number}": x, f"yaxis{number}": y | dict(title=_title(title))}


def words(text, x, y, anchor="bottom", name="", size=theme.SMALL):
    """Words in the chart's own coordinates, 0 to 1."""
    where = dict(x=x, y=y, xref="paper", yref="paper", xanchor="center", yanchor=anchor)
    return dict(name=name or text, text=text, showarrow=False, font=dict(size=size), **where)


def at(text, number, shape, edge, name="", size=theme.SMALL):
    """Words at the "top" or "bottom" edge of a picture of this shape (H, W), wherever its axes put it."""
    high, wide = shape
    y = {"top": -0.5 + 1e-3, "bottom": high - 0.5 - 1e-3}[edge]  # just inside: plotly hides what is outside the axes
    where = dict(x=wide / 2 - 0.5, y=y, xref=f"x{number}", yref=f"y{number}", xanchor="center")
    where |= {"top": dict(yanchor="bottom", yshift=4), "bottom": dict(yanchor="top", yshift=-4)}[edge]
    return dict(name=name or text, text=text, showarrow=False, font=dict(size=size), **where)


def beside(text, number, shape, name="", size=theme.SMALL):
    """Words at the right of a picture of this shape (H, W), beside its middle, wherever its axes put it."""
    high, wide = shape
    x = wide - 0.5 - 1e-3  # just inside, as in `at`
    where = dict(x=x, y=high / 2 - 0.5, xref=f"x{number}", yref=f"y{number}")
    where |= dict(xanchor="left", yanchor="middle", xshift=8, align="left")
    return dict(name=name or text, text=text, showarrow=False, font=dict(size=size), **where)


def large(text):
    """Text larger than the words beside it."""
    return f'<span style="font-size:{theme.LARGE}px"><b>{text}</b></span>'


def drawn(traces, axes, notes, draw, **layout):
    """A chart of such panes; layout: title, origin, empty and others of `theme.chart`."""
    first = dict(x=axes.pop("xaxis", "Pixels"), y=axes.pop("yaxis", "Pixels"))
    margin = dict(l=14, r=14, t=theme.TOP, b=48)
    return draw(traces, annotations=notes, showlegend=False, margin=margin, **first, **axes, **layout)


def _title(text):
    return dict(text=text or " ", font=dict(size=theme.SMALL), standoff=4)
