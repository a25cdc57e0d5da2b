"""The stage: the face of the lessons. stage.py is the widget; the JavaScript draws one plain JSON state."""

from reslab.explorers.stage.stage import Stage

__all__ = ["Stage"]
