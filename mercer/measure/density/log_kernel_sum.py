"""Logarithms of kernel sums that neither underflow nor form the matrix."""

from __future__ import annotations

import functools

import sympy
import torch
from torch import Tensor

from mercer import engine
from mercer.engine.formula import Formula, score_symbol
from mercer.measure.density.smoothing_kernel import SmoothingKernel

EXCLUDED = 1e30  # subtracted from an exponent, this leaves nothing in any dtype


def log_kernel_sum(
    kernel: SmoothingKernel,
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    *,
    leave_one_out: bool = False,
    precision: str = "highest",
) -> Tensor:
    r"""Evaluate :math:`\log \sum_j w_j k(|x_i - y_j|)` by the engine, in memory O(n + m).

    Where ``k = exp(g)`` the sum is taken relative to the largest g of the row, so that it does not
    underflow however far the points are; a kernel of compact support gives minus infinity where no
    point is in reach.

    Parameters
    ----------
    kernel : SmoothingKernel
        Of distances in the units of the points.
    X, Y : Tensor, shapes (n, d) and (m, d)
        Points; the result is differentiable in both, and in the weights.
    weights : Tensor, shape (m,)
        Positive.
    leave_one_out : bool
        Whether to leave the pairs ``i = j`` out.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.

    Returns
    -------
    Tensor, shape (n,)

    Examples
    --------
    >>> from mercer.measure.density.smoothing_kernel import smoothing_kernel
    >>> x = torch.tensor([[0.0], [100.0]])
    >>> log_kernel_sum(smoothing_kernel("gaussian"), x[:1], x[1:], torch.ones(1))
    tensor([-5000.])
    """
    rows, columns = [X], [Y]
    if leave_one_out:
        rows.append(torch.arange(len(X)).to(X)[:, None])
        columns.append(torch.arange(len(Y)).to(Y)[:, None])
    w = weights.to(X)[:, None]
    if kernel.exponent is None:
        k = _compact(kernel.profile, leave_one_out)
        return engine.reduce(k.kinds, k, rows, columns, w, precision=precision)[:, 0].log()
    g = _exponent(kernel.exponent, leave_one_out)
    return engine.log_sum_exp(g.kinds, g, rows, columns, w, precision=precision)[:, 0]


# Formulas carry caches of their own, so equal ones are made once.


@functools.cache
def _exponent(exponent: sympy.Expr, leave_one_out: bool) -> Formula:
    """The formula of ``g``; hugely negative where ``i = j``."""
    if not leave_one_out:
        return Formula(exponent, ("squared_distance",))
    same = sympy.Max(0, 1 - score_symbol(1, "squared_distance"))
    return Formula(exponent - EXCLUDED * same, ("squared_distance", "squared_distance"))


@functools.cache
def _compact(profile: sympy.Expr, leave_one_out: bool) -> Formula:
    """The formula of ``k``; zero where ``i = j``."""
    if not leave_one_out:
        return Formula(profile, ("squared_distance",))
    apart = sympy.Min(1, score_symbol(1, "squared_distance"))
    return Formula(profile * apart, ("squared_distance", "squared_distance"))
