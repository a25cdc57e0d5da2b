"""States to try: buttons under an explorer, each with its state line beside it for copying."""

from html import escape

import ipywidgets as widgets

from reslab.explorers.setting import plain_text


def names_tab(look_at, name):
    """Whether the text of a state names this tab, with quotes around it or without: "See the tab “Map”"."""
    return plain_text(f"tab {name}").lower() in plain_text(look_at).lower()


def buttons(states, take):
    """A widget with one row per state: a button with the text of what to look at, and the state line.

    states: dict what to look at → state line. take: called with the line and that text when its button is pressed.
    """
    rows = []
    for look_at, line in states.items():
        button = widgets.Button(description=look_at, tooltip=f"Set it to {line}")
        button.on_click(lambda _, line=line, look_at=look_at: take(line, look_at))
        row = widgets.HBox([button, widgets.HTML(f"<code>{escape(line)}</code>")])
        row.add_class("reslab-state")
        rows.append(row)
    heading = widgets.HTML("<b>Try these states</b>, one after the other:")
    box = widgets.VBox([heading, *rows])
    box.add_class("reslab-states")
    return box


def table(states):
    """The same as HTML, for readers without a kernel."""
    rows = "".join(
        f"<tr><td>{escape(look_at)}</td><td><code>{escape(line)}</code></td></tr>" for look_at, line in states.items()
    )
    heads = "<tr><th>Try these states: what to look at</th><th>line to paste under <i>Share this state</i></th></tr>"
    return f"<table>{heads}{rows}</table>"
