"""Where to evaluate a function: determinantal and volume sampling, weighted least squares."""

from mercer.features.sampling.basis import Basis
from mercer.features.sampling.design import Design
from mercer.features.sampling.determinantal import projection_dpp
from mercer.features.sampling.discrete_space import DiscreteSpace
from mercer.features.sampling.index_set import index_set
from mercer.features.sampling.kernel_basis import KernelBasis
from mercer.features.sampling.kernel_space import KernelSpace
from mercer.features.sampling.least_squares import WeightedLeastSquares
from mercer.features.sampling.polynomial_basis import PolynomialBasis
from mercer.features.sampling.polynomial_space import PolynomialSpace
from mercer.features.sampling.sample_design import (
    repeated_dpp,
    sample_design,
    volume_rescaled_sampling,
)
from mercer.features.sampling.space import Projection, Space
from mercer.features.sampling.stable_size import stable_size
from mercer.features.sampling.subsample import subsample
from mercer.features.sampling.tensor_space import TensorSpace

__all__ = [
    "Basis",
    "Design",
    "DiscreteSpace",
    "KernelBasis",
    "KernelSpace",
    "PolynomialBasis",
    "PolynomialSpace",
    "Projection",
    "Space",
    "TensorSpace",
    "WeightedLeastSquares",
    "index_set",
    "projection_dpp",
    "repeated_dpp",
    "sample_design",
    "stable_size",
    "subsample",
    "volume_rescaled_sampling",
]
