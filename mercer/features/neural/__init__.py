"""Scalable neural network kernels: features that part a layer's inputs from its parameters."""

from mercer.features.neural.activations import ACTIVATIONS, activation_spectrum
from mercer.features.neural.bundle import bundle
from mercer.features.neural.closed_form import ridge_readout
from mercer.features.neural.composed import ComposedFeatures
from mercer.features.neural.convert import snnk_from_linear
from mercer.features.neural.exponentials import Exponentials
from mercer.features.neural.fourier_series import fourier_series
from mercer.features.neural.fourier_transform import FourierTransform
from mercer.features.neural.fully_bundled import FullyBundledNetwork
from mercer.features.neural.layer import SNNKLinear, snnk_linear
from mercer.features.neural.maclaurin import MaclaurinFeatures
from mercer.features.neural.power_series import power_series
from mercer.features.neural.relu import ReLUFeatures
from mercer.features.neural.spectrum import Spectrum
from mercer.features.neural.universal import UniversalRandomFeatures

__all__ = [
    "ACTIVATIONS",
    "ComposedFeatures",
    "Exponentials",
    "FourierTransform",
    "FullyBundledNetwork",
    "MaclaurinFeatures",
    "ReLUFeatures",
    "SNNKLinear",
    "Spectrum",
    "UniversalRandomFeatures",
    "activation_spectrum",
    "bundle",
    "fourier_series",
    "power_series",
    "ridge_readout",
    "snnk_from_linear",
    "snnk_linear",
]
