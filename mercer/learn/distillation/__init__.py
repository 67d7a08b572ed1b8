"""Regression on one's own output: self-distillation and model collapse, by the spectrum."""

from mercer.learn.distillation.adaptive_regularisation import (
    adaptive_regularisation,
    critical_exponent,
)
from mercer.learn.distillation.chain import distil
from mercer.learn.distillation.deterministic_equivalent import deterministic_equivalent
from mercer.learn.distillation.kernel_generations import simulate_kernel_generations
from mercer.learn.distillation.least_squares_collapse import least_squares_collapse
from mercer.learn.distillation.model_collapse import model_collapse
from mercer.learn.distillation.optimal_weight import optimal_weight
from mercer.learn.distillation.power_law import power_law, scaling_law
from mercer.learn.distillation.profile import Distilled
from mercer.learn.distillation.regression import Regression
from mercer.learn.distillation.self_distillation import SelfDistilledRegressor
from mercer.learn.distillation.simulation import simulate_generations

__all__ = [
    "Distilled",
    "Regression",
    "SelfDistilledRegressor",
    "adaptive_regularisation",
    "critical_exponent",
    "deterministic_equivalent",
    "distil",
    "least_squares_collapse",
    "model_collapse",
    "optimal_weight",
    "power_law",
    "scaling_law",
    "simulate_generations",
    "simulate_kernel_generations",
]
