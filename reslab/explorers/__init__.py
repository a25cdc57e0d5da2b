"""Explorers: live widgets over the experiments. One a lesson, and `Prediction` for the question before it."""

from reslab.explorers.degradation import Degradation
from reslab.explorers.gradient_flow import GradientFlow
from reslab.explorers.prediction import Prediction

__all__ = ["Degradation", "GradientFlow", "Prediction"]
