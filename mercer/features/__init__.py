"""Finite feature maps: vectors whose inner products are a kernel."""

from mercer.features.base import FeatureMap
from mercer.features.cubature import Cubature, integrate
from mercer.features.gram import gram
from mercer.features.points import DigitalNet, Halton, Lattice, PointSet
from mercer.features.random import (
    PositiveRandomFeatures,
    RandomFourierFeatures,
    attention_operator,
    gaussian_projections,
    linear_attention,
)
from mercer.features.sparse import SparseGaussian, gaussian_matvec

__all__ = [
    "Cubature",
    "DigitalNet",
    "FeatureMap",
    "Halton",
    "Lattice",
    "PointSet",
    "PositiveRandomFeatures",
    "RandomFourierFeatures",
    "SparseGaussian",
    "attention_operator",
    "gaussian_matvec",
    "gaussian_projections",
    "gram",
    "integrate",
    "linear_attention",
]
