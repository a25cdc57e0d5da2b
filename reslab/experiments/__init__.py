"""One module a lesson, one function a claim: each trains or measures real nets and returns a tidy frame."""

import lazy_loader

MODULES = [
    "activations",
    "architecture",
    "chaos",
    "degradation",
    "film",
    "film_frames",
    "gradient_flow",
    "lesions",
    "paths",
    "representations",
    "residual_block",
    "scaling",
    "shattering",
    "variant_costs",
    "variant_rates",
    "variants",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
