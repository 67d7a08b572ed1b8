"""Entropic transport of a measure to itself."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from mercer.linalg.solution import ConvergenceWarning


def self_transport(
    cost: Tensor, a: Tensor, *, epsilon: float, tol: float, max_iterations: int
) -> Tensor:
    r"""Return :math:`\min_P \langle P, C \rangle + \epsilon KL(P \| a a^\top)`, both margins ``a``.

    The two potentials are one. Averaging it with its own transform converges in some ten steps
    where alternating transforms, which swing about it, need thousands.

    Parameters
    ----------
    cost : Tensor, shape (n, n)
        Symmetric, finite.
    a : Tensor, shape (n,)
        Positive masses.
    epsilon : float
        Positive.
    tol : float
        Of the L1 error of the margin, relative to the mass.
    max_iterations : int
        Of the last of the falling values of epsilon.

    Returns
    -------
    Tensor, shape ()
        Differentiable in ``cost``.

    Examples
    --------
    >>> C, a = torch.tensor([[0.0, 9.0], [9.0, 0.0]]), torch.tensor([0.5, 0.5])
    >>> how = {"epsilon": 0.1, "tol": 1e-6, "max_iterations": 100}
    >>> self_transport(C, a, **how)  # the diagonal: epsilon log 2
    tensor(0.0693)

    References
    ----------
    J. Feydy et al., "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences".
    https://arxiv.org/abs/1810.08278
    """
    log_a, f = a.log(), torch.zeros_like(a)
    error, eps = math.inf, max(epsilon, float(cost.detach().max()))
    with torch.no_grad():
        while True:
            eps = max(epsilon, eps / 2)
            for _ in range(max_iterations if eps == epsilon else 5):
                own = -eps * torch.logsumexp((f - cost) / eps + log_a, dim=1)
                error = float((a * torch.expm1((f - own) / eps)).abs().sum() / a.sum())
                f = (f + own) / 2
                if error <= tol:
                    break
            if eps == epsilon:
                break
    if error > tol:
        warnings.warn(
            f"self_transport stopped with a margin off by {error:.1e} of the mass (tol {tol:.1e}); "
            "allow more max_iterations or a larger epsilon",
            ConvergenceWarning,
            stacklevel=2,
        )
    plan = ((f[:, None] + f - cost) / epsilon + log_a[:, None] + log_a).exp()
    return 2 * (f @ a) - epsilon * (plan.sum() - a.sum())
