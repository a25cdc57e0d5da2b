"""Explorers: live widgets over the experiments. One a lesson, and `Question` for what is asked before an experiment."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "activations": ["Activations"],
        "architecture": ["Architecture"],
        "attribution": ["Attribution"],
        "backbones": ["Backbones"],
        "degradation": ["Degradation"],
        "gradient_flow": ["GradientFlow"],
        "landscape": ["Landscape"],
        "lesions": ["Lesions"],
        "question": ["Question"],
        "ready": ["Ready"],
        "residual_block": ["ResidualBlock"],
        "stage": ["Stage"],
        "super_resolution": ["SuperResolution"],
        "variants": ["Variants"],
    },
)
