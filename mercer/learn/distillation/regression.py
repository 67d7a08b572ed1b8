"""One regression in a sequence of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mercer import checks


@dataclass(frozen=True)
class Regression:
    r"""Ridge regression on fresh points whose labels carry noise.

    .. math:: \hat w = (X^T X / T + \lambda)^{-1} X^T y / T

    Parameters
    ----------
    samples : int, at least 1
        :math:`T`.
    noise : float, at least 0
        Standard deviation :math:`\sigma` of the labels.
    regularisation : float, at least 0
        :math:`\lambda`, in units of the eigenvalues of the covariance; 0 for least squares, of
        least norm where there are fewer samples than features.

    Examples
    --------
    >>> Regression(100, noise=0.5).regularisation
    0.0
    """

    samples: int
    noise: float = 0.0
    regularisation: float = 0.0

    def __post_init__(self) -> None:
        checks.count("samples", self.samples)
        checks.interval("noise", self.noise, 0, math.inf)
        checks.interval("regularisation", self.regularisation, 0, math.inf)
