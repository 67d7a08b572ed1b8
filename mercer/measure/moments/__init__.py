"""Methods of moments: restrictions on means and conditional means, and instrumental variables."""

from mercer.measure.moments.empirical_likelihood import FGEL, GEL
from mercer.measure.moments.generalised_moments import GMM
from mercer.measure.moments.instrumental_regressor import KernelMomentsIV
from mercer.measure.moments.kernel_moments import KMM, ConditionalKMM
from mercer.measure.moments.least_squares import LeastSquares
from mercer.measure.moments.maximum_restriction import MMR, maximum_moment
from mercer.measure.moments.neural_moments import NeuralKMM
from mercer.measure.moments.neural_variational import NeuralVMM
from mercer.measure.moments.problem import MomentProblem, residual_problem
from mercer.measure.moments.sieve import SMD
from mercer.measure.moments.variational import VMM

__all__ = [
    "FGEL",
    "GEL",
    "GMM",
    "KMM",
    "MMR",
    "SMD",
    "VMM",
    "ConditionalKMM",
    "KernelMomentsIV",
    "LeastSquares",
    "MomentProblem",
    "NeuralKMM",
    "NeuralVMM",
    "maximum_moment",
    "residual_problem",
]
