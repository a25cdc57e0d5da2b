"""Explorers: live widgets over the experiments. One a lesson, and `Prediction` for the question before it."""

from reslab.explorers.degradation import Degradation
from reslab.explorers.prediction import Prediction
from reslab.explorers.residual_block import ResidualBlock

__all__ = ["Degradation", "Prediction", "ResidualBlock"]
