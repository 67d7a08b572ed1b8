"""Gaussian kernel matrices of small sum: heavy entries by hashing, the rest by sampling."""

from mercer.features.sparse.ball_carving import BallCarving, collision_probability
from mercer.features.sparse.mass import head_and_tail
from mercer.features.sparse.matvec import gaussian_matvec
from mercer.features.sparse.near_pairs import near_pairs
from mercer.features.sparse.plan import Plan
from mercer.features.sparse.sparse_gaussian import SparseGaussian

__all__ = [
    "BallCarving",
    "Plan",
    "SparseGaussian",
    "collision_probability",
    "gaussian_matvec",
    "head_and_tail",
    "near_pairs",
]
