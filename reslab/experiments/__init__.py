"""One module a lesson, one function a claim: each trains or measures real nets and returns a tidy frame."""

from reslab.experiments import degradation, gradient_flow, shattering

__all__ = ["degradation", "gradient_flow", "shattering"]
