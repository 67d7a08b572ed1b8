"""The lengthscale of a base kernel for control variates."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy.optimize import minimize_scalar

from mercer import checks
from mercer.kernels import RBF, Kernel
from mercer.kernels.median_distance import pair_distances
from mercer.linalg import logdet
from mercer.linalg.errors import LinAlgError
from mercer.measure.control_variates.constants import regress
from mercer.measure.control_variates.tasks import Samples, Scores, Tasks, Values, read_tasks, spread
from mercer.measure.stein import stein_operator
from mercer.operators import Dense, Identity

WIDEST = 30.0  # the lengthscale is looked for from the median distance over this to times it


@torch.no_grad()
def select_kernel(
    samples: Samples,
    values: Values,
    scores: Scores,
    *,
    family: Callable[[float], Kernel] = RBF,
    rule: str = "likelihood",
    regularisation: float = 1e-5,
) -> Kernel:
    r"""Return the kernel of a family with a lengthscale that suits the tasks.

    Parameters
    ----------
    samples, values, scores :
        As for :func:`control_variate_estimate`.
    family : callable
        Lengthscale, in the units of the points, to kernel.
    rule : {"likelihood", "median"}
        The restricted likelihood of Gaussian processes with the Stein kernel, a constant and one
        variance a task, each task by itself, at its maximum; or the median distance of points.
    regularisation : float, positive
        That of the estimate.

    Returns
    -------
    Kernel

    Examples
    --------
    >>> x = torch.linspace(-2, 2, 20, dtype=torch.float64)[:, None]
    >>> kernel = select_kernel(x, x[:, 0] ** 2, lambda x: -x)
    >>> bool(kernel.lengthscale > select_kernel(x, x[:, 0].abs(), lambda x: -x).lengthscale)
    True
    """
    if rule not in ("likelihood", "median"):
        raise ValueError(f"rule must be likelihood or median, got {rule!r}")
    checks.positive("regularisation", regularisation)
    tasks = read_tasks(samples, values, scores)
    points = tasks.points.split(tasks.sizes)
    apart = torch.cat([pair_distances(X, maximum=None) for X in points])
    if not len(apart):
        raise ValueError("samples must hold different points, got one only")
    middle = float(apart.median())
    if rule == "median":
        return family(middle)

    def loss(log_lengthscale: float) -> float:
        return _negative_log_likelihood(family(math.exp(log_lengthscale)), tasks, regularisation)

    reach = math.log(WIDEST)
    grid = [math.log(middle) + reach * (k / 6 - 1) for k in range(13)]
    found = [loss(z) for z in grid]
    if min(found) == math.inf:
        raise LinAlgError("no lengthscale gives a positive definite matrix; use float64")
    best = grid[min(range(13), key=found.__getitem__)]
    bounds = (max(best - reach / 6, grid[0]), min(best + reach / 6, grid[-1]))
    refined = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return family(math.exp(refined.x if refined.fun < min(found) else best))


def _negative_log_likelihood(kernel: Kernel, tasks: Tasks, regularisation: float) -> float:
    r""":math:`\sum_t \tfrac{m-1}{2} \log f^\top P f + \tfrac12 \log\det A + \tfrac12 \log 1^\top
    A^{-1} 1`."""
    total = 0.0
    parts = (tasks.points, tasks.scores, tasks.values / (tasks.indicator @ spread(tasks)))
    for X, S, f in zip(*(part.split(tasks.sizes) for part in parts)):
        m = len(f)
        K = Dense(stein_operator(kernel, X, S).dense(), tags={"psd"})
        A = K + Identity(m) * (regularisation * m)
        one = torch.ones_like(f)[:, None]
        try:
            energy = regress(A, f, one).theta @ f  # f^T P f
            inner = regress(A, one[:, 0], one[:, :0])
            volume = logdet(A) + (one[:, 0] @ inner.theta).log()
        except LinAlgError:
            return math.inf
        if not bool(energy > 0):
            return math.inf
        total += float((m - 1) * energy.log() + volume) / 2
    return total
