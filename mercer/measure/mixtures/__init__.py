"""Mixtures with unboundedly many components."""

from mercer.measure.mixtures.estimator import DirichletProcessMixture
from mercer.measure.mixtures.mixing_measure import MixingMeasure
from mercer.measure.mixtures.partition_prior import log_partition_prior

__all__ = ["DirichletProcessMixture", "MixingMeasure", "log_partition_prior"]
