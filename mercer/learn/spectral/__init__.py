"""One mechanism: a function of the spectrum of the kernel operator."""

from mercer.learn.spectral.circle import circle
from mercer.learn.spectral.filter import Filtered, spectral_filter
from mercer.learn.spectral.generalisation_error import GeneralisationError
from mercer.learn.spectral.noisy_components import noisy_components
from mercer.learn.spectral.profile import (
    CutOff,
    GradientDescent,
    GradientFlow,
    IteratedTikhonov,
    Ridge,
    SpectralProfile,
)
from mercer.learn.spectral.regressor import SpectralRegressor
from mercer.learn.spectral.simulation import simulate_circle, simulate_wishart
from mercer.learn.spectral.stkr import SpectrallyTransformedRegressor
from mercer.learn.spectral.stkr_classifier import SpectrallyTransformedClassifier
from mercer.learn.spectral.wishart import wishart

__all__ = [
    "CutOff",
    "Filtered",
    "GeneralisationError",
    "GradientDescent",
    "GradientFlow",
    "IteratedTikhonov",
    "Ridge",
    "SpectralProfile",
    "SpectralRegressor",
    "SpectrallyTransformedClassifier",
    "SpectrallyTransformedRegressor",
    "circle",
    "noisy_components",
    "simulate_circle",
    "simulate_wishart",
    "spectral_filter",
    "wishart",
]
