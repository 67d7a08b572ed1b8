"""Integrals over the unit cube to a requested error."""

from mercer.features.cubature.bayes import BayesRule
from mercer.features.cubature.cone import ConeRule
from mercer.features.cubature.integrate import Cubature, integrate
from mercer.features.cubature.periodisation import periodised
from mercer.features.cubature.replications import ReplicationsRule
from mercer.features.cubature.rule import ErrorRule

__all__ = [
    "BayesRule",
    "ConeRule",
    "Cubature",
    "ErrorRule",
    "ReplicationsRule",
    "integrate",
    "periodised",
]
