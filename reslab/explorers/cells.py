"""Which cell of the notebook made an explorer, a stage or a question: when that cell is run again, it is closed.

Otherwise the old one would go on training in the background, with no widget on the page.
"""

import re
from html import escape

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import HTML, display

_made = {}  # cell → what it made when it was last run: objects with `close`


def close_widgets(widget):
    """Close a widget and all widgets in it: ipywidgets keeps each, with its layout and style, until it is closed."""
    for name in widget.keys:
        value = getattr(widget, name, None)
        for held in value if isinstance(value, tuple | list) else (value,):
            if isinstance(held, widgets.Widget) and held.comm is not None:
                close_widgets(held)
    widget.close()


def show_closed(widget, what):
    """Whether a widget is closed; then one sentence is displayed in its place: ipywidgets shows nothing, or fails.

    what: the sentence's subject, "The explorer X".
    """
    if widget.comm is None:
        words = f"{what} is closed, because its cell was run again or close() was called. Run the cell that makes it."
        display(HTML(f'<p role="status">{escape(words)}</p>'))
    return widget.comm is None


def keep_display(widget):
    """Let a closed widget of its own class be displayed by that class: ipywidgets 7 sets its method to None."""
    vars(widget).pop("_ipython_display_", None)


def register(explorer):
    """Register something with `close`, made by the running cell.

    Does nothing outside a notebook or in a widget's handler.
    """
    cell = _running_cell()
    if cell is None:
        return
    if not _made:
        get_ipython().events.register("pre_run_cell", _close_replaced)
    _made.setdefault(cell, []).append(explorer)


def _close_replaced(_info):
    for explorer in _made.pop(_running_cell(), []):
        explorer.close()
        _forget(explorer)
    if not _made:
        get_ipython().events.unregister("pre_run_cell", _close_replaced)


def _forget(explorer):
    """Remove it from IPython's history of results, which would keep its nets and charts in memory.

    The history is Out[1], _1, _, and hidden copies of them. `del_var` deletes them all, but the learner's own variables
    too; these are set again.
    """
    shell = get_ipython()
    history = re.compile(r"_+|_\d+")
    own = {name: value for name, value in shell.user_ns.items() if value is explorer and not history.fullmatch(name)}
    shell.user_ns["_"] = explorer
    shell.del_var("_")
    shell.user_ns.update(own)


def _running_cell():
    """The id of the cell that is running, or its text where the page sends no id; None if no cell is running."""
    kernel = getattr(get_ipython(), "kernel", None)
    message = kernel.get_parent() if kernel is not None else {}
    if message.get("header", {}).get("msg_type") != "execute_request":
        return None
    return message["metadata"].get("cellId") or message["content"]["code"]
