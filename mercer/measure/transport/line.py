"""Wasserstein distances on a line, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks


def wasserstein_on_line(
    x: Tensor,
    y: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    p: float = 2.0,
) -> Tensor:
    r"""Return :math:`W_p^p = \int_0^1 |F^{-1}(u) - G^{-1}(u)|^p du` of samples of numbers.

    Parameters
    ----------
    x, y : Tensor, shapes (*b, n), (*b, m)
        The samples.
    a, b : Tensor, shapes (*b, n), (*b, m), optional
        Masses, not negative, that sum to one; equal ones by default.
    p : float, at least 1
        The power.

    Returns
    -------
    Tensor, shape (*b)
        Differentiable in ``x`` and ``y``.

    Examples
    --------
    >>> wasserstein_on_line(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0]), p=1)
    tensor(2.)

    References
    ----------
    G. Peyré, M. Cuturi, "Computational Optimal Transport", remark 2.30.
    https://arxiv.org/abs/1803.00567
    """
    checks.finite("x", checks.floating("x", x))
    checks.finite("y", checks.floating("y", y))
    checks.alike("y", y, "x", x)
    if not p >= 1:
        raise ValueError(f"p must be at least 1, got {p:g}")
    x, A = quantile_function(x, a, "a")
    y, B = quantile_function(y, b, "b")
    batch = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1], A.shape[:-1], B.shape[:-1])
    x, A, y, B = (t.expand(*batch, t.shape[-1]).contiguous() for t in (x, A, y, B))
    ends = torch.cat([A, B], dim=-1).sort(dim=-1).values  # where either function jumps
    widths = torch.diff(ends, dim=-1, prepend=torch.zeros_like(ends[..., :1]))
    middle = ends - widths / 2
    gap = quantile_at(x, A, middle) - quantile_at(y, B, middle)  # [*b, n + m]
    return (widths * gap.abs() ** p).sum(-1)


def quantile_function(x: Tensor, a: Tensor | None, name: str) -> tuple[Tensor, Tensor]:
    """Sorted values, and the mass up to each."""
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"a sample needs at least one number, got shape {tuple(x.shape)}")
    n = x.shape[-1]
    x, order = x.sort(dim=-1)
    if a is None:
        upto = torch.arange(1, n + 1, dtype=x.dtype, device=x.device) / n
        return x, upto.expand(x.shape)
    if a.shape[-1:] != (n,):
        raise ValueError(f"{name} must have {n} masses, got shape {tuple(a.shape)}")
    checks.alike(name, a, "the sample", x)
    checks.finite(name, a)
    total = a.sum(dim=-1)
    if bool((a < 0).any()) or bool(((total - 1).abs() > 1e-5).any()):
        raise ValueError(f"{name} must hold masses that are not negative and sum to one")
    upto = a.expand(x.shape).gather(-1, order).cumsum(dim=-1)
    return x, upto / upto[..., -1:]


def quantile_at(x: Tensor, upto: Tensor, u: Tensor) -> Tensor:
    """The quantile function at ``u``."""
    index = torch.searchsorted(upto, u).clamp(max=x.shape[-1] - 1)
    return x.gather(-1, index)
