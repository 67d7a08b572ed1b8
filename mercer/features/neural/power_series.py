"""Polynomials that approximate an activation on an interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mercer import checks


def power_series(activation: Callable[[Tensor], Tensor], half_width: float, degree: int) -> Tensor:
    r"""Coefficients ``c`` of :math:`\sum_k c_k z^k`, which interpolates ``f`` at Chebyshev points.

    Parameters
    ----------
    activation : callable
        ``f``, entry by entry, finite on ``[-half_width, half_width]``.
    half_width : float
        Of the interval, in units of the pre-activation; positive.
    degree : int
        Of the polynomial, at most 30: beyond, powers lose the digits.

    Returns
    -------
    Tensor, shape (degree + 1,)
        In float64, the constant first.

    Raises
    ------
    ValueError
        If ``f`` is not finite on the interval or an argument is out of range.

    Examples
    --------
    >>> power_series(torch.exp, half_width=1.0, degree=3)
    tensor([0.9946, 0.9989, 0.5429, 0.1752], dtype=torch.float64)
    """
    L = float(checks.positive("half_width", half_width))
    if checks.count("degree", degree, 0) > 30:
        raise ValueError(f"degree must be at most 30, got {degree}")

    def values(z: np.ndarray) -> np.ndarray:
        return activation(torch.from_numpy(L * z)).double().numpy()

    series = np.polynomial.Chebyshev.interpolate(values, degree)
    found = np.asarray(series.convert(kind=np.polynomial.Polynomial).coef, dtype=np.float64)
    powers = np.zeros(degree + 1)
    powers[: len(found)] = found / L ** np.arange(len(found))
    if not np.isfinite(powers).all():
        raise ValueError(f"activation must be finite on [-{L:g}, {L:g}]")
    return torch.from_numpy(powers)
