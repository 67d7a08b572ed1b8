"""Kernels ``k(x, y)``, one card a file, and their algebra."""

from mercer.kernels.adaptive_digitally_shift_invariant import AdaptiveDigitallyShiftInvariant
from mercer.kernels.algebra import KernelPower, KernelProduct, KernelSum, ScaledKernel
from mercer.kernels.arc_cosine import ArcCosine
from mercer.kernels.base import Kernel
from mercer.kernels.brownian import Brownian
from mercer.kernels.cauchy import Cauchy
from mercer.kernels.config import from_config, to_config
from mercer.kernels.constant import Constant
from mercer.kernels.cosine import Cosine
from mercer.kernels.digitally_shift_invariant import DigitallyShiftInvariant
from mercer.kernels.generalized_gaussian import GeneralizedGaussian
from mercer.kernels.hyperbolic_secant import HyperbolicSecant
from mercer.kernels.inverse_multiquadric import InverseMultiquadric
from mercer.kernels.laplace import Laplace
from mercer.kernels.linear import Linear
from mercer.kernels.logistic import Logistic
from mercer.kernels.matern import Matern
from mercer.kernels.median_distance import median_distance
from mercer.kernels.neural_network_gp import NeuralNetworkGP
from mercer.kernels.periodic import Periodic
from mercer.kernels.polynomial import Polynomial
from mercer.kernels.rational_quadratic import RationalQuadratic
from mercer.kernels.rbf import RBF
from mercer.kernels.reciprocal import Reciprocal
from mercer.kernels.shift_invariant import ShiftInvariant
from mercer.kernels.spectral_mixture import SpectralMixture
from mercer.kernels.stationary import Stationary
from mercer.kernels.weighted_product import WeightedProduct
from mercer.kernels.wendland import Wendland
from mercer.kernels.white import White

__all__ = [
    "RBF",
    "AdaptiveDigitallyShiftInvariant",
    "ArcCosine",
    "Brownian",
    "Cauchy",
    "Constant",
    "Cosine",
    "DigitallyShiftInvariant",
    "GeneralizedGaussian",
    "HyperbolicSecant",
    "InverseMultiquadric",
    "Kernel",
    "KernelPower",
    "KernelProduct",
    "KernelSum",
    "Laplace",
    "Linear",
    "Logistic",
    "Matern",
    "NeuralNetworkGP",
    "Periodic",
    "Polynomial",
    "RationalQuadratic",
    "Reciprocal",
    "ScaledKernel",
    "ShiftInvariant",
    "SpectralMixture",
    "Stationary",
    "WeightedProduct",
    "Wendland",
    "White",
    "from_config",
    "median_distance",
    "to_config",
]
