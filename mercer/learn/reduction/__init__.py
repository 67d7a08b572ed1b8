"""Nonlinear sufficient dimension reduction, of vectors and of distributions."""

from mercer.learn.reduction.bic_order import bic_order
from mercer.learn.reduction.centred_gram import CentredGram, centred_gram, nystrom_gram
from mercer.learn.reduction.cross_validation import generalised_cross_validation
from mercer.learn.reduction.distance_correlation import distance_correlation
from mercer.learn.reduction.inverse_regression import InverseRegression, inverse_regression
from mercer.learn.reduction.ladle_order import ladle_order
from mercer.learn.reduction.quantile_embedding import quantile_embedding
from mercer.learn.reduction.rank_correlation import rank_correlation
from mercer.learn.reduction.sliced_embedding import sliced_directions, sliced_embedding
from mercer.learn.reduction.sliced_inverse_regression import GeneralisedSlicedInverseRegression

__all__ = [
    "CentredGram",
    "GeneralisedSlicedInverseRegression",
    "InverseRegression",
    "bic_order",
    "centred_gram",
    "distance_correlation",
    "generalised_cross_validation",
    "inverse_regression",
    "ladle_order",
    "nystrom_gram",
    "quantile_embedding",
    "rank_correlation",
    "sliced_directions",
    "sliced_embedding",
]
