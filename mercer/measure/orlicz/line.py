"""Orlicz-Wasserstein distances on a line, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.orlicz.function import OrliczFunction
from mercer.measure.orlicz.luxemburg import luxemburg_norm
from mercer.measure.transport.line import quantile_at, quantile_function


def orlicz_wasserstein_on_line(
    x: Tensor,
    y: Tensor,
    function: OrliczFunction,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> Tensor:
    r"""Return :math:`W_\Phi` of samples of numbers: the norm of :math:`F^{-1} - G^{-1}`.

    At every scale the cost :math:`\Phi(|x - y| / \lambda)` is convex in x - y, so that the monotone
    coupling is optimal at all of them.

    Parameters
    ----------
    x, y : Tensor, shapes (n,), (m,)
        The samples.
    function : OrliczFunction
        ``Phi``.
    a, b : Tensor, shapes (n,), (m,), optional
        Masses, not negative, that sum to one; equal ones by default.

    Returns
    -------
    Tensor, shape ()
        Differentiable in ``x`` and ``y``.

    Examples
    --------
    >>> from mercer.measure.orlicz import Power
    >>> x, y = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 5.0])
    >>> orlicz_wasserstein_on_line(x, y, Power(1.0))
    tensor(3.)

    References
    ----------
    A. Guha, N. Ho, X. Nguyen, "On Excess Mass Behavior in Gaussian Mixture Models with
    Orlicz-Wasserstein Distances". https://arxiv.org/abs/2301.11496
    """
    for name, sample in (("x", x), ("y", y)):
        checks.finite(name, checks.floating(name, sample))
        if sample.ndim != 1 or len(sample) == 0:
            raise ValueError(f"{name} must have shape (n,), got {tuple(sample.shape)}")
    checks.alike("y", y, "x", x)
    x, A = quantile_function(x, a, "a")
    y, B = quantile_function(y, b, "b")
    ends = torch.cat([A, B]).sort().values  # where either quantile function jumps
    widths = ends.diff(prepend=ends.new_zeros(1))
    middle = ends - widths / 2
    gaps = (quantile_at(x, A, middle) - quantile_at(y, B, middle)).abs()  # [n + m]
    return luxemburg_norm(gaps, function, widths)
