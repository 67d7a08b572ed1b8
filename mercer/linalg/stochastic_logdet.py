"""Stochastic Lanczos quadrature for ``log det K``.

S. Ubaru, J. Chen, Y. Saad, "Fast Estimation of tr(f(A)) via Stochastic Lanczos Quadrature",
https://doi.org/10.1137/16M1104974
J. Wenger, G. Pleiss, P. Hennig, J. P. Cunningham, J. R. Gardner, "Preconditioning for Scalable
Gaussian Process Hyperparameter Optimization", https://arxiv.org/abs/2107.00243
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.errors import LinAlgError
from mercer.linalg.lanczos import lanczos
from mercer.linalg.random_source import random_source
from mercer.linalg.randomly_pivoted_cholesky import RandomlyPivotedCholesky
from mercer.linalg.solve import solve
from mercer.linalg.tensors import detached, product_gradients, replace_tensors, tensors_of
from mercer.linalg.whitening import FactorWhitening, NoWhitening, Whitened, Whitening
from mercer.operators.base import Operator


class StochasticLogdet(torch.autograd.Function):
    r"""A value, with the derivative :math:`\mathrm{tr}(K^{-1} dK)` estimated by the same probes.

    With :math:`M M^T \approx K` and :math:`E[z z^T] = I`, the pair :math:`(K^{-1} M z, M^{-T} z)`
    has :math:`E[K^{-1} M z (M^{-T} z)^T] = K^{-1}`, and little variance.
    """

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, K: Operator, MZ: Tensor, right: Tensor, tol: Any, *tensors: Tensor
    ) -> Tensor:
        """Keep what the derivative needs."""
        ctx.K, ctx.tensors, ctx.tol = K, tensors, tol
        ctx.save_for_backward(MZ, right, *tensors)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, value_bar: Tensor) -> tuple[Tensor | None, ...]:
        """Solve with the probes, differentiably."""
        MZ, right, *tensors = ctx.saved_tensors
        K = replace_tensors(ctx.K, ctx.tensors, tensors)
        left = solve(K, MZ, tol=ctx.tol).x * (value_bar[..., None, None] / MZ.shape[-1])
        return (None, None, None, None, None, *product_gradients(K, tensors, left, right))


def stochastic_logdet(
    K: Operator,
    *,
    probes: int = 20,
    steps: int = 100,
    tol: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Estimate ``log det K`` as ``log det P`` plus the trace of a logarithm that is near zero.

    ``P`` is the randomly pivoted Cholesky preconditioner; a batch goes without.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Positive definite.
    probes, steps : int, at least 1
        Random signs, and Lanczos steps for each.
    tol : float, optional
        Of the solves in the derivative.
    generator : torch.Generator, optional
        Source of pivots and signs.

    Returns
    -------
    Tensor, shape (*batch)
        Differentiable in everything inside ``K``.

    Raises
    ------
    torch.linalg.LinAlgError
        If a Ritz value is not positive.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(2 * torch.eye(3), tags={"symmetric", "psd"})
    >>> print(f"{stochastic_logdet(K):.3f}")
    2.079
    """
    probes = checks.count("probes", probes)
    generator = random_source(generator, K.device)
    constant = detached(K)
    with torch.no_grad():
        M = _whitening(constant, generator)
        Z = torch.randint(0, 2, (K.n, probes), device=K.device, generator=generator)
        Z = Z.to(K.dtype) * 2 - 1  # [n, p], random signs
        value = _trace_of_log(Whitened(constant, M), Z, steps) + M.logdet()
        MZ, right = M.multiply(Z), M.solve_transpose(Z)
    tensors = tensors_of(K) if torch.is_grad_enabled() else []
    return StochasticLogdet.apply(value, K, MZ, right, tol, *tensors) if tensors else value


def _whitening(K: Operator, generator: torch.Generator | None) -> Whitening:
    if K.batch:
        return NoWhitening()
    return FactorWhitening(RandomlyPivotedCholesky(K, generator=generator))


def _trace_of_log(A: Operator, Z: Tensor, steps: int) -> Tensor:
    """Gauss quadrature with the nodes and weights of each probe's tridiagonal matrix."""
    nodes, vectors = torch.linalg.eigh(lanczos(A, Z, steps=steps).matrix)  # [*batch, p, k]
    if not bool((nodes > 0).all()):
        raise LinAlgError(
            f"the matrix is not positive definite in {str(A.dtype).removeprefix('torch.')}: a "
            f"Ritz value is {float(nodes.min()):.3g}; add noise to its diagonal "
            "(K + noise * Identity(n))"
        )
    weights = vectors[..., 0, :].square()
    return A.n * (weights * nodes.log()).sum(-1).mean(-1)
