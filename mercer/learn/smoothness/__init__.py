"""Smoothness relative to a kernel: its estimate, its rates, a classifier that attains them."""

from mercer.learn.smoothness.classifier import SobolevClassifier
from mercer.learn.smoothness.eigenpairs import Eigenpairs
from mercer.learn.smoothness.excess_risk import excess_risk
from mercer.learn.smoothness.interpolation import (
    InterpolationSmoothness,
    interpolation_smoothness,
    largest_eigenpairs,
)
from mercer.learn.smoothness.rate import OptimalRate, eigenvalue_decay
from mercer.learn.smoothness.targets import Series, draw_labels, hardest_target, source_target

__all__ = [
    "Eigenpairs",
    "InterpolationSmoothness",
    "OptimalRate",
    "Series",
    "SobolevClassifier",
    "draw_labels",
    "eigenvalue_decay",
    "excess_risk",
    "hardest_target",
    "interpolation_smoothness",
    "largest_eigenpairs",
    "source_target",
]
