"""The Luxemburg norm of a random length."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.orlicz.crossing import crossing, implicit
from mercer.measure.orlicz.function import OrliczFunction


def luxemburg_norm(
    lengths: Tensor,
    function: OrliczFunction,
    masses: Tensor | None = None,
    *,
    tol: float = 1e-12,
) -> Tensor:
    r"""Return :math:`\inf\{\lambda > 0 : \sum_i m_i \Phi(r_i / \lambda) \le 1\}`.

    Parameters
    ----------
    lengths : Tensor, shape (n,)
        ``r``, not negative.
    function : OrliczFunction
        ``Phi``.
    masses : Tensor, shape (n,), optional
        ``m``, not negative; equal ones that sum to one by default.
    tol : float, positive
        Relative error.

    Returns
    -------
    Tensor, shape ()
        Differentiable in ``lengths``; zero if all mass has length zero.

    Examples
    --------
    >>> from mercer.measure.orlicz import Power
    >>> luxemburg_norm(torch.tensor([3.0, 4.0]), Power(2.0), torch.tensor([1.0, 1.0]))
    tensor(5.)
    """
    r, m = _read(lengths, masses)
    tol = float(checks.positive("tol", tol))
    moved = (m > 0) & (r > 0)
    if not bool(moved.any()):
        return (lengths * 0).sum()
    r, m = r[moved], m[moved]
    # Every term alone is at most one at the norm, m_i Phi(r_i / norm) <= 1: a bound from below at
    # which no term exceeds one, so that nothing overflows. With all lengths the largest the sum
    # would be sum(m) Phi(max r / norm): a bound from above.
    fixed = r.detach()
    low = float((fixed / function.inverse(1 / m)).max())
    high = max(low, float(fixed.max() / function.inverse(1 / m.sum())))
    scale = crossing(lambda s: m @ function(fixed / s), low, high, tol)
    return implicit(lambda s: m @ function(r / s), scale, lengths)


def _read(lengths: Tensor, masses: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both in float64."""
    checks.finite("lengths", checks.floating("lengths", lengths))
    if lengths.ndim != 1 or len(lengths) == 0:
        raise ValueError(f"lengths must have shape (n,), got {tuple(lengths.shape)}")
    if masses is None:
        masses = torch.full_like(lengths, 1 / len(lengths)).detach()
    checks.finite("masses", checks.floating("masses", masses))
    if masses.shape != lengths.shape:
        raise ValueError(f"masses must have shape {tuple(lengths.shape)}, got {masses.shape}")
    for name, value in (("lengths", lengths), ("masses", masses)):
        if bool((value < 0).any()):
            raise ValueError(f"{name} must not be negative, got {float(value.min()):g}")
    return lengths.double(), masses.detach().double()
