"""One module a lesson, one function a claim: each trains or measures real nets and returns a tidy frame."""

import lazy_loader

MODULES = [
    "activations",
    "architecture",
    "attribution",
    "backbones",
    "chaos",
    "degradation",
    "deletion",
    "features",
    "film",
    "film_frames",
    "gradient_factors",
    "gradient_flow",
    "landscape",
    "landscape_files",
    "landscape_path",
    "lesions",
    "loss_along_gradient",
    "mean_field",
    "paths",
    "photographs",
    "representations",
    "residual_block",
    "scaling",
    "shattering",
    "similarity",
    "super_resolution",
    "super_resolution_files",
    "symptoms",
    "variant_costs",
    "variant_rates",
    "variants",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
