"""The Fourier series of an activation on an interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.features.neural.exponentials import Exponentials

NODES = 4096  # of the midpoint rule for the coefficients


def fourier_series(
    activation: Callable[[Tensor], Tensor], half_width: float, order: int
) -> Exponentials:
    r"""The cosine series of ``f`` on ``[-L, L]``, for activations without a Fourier transform.

    .. math:: f(z) \approx \sum_{k=0}^{K} c_k \cos \frac{\pi k (z + L)}{2 L}

    It is the Fourier series of ``f`` reflected at both ends, so continuous, and its error falls at
    least as 1 / K for a Lipschitz f. Beyond L it repeats the reflected function.

    Parameters
    ----------
    activation : callable
        ``f``, entry by entry; finite on the interval.
    half_width : float
        ``L``, in units of the pre-activation; positive.
    order : int
        ``K``, at most 2047.

    Returns
    -------
    Exponentials

    Raises
    ------
    ValueError
        If ``f`` is not finite on the interval or an argument is out of range.

    Examples
    --------
    >>> relu = fourier_series(torch.relu, half_width=3.0, order=50)
    >>> z = torch.tensor([-1.0, 0.5, 2.0])
    >>> bool((relu(z) - z.relu()).abs().max() < 0.02)
    True
    """
    L = float(checks.positive("half_width", half_width))
    if checks.count("order", order, 0) >= NODES // 2:
        raise ValueError(f"order must be below {NODES // 2}, got {order}")
    k = torch.arange(order + 1, dtype=torch.float64)
    angles = math.pi * (torch.arange(NODES, dtype=torch.float64) + 0.5) / NODES
    values = activation(2 * L * angles / math.pi - L)
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"activation must be finite on [-{L:g}, {L:g}]")
    c = 2 / NODES * torch.cos(k[:, None] * angles) @ values.double()  # [K + 1]
    c[0] /= 2
    return Exponentials(1j * math.pi * k / (2 * L), c * torch.exp(0.5j * math.pi * k))
