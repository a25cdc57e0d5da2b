"""Tidy frames in, plotly figures out: one module per lesson, and one theme for all of them.

Nothing here trains, loads or computes a net: a figure can be drawn again from a saved frame, on a machine
without torch. Every function returns a plain `plotly.graph_objects.Figure`, so that you can restyle it.
"""

import pkgutil

import lazy_loader

MODULES = [module.name for module in pkgutil.iter_modules(__path__)]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
