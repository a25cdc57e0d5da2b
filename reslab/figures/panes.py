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


def axes(number, across, down, title=" ", under=" "):
    """A pair of axes with square pixels, the first row of the picture on top."""
    bare = dict(showticklabels=False, ticks="", showgrid=False, showline=False, zeroline=False, constrain="domain")
    x = bare | dict(domain=list(across), anchor=f"y{number}", title=_title(under))
    y = bare | dict(domain=list(down), anchor=f"x{number}", autorange="reversed", scaleanchor=f"x{number}")
    return {f"xaxis{number}": x, f"yaxis{number}": y | dict(title=_title(title))}


def words(text, x, y, anchor="bottom", name="", size=theme.SMALL):
    """Words in the chart's own coordinates, 0 to 1."""
    where = dict(x=x, y=y, xref="paper", yref="paper", xanchor="center", yanchor=anchor)
    return dict(name=name or text, text=text, showarrow=False, font=dict(size=size), **where)


def drawn(traces, axes, notes, draw, **layout):
    """A chart of such panes; layout: title, origin, empty and others of `theme.chart`."""
    first = dict(x=axes.pop("xaxis", "Pixels"), y=axes.pop("yaxis", "Pixels"))
    margin = dict(l=14, r=14, t=theme.TOP, b=48)
    return draw(traces, annotations=notes, showlegend=False, margin=margin, **first, **axes, **layout)


def _title(text):
    return dict(text=text or " ", font=dict(size=theme.SMALL), standoff=4)
