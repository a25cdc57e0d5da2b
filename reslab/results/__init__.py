"""Tidy frames in, tables and verdicts out: numbers, with no sentence and no drawing; one module for each of `figures`.

Nothing here needs torch, plotly or a browser. `figures.text` writes sentences from these results, `figures` draws them,
and the tests of claims compare them.
"""

import lazy_loader

MODULES = [
    "activations",
    "attribution",
    "backbones",
    "degradation",
    "feature_maps",
    "frames",
    "gradient_factors",
    "gradient_flow",
    "histograms",
    "landscape",
    "lesions",
    "loss_along_gradient",
    "mean_field",
    "paths",
    "representations",
    "residual_block",
    "scaling",
    "shattering",
    "super_resolution",
    "variants",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
