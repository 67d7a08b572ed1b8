"""The Langevin Stein operator applied to both arguments of a kernel."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mercer import checks
from mercer.engine.formula import Formula, differentiate, parameter_symbol, score_symbol
from mercer.kernels import Kernel
from mercer.kernels.profile import Warp
from mercer.operators import KernelOperator

SQUARED = "squared_distance"


def stein_operator(
    kernel: Kernel,
    X: Tensor,
    scores_x: Tensor,
    Y: Tensor | None = None,
    scores_y: Tensor | None = None,
    *,
    precision: str = "highest",
) -> KernelOperator:
    r"""Return the operator of :math:`k_p(x, y)`, the Stein kernel, at points with their scores.

    .. math:: k_p(x, y) = \nabla_x \cdot \nabla_y k + s(x) \cdot \nabla_y k + s(y) \cdot \nabla_x k
       + k \; s(x) \cdot s(y)

    For a kernel :math:`F(\sigma_1, \ldots)` of squared distances :math:`\sigma_i = |W_i (x-y)|^2`,
    with :math:`\delta_i = W_i^\top W_i (x - y)` and subscripts of ``F`` its derivatives,

    .. math:: k_p = F\, s(x) \cdot s(y) + 2 \sum_i F_i\, (s(y) - s(x)) \cdot \delta_i
       - 2 \sum_i F_i \operatorname{tr} W_i^\top W_i - 4 \sum_{ij} F_{ij}\, \delta_i \cdot \delta_j

    which is one expression of scores of pairs: the engine applies it without a matrix. The scores
    of the two sides may be of different targets.

    Parameters
    ----------
    kernel : Kernel
        A function of squared distances: the stationary kernels, their sums and products; with a
        second derivative in the squared distance at zero, which Matérn kernels have above order 2.
    X, scores_x : Tensor, shape (*b, n, d)
        Points and the scores of the target there.
    Y, scores_y : Tensor, shape (*b, m, d), optional
        The same for the columns; ``X`` by default.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.

    Returns
    -------
    KernelOperator, shape (*b, n, m)
        Symmetric and positive semidefinite without ``Y``.

    Raises
    ------
    TypeError, ValueError
        If the kernel is no smooth function of squared distances, or scores do not fit the points.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.tensor([[0.0], [1.0]])
    >>> stein_operator(RBF(), X, -X).dense()  # a standard normal target
    tensor([[ 1.0000, -0.6065],
            [-0.6065,  2.0000]])

    References
    ----------
    Q. Liu, J. Lee, M. Jordan, "A Kernelized Stein Discrepancy for Goodness-of-fit Tests".
    https://arxiv.org/abs/1602.03253
    """
    _check(kernel, "X", X, "scores_x", scores_x)
    if (Y is None) != (scores_y is None):
        raise ValueError("give Y and scores_y together")
    if Y is not None and scores_y is not None:
        _check(kernel, "Y", Y, "scores_y", scores_y)
        checks.alike("Y", Y, "X", X)
    parts = kernel.parts()
    assert parts is not None
    W = [_linear_map(warp, X, kernel) for warp in parts.warps]  # [*b, d, k_i]
    M = [w @ w.mT for w in W]  # W_i^T W_i, [*b, d, d]
    traces = [m.diagonal(dim1=-2, dim2=-1).sum(-1) for m in M]
    formula = _stein_formula(parts.formula)

    def sides(P: Tensor, S: Tensor) -> list[Tensor]:
        delta = [P @ m for m in M]
        pairs = [delta[i] + delta[j] for j in range(len(M)) for i in range(j)]
        return [*(P @ w for w in W), *delta, *(q + S for q in delta), *pairs, S, S]

    left = sides(X, scores_x)
    right = left if Y is None or scores_y is None else sides(Y, scores_y)
    parameters = [*(q.to(X) for q in parts.parameters), *traces]
    tags = {"symmetric", "psd"} if Y is None else ()
    return KernelOperator(formula, left, right, parameters, precision=precision, tags=tags)


@functools.lru_cache(maxsize=256)
def _stein_formula(base: Formula) -> Formula:
    """``k_p`` over the scores of the base, then of delta_i, delta_i + s, pairs of deltas, s, s."""
    r, F, sigma = len(base.kinds), base.expression, base.symbols
    pairs = [(i, j) for j in range(r) for i in range(j)]
    kinds = (SQUARED,) * (3 * r + len(pairs) + 1) + ("dot",)
    symbol = [score_symbol(k, kind) for k, kind in enumerate(kinds)]
    delta, shifted = symbol[r : 2 * r], symbol[2 * r : 3 * r]  # |delta_i|^2, |delta_i + s - ...|^2
    s_s, dot = symbol[-2], symbol[-1]  # |s(x) - s(y)|^2, s(x) . s(y)
    trace = [parameter_symbol(base.parameters + i) for i in range(r)]
    first = [differentiate(F, v) for v in sigma]
    k_p = F * dot
    for i in range(r):
        # (s(y) - s(x)) . delta_i, from |delta_i + s(x) - s(y)|^2
        drift = -(shifted[i] - delta[i] - s_s) / 2
        k_p += 2 * first[i] * (drift - trace[i]) - 4 * differentiate(first[i], sigma[i]) * delta[i]
    for (i, j), both in zip(pairs, symbol[3 * r :]):
        product = (both - delta[i] - delta[j]) / 2  # delta_i . delta_j
        k_p -= 8 * differentiate(first[i], sigma[j]) * product
    return Formula(k_p, kinds, base.parameters + r)


def _linear_map(warp: Warp, X: Tensor, kernel: Kernel) -> Tensor:
    """``W^T`` with ``warp(x) = W x``, shape ``(*b, d, k)``."""
    d = X.shape[-1]
    one = torch.eye(d, dtype=X.dtype, device=X.device)
    W: Tensor = warp(one)
    at_zero = warp(one[:1] * 0)
    if bool((at_zero != 0).any()) or not torch.allclose(warp(-2 * one), -2 * W):
        raise TypeError(f"kernel must be a function of squared distances of points, got {kernel!r}")
    return W


def _check(kernel: Kernel, name: str, X: Tensor, scores_name: str, S: Tensor) -> None:
    checks.instance("kernel", kernel, Kernel, "RBF()")
    parts = kernel.parts()
    if parts is None or any(kind != SQUARED for kind in parts.formula.kinds):
        raise TypeError(f"kernel must be a function of squared distances of points, got {kernel!r}")
    if not kernel.smoothness > 4:
        raise ValueError(
            "kernel must have a second derivative in the squared distance at zero, such as "
            f"Matern(nu=2.5), got {kernel!r}"
        )
    checks.finite(name, checks.floating(name, X))
    if X.ndim < 2:
        raise ValueError(f"{name} must have shape (*b, n, d), got {tuple(X.shape)}")
    if S.shape != X.shape:
        raise ValueError(
            f"{scores_name} must have the shape of {name}, {tuple(X.shape)}, got {tuple(S.shape)}"
        )
    checks.alike(scores_name, S, name, X)
    checks.finite(scores_name, S)
