"""The explorer of lesson 05: blocks clicked out of a plain net and its residual twin. lesions.py is the widget."""

from reslab.explorers.lesions.lesions import Lesions

__all__ = ["Lesions"]
