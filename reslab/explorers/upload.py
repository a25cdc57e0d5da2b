"""The button that takes a picture from the learner's computer."""

import ipywidgets as widgets


def upload_button(words, width, on_file):
    """A button that calls `on_file(content)`, bytes, with the file that was chosen. width: in pixels."""
    button = widgets.FileUpload(description=words, multiple=False, layout=widgets.Layout(width=f"{width}px"))
    button.tooltip = "A PNG or a JPEG from your computer; it stays there"
    button.add_class("reslab-upload")

    def chosen(change):
        content = last_content(change.new)
        if content is not None:
            button.set_trait("value", type(button.value)())  # so that the same file can be taken again
            on_file(content)

    button.observe(chosen, "value")
    return button


def last_content(value):
    """The bytes of the last file in the value of a FileUpload: a dict in ipywidgets 7, later a tuple. None: no file."""
    files = list(value.values() if isinstance(value, dict) else value)
    return bytes(files[-1]["content"]) if files else None
