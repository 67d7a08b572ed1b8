"""Spaces of polynomials."""

from __future__ import annotations

from torch import Tensor

from mercer.features.sampling.index_set import index_set
from mercer.features.sampling.polynomial_basis import PolynomialBasis
from mercer.features.sampling.tensor_space import TensorSpace


class PolynomialSpace(TensorSpace):
    """Polynomials in ``d`` variables: products of Legendre's or Hermite's.

    Parameters
    ----------
    degree : int or Tensor, shape (m, d)
        The largest degree, or the multi-indices of any set.
    dimension : int
        ``d``, where ``degree`` is a number.
    measure : {"uniform", "gaussian"}
        On ``[-1, 1]^d``, or standard normal.
    kind : {"total", "hyperbolic", "maximum"}
        Which multi-indices a degree allows, see :func:`index_set`.

    References
    ----------
    A. Cohen, G. Migliorati, Optimal weighted least-squares methods.
    https://arxiv.org/abs/1608.00512

    Examples
    --------
    >>> import torch
    >>> space = PolynomialSpace(2, 2)
    >>> space.dimension, space(torch.zeros(1, 2))[0, 0].item()
    (6, 1.0)
    """

    def __init__(
        self,
        degree: int | Tensor,
        dimension: int = 1,
        measure: str = "uniform",
        kind: str = "total",
    ) -> None:
        indices = degree if isinstance(degree, Tensor) else index_set(degree, dimension, kind)
        super().__init__(PolynomialBasis(int(indices.max()) + 1, measure), indices)
