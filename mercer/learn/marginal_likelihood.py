"""The marginal likelihood of a Gaussian process, with the scale of its kernel at its maximum."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from mercer.linalg.errors import LinAlgError

SPREAD = 1.5  # standard deviation of the prior on the log lengthscales around where they start
NOISE = (math.log(1e-6), math.log(1e3))  # bounds of the log regularisation


def negative_log_likelihood(
    K: Tensor, Y: Tensor, weights: Tensor, regularisation: float
) -> tuple[float, Tensor, float]:
    r"""The profiled negative log likelihood and its derivatives.

    With :math:`C = K + \lambda W^{-1}` and a factor of the kernel at its maximum,

    .. math:: L = \sum_j \tfrac n2 \log(y_j^T C^{-1} y_j) + \tfrac c2 \log\det C.

    Parameters
    ----------
    K : Tensor, shape (n, n)
        Positive semidefinite, float64.
    Y : Tensor, shape (n, c)
        Targets, no column all zero.
    weights : Tensor, shape (n,)
        Positive.
    regularisation : float
        Positive.

    Returns
    -------
    float, Tensor of shape (n, n), float
        ``L``, its derivative in ``K`` and in the logarithm of the regularisation.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``C`` is not positive definite in float64.
    """
    n, c = Y.shape
    noise = regularisation / weights  # [n]
    factor = torch.linalg.cholesky(K + torch.diag(noise))
    inverse = torch.cholesky_inverse(factor)  # [n, n]
    alpha = inverse @ Y  # [n, c]
    q = (Y * alpha).sum(dim=0)  # [c]
    value = 0.5 * n * q.log().sum() + c * factor.diagonal().log().sum()
    G = 0.5 * c * inverse - (0.5 * n / q * alpha) @ alpha.mT
    return float(value), G, float((G.diagonal() * noise).sum())


def maximise(
    gram: Callable[[Tensor], Tensor],
    log_lengthscale: Tensor,
    Y: Tensor,
    weights: Tensor,
    regularisation: float,
    *,
    evaluations: int = 40,
) -> tuple[Tensor, float, float]:
    """Maximise the likelihood in a log lengthscale a dimension and the regularisation, by L-BFGS.

    Parameters
    ----------
    gram : callable
        Takes log lengthscales ``[d]`` to ``K`` ``[n, n]``, differentiably.
    log_lengthscale : Tensor, shape (d,)
        Where to start, and the mean of a Gaussian prior of standard deviation ``SPREAD``.
    Y, weights, regularisation
        See :func:`negative_log_likelihood`; the regularisation is where to start.
    evaluations : int
        Most evaluations.

    Returns
    -------
    Tensor of shape (d,), float, float
        Log lengthscales, regularisation and the value reached.
    """
    start = log_lengthscale.detach()

    def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
        log_l = torch.from_numpy(z[:-1].copy()).requires_grad_()
        with torch.enable_grad():
            K = gram(log_l)
        try:
            value, G, slope = negative_log_likelihood(
                K.detach(), Y, weights, math.exp(float(z[-1]))
            )
        except LinAlgError:
            return 1e300, np.zeros_like(z)  # the line search turns back
        (gradient,) = torch.autograd.grad(K, log_l, G)
        away = (log_l.detach() - start) / SPREAD
        total = value + 0.5 * float(away.square().sum())
        return total, np.append((gradient + away / SPREAD).numpy(), slope)

    z0 = np.append(start.numpy(), np.clip(math.log(regularisation), *NOISE))
    bounds = [(float(s) - 6.0, float(s) + 6.0) for s in start] + [NOISE]
    found = minimize(
        objective,
        z0,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxfun": evaluations, "maxiter": evaluations},
    )
    return torch.from_numpy(found.x[:-1].copy()), math.exp(float(found.x[-1])), float(found.fun)
