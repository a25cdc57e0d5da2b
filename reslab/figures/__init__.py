"""Tidy frames in, plotly figures out: one module a lesson, and one theme for all of them.

Nothing here trains, loads or computes a net: a figure can be drawn again from a saved frame, on a machine
without torch. Every function returns a plain `plotly.graph_objects.Figure`, so that you can restyle it.
"""

import lazy_loader

MODULES = [
    "activations",
    "architecture",
    "attribution",
    "attribution_maps",
    "backbones",
    "bands",
    "degradation",
    "feature_maps",
    "gradient_factors",
    "gradient_flow",
    "histograms",
    "landscape",
    "lesions",
    "loss_along_gradient",
    "mean_field",
    "panes",
    "paths",
    "picture_walk",
    "receptive_field",
    "representations",
    "residual_block",
    "scaling",
    "shattering",
    "super_resolution",
    "super_resolution_pictures",
    "theme",
    "variants",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
