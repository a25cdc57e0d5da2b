"""One module a lesson, one function a claim: each trains or measures real nets and returns a tidy frame."""

from reslab.experiments import activations, degradation

__all__ = ["activations", "degradation"]
