"""Results in words: the sentence under a chart and its alternative for screen readers; one module for each of
`figures`.

Which net is worse, or whether seeds overlap, is computed in `reslab.results`.
"""

import lazy_loader

MODULES = [
    "activations",
    "attribution",
    "backbones",
    "degradation",
    "feature_maps",
    "gradient_factors",
    "gradient_flow",
    "histograms",
    "landscape",
    "lesions",
    "loss_along_gradient",
    "mean_field",
    "paths",
    "phrases",
    "representations",
    "residual_block",
    "scaling",
    "shattering",
    "stage",
    "super_resolution",
    "variants",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
