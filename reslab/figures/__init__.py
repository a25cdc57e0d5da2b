"""Tidy frames in, plotly figures out: one module a lesson, and one theme for all of them.

Nothing here trains, loads or computes a net: a figure can be drawn again from a saved frame, on a machine
without torch. Every function returns a plain `plotly.graph_objects.Figure`, so that you can restyle it.
"""

from reslab.figures import degradation, gradient_factors, gradient_flow, shattering, theme

__all__ = ["degradation", "gradient_factors", "gradient_flow", "shattering", "theme"]
