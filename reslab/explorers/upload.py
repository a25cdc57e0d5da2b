"""The button that takes a picture from the learner's computer."""

from pathlib import Path

import anywidget
import traitlets


class Upload(anywidget.AnyWidget):
    """A button that calls `on_file(content)`, bytes, with the picture that was chosen; a large one comes smaller, and
    one that the page cannot make smaller as no bytes.

    ipywidgets' FileUpload sends any file whole: above 10 MB that ends the page's connection to the kernel, and the
    button does nothing from then on.
    """

    words = traitlets.Unicode().tag(sync=True)
    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

    def __init__(self, words, on_file):
        super().__init__(words=words)
        self.add_class("reslab-upload")
        self.on_msg(lambda _widget, _content, buffers: on_file(bytes(buffers[0])))
