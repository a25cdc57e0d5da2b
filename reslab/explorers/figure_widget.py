"""plotly's FigureWidget, imported without a grammar that takes a second to build."""

import sys

__all__ = ["FigureWidget"]

# The import brings nbformat, and so jsonschema, which builds a grammar of web addresses in all the world's letters if
# `rfc3987_syntax` is installed, as it is with JupyterLab: over a quarter of the time that explorers take to import, and
# no chart has such an address. None here makes its import an ImportError, which jsonschema expects.
_hidden = sys.modules.setdefault("rfc3987_syntax", None) is None
try:
    from plotly.graph_objects import FigureWidget
finally:
    if _hidden:
        del sys.modules["rfc3987_syntax"]
