"""Random features: Fourier and positive, of independent or coupled projections."""

from mercer.features.random.linear_attention import attention_operator, linear_attention
from mercer.features.random.positive import PositiveRandomFeatures
from mercer.features.random.projections import gaussian_projections
from mercer.features.random.random_fourier import RandomFourierFeatures

__all__ = [
    "PositiveRandomFeatures",
    "RandomFourierFeatures",
    "attention_operator",
    "gaussian_projections",
    "linear_attention",
]
