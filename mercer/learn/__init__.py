"""Estimators: regression and classification by kernels."""

from mercer.learn.classifier import KernelClassifier
from mercer.learn.distillation import SelfDistilledRegressor
from mercer.learn.feature_regressor import FeatureRegressor
from mercer.learn.logistic import KernelLogisticRegression
from mercer.learn.monitoring import DataQualityMonitor, LikelihoodRatioTest
from mercer.learn.plan import Plan, plan
from mercer.learn.recommend import BalancedPropensity, DebiasedFactorisation
from mercer.learn.reduction import GeneralisedSlicedInverseRegression
from mercer.learn.regressor import KernelRegressor
from mercer.learn.saving import load
from mercer.learn.smoothness import SobolevClassifier, interpolation_smoothness
from mercer.learn.spectral import (
    SpectrallyTransformedClassifier,
    SpectrallyTransformedRegressor,
    SpectralRegressor,
)

__all__ = [
    "BalancedPropensity",
    "DataQualityMonitor",
    "DebiasedFactorisation",
    "FeatureRegressor",
    "GeneralisedSlicedInverseRegression",
    "KernelClassifier",
    "KernelLogisticRegression",
    "KernelRegressor",
    "LikelihoodRatioTest",
    "Plan",
    "SelfDistilledRegressor",
    "SobolevClassifier",
    "SpectralRegressor",
    "SpectrallyTransformedClassifier",
    "SpectrallyTransformedRegressor",
    "interpolation_smoothness",
    "load",
    "plan",
]
