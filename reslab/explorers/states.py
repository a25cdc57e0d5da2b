"""States to try, as buttons under an explorer, each with its line of text beside it for copying."""

from html import escape

import ipywidgets as widgets


def buttons(states, take):
    """A widget with a row a state: a button that says what it shows, and its line.

    states: dict what to look at → state line. take: called with the line when its button is pressed.
    """
    rows = []
    for look_at, line in states.items():
        button = widgets.Button(description=look_at, tooltip=f"Set it to {line}")
        button.on_click(lambda _, line=line: take(line))
        row = widgets.HBox([button, widgets.HTML(f"<code>{escape(line)}</code>")])
        row.add_class("reslab-state")
        rows.append(row)
    heading = widgets.HTML("<b>Try these states</b>, one after the other:")
    box = widgets.VBox([heading, *rows])
    box.add_class("reslab-states")
    return box


def table(states):
    """The same as HTML, for readers with no kernel."""
    rows = "".join(
        f"<tr><td>{escape(look_at)}</td><td><code>{escape(line)}</code></td></tr>" for look_at, line in states.items()
    )
    heads = "<tr><th>Try these states: what to look at</th><th>line to paste under <i>Share this state</i></th></tr>"
    return f"<table>{heads}{rows}</table>"
