"""Empirical likelihood under one moment constraint, for many samples at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks


class EmpiricalLikelihood(NamedTuple):
    """The most likely probabilities with mean zero, through their multipliers.

    Parameters
    ----------
    multiplier : Tensor, shape (*batch,)
        :math:`\\lambda`; 0 where nothing is feasible.
    feasible : Tensor of bool, shape (*batch,)
        Whether zero is between the least and the largest value, so that a mean of zero exists.
    """

    multiplier: Tensor
    feasible: Tensor


def empirical_likelihood(
    z: Tensor, *, tolerance: float = 1e-10, max_iterations: int = 100
) -> EmpiricalLikelihood:
    r"""Maximise :math:`\sum_i \log p_i` under :math:`\sum_i p_i = 1`, :math:`\sum_i p_i z_i = 0`.

    The answer is :math:`p_i = 1 / (n (1 + \lambda z_i))`, where :math:`\lambda` maximises the
    concave :math:`\sum_i \log(1 + \lambda z_i)`: a root of
    :math:`g(\lambda) = \sum_i z_i / (1 + \lambda z_i)`, which falls between its poles
    :math:`-1 / \max z` and :math:`-1 / \min z`. As :math:`p_i \leq 1`, the root keeps a distance
    from them. Newton's method is applied to :math:`g` times its two extreme denominators, which has
    the same root and no pole, and bisects where a step would leave the bracket.

    Parameters
    ----------
    z : Tensor, shape (*batch, n)
        Finite. Zeros do not move :math:`\lambda`: a value that shall not count is set to zero.
    tolerance : float
        Of :math:`|\sum p_i z_i|`, relative to :math:`\sum p_i |z_i|`; positive.
    max_iterations : int
        At least 1.

    Returns
    -------
    EmpiricalLikelihood

    Raises
    ------
    ValueError
        If ``z`` is not finite.
    RuntimeError
        If the tolerance is not reached.

    References
    ----------
    A. B. Owen, Empirical likelihood ratio confidence intervals for a single functional,
    Biometrika 75 (1988). https://doi.org/10.1093/biomet/75.2.237

    Examples
    --------
    >>> z = torch.tensor([-1.0, 2.0, 3.0], dtype=torch.float64)
    >>> found = empirical_likelihood(z)
    >>> p = 1 / (3 * (1 + found.multiplier * z))
    >>> bool(abs(p.sum() - 1) < 1e-9 and abs((p * z).sum()) < 1e-9)
    True
    """
    checks.finite("z", checks.floating("z", z))
    checks.count("max_iterations", max_iterations)
    *batch, n = z.shape
    flat = z.reshape(-1, n)
    low, high = flat.amin(dim=1), flat.amax(dim=1)  # [rows]
    multiplier = torch.zeros_like(low)
    two_sided = (low < 0) & (high > 0)
    if bool(two_sided.any()):
        multiplier[two_sided] = _root(
            flat[two_sided], low[two_sided], high[two_sided], tolerance, max_iterations
        )
    feasible = two_sided | ((low == 0) & (high == 0))
    return EmpiricalLikelihood(multiplier.reshape(batch), feasible.reshape(batch))


def _root(z: Tensor, low: Tensor, high: Tensor, tolerance: float, max_iterations: int) -> Tensor:
    """The root for rows ``z [rows, n]`` with ``low < 0 < high``."""
    scale = torch.maximum(-low, high)
    z, low, high = z / scale[:, None], low / scale, high / scale
    n = z.shape[1]
    left, right = (1 / n - 1) / high, (1 / n - 1) / low
    root = torch.zeros_like(low)
    active = torch.arange(len(z), device=z.device)
    for _ in range(max_iterations):
        at = root[active]
        terms = z / (1 + at[:, None] * z)  # [active, n]
        g = terms.sum(dim=1)
        left = torch.where(g > 0, at, left)
        right = torch.where(g > 0, right, at)
        close = g.abs() <= tolerance * terms.abs().sum(dim=1)
        # Where rounding leaves no number in between, the bracket says all there is to say.
        close |= right - left <= 4 * torch.finfo(z.dtype).eps * torch.maximum(-left, right)
        slope = -terms.square().sum(dim=1)
        poles = (1 + at * low) * (1 + at * high)
        change = slope * poles + g * (low + high + 2 * at * low * high)
        step = at - g * poles / change
        inside = (step > left) & (step < right)
        root[active] = torch.where(close, at, torch.where(inside, step, (left + right) / 2))
        if bool(close.all()):
            return root / scale
        if bool(close.any()):
            rest = ~close
            active, z, low, high = active[rest], z[rest], low[rest], high[rest]
            left, right = left[rest], right[rest]
    raise RuntimeError(
        f"the multiplier of {len(active)} rows is not within tolerance {tolerance:g} after "
        f"{max_iterations} iterations; raise one of them"
    )
